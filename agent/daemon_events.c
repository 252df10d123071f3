/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_record.h"

#define ANSWER_MAX (RPC_REPLY_MAX / 2) /* then the rest is for the next question */

struct event_wait {
	struct event_wait *next;
	struct events *events;
	struct client *client;
	struct rpc_id id;
	uint64_t since;
	uv_timer_t deadline;
};

static const char *const kind_names[] = {
	[EVENT_CREATED] = "created", [EVENT_CHANGED] = "changed", [EVENT_FINISHED] = "finished"
};

void events_init(struct events *events, uv_loop_t *loop)
{
	events->loop = loop;
}

/* ---- the ring ---- */

/* Where a job is remembered, or else a place to remember it; NULL when there is none. */
static char *find_known(struct events *events, const char *uuid)
{
	char *place = NULL;

	for (size_t i = 0; i < EVENT_JOBS_MAX; i++) {
		if (strcmp(events->known[i], uuid) == 0)
			return events->known[i];
		if (events->known[i][0] == '\0' && !place)
			place = events->known[i];
	}
	return place;
}

/* A guest in doubt is not at its end. */
static enum event_kind kind_of(struct events *events, const struct json_value *record)
{
	enum status status = daemon_record_status(record);
	const char *uuid = json_get_string(record, "uuid");
	char *known = find_known(events, uuid);

	if (status_is_final(status) && status != STATUS_IN_DOUBT) {
		if (known)
			known[0] = '\0';
		return EVENT_FINISHED;
	}
	if (!known || known[0] != '\0')
		return EVENT_CHANGED;
	snprintf(known, UUID_TEXT, "%s", uuid);
	return EVENT_CREATED;
}

static char *summary(const struct json_value *record)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return NULL;
	daemon_record_summarise(record, writer);
	return strdup(json_text(writer, NULL));
}

void events_write(const struct events *events, uint64_t since, struct json_writer *writer)
{
	uint64_t oldest = events->count > EVENTS_KEPT ? events->count - EVENTS_KEPT : 0;
	uint64_t at = since > oldest ? since : oldest, lost = since < oldest ? oldest - since : 0;
	size_t size = 0;

	json_object_begin(writer);
	json_put_integer(writer, "lost", (int64_t)lost);
	json_key(writer, "events");
	json_array_begin(writer);
	for (; at < events->count && size < ANSWER_MAX; at++) {
		const struct event *event = &events->ring[at % EVENTS_KEPT];
		CLEANUP_JSON_VALUE struct json_value *record =
			json_parse(event->record, strlen(event->record), NULL);

		json_object_begin(writer);
		json_put_string(writer, "event", kind_names[event->kind]);
		json_key(writer, "record");
		if (record)
			json_copy(writer, record);
		else
			json_null(writer);
		json_object_end(writer);
		(void)json_text(writer, &size);
	}
	json_array_end(writer);
	json_put_integer(writer, "next", (int64_t)at);
	json_object_end(writer);
}

/* ---- who waits ---- */

static void on_wait_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void remove_wait(struct event_wait *wait)
{
	struct event_wait **at = &wait->events->waits;

	while (*at != wait)
		at = &(*at)->next;
	*at = wait->next;
	wait->events->wait_count--;
	uv_close((uv_handle_t *)&wait->deadline, on_wait_closed);
}

static void answer(const struct events *events, struct client *client, const struct rpc_id *id,
		   uint64_t since)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return; /* the client's own deadline ends it */
	rpc_result_begin(writer, id);
	events_write(events, since, writer);
	rpc_result_end(writer);
	client_send(client, writer);
}

static void on_deadline(uv_timer_t *timer)
{
	struct event_wait *wait = timer->data;

	answer(wait->events, wait->client, &wait->id, wait->since);
	remove_wait(wait);
}

void events_note(struct events *events, const struct json_value *record)
{
	struct event event = { .record = summary(record) };
	struct event *place = &events->ring[events->count % EVENTS_KEPT];

	if (!event.record)
		return; /* out of memory: the next one may come */
	event.kind = kind_of(events, record);
	free(place->record);
	*place = event;
	events->count++;
	while (events->waits) {
		struct event_wait *wait = events->waits;

		answer(events, wait->client, &wait->id, wait->since);
		remove_wait(wait);
	}
}

int events_wait(struct events *events, struct client *client, const struct rpc_request *request,
		struct err *err)
{
	int64_t since = json_get_integer(request->params, "since", -1);
	int64_t timeout_s = json_get_integer(request->params, "timeout_s", EVENT_WAIT_DEFAULT_S);
	uint64_t from = since < 0 || (uint64_t)since > events->count ? events->count :
								       (uint64_t)since;
	struct event_wait *wait;

	if (timeout_s > EVENT_WAIT_MAX_S)
		return err_set(err, ERR_USAGE, -EINVAL, "a wait is at most %d s long",
			       EVENT_WAIT_MAX_S);
	if (from < events->count || timeout_s == 0) {
		answer(events, client, &request->id, from);
		return 0;
	}
	wait = events->wait_count < EVENT_WAITS_MAX ? calloc(1, sizeof(*wait)) : NULL;
	if (!wait)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "too many clients wait already, try again later");
	*wait = (struct event_wait){ .next = events->waits, .events = events, .client = client,
				     .id = request->id, .since = from };
	events->waits = wait;
	events->wait_count++;
	uv_timer_init(events->loop, &wait->deadline);
	wait->deadline.data = wait;
	uv_timer_start(&wait->deadline, on_deadline, (uint64_t)timeout_s * 1000, 0);
	return 0;
}

void events_gone(struct events *events, const struct client *client)
{
	struct event_wait *next;

	for (struct event_wait *wait = events->waits; wait; wait = next) {
		next = wait->next;
		if (wait->client == client)
			remove_wait(wait);
	}
}

void events_fini(struct events *events)
{
	while (events->waits)
		remove_wait(events->waits);
	for (size_t i = 0; i < EVENTS_KEPT; i++) {
		free(events->ring[i].record);
		events->ring[i].record = NULL;
	}
	events->count = 0;
}

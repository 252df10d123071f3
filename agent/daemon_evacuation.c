/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_evacuation.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "daemon_guests.h"

#define ANSWERS_MS 200

/* A survey that is under way for a client. */
struct evacuation_query {
	struct evacuation_query *next;
	struct evacuation_clients *clients; /* NULL: they are gone */
	struct client *client;              /* NULL: it has gone */
	struct rpc_id id;
	bool begins;
	struct evacuation_request request;
};

/* Who waits until there is another version. */
struct evacuation_wait {
	struct evacuation_wait *next;
	struct evacuation_clients *clients;
	struct client *client;
	struct rpc_id id;
	uv_timer_t deadline;
};

/* ---- answers ---- */

/* A plan of thousands of guests with all their reasons may not fit. */
static void send_bounded(struct client *client, const struct rpc_id *id,
			 struct json_writer *writer)
{
	struct err err;
	size_t size;

	(void)json_text(writer, &size);
	if (size < RPC_REPLY_MAX / 2) {
		client_send(client, writer);
		return;
	}
	(void)err_set(&err, ERR_FAILED, -EMSGSIZE,
		      "the answer is longer than %d bytes; name fewer targets", RPC_REPLY_MAX / 2);
	client_error(client, id, rpc_number_of(&err), &err);
}

static void answer_plan(const struct evacuation_query *query, const struct evacuation_plan *plan)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return; /* its deadline is its own */
	rpc_result_begin(writer, &query->id);
	evacuation_write_plan(plan, query->clients->methods->config, &query->request, writer);
	rpc_result_end(writer);
	send_bounded(query->client, &query->id, writer);
}

static void answer_state(const struct evacuation_clients *clients, struct client *client,
			 const struct rpc_id *id)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return;
	rpc_result_begin(writer, id);
	json_object_begin(writer);
	json_put_integer(writer, "version", (int64_t)clients->version);
	json_key(writer, "evacuation");
	evacuation_write(clients->methods->evacuation, writer);
	json_object_end(writer);
	rpc_result_end(writer);
	send_bounded(client, id, writer);
}

/* ---- surveys ---- */

static void remove_query(struct evacuation_query *query)
{
	struct evacuation_query **at = &query->clients->queries;

	while (*at != query)
		at = &(*at)->next;
	*at = query->next;
}

static int conclude(struct evacuation_query *query, const struct json_value *survey,
		    struct err *err)
{
	struct evacuation_clients *clients = query->clients;
	struct evacuation_plan plan = { .host_count = 0 };
	int rc = evacuation_make_plan(clients->methods->config, survey, &plan, err);

	if (rc == 0 && query->begins)
		rc = evacuation_begin(clients->methods->evacuation, &query->request, &plan, err);
	else if (rc == 0)
		answer_plan(query, &plan);
	evacuation_plan_fini(&plan);
	if (rc == 0 && query->begins)
		answer_state(clients, query->client, &query->id);
	return rc;
}

/* It comes to no answer, and no evacuation: `err` says why, where there is still a client. */
static void give_up(const struct evacuation_query *query, const struct err *err)
{
	if (query->begins)
		evacuation_run_post_hook(query->clients->methods->evacuation);
	if (query->client)
		client_error(query->client, &query->id, rpc_number_of(err), err);
}

static void on_survey(void *context, const struct json_value *survey, const struct err *why)
{
	CLEANUP_FREE struct evacuation_query *query = context;
	struct err err;
	int rc;

	if (!query->clients)
		return;
	remove_query(query);
	if (why)
		err = *why;
	rc = survey && query->client ? conclude(query, survey, &err) : -EIO;
	if (rc < 0)
		give_up(query, &err);
}

static int begin_survey(struct evacuation_query *query, struct err *err)
{
	struct methods *methods = query->clients->methods;

	return guests_survey(methods->loop, methods->program, query->request.targets,
			     query->request.order == ORDER_DIRTY_RATE, on_survey, query, err);
}

/* The host's own hook was asked before anybody is looked for a place. */
static void on_pre_hook(void *context, const struct json_value *none, const struct err *why)
{
	struct evacuation_query *query = context;
	struct err err = why ? *why : (struct err){ ERR_NONE, "" };

	(void)none;
	if (query->clients && query->client && !why && begin_survey(query, &err) == 0)
		return;
	if (query->clients) {
		remove_query(query);
		give_up(query, &err);
	}
	free(query);
}

/* An evacuation begins when this host's hook has let it. */
static int begin_query(struct evacuation_query *query, struct err *err)
{
	struct methods *methods = query->clients->methods;
	int rc;

	if (!query->begins)
		return begin_survey(query, err);
	rc = evacuation_check_idle(methods->evacuation, err);
	if (rc == 0)
		rc = guests_run_hook(methods->loop, methods->program, "host-pre-evacuate",
				     on_pre_hook, query, err);
	return rc;
}

static int ask(struct methods *methods, struct client *client, const struct rpc_request *request,
	       bool begins, struct err *err)
{
	struct evacuation_clients *clients = methods->evacuation_clients;
	CLEANUP_FREE struct evacuation_query *query = calloc(1, sizeof(*query));
	size_t count = 0;
	int rc;

	for (const struct evacuation_query *at = clients->queries; at; at = at->next)
		count++;
	if (!query || count >= EVACUATION_QUERIES_MAX)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "too many ask for a plan at once, try again later");
	query->clients = clients;
	query->client = client;
	query->id = request->id;
	query->begins = begins;
	rc = evacuation_read_request(request->params, methods->config, &query->request, err);
	if (rc == 0)
		rc = begin_query(query, err);
	if (rc < 0)
		return rc;
	query->next = clients->queries;
	clients->queries = steal(query);
	return 0;
}

int host_plan(struct methods *methods, struct client *client, const struct rpc_request *request,
	      struct err *err)
{
	return ask(methods, client, request, false, err);
}

int host_evacuate(struct methods *methods, struct client *client,
		  const struct rpc_request *request, struct err *err)
{
	return ask(methods, client, request, true, err);
}

/* ---- waiting ---- */

static void on_wait_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void remove_wait(struct evacuation_wait *wait)
{
	struct evacuation_wait **at = &wait->clients->waits;

	while (*at != wait)
		at = &(*at)->next;
	*at = wait->next;
	uv_close((uv_handle_t *)&wait->deadline, on_wait_closed);
}

static void on_deadline(uv_timer_t *timer)
{
	struct evacuation_wait *wait = timer->data;

	answer_state(wait->clients, wait->client, &wait->id);
	remove_wait(wait);
}

static void on_answers_due(uv_timer_t *timer)
{
	struct evacuation_clients *clients = timer->data;

	while (clients->waits)
		on_deadline(&clients->waits->deadline);
}

void evacuation_clients_changed(void *context)
{
	struct evacuation_clients *clients = context;

	clients->version++;
	if (clients->waits && !uv_is_active((uv_handle_t *)&clients->answers))
		uv_timer_start(&clients->answers, on_answers_due, ANSWERS_MS, 0);
}

int host_evacuation(struct methods *methods, struct client *client,
		    const struct rpc_request *request, struct err *err)
{
	struct evacuation_clients *clients = methods->evacuation_clients;
	int64_t since = json_get_integer(request->params, "since", -1);
	int64_t timeout_s = json_get_integer(request->params, "timeout_s", 0);
	struct evacuation_wait *wait;
	size_t count = 0;

	if (timeout_s > EVACUATION_WAIT_MAX_S)
		return err_set(err, ERR_USAGE, -EINVAL, "a wait is at most %d s long",
			       EVACUATION_WAIT_MAX_S);
	if (since != (int64_t)clients->version || timeout_s == 0) {
		answer_state(clients, client, &request->id);
		return 0;
	}
	for (wait = clients->waits; wait; wait = wait->next)
		count++;
	wait = count < EVACUATION_WAITS_MAX ? calloc(1, sizeof(*wait)) : NULL;
	if (!wait)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "too many clients wait already, try again later");
	wait->clients = clients;
	wait->client = client;
	wait->id = request->id;
	wait->next = clients->waits;
	clients->waits = wait;
	uv_timer_init(methods->loop, &wait->deadline);
	wait->deadline.data = wait;
	uv_timer_start(&wait->deadline, on_deadline, (uint64_t)timeout_s * 1000, 0);
	return 0;
}

int host_evacuate_cancel(struct methods *methods, struct client *client,
			 const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	int rc = writer ? evacuation_stop(methods->evacuation, err)
			: err_set(err, ERR_FAILED, -ENOMEM, "no memory for the answer");

	if (rc < 0)
		return rc;
	rpc_result_begin(writer, &request->id);
	json_boolean(writer, true);
	rpc_result_end(writer);
	client_send(client, writer);
	return 0;
}

/* ---- beginning and end ---- */

void evacuation_clients_init(struct evacuation_clients *clients, struct methods *methods)
{
	*clients = (struct evacuation_clients){ .methods = methods, .version = 1 };
	uv_timer_init(methods->loop, &clients->answers);
	clients->answers.data = clients;
}

void evacuation_clients_fini(struct evacuation_clients *clients)
{
	for (struct evacuation_query *query = clients->queries; query; query = query->next)
		query->clients = NULL;
	clients->queries = NULL;
	while (clients->waits)
		remove_wait(clients->waits);
	uv_close((uv_handle_t *)&clients->answers, NULL);
}

void evacuation_clients_gone(struct evacuation_clients *clients, const struct client *client)
{
	struct evacuation_wait *next;

	for (struct evacuation_query *query = clients->queries; query; query = query->next)
		if (query->client == client)
			query->client = NULL;
	for (struct evacuation_wait *wait = clients->waits; wait; wait = next) {
		next = wait->next;
		if (wait->client == client)
			remove_wait(wait);
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * meet(): say or hear a point. Below it, in the order of the points, what each of them carries.
 */
#include "meet.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dry_run.h"
#include "memory.h"
#include "plan_file.h"
#include "plan_wire.h"
#include "tlv.h"

/* How long a side that has undone everything waits for the other to have done so, too. */
#define ABORTED_WAIT_MS 15000 /* the guest runs, and a client waits for its answer */
#define HEAR_ABORT_MS 2000

/* The fields of all points. handshake/PROTOCOL.md lists them. */
enum field {
	FIELD_PLAN = 1,         /* SP0: name of the plan */
	FIELD_GUEST = 2,        /* SP0: the description (devices/description.c) */
	FIELD_HOST = 3,         /* SP0 and its answer: the speaker's host name */
	FIELD_STARTED_US = 4,   /* SP0: the job's start, on the target's clock */
	FIELD_DOWNTIME_LIMIT = 5, /* SP0: ms */
	FIELD_SUSPENDED_US = 6, /* SP3: when the guest was suspended, on the target's clock */
	FIELD_RUNNING_US = 7,   /* SP4: when it was unpaused, on the target's clock */
	FIELD_STEP = 8,         /* SP5's answer, ABORTED: one step of the target, nested: */
	FIELD_STEP_NAME = 1,
	FIELD_STEP_PHASE = 2,
	FIELD_STEP_START_US = 3,
	FIELD_STEP_END_US = 4,
	FIELD_TROUBLE = 9,      /* SP5's answer: what went wrong after commit, for the operator */
	FIELD_MEETING = 10,     /* SP5's answer, ABORTED: when the target met a point, nested: */
	FIELD_MEETING_POINT = 1,
	FIELD_COMMIT = 11,      /* the same: when it made the commit durable; both with */
	FIELD_SPAN_START_US = 3,
	FIELD_SPAN_END_US = 4,
	FIELD_AGENT_PORT = 16,  /* SP0: the port of the speaker's agent, for an ASK */
	FIELD_SLOW_CHANNEL = 18, /* SP5's answer, ABORTED: the target's record has one */
	FIELD_PLAN_ROW = 20,    /* SP0: one row of the plan (plan_wire.c) */
};

typedef void say_fn(struct migration *m, struct tlv_writer *writer);
/* Called once for each field that was heard; -EBADMSG: not of the form it must have. */
typedef int hear_fn(struct migration *m, const struct tlv_field *field, struct err *err);
/* Called when all fields were heard: what the listener does about it. */
typedef int act_fn(struct migration *m, struct err *err);

/* ---- SP0: offered ---- */

static uint64_t on_target_clock(const struct migration *m, uint64_t at_us)
{
	return at_us + (uint64_t)m->clock_offset_us;
}

static uint64_t from_target_clock(const struct migration *m, uint64_t at_us)
{
	return at_us - (uint64_t)m->clock_offset_us;
}

static void say_offer(struct migration *m, struct tlv_writer *writer)
{
	size_t mark;

	tlv_put_string(writer, FIELD_PLAN | TLV_REQUIRED, m->plan->name);
	plan_encode(m->plan, FIELD_PLAN_ROW, writer);
	mark = tlv_begin(writer, FIELD_GUEST | TLV_REQUIRED);
	description_encode(&m->guest, writer);
	tlv_end(writer, mark);
	tlv_put_string(writer, FIELD_HOST, m->settings.host_name);
	tlv_put_u64(writer, FIELD_STARTED_US, on_target_clock(m, m->record->started_us));
	tlv_put_u64(writer, FIELD_DOWNTIME_LIMIT, m->record->downtime_limit_ms);
	tlv_put_u64(writer, FIELD_AGENT_PORT, m->settings.port);
	memory_say_offer(m, writer);
	dry_run_say_offer(m, writer);
}

static int hear_guest(struct migration *m, const struct tlv_field *field, struct err *err)
{
	int rc = description_decode(&m->guest, field->value, field->size, err);

	if (rc < 0)
		return err_prefix(err, rc, "the guest's description");
	rc = m->journal->ops->keep_guest(m->journal, field->value, field->size, err);
	m->guest.domid = 0; /* it has none here yet */
	m->record->memory_bytes = m->guest.pages_now * 4096;
	snprintf(m->record->guest_uuid, sizeof(m->record->guest_uuid), "%s", m->guest.uuid);
	snprintf(m->record->guest_name, sizeof(m->record->guest_name), "%s", m->guest.name);
	return rc;
}

/* What its certificate says counts more than what it calls itself. */
static int hear_source_name(struct migration *m, const struct tlv_field *field)
{
	char *name = m->record->source;
	int rc = tlv_get_string(field, name, sizeof(m->record->source));

	if (rc == 0 && m->settings.peer_name[0])
		snprintf(name, sizeof(m->record->source), "%s", m->settings.peer_name);
	return rc;
}

static int hear_offer(struct migration *m, const struct tlv_field *field, struct err *err)
{
	uint64_t value = 0;
	int rc;

	switch (field->type) {
	case FIELD_PLAN:
	case FIELD_PLAN_ROW:
	case FIELD_AGENT_PORT:
		return 0; /* heard by meet_read_plan(), meet_read_port() */
	case FIELD_GUEST:
		return hear_guest(m, field, err);
	case FIELD_HOST:
		return hear_source_name(m, field);
	case FIELD_STARTED_US:
		return tlv_get_u64(field, &m->record->started_us);
	case FIELD_DOWNTIME_LIMIT:
		rc = tlv_get_u64(field, &value);
		m->record->downtime_limit_ms = (uint32_t)value;
		return rc;
	case DRY_RUN_FIELD_ASKED:
		return dry_run_hear_offer(m, field);
	default:
		return memory_hear_offer(m, field);
	}
}

/* Every reason at once, in one sentence each. */
static int judge_offer(struct migration *m, struct err *err)
{
	struct dry_run *dry_run = &m->record->dry_run;
	struct reasons reasons = { .count = 0 };

	if (!m->guest.uuid[0])
		return err_set(err, ERR_FAILED, -EBADMSG, "the offer describes no guest");
	m->host->ops->examine(m->host, &m->guest, plan_attaches_late(m->plan), &reasons);
	if (!dry_run->asked)
		return reasons.count > 0 ? reasons_join(&reasons, err) : 0;
	dry_run->reasons = reasons; /* they are the answer */
	dry_run_look_for_hooks(m);
	return 0;
}

static void say_verdict(struct migration *m, struct tlv_writer *writer)
{
	tlv_put_string(writer, FIELD_HOST, m->settings.host_name);
	memory_say_answer(m, writer);
	dry_run_say_verdict(m, writer);
}

static int hear_verdict(struct migration *m, const struct tlv_field *field, struct err *err)
{
	(void)err;
	if (field->type == DRY_RUN_FIELD_REASON || field->type == DRY_RUN_FIELD_HOOK)
		return dry_run_hear_verdict(m, field);
	if (field->type != FIELD_HOST)
		return memory_hear_answer(m, field);
	return tlv_get_string(field, m->record->target, sizeof(m->record->target));
}

/* ---- SP3: released, and its answer: taken ---- */

static void say_released(struct migration *m, struct tlv_writer *writer)
{
	tlv_put_u64(writer, FIELD_SUSPENDED_US, on_target_clock(m, m->record->suspended_us));
	m->released = true; /* from here on it may have been heard */
}

static int hear_released(struct migration *m, const struct tlv_field *field, struct err *err)
{
	(void)err;
	if (field->type != FIELD_SUSPENDED_US)
		return -ENOTSUP;
	return tlv_get_u64(field, &m->record->suspended_us);
}

/* The commit: once this line is durable, the guest is the target's. */
static int take_guest(struct migration *m, struct err *err)
{
	int rc;

	m->record->commit.start_us = clock_now_us(m->clock);
	m->committing = true;
	rc = m->journal->ops->append(
		m->journal, &(struct journal_entry){ .event = JOURNAL_TAKEN }, err);
	m->record->commit.end_us = clock_now_us(m->clock);
	if (rc == 0)
		m->taken = true;
	return rc;
}

static int note_taken(struct migration *m, struct err *err)
{
	(void)err;
	m->taken = true;
	return 0;
}

/* ---- SP4: running ---- */

static void say_running(struct migration *m, struct tlv_writer *writer)
{
	tlv_put_u64(writer, FIELD_RUNNING_US, m->record->running_us);
}

static int hear_running(struct migration *m, const struct tlv_field *field, struct err *err)
{
	uint64_t at_us = 0;
	int rc;

	(void)err;
	if (field->type != FIELD_RUNNING_US)
		return -ENOTSUP;
	rc = tlv_get_u64(field, &at_us);
	if (rc == 0)
		m->record->running_us = from_target_clock(m, at_us);
	return rc;
}

/* ---- SP5's answer, and ABORTED: the target's timeline, and what went wrong there ---- */

static void say_span(struct tlv_writer *writer, uint16_t field, enum sync_point point,
		     const struct record_span *span)
{
	size_t mark = tlv_begin(writer, field);

	if (point != SYNC_NONE)
		tlv_put_u64(writer, FIELD_MEETING_POINT, point);
	tlv_put_u64(writer, FIELD_SPAN_START_US, span->start_us);
	tlv_put_u64(writer, FIELD_SPAN_END_US, span->end_us);
	tlv_end(writer, mark);
}

static void say_meetings(const struct record *record, struct tlv_writer *writer)
{
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++)
		if (record->meetings[point][SIDE_TARGET].end_us)
			say_span(writer, FIELD_MEETING, point,
				 &record->meetings[point][SIDE_TARGET]);
	if (record->commit.end_us)
		say_span(writer, FIELD_COMMIT, SYNC_NONE, &record->commit);
}

static void say_timeline(struct migration *m, struct tlv_writer *writer)
{
	for (size_t i = 0; i < m->record->step_count; i++) {
		const struct step_stamp *stamp = &m->record->steps[i];
		size_t mark = tlv_begin(writer, FIELD_STEP);

		tlv_put_string(writer, FIELD_STEP_NAME, stamp->name);
		tlv_put_u64(writer, FIELD_STEP_PHASE, stamp->phase);
		tlv_put_u64(writer, FIELD_STEP_START_US, stamp->start_us);
		tlv_put_u64(writer, FIELD_STEP_END_US, stamp->end_us);
		tlv_end(writer, mark);
	}
	say_meetings(m->record, writer);
	if (m->record->slow_channel > 0)
		tlv_put_u64(writer, FIELD_SLOW_CHANNEL, m->record->slow_channel);
	if (m->record->error.code != ERR_NONE)
		tlv_put_string(writer, FIELD_TROUBLE, m->record->error.message);
}

/* The guest has moved and runs; the operator has to hear what it lacks. */
static int hear_trouble(struct migration *m, const struct tlv_field *field)
{
	char message[ERR_MESSAGE_MAX];
	int rc = tlv_get_string(field, message, sizeof(message));

	if (rc == 0 && m->record->error.code == ERR_NONE)
		(void)err_set(&m->record->error, ERR_FAILED, -EIO, "at the target: %s", message);
	return rc;
}

static int hear_slow_channel(struct migration *m, const struct tlv_field *field)
{
	uint64_t channel;
	int rc = tlv_get_u64(field, &channel);

	if (rc == 0 && channel > MEMORY_CHANNELS_MAX)
		rc = -EBADMSG;
	if (rc == 0)
		m->record->slow_channel = (uint32_t)channel;
	return rc;
}

/* Of a meeting or of the commit; a point that we do not know is not shown. */
static int hear_span(struct migration *m, const struct tlv_field *field)
{
	struct record_span span = { 0 };
	uint64_t point = SYNC_NONE;
	struct tlv_reader reader;
	struct tlv_field inner;
	int rc;

	tlv_reader_init(&reader, field->value, field->size);
	while ((rc = tlv_next(&reader, &inner)) > 0) {
		if (inner.type == FIELD_MEETING_POINT)
			rc = tlv_get_u64(&inner, &point);
		else if (inner.type == FIELD_SPAN_START_US)
			rc = tlv_get_u64(&inner, &span.start_us);
		else if (inner.type == FIELD_SPAN_END_US)
			rc = tlv_get_u64(&inner, &span.end_us);
		if (rc < 0)
			return rc;
	}
	span.start_us = from_target_clock(m, span.start_us);
	span.end_us = from_target_clock(m, span.end_us);
	if (field->type == FIELD_COMMIT)
		m->record->commit = span;
	else if (point > SYNC_NONE && point < SYNC_POINTS)
		m->record->meetings[point][SIDE_TARGET] = span;
	return rc;
}

static int hear_step_field(struct step_stamp *stamp, const struct tlv_field *field)
{
	uint64_t value = 0;
	char name[64];
	int rc;

	if (field->type == FIELD_STEP_NAME) {
		const struct step *step;

		rc = tlv_get_string(field, name, sizeof(name));
		step = rc == 0 ? plan_step(name) : NULL;
		stamp->name = step ? step->name : NULL;
		return rc;
	}
	rc = tlv_get_u64(field, &value);
	if (field->type == FIELD_STEP_PHASE)
		stamp->phase = value <= PHASE_CLEAN ? (enum phase)value : PHASE_CLEAN;
	else if (field->type == FIELD_STEP_START_US)
		stamp->start_us = value;
	else if (field->type == FIELD_STEP_END_US)
		stamp->end_us = value;
	return rc;
}

static int hear_timeline(struct migration *m, const struct tlv_field *field, struct err *err)
{
	struct step_stamp stamp = { .side = SIDE_TARGET };
	struct tlv_reader reader;
	struct tlv_field inner;
	int rc;

	(void)err;
	if (field->type == FIELD_TROUBLE)
		return hear_trouble(m, field);
	if (field->type == FIELD_SLOW_CHANNEL)
		return hear_slow_channel(m, field);
	if (field->type == FIELD_MEETING || field->type == FIELD_COMMIT)
		return hear_span(m, field);
	if (field->type != FIELD_STEP)
		return -ENOTSUP;
	tlv_reader_init(&reader, field->value, field->size);
	while ((rc = tlv_next(&reader, &inner)) > 0) {
		rc = hear_step_field(&stamp, &inner);
		if (rc < 0)
			return rc;
	}
	if (rc < 0 || !stamp.name || m->record->step_count == RECORD_STEPS_MAX)
		return rc; /* a step that we do not know, or one too many, is not shown */
	stamp.start_us = from_target_clock(m, stamp.start_us);
	if (stamp.end_us)
		stamp.end_us = from_target_clock(m, stamp.end_us);
	m->record->steps[m->record->step_count++] = stamp;
	return 0;
}

/* ---- the points ---- */

/* What is said at a point and answered, and what the other side makes of it. NULL: nothing. */
static const struct content {
	say_fn *say;
	hear_fn *hear;
	act_fn *act;
	say_fn *answer;
	hear_fn *hear_answer;
	act_fn *act_on_answer;
} contents[SYNC_POINTS] = {
	[SYNC_SP0] = { say_offer, hear_offer, judge_offer, say_verdict, hear_verdict,
		       memory_agree },
	[SYNC_SP3] = { say_released, hear_released, take_guest, NULL, NULL, note_taken },
	[SYNC_SP4] = { say_running, hear_running, NULL, NULL, NULL, NULL },
	[SYNC_SP5] = { NULL, NULL, NULL, say_timeline, hear_timeline, NULL },
};

typedef int send_fn(struct link *link, enum sync_point point, const void *payload, size_t size,
		    uint64_t deadline_us, struct err *err);

static int tell(struct migration *m, enum sync_point point, say_fn *say, send_fn *send,
		uint64_t deadline_us, struct err *err)
{
	struct tlv_writer writer;
	int rc = 0;

	tlv_writer_init(&writer, MEET_PAYLOAD_MAX);
	if (say)
		say(m, &writer);
	if (tlv_writer_status(&writer) < 0)
		rc = err_set(err, ERR_FAILED, -EMSGSIZE, "there is too much to say at %s",
			     sync_label(point));
	if (rc == 0)
		rc = send(m->link, point, writer.bytes, writer.size, deadline_us, err);
	tlv_writer_fini(&writer);
	return rc;
}

static int take_in(struct migration *m, const struct message *message, hear_fn *hear, act_fn *act,
		   struct err *err)
{
	struct tlv_reader reader;
	struct tlv_field field;
	int rc;

	tlv_reader_init(&reader, message->payload, message->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		err->code = ERR_NONE;
		rc = hear ? hear(m, &field, err) : -ENOTSUP;
		if (rc == -ENOTSUP && !field.required)
			continue; /* of a later version */
		if (rc < 0 && err->code == ERR_NONE)
			err_set(err, ERR_INCOMPATIBLE, rc, "the peer's field %u is %s", field.type,
				rc == -ENOTSUP ? "required and not known here" : "malformed");
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "the peer's message is malformed");
	return act ? act(m, err) : 0;
}

static int say_point(struct migration *m, enum sync_point point, uint64_t deadline_us,
		     struct err *err)
{
	const struct content *content = &contents[point];
	CLEANUP_MESSAGE struct message message = { 0 };
	int rc = tell(m, point, content->say, sync_say, deadline_us, err);

	if (rc < 0 || !sync_answered(point))
		return rc;
	m->cancellable &= !m->released; /* nobody may have heard that it is to be undone */
	rc = sync_hear_answer(m->link, point, deadline_us, m->cancellable, &message, err);
	if (rc < 0)
		return rc;
	return take_in(m, &message, content->hear_answer, content->act_on_answer, err);
}

static int hear_point(struct migration *m, enum sync_point point, uint64_t deadline_us,
		      struct err *err)
{
	const struct content *content = &contents[point];
	CLEANUP_MESSAGE struct message message = m->offer;
	int rc = 0;

	m->offer = (struct message){ 0 };
	if (!message.payload)
		rc = sync_hear(m->link, point, deadline_us, m->cancellable, &message, err);
	if (rc == 0)
		rc = take_in(m, &message, content->hear, content->act, err);
	if (rc == 0 && sync_answered(point))
		rc = tell(m, point, content->answer, sync_answer, deadline_us, err);
	return rc;
}

int meet(struct migration *m, enum sync_point point, uint64_t deadline_us, struct err *err)
{
	struct record_span *span = &m->record->meetings[point][m->side];
	int rc;

	assert(point > SYNC_NONE && point < SYNC_POINTS && m->link);
	span->start_us = clock_now_us(m->clock);
	rc = sync_speaker(point) == m->side ? say_point(m, point, deadline_us, err)
					    : hear_point(m, point, deadline_us, err);
	span->end_us = clock_now_us(m->clock);
	if (rc == 0)
		m->record->sync_point = point;
	return rc;
}

static int read_plan_fields(const struct message *offer, struct plan *plan, struct err *err)
{
	struct tlv_reader reader;
	struct tlv_field field;
	int rc;

	tlv_reader_init(&reader, offer->payload, offer->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		rc = 0;
		if (field.type == FIELD_PLAN)
			rc = tlv_get_string(&field, plan->name, sizeof(plan->name));
		else if (field.type == FIELD_PLAN_ROW)
			rc = plan_decode_row(&field, plan, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int meet_read_plan(const struct message *offer, struct plan *plan, struct err *err)
{
	struct plan heard = { .name = "" };
	int rc;

	err_set(err, ERR_INCOMPATIBLE, -EPROTO, "the source's first word is no offer with a plan");
	if (offer->type != WIRE_SYNC || offer->point != SYNC_SP0)
		return -EPROTO;
	rc = read_plan_fields(offer, &heard, err);
	if (rc < 0)
		return rc;
	if (!plan_name_is_valid(heard.name))
		return -EPROTO;
	if (plan_count(&heard) == 0) { /* of a source that says no more than a name */
		if (!plan_find(heard.name))
			return err_set(err, ERR_INCOMPATIBLE, -EINVAL,
				       "this host does not know the plan '%s'", heard.name);
		heard = *plan_find(heard.name);
	}
	rc = plan_check(&heard, err);
	if (rc < 0) {
		err->code = ERR_INCOMPATIBLE;
		return rc;
	}
	*plan = heard;
	return 0;
}

uint16_t meet_read_port(const struct message *offer)
{
	struct tlv_reader reader;
	struct tlv_field field;
	uint64_t port = 0;

	tlv_reader_init(&reader, offer->payload, offer->size);
	while (tlv_next(&reader, &field) > 0)
		if (field.type == FIELD_AGENT_PORT && tlv_get_u64(&field, &port) < 0)
			port = 0;
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

int meet_hear_abort(struct migration *m, struct err *err)
{
	CLEANUP_MESSAGE struct message message = { 0 };
	int rc = m->link->ops->receive(m->link, clock_after_ms(m->clock, HEAR_ABORT_MS), false,
				       &message, err);

	if (rc < 0)
		return rc;
	return err_set(err, ERR_FAILED, -EPROTO, "the peer spoke out of turn (message %d)",
		       (int)message.type);
}

static int send_aborted(struct link *link, enum sync_point point, const void *payload, size_t size,
			uint64_t deadline_us, struct err *err)
{
	return link->ops->send(link, WIRE_ABORTED, (uint16_t)point, payload, size, deadline_us,
			       err);
}

void meet_after_abort(struct migration *m)
{
	uint64_t deadline_us = clock_after_ms(m->clock, ABORTED_WAIT_MS);
	struct err err = { ERR_NONE, "" };
	int rc;

	if (!m->link)
		return;
	rc = tell(m, SYNC_NONE, m->side == SIDE_TARGET ? say_timeline : NULL, send_aborted,
		  deadline_us, &err);
	while (rc == 0 || rc == -ECONNABORTED) { /* what crossed our ABORT is not news any more */
		CLEANUP_MESSAGE struct message message = { 0 };

		rc = m->link->ops->receive(m->link, deadline_us, false, &message, &err);
		if (rc == 0 && message.type == WIRE_ABORTED) {
			if (m->side == SIDE_SOURCE)
				(void)take_in(m, &message, hear_timeline, NULL, &err);
			return;
		}
	}
}

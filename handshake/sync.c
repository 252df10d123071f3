/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define EVENT_TEXT_MAX 64

static const struct sync_row {
	const char *label, *name, *meaning;
	enum side speaker;
	bool answered;
} sync_rows[SYNC_POINTS] = {
	[SYNC_NONE] = { .label = "", .name = "", .meaning = "" },
#define X(point, name_, speaker_, answered_, meaning_) \
	[SYNC_##point] = { #point, name_, meaning_, speaker_, answered_ },
	SYNC_TABLE(X)
#undef X
};

_Static_assert(SYNC_POINTS - 1 == WIRE_POINT_MAX, "the wire carries every point");

const char *sync_label(enum sync_point point)
{
	assert(point < SYNC_POINTS);
	return sync_rows[point].label;
}

const char *sync_name(enum sync_point point)
{
	assert(point < SYNC_POINTS);
	return sync_rows[point].name;
}

const char *sync_meaning(enum sync_point point)
{
	assert(point < SYNC_POINTS);
	return sync_rows[point].meaning;
}

enum side sync_speaker(enum sync_point point)
{
	assert(point > SYNC_NONE && point < SYNC_POINTS);
	return sync_rows[point].speaker;
}

bool sync_answered(enum sync_point point)
{
	assert(point > SYNC_NONE && point < SYNC_POINTS);
	return sync_rows[point].answered;
}

const char *side_name(enum side side)
{
	return side == SIDE_SOURCE ? "source" : "target";
}

/* "SP3 released", "the answer to SP3 released", "OUTCOME": for messages. */
static void describe(enum wire_type type, unsigned point, char text[EVENT_TEXT_MAX])
{
	const struct sync_row *row = &sync_rows[point];

	assert(point < SYNC_POINTS); /* the wire knows no other */
	if (type == WIRE_SYNC || type == WIRE_ANSWER)
		snprintf(text, EVENT_TEXT_MAX, "%s%s %s",
			 type == WIRE_ANSWER ? "the answer to " : "", row->label, row->name);
	else
		snprintf(text, EVENT_TEXT_MAX, "%s", wire_type_name(type));
}

static int hear(struct link *link, enum wire_type type, enum sync_point point,
		uint64_t deadline_us, bool cancellable, struct message *message, struct err *err)
{
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	char due[EVENT_TEXT_MAX], came[EVENT_TEXT_MAX];
	int rc;

	rc = link->ops->receive(link, deadline_us, cancellable, &got, err);
	if (rc < 0)
		return rc;
	if (got.type != type || got.point != point) {
		describe(type, point, due);
		describe(got.type, got.point, came);
		return err_set(err, ERR_FAILED, -EPROTO,
			       "%s was due, and %s came: the two hosts follow different plans",
			       due, came);
	}
	*message = got;
	got = (struct message){ .size = 0 };
	return 0;
}

int sync_say(struct link *link, enum sync_point point, const void *payload, size_t size,
	     uint64_t deadline_us, struct err *err)
{
	assert(point > SYNC_NONE && point < SYNC_POINTS);
	return link->ops->send(link, WIRE_SYNC, (uint16_t)point, payload, size, deadline_us, err);
}

int sync_answer(struct link *link, enum sync_point point, const void *payload, size_t size,
		uint64_t deadline_us, struct err *err)
{
	assert(sync_answered(point));
	return link->ops->send(link, WIRE_ANSWER, (uint16_t)point, payload, size, deadline_us, err);
}

int sync_hear(struct link *link, enum sync_point point, uint64_t deadline_us, bool cancellable,
	      struct message *message, struct err *err)
{
	assert(point > SYNC_NONE && point < SYNC_POINTS);
	return hear(link, WIRE_SYNC, point, deadline_us, cancellable, message, err);
}

int sync_hear_answer(struct link *link, enum sync_point point, uint64_t deadline_us,
		     bool cancellable, struct message *message, struct err *err)
{
	assert(sync_answered(point));
	return hear(link, WIRE_ANSWER, point, deadline_us, cancellable, message, err);
}

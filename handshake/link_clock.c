/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joining the two hosts' monotonic clocks over a link: one side probes, the other answers.
 */
#include "link.h"

#include <assert.h>
#include <errno.h>

#include "tlv.h"

#define ANSWER_BYTES_MAX 64
#define TIME_MAX_US (UINT64_C(1) << 62) /* so that no difference of two times overflows */

static int read_answer(const struct message *message, uint64_t *time_us, struct err *err)
{
	struct tlv_reader reader;
	struct tlv_field field;
	bool found = false;
	int rc;

	if (message->type != WIRE_CLOCK_ANSWER)
		return err_set(err, ERR_FAILED, -EPROTO,
			       "the peer's time was asked for, and %s came",
			       wire_type_name(message->type));
	tlv_reader_init(&reader, message->payload, message->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		if (field.type == WIRE_FIELD_TIME)
			found = tlv_get_u64(&field, time_us) == 0 && *time_us < TIME_MAX_US;
		else if (field.required)
			rc = -EPROTO;
		if (rc < 0)
			break;
	}
	if (rc < 0 || !found)
		return err_set(err, ERR_FAILED, -EPROTO,
			       "the peer's time was asked for, and the answer has none");
	return 0;
}

/* One probe: the peer's time, and when it was asked for and had. */
static int probe(struct link *link, const struct clock *clock, uint64_t deadline_us,
		 uint64_t *asked_us, uint64_t *time_us, uint64_t *heard_us, struct err *err)
{
	CLEANUP_MESSAGE struct message answer = { .size = 0 };
	int rc;

	*asked_us = clock_now_us(clock);
	rc = link->ops->send(link, WIRE_CLOCK, 0, NULL, 0, deadline_us, err);
	if (rc == 0)
		rc = link->ops->receive(link, deadline_us, false, &answer, err);
	*heard_us = clock_now_us(clock);
	return rc < 0 ? rc : read_answer(&answer, time_us, err);
}

int link_measure_clock(struct link *link, const struct clock *clock, unsigned rounds,
		       uint64_t deadline_us, int64_t *offset_us, uint64_t *uncertainty_us,
		       struct err *err)
{
	uint64_t best_us = UINT64_MAX;
	int64_t offset = 0;

	assert(rounds > 0);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t asked_us = 0, time_us = 0, heard_us = 0;
		int rc = probe(link, clock, deadline_us, &asked_us, &time_us, &heard_us, err);

		if (rc < 0)
			return err_prefix(err, rc, "measure the peer's clock");
		if (heard_us - asked_us >= best_us)
			continue;
		best_us = heard_us - asked_us;
		/* The answer was written somewhere on the way: half of it is the best guess. */
		offset = (int64_t)time_us - (int64_t)(asked_us + best_us / 2);
	}
	*offset_us = offset;
	*uncertainty_us = best_us / 2 + best_us % 2;
	return 0;
}

static int answer_probe(struct link *link, const struct clock *clock, uint64_t deadline_us,
			struct err *err)
{
	struct tlv_writer fields;
	int rc;

	tlv_writer_init(&fields, ANSWER_BYTES_MAX);
	tlv_put_u64(&fields, WIRE_FIELD_TIME, clock_now_us(clock));
	if (tlv_writer_status(&fields) < 0)
		rc = err_set(err, ERR_FAILED, -ENOMEM, "no memory to tell the peer the time");
	else
		rc = link->ops->send(link, WIRE_CLOCK_ANSWER, 0, fields.bytes, fields.size,
				     deadline_us, err);
	tlv_writer_fini(&fields);
	return rc;
}

int link_answer_clock(struct link *link, const struct clock *clock, uint64_t deadline_us,
		      struct message *message, struct err *err)
{
	for (;;) {
		struct message got = { .size = 0 };
		int rc = link->ops->receive(link, deadline_us, false, &got, err);

		if (rc < 0)
			return rc;
		if (got.type != WIRE_CLOCK) {
			*message = got;
			return 0;
		}
		message_fini(&got);
		rc = answer_probe(link, clock, deadline_us, err);
		if (rc < 0)
			return rc;
	}
}

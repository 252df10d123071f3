/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames as a peer sends them on a control connection: to a worker, to one that measures the
 * clock, and to one that answers for it.
 */
#include <assert.h>
#include <sys/socket.h>

#include "fake_clock.h"
#include "fuzz.h"
#include "link.h"

#define DEADLINE_MS 1000

static int hear(struct link *link, const struct clock *clock, struct err *err)
{
	CLEANUP_MESSAGE struct message message = { 0 };
	int rc = link->ops->receive(link, clock_after_ms(clock, DEADLINE_MS), false, &message,
				    err);

	if (rc == 0) {
		assert(message.type > 0 && message.type < WIRE_TYPES);
		assert(message.size <= WIRE_PAYLOAD_MAX && message.point <= WIRE_POINT_MAX);
		assert(message.type != WIRE_ABORT);
	}
	return rc;
}

static int measure(struct link *link, const struct clock *clock, struct err *err)
{
	uint64_t uncertainty_us;
	int64_t offset_us;

	return link_measure_clock(link, clock, 4, clock_after_ms(clock, DEADLINE_MS), &offset_us,
				  &uncertainty_us, err);
}

static int answer(struct link *link, const struct clock *clock, struct err *err)
{
	CLEANUP_MESSAGE struct message message = { 0 };

	return link_answer_clock(link, clock, clock_after_ms(clock, DEADLINE_MS), &message, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const ways[])(struct link *, const struct clock *, struct err *) = {
		hear, measure, answer,
	};
	static const uint8_t nonce[WIRE_ID_BYTES];
	struct err err = { .code = ERR_NONE };
	struct fake_clock clock;
	struct link *link;
	int rc;

	if (size == 0)
		return 0;
	fake_clock_init(&clock);
	rc = link_open(&clock.clock, fuzz_socket(SOCK_STREAM, data + 1, size - 1), nonce, "peer",
		       &link, &err);
	assert(rc == 0);
	do
		rc = ways[data[0] % 3](link, &clock.clock, &err);
	while (rc == 0);
	assert(err.code != ERR_NONE && err.message[0]);
	link->ops->close(link);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sync.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fake_clock.h"

static const uint8_t nonce[WIRE_ID_BYTES] = "one nonce for us";

/* Both workers in one process: what one says waits in the socket until the other hears it. */
struct pair {
	struct fake_clock fake;
	struct link *source, *target; /* the source's end, the target's end */
};

static int set_up(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	assert_non_null(pair);
	fake_clock_init(&pair->fake);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(link_open(&pair->fake.clock, fds[0], nonce, "target", &pair->source,
				   NULL), 0);
	assert_int_equal(link_open(&pair->fake.clock, fds[1], nonce, "source", &pair->target,
				   NULL), 0);
	*state = pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	pair->source->ops->close(pair->source);
	pair->target->ops->close(pair->target);
	free(pair);
	return 0;
}

static uint64_t soon(const struct pair *pair)
{
	return clock_after_ms(&pair->fake.clock, 1000);
}

static void the_points_are_met_in_order_by_their_speakers(void **state)
{
	struct pair *pair = *state;

	for (enum sync_point point = SYNC_SP0; point < SYNC_POINTS; point++) {
		bool by_source = sync_speaker(point) == SIDE_SOURCE;
		struct link *speaker = by_source ? pair->source : pair->target;
		struct link *listener = by_source ? pair->target : pair->source;
		CLEANUP_MESSAGE struct message said = { .size = 0 }, answer = { .size = 0 };

		assert_int_equal(sync_say(speaker, point, "hello", 5, soon(pair), NULL), 0);
		assert_int_equal(sync_hear(listener, point, soon(pair), true, &said, NULL), 0);
		assert_int_equal(said.size, 5);
		assert_memory_equal(said.payload, "hello", 5);
		if (!sync_answered(point))
			continue;
		assert_int_equal(sync_answer(listener, point, NULL, 0, soon(pair), NULL), 0);
		assert_int_equal(sync_hear_answer(speaker, point, soon(pair), true, &answer, NULL),
				 0);
		assert_int_equal(answer.size, 0);
		assert_null(answer.payload);
	}
}

static void the_points_have_the_names_that_people_read(void **state)
{
	(void)state;
	assert_string_equal(sync_label(SYNC_SP3), "SP3");
	assert_string_equal(sync_name(SYNC_SP3), "released");
	assert_non_null(strstr(sync_meaning(SYNC_SP3), "yours"));
	assert_string_equal(sync_label(SYNC_NONE), "");
	assert_int_equal(sync_speaker(SYNC_SP2), SIDE_TARGET);
	assert_false(sync_answered(SYNC_SP2));
	assert_string_equal(side_name(SIDE_SOURCE), "source");
	assert_string_equal(side_name(SIDE_TARGET), "target");
}

static void another_point_is_an_error_that_names_both(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err err;

	sync_say(pair->target, SYNC_SP1, NULL, 0, soon(pair), NULL);

	assert_int_equal(sync_hear(pair->source, SYNC_SP2, soon(pair), true, &got, &err), -EPROTO);
	assert_string_equal(err.message, "SP2 restored was due, and SP1 prepared came: "
					 "the two hosts follow different plans");
}

static void a_point_is_no_answer_to_itself(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err err;

	sync_say(pair->target, SYNC_SP3, NULL, 0, soon(pair), NULL);

	assert_int_equal(sync_hear_answer(pair->source, SYNC_SP3, soon(pair), true, &got, &err),
			 -EPROTO);
	assert_non_null(strstr(err.message, "the answer to SP3 released was due"));
}

static void what_is_no_point_at_all_is_named(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err err;

	pair->target->ops->send(pair->target, WIRE_ABORTED, 0, "x", 1, soon(pair), NULL);

	assert_int_equal(sync_hear(pair->source, SYNC_SP4, soon(pair), true, &got, &err), -EPROTO);
	assert_non_null(strstr(err.message, "ABORTED came"));
	assert_null(got.payload);
}

static void an_abort_in_place_of_a_point_brings_the_peers_reason(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err reason, err;

	err_set(&reason, ERR_NO_MEMORY, -ENOMEM, "512 MiB are free, the guest needs 1024");
	link_send_abort(pair->target, &pair->fake.clock, &reason);

	assert_int_equal(sync_hear_answer(pair->source, SYNC_SP0, soon(pair), true, &got, &err),
			 -ECONNABORTED);
	assert_int_equal(err.code, ERR_NO_MEMORY);
	assert_string_equal(err.message, "the target: 512 MiB are free, the guest needs 1024");
}

static void a_silent_peer_is_waited_for_until_the_deadline_and_no_longer(void **state)
{
	struct pair *pair = *state;
	uint64_t deadline_us = soon(pair);
	struct message got = { .size = 0 };
	struct err err;

	assert_int_equal(sync_hear(pair->source, SYNC_SP1, deadline_us, true, &got, &err),
			 -ETIMEDOUT);
	assert_int_equal(pair->fake.now_us, deadline_us);
	assert_int_equal(err.code, ERR_TIMED_OUT);
	assert_string_equal(err.message, "the target did not answer in time");
}

static void a_point_said_after_the_deadline_is_still_heard_later(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };

	assert_int_equal(sync_hear(pair->source, SYNC_SP1, soon(pair), true, &got, NULL),
			 -ETIMEDOUT);
	sync_say(pair->target, SYNC_SP1, NULL, 0, soon(pair), NULL);

	assert_int_equal(sync_hear(pair->source, SYNC_SP1, soon(pair), true, &got, NULL), 0);
}

static void a_cancel_request_ends_only_a_wait_that_may_be_cancelled(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err err;

	pair->fake.cancelled = true;

	assert_int_equal(sync_hear(pair->source, SYNC_SP1, soon(pair), true, &got, &err),
			 -ECANCELED);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_int_equal(sync_hear(pair->source, SYNC_SP4, soon(pair), false, &got, &err),
			 -ETIMEDOUT);
}

static void a_peer_that_went_away_is_said_to_have_closed(void **state)
{
	struct pair *pair = *state;
	struct message got = { .size = 0 };
	struct err err;

	shutdown(pair->target->ops->fd(pair->target), SHUT_RDWR);

	assert_int_equal(sync_hear(pair->source, SYNC_SP1, soon(pair), true, &got, &err),
			 -ECONNRESET);
	assert_string_equal(err.message, "the target closed the connection");
	assert_int_equal(sync_say(pair->source, SYNC_SP3, NULL, 0, soon(pair), &err), -EPIPE);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(the_points_are_met_in_order_by_their_speakers),
		cmocka_unit_test(the_points_have_the_names_that_people_read),
		WITH_PAIR(another_point_is_an_error_that_names_both),
		WITH_PAIR(a_point_is_no_answer_to_itself),
		WITH_PAIR(what_is_no_point_at_all_is_named),
		WITH_PAIR(an_abort_in_place_of_a_point_brings_the_peers_reason),
		WITH_PAIR(a_silent_peer_is_waited_for_until_the_deadline_and_no_longer),
		WITH_PAIR(a_point_said_after_the_deadline_is_still_heard_later),
		WITH_PAIR(a_cancel_request_ends_only_a_wait_that_may_be_cancelled),
		WITH_PAIR(a_peer_that_went_away_is_said_to_have_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "tlv.h"

static const uint8_t nonce[WIRE_ID_BYTES] = "one nonce for us";

/* A link, and the bare socket of its peer, which may say whatever it likes. */
struct wire {
	struct fake_clock fake;
	struct link *link;
	int peer;
};

static int set_up(void **state)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	int fds[2];

	assert_non_null(wire);
	fake_clock_init(&wire->fake);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(link_open(&wire->fake.clock, fds[0], nonce, "target", &wire->link, NULL),
			 0);
	wire->peer = fds[1];
	*state = wire;
	return 0;
}

static int tear_down(void **state)
{
	struct wire *wire = *state;

	wire->link->ops->close(wire->link);
	if (wire->peer >= 0)
		close(wire->peer);
	free(wire);
	return 0;
}

static uint64_t soon(const struct wire *wire)
{
	return clock_after_ms(&wire->fake.clock, 1000);
}

static void write_bytes(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* A frame as the peer would send it; `bytes` has room for it. Returns its size. */
static size_t make_frame(enum wire_type type, uint16_t point, uint32_t sequence,
			 const void *payload, size_t size, uint8_t *bytes)
{
	struct wire_frame frame = { .type = type, .point = point, .sequence = sequence,
				    .size = (uint32_t)size };

	memcpy(frame.nonce, nonce, WIRE_ID_BYTES);
	wire_encode_frame(&frame, bytes);
	if (size > 0)
		memcpy(bytes + WIRE_FRAME_BYTES, payload, size);
	return WIRE_FRAME_BYTES + size;
}

static void peer_says(struct wire *wire, enum wire_type type, uint16_t point, uint32_t sequence,
		      const void *payload, size_t size)
{
	uint8_t bytes[2048];

	write_bytes(wire->peer, bytes, make_frame(type, point, sequence, payload, size, bytes));
}

static int hear(struct wire *wire, struct message *message, struct err *err)
{
	return wire->link->ops->receive(wire->link, soon(wire), true, message, err);
}

static int say(struct wire *wire, enum wire_type type, uint16_t point, const void *payload,
	       size_t size, struct err *err)
{
	return wire->link->ops->send(wire->link, type, point, payload, size, soon(wire), err);
}

/* ---- what arrives ---- */

static void messages_arrive_whole_and_in_order(void **state)
{
	struct wire *wire = *state;

	peer_says(wire, WIRE_SYNC, 2, 1, "abc", 3);
	peer_says(wire, WIRE_ANSWER, 4, 2, NULL, 0);
	for (unsigned i = 1; i <= 2; i++) {
		CLEANUP_MESSAGE struct message got = { .size = 0 };

		assert_int_equal(hear(wire, &got, NULL), 0);
		assert_int_equal(got.type, i == 1 ? WIRE_SYNC : WIRE_ANSWER);
		assert_int_equal(got.point, 2 * i);
		assert_int_equal(got.size, i == 1 ? 3 : 0);
	}
	assert_int_equal(wire->fake.waits, 0);
}

static void a_message_in_single_bytes_is_put_together_over_many_deadlines(void **state)
{
	struct wire *wire = *state;
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	uint8_t bytes[64];
	size_t size = make_frame(WIRE_SYNC, 1, 1, "abcde", 5, bytes);

	for (size_t i = 0; i < size; i++) {
		assert_int_equal(hear(wire, &got, NULL), -ETIMEDOUT);
		write_bytes(wire->peer, bytes + i, 1);
	}

	assert_int_equal(hear(wire, &got, NULL), 0);
	assert_memory_equal(got.payload, "abcde", 5);
}

/* Each wait costs 10 ms and brings one more byte of a message that never ends. */
static void trickle(struct fake_clock *fake, void *argument)
{
	struct wire *wire = argument;

	fake->now_us += 10000;
	write_bytes(wire->peer, "x", 1);
}

static void a_peer_that_trickles_does_not_stretch_the_deadline(void **state)
{
	struct wire *wire = *state;
	uint64_t deadline_us = soon(wire);
	struct message got = { .size = 0 };
	uint8_t bytes[WIRE_FRAME_BYTES];

	make_frame(WIRE_SYNC, 1, 1, NULL, 0, bytes);
	bytes[14] = 4; /* of 1024 bytes, which begin with none */
	write_bytes(wire->peer, bytes, sizeof(bytes));
	wire->fake.on_wait = trickle;
	wire->fake.argument = wire;
	assert_int_equal(wire->link->ops->receive(wire->link, deadline_us, true, &got, NULL),
			 -ETIMEDOUT);
	assert_in_range(wire->fake.now_us, deadline_us, deadline_us + 10000);
}

static void a_cancelled_wait_leaves_the_link_usable(void **state)
{
	struct wire *wire = *state;
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	uint8_t bytes[64];
	size_t size = make_frame(WIRE_ABORTED, 0, 1, "abc", 3, bytes);

	write_bytes(wire->peer, bytes, 7);
	wire->fake.cancelled = true;
	assert_int_equal(hear(wire, &got, NULL), -ECANCELED);
	write_bytes(wire->peer, bytes + 7, size - 7);

	assert_int_equal(hear(wire, &got, NULL), 0);
	assert_int_equal(got.type, WIRE_ABORTED);
}

static void a_connection_that_ends_anywhere_is_reset(void **state)
{
	static const size_t ends[] = { 0, 1, WIRE_FRAME_BYTES - 1, WIRE_FRAME_BYTES,
				       WIRE_FRAME_BYTES + 4 };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		void *fresh;
		struct wire *wire;
		struct message got = { .size = 0 };
		struct err err;
		uint8_t bytes[64];

		set_up(&fresh);
		wire = fresh;
		make_frame(WIRE_SYNC, 1, 1, "abcde", 5, bytes);
		write_bytes(wire->peer, bytes, ends[i]);
		shutdown(wire->peer, SHUT_WR);

		assert_int_equal(hear(wire, &got, &err), -ECONNRESET);
		assert_string_equal(err.message, "the target closed the connection");
		tear_down(&fresh);
	}
}

static void what_no_peer_may_send_ends_the_link(void **state)
{
	static const struct {
		const char *why, *words;
		size_t at;     /* the byte of a good frame that is another one ... */
		uint8_t value; /* ... namely this */
	} rows[] = {
		{ "garbage", "not xenferry's protocol", 0, 'G' },
		{ "unknown type", "unknown type 99", 5, 99 },
		{ "oversize", "of 16777216 bytes", 12, 1 },
		{ "skipped one", "message 2, and message 1 was due", 11, 2 },
		{ "opening again", "sequence number 0", 11, 0 },
		{ "another job", "SYNC of another job", 31, 0xee },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fresh;
		struct wire *wire;
		struct message got = { .size = 0 };
		struct err err;
		uint8_t bytes[WIRE_FRAME_BYTES];

		set_up(&fresh);
		wire = fresh;
		make_frame(WIRE_SYNC, 1, 1, NULL, 0, bytes);
		bytes[rows[i].at] = rows[i].value;
		write_bytes(wire->peer, bytes, sizeof(bytes));

		assert_int_equal(hear(wire, &got, &err), -EPROTO);
		if (!strstr(err.message, rows[i].words))
			fail_msg("%s: %s", rows[i].why, err.message);
		assert_int_equal(hear(wire, &got, &err), -ECONNRESET);
		tear_down(&fresh);
	}
}

static void a_message_that_comes_twice_is_refused(void **state)
{
	struct wire *wire = *state;
	struct message got = { .size = 0 };
	struct err err;

	peer_says(wire, WIRE_SYNC, 4, 1, NULL, 0);
	peer_says(wire, WIRE_SYNC, 4, 1, NULL, 0);

	assert_int_equal(hear(wire, &got, NULL), 0);
	assert_int_equal(hear(wire, &got, &err), -EPROTO);
	assert_non_null(strstr(err.message, "message 1, and message 2 was due"));
}

/* ---- ABORT ---- */

static void an_abort_brings_code_and_words(void **state)
{
	struct wire *wire = *state;
	struct tlv_writer fields;
	struct message got = { .size = 0 };
	struct err err;

	tlv_writer_init(&fields, 256);
	tlv_put_string(&fields, WIRE_FIELD_CODE, "incompatible");
	tlv_put_string(&fields, 77, "of a later version");
	tlv_put_string(&fields, WIRE_FIELD_MESSAGE, "vbd xvda: sizes differ");
	peer_says(wire, WIRE_ABORT, 0, 1, fields.bytes, fields.size);
	tlv_writer_fini(&fields);

	assert_int_equal(hear(wire, &got, &err), -ECONNABORTED);
	assert_int_equal(err.code, ERR_INCOMPATIBLE);
	assert_string_equal(err.message, "the target: vbd xvda: sizes differ");
}

static void an_abort_without_a_usable_reason_is_a_failure_still(void **state)
{
	struct wire *wire = *state;
	struct tlv_writer fields;
	struct message got = { .size = 0 };
	struct err err;

	tlv_writer_init(&fields, 256);
	tlv_put_string(&fields, WIRE_FIELD_CODE, "none");
	tlv_put_string(&fields, WIRE_FIELD_MESSAGE, "line\nforged: by the peer");
	peer_says(wire, WIRE_ABORT, 0, 1, fields.bytes, fields.size);
	tlv_writer_fini(&fields);
	peer_says(wire, WIRE_ABORT, 0, 2, "\xff\xff\xff", 3);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(hear(wire, &got, &err), -ECONNABORTED);
		assert_int_equal(err.code, ERR_FAILED);
		assert_string_equal(err.message,
				    "the target: it gave no reason that can be shown");
	}
}

static void our_own_words_pass_even_when_a_script_put_line_breaks_into_them(void **state)
{
	struct wire *wire = *state;
	struct link *peer;
	struct message got = { .size = 0 };
	struct err reason, err;

	assert_int_equal(link_open(&wire->fake.clock, wire->peer, nonce, "source", &peer, NULL), 0);
	wire->peer = -1;
	err_set(&reason, ERR_REFUSED, -EPERM, "script vif-bridge:\nno\tbridge");
	link_send_abort(wire->link, &wire->fake.clock, &reason);

	assert_int_equal(peer->ops->receive(peer, soon(wire), true, &got, &err), -ECONNABORTED);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.message, "the source: script vif-bridge: no bridge");
	peer->ops->close(peer);
}

/* ---- what is sent ---- */

static void a_message_has_the_specified_bytes(void **state)
{
	struct wire *wire = *state;
	uint8_t expected[WIRE_FRAME_BYTES + 3], got[WIRE_FRAME_BYTES + 3];

	make_frame(WIRE_SYNC, 4, 1, "abc", 3, expected);
	assert_int_equal(say(wire, WIRE_SYNC, 4, "abc", 3, NULL), 0);

	assert_int_equal(recv(wire->peer, got, sizeof(got), MSG_WAITALL), sizeof(got));
	assert_memory_equal(got, expected, sizeof(got));
}

static void a_peer_that_takes_nothing_is_given_up_at_the_deadline(void **state)
{
	struct wire *wire = *state;
	uint8_t *payload = calloc(1, WIRE_PAYLOAD_MAX);
	uint64_t deadline_us = soon(wire);
	struct err err;
	int rc = 0;

	assert_non_null(payload);
	while (rc == 0)
		rc = say(wire, WIRE_SYNC, 1, payload, WIRE_PAYLOAD_MAX, &err);

	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(wire->fake.now_us, deadline_us);
	assert_string_equal(err.message, "the target did not take a message in time");
	assert_int_equal(say(wire, WIRE_ABORT, 0, NULL, 0, NULL), -EPIPE);
	free(payload);
}

static void sending_to_a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
	struct wire *wire = *state;
	struct err err;

	close(wire->peer);
	wire->peer = -1;

	assert_int_equal(say(wire, WIRE_SYNC, 1, NULL, 0, &err), -EPIPE);
	assert_non_null(strstr(err.message, "the connection to the target is lost"));
}

/* In another process: sends back the payload of the message that it receives. */
static int echo(int fd)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, 30000);
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	struct link *link;

	return link_open(&clock_system, fd, nonce, "source", &link, NULL) < 0 ||
	       link->ops->receive(link, deadline_us, false, &got, NULL) < 0 ||
	       link->ops->send(link, WIRE_ANSWER, 1, got.payload, got.size, deadline_us, NULL) < 0;
}

static void the_largest_message_passes_in_pieces_both_ways(void **state)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, 30000);
	uint8_t *payload = malloc(WIRE_PAYLOAD_MAX);
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	struct link *link;
	int fds[2], status;
	pid_t child;

	(void)state;
	assert_non_null(payload);
	for (size_t i = 0; i < WIRE_PAYLOAD_MAX; i++)
		payload[i] = (uint8_t)(i * 31 + i / 256);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	child = fork();
	if (child == 0)
		_exit(echo(fds[1]));
	close(fds[1]);
	assert_int_equal(link_open(&clock_system, fds[0], nonce, "target", &link, NULL), 0);
	assert_int_equal(link->ops->send(link, WIRE_SYNC, 1, payload, WIRE_PAYLOAD_MAX,
					 deadline_us, NULL), 0);

	assert_int_equal(link->ops->receive(link, deadline_us, false, &got, NULL), 0);
	assert_int_equal(got.size, WIRE_PAYLOAD_MAX);
	assert_memory_equal(got.payload, payload, WIRE_PAYLOAD_MAX);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	link->ops->close(link);
	free(payload);
}

/* ---- clocks ---- */

/* The peer's clock is 5 s ahead; the way there and back takes 8, then 2, then 6 ms. */
static void answer_time(struct fake_clock *fake, void *argument)
{
	static const uint64_t ways_us[] = { 8000, 2000, 6000 };
	struct wire *wire = argument;
	struct tlv_writer fields;
	uint64_t way_us;

	assert_in_range(fake->waits, 1, 3);
	way_us = ways_us[fake->waits - 1];
	tlv_writer_init(&fields, 64);
	tlv_put_u64(&fields, WIRE_FIELD_TIME, fake->now_us + way_us / 2 + 5000000 +
		    (way_us == 2000 ? 700 : 3000));
	peer_says(wire, WIRE_CLOCK_ANSWER, 0, fake->waits, fields.bytes, fields.size);
	tlv_writer_fini(&fields);
	fake->now_us += way_us;
}

static void the_clocks_are_joined_by_the_probe_with_the_shortest_way(void **state)
{
	struct wire *wire = *state;
	int64_t offset_us = 0;
	uint64_t uncertainty_us = 0;

	wire->fake.on_wait = answer_time;
	wire->fake.argument = wire;
	assert_int_equal(link_measure_clock(wire->link, &wire->fake.clock, 3, soon(wire),
					    &offset_us, &uncertainty_us, NULL), 0);

	assert_int_equal(offset_us, 5000700);
	assert_int_equal(uncertainty_us, 1000);
}

static void an_answer_without_a_sane_time_is_refused(void **state)
{
	struct wire *wire = *state;
	static const uint8_t late[] = { 0, WIRE_FIELD_TIME, 0, 0, 0, 8,
					0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	int64_t offset_us = 42;
	uint64_t uncertainty_us;

	peer_says(wire, WIRE_CLOCK_ANSWER, 0, 1, NULL, 0);
	peer_says(wire, WIRE_CLOCK_ANSWER, 0, 2, late, sizeof(late));
	peer_says(wire, WIRE_CLOCK_ANSWER, 0, 3, "\x80\x63\0\0\0", 6);
	peer_says(wire, WIRE_SYNC, 1, 4, NULL, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(link_measure_clock(wire->link, &wire->fake.clock, 1, soon(wire),
						    &offset_us, &uncertainty_us, NULL), -EPROTO);

	assert_int_equal(offset_us, 42);
}

static void probes_are_answered_until_another_message_comes(void **state)
{
	struct wire *wire = *state;
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	uint8_t bytes[2 * (WIRE_FRAME_BYTES + TLV_HEADER_BYTES + 8)];
	struct wire_frame frame;

	peer_says(wire, WIRE_CLOCK, 0, 1, NULL, 0);
	peer_says(wire, WIRE_CLOCK, 0, 2, NULL, 0);
	peer_says(wire, WIRE_SYNC, 1, 3, "abc", 3);

	assert_int_equal(link_answer_clock(wire->link, &wire->fake.clock, soon(wire), &got, NULL),
			 0);
	assert_int_equal(got.type, WIRE_SYNC);
	assert_int_equal(got.size, 3);
	assert_int_equal(recv(wire->peer, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_int_equal(wire_decode_frame(bytes + sizeof(bytes) / 2, &frame, NULL), 0);
	assert_int_equal(frame.type, WIRE_CLOCK_ANSWER);
	assert_int_equal(frame.sequence, 2);
}

#define WITH_WIRE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WIRE(messages_arrive_whole_and_in_order),
		WITH_WIRE(a_message_in_single_bytes_is_put_together_over_many_deadlines),
		WITH_WIRE(a_peer_that_trickles_does_not_stretch_the_deadline),
		WITH_WIRE(a_cancelled_wait_leaves_the_link_usable),
		cmocka_unit_test(a_connection_that_ends_anywhere_is_reset),
		cmocka_unit_test(what_no_peer_may_send_ends_the_link),
		WITH_WIRE(a_message_that_comes_twice_is_refused),
		WITH_WIRE(an_abort_brings_code_and_words),
		WITH_WIRE(an_abort_without_a_usable_reason_is_a_failure_still),
		WITH_WIRE(our_own_words_pass_even_when_a_script_put_line_breaks_into_them),
		WITH_WIRE(a_message_has_the_specified_bytes),
		WITH_WIRE(a_peer_that_takes_nothing_is_given_up_at_the_deadline),
		WITH_WIRE(sending_to_a_peer_that_is_gone_is_an_error_and_no_signal),
		cmocka_unit_test(the_largest_message_passes_in_pieces_both_ways),
		WITH_WIRE(the_clocks_are_joined_by_the_probe_with_the_shortest_way),
		WITH_WIRE(an_answer_without_a_sane_time_is_refused),
		WITH_WIRE(probes_are_answered_until_another_message_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

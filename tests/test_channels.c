/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connections of a filtered stream, and the limit on what leaves them. */
#include "channels.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"

#define LARGE 400000u /* more than a socket takes whole */

struct scene {
	struct fake_clock fake;
	int near[2], far[2];
	struct channels sender, receiver;
	struct err err;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	fake_clock_init(&scene->fake);
	for (int i = 0; i < 2; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
					    pair), 0);
		scene->near[i] = pair[0];
		scene->far[i] = pair[1];
	}
	assert_int_equal(channels_init(&scene->sender, &scene->fake.clock, scene->near, 2, NULL),
			 0);
	assert_int_equal(channels_init(&scene->receiver, &scene->fake.clock, scene->far, 2, NULL),
			 0);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	channels_fini(&scene->sender);
	channels_fini(&scene->receiver);
	for (int i = 0; i < 2; i++) {
		close(scene->near[i]);
		close(scene->far[i]);
	}
	free(scene);
	return 0;
}

static int send_frame(struct scene *scene, uint32_t size)
{
	struct frame frame = { .type = FRAME_BYTES, .size = size, .plain_size = size };
	uint8_t *payload = channels_room(&scene->sender, &frame, &scene->err);

	if (!payload)
		return -1;
	memset(payload, (int)frame.sequence, size);
	return channels_send(&scene->sender, &frame, &scene->err);
}

static void frames_take_turns_and_come_in_order(void **state)
{
	struct scene *scene = *state;
	const uint8_t *payload;
	struct frame frame;

	for (int i = 0; i < 6; i++)
		assert_int_equal(send_frame(scene, 100), 0);
	assert_int_equal(scene->sender.bytes, 6 * (100 + FRAME_HEADER_BYTES));
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
		assert_int_equal(frame.sequence, i);
		assert_int_equal(payload[99], i);
		assert_int_equal(scene->receiver.current, (i + 1) % 2);
	}
}

static void a_sender_whom_nobody_reads_gives_up_and_names_the_channel(void **state)
{
	struct scene *scene = *state;
	int rc = 0;

	while (rc == 0)
		rc = send_frame(scene, LARGE);
	assert_non_null(strstr(scene->err.message, "stood still for 30 s"));
	assert_int_equal(scene->err.code, ERR_TIMED_OUT);
	assert_true(scene->fake.now_us >= 30000000);
}

static void a_frame_that_stops_half_way_ends_the_stream(void **state)
{
	struct scene *scene = *state;
	uint8_t bytes[FRAME_HEADER_BYTES];
	const struct frame half = { FRAME_BYTES, CODEC_NONE, 0, 64, 64, 0 };
	const uint8_t *payload;
	struct frame frame;

	frame_encode(&half, bytes);
	assert_int_equal(write(scene->near[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err),
			 -ETIMEDOUT);
	assert_non_null(strstr(scene->err.message, "channel 2 of 2"));
}

static void a_gap_is_noticed_once_no_channel_can_fill_it(void **state)
{
	struct scene *scene = *state;
	const uint8_t *payload;
	struct frame frame;

	scene->sender.sequence = 1;
	assert_int_equal(send_frame(scene, 10), 0);
	shutdown(scene->near[0], SHUT_WR);
	shutdown(scene->near[1], SHUT_WR);
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err),
			 -ECONNRESET);
	assert_non_null(strstr(scene->err.message, "before frame 0"));
}

static void put_frame(struct scene *scene, unsigned channel, uint64_t sequence)
{
	const struct frame frame = { FRAME_BYTES, CODEC_NONE, sequence, 10, 10, 0 };
	uint8_t bytes[FRAME_HEADER_BYTES + 10] = { 0 };

	frame_encode(&frame, bytes);
	assert_int_equal(write(scene->near[channel], bytes, sizeof(bytes)), sizeof(bytes));
}

static void two_frames_of_a_channel_that_is_ahead_are_read(void **state)
{
	struct scene *scene = *state;
	const uint8_t *payload;
	struct frame frame;

	put_frame(scene, 1, 1);
	put_frame(scene, 1, 2);
	put_frame(scene, 1, 3);
	put_frame(scene, 0, 0);
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
	assert_int_equal(scene->receiver.bytes, 3 * (10 + FRAME_HEADER_BYTES));
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
		assert_int_equal(frame.sequence, i);
	}
}

/* So the one that is handed out is in the processor's cache. */
static void a_frame_whose_turn_it_is_comes_before_the_next_is_read(void **state)
{
	struct scene *scene = *state;
	const uint8_t *payload;
	struct frame frame;

	put_frame(scene, 0, 0);
	put_frame(scene, 0, 1);
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
	assert_int_equal(scene->receiver.bytes, 10 + FRAME_HEADER_BYTES);
}

/* `sequence` follows frame 2 on a connection. */
static void expect_refusal(struct scene *scene, uint64_t sequence)
{
	const uint8_t *payload;
	struct frame frame;

	put_frame(scene, 1, 2);
	put_frame(scene, 1, sequence);
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), -EBADMSG);
	assert_non_null(strstr(scene->err.message, "comes twice, or too late"));
}

static void a_frame_that_follows_itself_is_refused(void **state)
{
	expect_refusal(*state, 2);
}

static void a_frame_that_follows_a_later_one_is_refused(void **state)
{
	expect_refusal(*state, 1);
}

/* A frame that is on its way for `us`, while the next is there already. */
struct late_frame {
	struct scene *scene;
	unsigned channel, waits;
	uint64_t sequence, us;
};

static void bring_late_frame(struct fake_clock *fake, void *argument)
{
	struct late_frame *late = argument;

	if (late->waits++ == 0) /* for the next */
		return;
	fake->now_us += late->us;
	put_frame(late->scene, late->channel, late->sequence);
}

static void await_late_frame(struct scene *scene, unsigned channel, uint64_t us)
{
	struct late_frame late = { scene, channel, 0, scene->receiver.sequence, us };
	const uint8_t *payload;
	struct frame frame;

	scene->fake.on_wait = bring_late_frame;
	scene->fake.argument = &late;
	put_frame(scene, 1 - channel, late.sequence + 1);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
		assert_int_equal(frame.sequence, late.sequence + i);
	}
	scene->fake.on_wait = NULL;
}

static void the_channel_that_the_others_wait_for_is_slow(void **state)
{
	struct scene *scene = *state;
	uint64_t waited_us;

	for (int i = 0; i < 9; i++)
		await_late_frame(scene, 1, 100000);
	assert_int_equal(channels_slow(&scene->receiver, &waited_us), 0);
	await_late_frame(scene, 1, 100000);
	assert_int_equal(channels_slow(&scene->receiver, &waited_us), 2);
	assert_int_equal(waited_us, 1000000);
}

static void channels_that_wait_for_each_other_are_not_slow(void **state)
{
	struct scene *scene = *state;
	uint64_t waited_us;

	for (unsigned i = 0; i < 40; i++)
		await_late_frame(scene, i % 2, 100000);
	assert_int_equal(channels_slow(&scene->receiver, &waited_us), 0);
}

/* The sender had nothing to say: that is nobody's fault. */
static void a_stream_that_rests_makes_no_channel_slow(void **state)
{
	struct scene *scene = *state;
	struct late_frame late = { scene, 0, 1, 0, 60000000 };
	const uint8_t *payload;
	struct frame frame;
	uint64_t waited_us;

	scene->fake.on_wait = bring_late_frame;
	scene->fake.argument = &late;
	assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
	scene->fake.on_wait = NULL;
	assert_int_equal(channels_slow(&scene->receiver, &waited_us), 0);
	assert_int_equal(waited_us, 0);
}

static void a_limit_holds_on_the_average(void **state)
{
	struct scene *scene = *state;
	const uint8_t *payload;
	struct frame frame;
	uint64_t begun_us = scene->fake.now_us;

	pacer_set(&scene->sender.pacer, 1000000, begun_us, scene->sender.bytes);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send_frame(scene, 9960), 0);
		assert_int_equal(channels_next(&scene->receiver, &frame, &payload, &scene->err), 0);
	}
	/* a million bytes, of which the last waits for nobody */
	assert_in_range(scene->fake.now_us - begun_us, 980000, 1000100);
	pacer_set(&scene->sender.pacer, 0, scene->fake.now_us, scene->sender.bytes);
	begun_us = scene->fake.now_us;
	assert_int_equal(send_frame(scene, 9960), 0);
	assert_int_equal(scene->fake.now_us, begun_us);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_take_turns_and_come_in_order),
		TEST(a_sender_whom_nobody_reads_gives_up_and_names_the_channel),
		TEST(a_frame_that_stops_half_way_ends_the_stream),
		TEST(a_gap_is_noticed_once_no_channel_can_fill_it),
		TEST(two_frames_of_a_channel_that_is_ahead_are_read),
		TEST(a_frame_whose_turn_it_is_comes_before_the_next_is_read),
		TEST(a_frame_that_follows_itself_is_refused),
		TEST(a_frame_that_follows_a_later_one_is_refused),
		TEST(the_channel_that_the_others_wait_for_is_slow),
		TEST(channels_that_wait_for_each_other_are_not_slow),
		TEST(a_stream_that_rests_makes_no_channel_slow),
		TEST(a_limit_holds_on_the_average),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("channels", tests, NULL, NULL);
}

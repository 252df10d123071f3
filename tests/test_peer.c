/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target while it waits for the memory connection, which its daemon hands over: everything else
 * that may come meanwhile.
 */
#include "peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"

struct scene {
	struct fake_clock fake;
	struct job job;
	struct job_note note;
	struct peer_tcp peer;
	struct link *link, *source; /* the control connection's two ends */
	int channel, daemon;        /* the worker's channel, and the daemon's end of it */
};

static int set_up(void **state)
{
	static struct scene scene;
	int pair[2];

	scene = (struct scene){ .note = { .nonce = "one nonce for u" } };
	fake_clock_init(&scene.fake);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(link_open(&scene.fake.clock, pair[0], scene.note.nonce, "source",
				   &scene.link, NULL), 0);
	assert_int_equal(link_open(&scene.fake.clock, pair[1], scene.note.nonce, "target",
				   &scene.source, NULL), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	scene.channel = pair[0];
	scene.daemon = pair[1];
	peer_target_init(&scene.peer, &scene.fake.clock, &scene.job, &scene.note, NULL,
			 scene.channel, scene.link);
	*state = &scene;
	return 0;
}

static void close_source(struct scene *scene)
{
	if (scene->source)
		scene->source->ops->close(scene->source);
	scene->source = NULL;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	close_source(scene);
	scene->link->ops->close(scene->link);
	close(scene->channel);
	if (scene->daemon >= 0)
		close(scene->daemon);
	return 0;
}

static int open_memory(struct scene *scene, int *fd, struct err *err)
{
	struct peer *peer = &scene->peer.peer;

	return peer->ops->open_memory(peer, clock_after_ms(&scene->fake.clock, 40000), fd, err);
}

static void hand_over(const struct scene *scene, int fd)
{
	char byte = 'M', control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec content = { &byte, 1 };
	struct msghdr message = { .msg_iov = &content, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	assert_int_equal(sendmsg(scene->daemon, &message, MSG_NOSIGNAL), 1);
}

static void a_connection_that_is_handed_over_is_welcomed(void **state)
{
	struct scene *scene = *state;
	struct wire_frame frame;
	uint8_t bytes[WIRE_FRAME_BYTES];
	int pair[2], fd = -1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	hand_over(scene, pair[0]);
	close(pair[0]);

	assert_int_equal(open_memory(scene, &fd, NULL), 0);
	assert_int_equal(recv(pair[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(wire_decode_frame(bytes, &frame, NULL), 0);
	assert_int_equal(frame.type, WIRE_WELCOME);
	close(fd);
	close(pair[1]);
}

static void a_source_that_gives_up_is_heard_at_once(void **state)
{
	struct scene *scene = *state;
	struct err why, err;
	int fd = -1;

	(void)err_set(&why, ERR_CANCELLED, -ECANCELED, "the operator cancelled");
	link_send_abort(scene->source, &scene->fake.clock, &why);

	assert_int_equal(open_memory(scene, &fd, &err), -ECONNABORTED);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_non_null(strstr(err.message, "the operator cancelled"));
	assert_int_equal(scene->fake.now_us, 1000000);
}

static void a_source_that_is_gone_is_noticed_at_once(void **state)
{
	struct scene *scene = *state;
	struct err err;
	int fd = -1;

	close_source(scene);

	assert_int_equal(open_memory(scene, &fd, &err), -ECONNRESET);
	assert_non_null(strstr(err.message, "the source closed the connection"));
	assert_int_equal(scene->fake.now_us, 1000000);
}

static void a_word_out_of_turn_is_refused(void **state)
{
	struct scene *scene = *state;
	struct err err;
	int fd = -1;

	assert_int_equal(scene->source->ops->send(scene->source, WIRE_CLOCK, 0, NULL, 0,
						  clock_after_ms(&scene->fake.clock, 1), NULL), 0);

	assert_int_equal(open_memory(scene, &fd, &err), -EPROTO);
	assert_non_null(strstr(err.message, "out of turn"));
}

static void a_source_that_never_comes_is_given_up_at_the_deadline(void **state)
{
	struct scene *scene = *state;
	struct err err;
	int fd = -1;

	assert_int_equal(open_memory(scene, &fd, &err), -ETIMEDOUT);
	assert_int_equal(scene->fake.now_us, 41000000);
}

static void without_a_daemon_nobody_hands_over(void **state)
{
	struct scene *scene = *state;
	struct err err;
	int fd = -1;

	close(scene->daemon);
	scene->daemon = -1;

	assert_true(open_memory(scene, &fd, &err) < 0);
	assert_non_null(strstr(err.message, "xenferryd is gone"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_connection_that_is_handed_over_is_welcomed),
		TEST(a_source_that_gives_up_is_heard_at_once),
		TEST(a_source_that_is_gone_is_noticed_at_once),
		TEST(a_word_out_of_turn_is_refused),
		TEST(a_source_that_never_comes_is_given_up_at_the_deadline),
		TEST(without_a_daemon_nobody_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

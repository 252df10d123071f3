/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of the memory stream, against a child that plays xenferry-stream. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"

#define SOON_MS 10000 /* a deadline that no passing test comes near */

static char fake_program[4096];

/* A stream whose child plays `play`, and the peer's end of its memory connection. */
struct scene {
	struct stream *stream;
	int peer;
	struct stream_event event;
	struct err err;
};

static void connect_memory(struct scene *scene, struct memory_path *path)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*path = (struct memory_path){ .fds = { pair[0] }, .count = 1 };
	scene->peer = pair[1];
}

static void begin_save(struct scene *scene, const char *play)
{
	struct memory_path path;

	*scene = (struct scene){ 0 };
	connect_memory(scene, &path);
	assert_int_equal(setenv("FAKE_STREAM", play, 1), 0);
	assert_int_equal(stream_begin_save(&clock_system, fake_program, 7, &path, &scene->stream,
					   &scene->err), 0);
}

static void begin_restore(struct scene *scene, const char *play)
{
	struct memory_path path;

	*scene = (struct scene){ 0 };
	connect_memory(scene, &path);
	assert_int_equal(setenv("FAKE_STREAM", play, 1), 0);
	assert_int_equal(stream_begin_restore(&clock_system, fake_program, 8, 3, 4, 65536, &path,
					      &scene->stream, &scene->err), 0);
}

static int next(struct scene *scene)
{
	return stream_next(scene->stream, -1, clock_after_ms(&clock_system, SOON_MS), false,
			   &scene->event, &scene->err);
}

static void end(struct scene *scene)
{
	stream_stop(&scene->stream);
	assert_null(scene->stream);
	close(scene->peer);
}

static void a_saver_is_given_its_domain(void **state)
{
	struct scene scene;

	(void)state;
	begin_save(&scene, "arguments");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_true(scene.event.ok);
	assert_int_equal(scene.event.iteration, 7);
	end(&scene);
}

static void a_restorer_is_given_ports_and_size_and_reports_frames(void **state)
{
	struct scene scene;

	(void)state;
	begin_restore(&scene, "arguments");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_true(scene.event.ok);
	assert_int_equal(scene.event.iteration, 8);
	assert_int_equal(scene.event.store_pfn, 3);
	assert_int_equal(scene.event.console_pfn, 4);
	assert_int_equal(scene.event.pages_total, 65536);
	end(&scene);
}

static void the_child_holds_its_five_descriptors_and_no_other(void **state)
{
	struct scene scene;
	int stray = open("/dev/null", O_RDONLY); /* no O_CLOEXEC, as a careless library's */

	(void)state;
	begin_save(&scene, "descriptors");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.pages_total, 5);
	assert_int_equal(scene.event.pages_done, 5);
	end(&scene);
	close(stray);
}

static void a_failure_comes_in_the_library_s_words_on_one_line(void **state)
{
	struct scene scene;

	(void)state;
	begin_save(&scene, "words");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_false(scene.event.ok);
	assert_string_equal(scene.event.message, "Failed to write page data");
	end(&scene);
}

static void a_crash_is_a_result_that_names_the_signal(void **state)
{
	struct scene scene;

	(void)state;
	begin_restore(&scene, "crash");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_false(scene.event.ok);
	assert_non_null(strstr(scene.event.message, "xenferry-stream was killed by signal 6"));
	end(&scene);
}

static void an_end_without_a_result_is_a_failure(void **state)
{
	struct scene scene;

	(void)state;
	begin_restore(&scene, "silence");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_false(scene.event.ok);
	assert_non_null(strstr(scene.event.message, "status 7"));
	end(&scene);
}

static void nothing_comes_after_the_result(void **state)
{
	struct scene scene;

	(void)state;
	begin_save(&scene, "words");
	assert_int_equal(next(&scene), 0);

	assert_int_equal(next(&scene), -EPIPE);
	end(&scene);
}

static void each_question_gets_its_answer(void **state)
{
	struct scene scene;

	(void)state;
	begin_save(&scene, "iterations");
	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_PROGRESS);
	assert_int_equal(scene.event.pages_done, 5);
	assert_int_equal(scene.event.pages_total, 9);
	assert_int_equal(scene.event.wire_bytes, 4096);

	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_ITERATION);
	assert_false(scene.event.sent);
	assert_int_equal(scene.event.dirty_pages, 1044480);
	assert_int_equal(stream_reply(scene.stream, STREAM_CONTINUE, &scene.err), 0);

	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.iteration, 1);
	assert_true(scene.event.sent);
	assert_int_equal(scene.event.dirty_pages, -1);
	assert_int_equal(stream_reply(scene.stream, STREAM_ABORT, &scene.err), 0);

	assert_int_equal(next(&scene), 0);
	assert_string_equal(scene.event.message, "heard 0 -1");
	end(&scene);
}

static void a_limit_reaches_the_child_unasked(void **state)
{
	const struct stream_limit limit = { .bytes_per_s = 1ull << 40, .last_pass_too = true };
	struct scene scene;

	(void)state;
	begin_save(&scene, "limit");
	assert_int_equal(stream_limit(scene.stream, &limit, &scene.err), 0);

	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_int_equal(scene.event.wire_bytes, limit.bytes_per_s);
	assert_int_equal(scene.event.iteration, 1);
	end(&scene);
}

static void a_suspend_is_asked_for_and_answered(void **state)
{
	struct scene scene;

	(void)state;
	for (int answer = 0; answer <= 1; answer++) {
		begin_save(&scene, "suspend");
		assert_int_equal(next(&scene), 0);
		assert_int_equal(scene.event.kind, STREAM_SUSPEND);
		assert_int_equal(stream_reply(scene.stream, answer, &scene.err), 0);

		assert_int_equal(next(&scene), 0);
		assert_int_equal(scene.event.ok, answer);
		end(&scene);
	}
}

static void a_saver_s_death_is_seen_before_its_connection_ends(void **state)
{
	struct scene scene;

	(void)state;
	begin_save(&scene, "heir");
	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_SUSPEND);
	assert_int_equal(stream_reply(scene.stream, 1, &scene.err), 0);

	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_FINISHED);
	assert_false(scene.event.ok);
	assert_non_null(strstr(scene.event.message, "killed by signal 9"));
	assert_int_equal(next(&scene), -EPIPE);
	end(&scene);
}

static void an_answer_to_a_dead_child_leaves_its_reason_to_the_next_event(void **state)
{
	struct scene scene;
	struct pollfd memory;

	(void)state;
	begin_save(&scene, "crash");
	memory = (struct pollfd){ .fd = scene.peer, .events = POLLIN };
	assert_int_equal(clock_wait(&clock_system, &memory, 1,
				    clock_after_ms(&clock_system, SOON_MS), false), 1);

	assert_int_equal(stream_reply(scene.stream, STREAM_CONTINUE, &scene.err), 0);

	assert_int_equal(next(&scene), 0);
	assert_non_null(strstr(scene.event.message, "signal 6"));
	end(&scene);
}

static void a_silent_child_meets_the_deadline(void **state)
{
	struct scene scene;
	int rc;

	(void)state;
	begin_restore(&scene, "hang");
	rc = stream_next(scene.stream, -1, clock_now_us(&clock_system), false, &scene.event,
			 &scene.err);

	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(scene.err.code, ERR_TIMED_OUT);
	end(&scene);
}

static void the_peer_is_heard_while_the_child_works(void **state)
{
	CLEANUP_FD int ours = -1, theirs = -1;
	struct scene scene;
	int pair[2], rc;

	(void)state;
	begin_restore(&scene, "hang");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
	assert_int_equal(write(theirs, "!", 1), 1);
	rc = stream_next(scene.stream, ours, clock_after_ms(&clock_system, SOON_MS), false,
			 &scene.event, &scene.err);

	assert_int_equal(rc, 0);
	assert_int_equal(scene.event.kind, STREAM_PEER);
	end(&scene);
}

/* A clock on which a cancel request is always pending. */
static uint64_t cancelled_now_us(const struct clock *clock)
{
	(void)clock;
	return clock_now_us(&clock_system);
}

static int cancelled_wait(const struct clock *clock, struct pollfd *fds, size_t count,
			  uint64_t deadline_us, bool cancellable)
{
	(void)clock;
	return cancellable ? -ECANCELED : clock_wait(&clock_system, fds, count, deadline_us, false);
}

static const struct clock_ops cancelled_ops = {
	.now_us = cancelled_now_us,
	.wait = cancelled_wait,
};

static void a_cancel_ends_only_a_wait_that_allows_it(void **state)
{
	const struct clock cancelled = { &cancelled_ops };
	struct scene scene = { 0 };
	struct memory_path path;

	(void)state;
	connect_memory(&scene, &path);
	assert_int_equal(setenv("FAKE_STREAM", "suspend", 1), 0);
	assert_int_equal(stream_begin_save(&cancelled, fake_program, 7, &path, &scene.stream,
					   &scene.err), 0);

	assert_int_equal(stream_next(scene.stream, -1, clock_after_ms(&clock_system, SOON_MS), true,
				     &scene.event, &scene.err), -ECANCELED);
	assert_int_equal(scene.err.code, ERR_CANCELLED);
	assert_int_equal(next(&scene), 0);
	assert_int_equal(scene.event.kind, STREAM_SUSPEND);
	end(&scene);
}

static void a_saver_is_let_clean_up_before_it_ends(void **state)
{
	struct scene scene;
	char words[32] = "";
	sigset_t term, before;

	(void)state;
	/* as a worker does, whose cancel request it is */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	begin_save(&scene, "tidy");
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(next(&scene), 0);
	stream_stop(&scene.stream);

	/* all that it wrote is there, and then the end: nobody else holds the connection */
	assert_true(read(scene.peer, words, sizeof(words) - 1) > 0);
	assert_string_equal(words, "log-dirty off");
	assert_int_equal(read(scene.peer, words, sizeof(words)), 0);
	close(scene.peer);
}

static void stopping_nothing_is_harmless(void **state)
{
	struct stream *none = NULL;

	(void)state;
	stream_stop(&none);
	assert_null(none);
}

static void another_version_is_refused_in_words(void **state)
{
	struct scene scene;

	(void)state;
	begin_restore(&scene, "other-version");

	assert_int_equal(next(&scene), -EPROTO);
	assert_non_null(strstr(scene.err.message, "another version"));
	end(&scene);
}

static void a_program_that_is_missing_is_named_and_the_connection_closed(void **state)
{
	struct scene scene = { 0 };
	struct memory_path path;
	char byte;

	(void)state;
	connect_memory(&scene, &path);

	assert_int_equal(stream_begin_save(&clock_system, "/nowhere/xenferry-stream", 7, &path,
					   &scene.stream, &scene.err), -ENOENT);
	assert_null(scene.stream);
	assert_non_null(strstr(scene.err.message, "/nowhere/xenferry-stream"));
	assert_int_equal(read(scene.peer, &byte, 1), 0);
	close(scene.peer);
}

/* The fake is built beside this program, wherever that is. */
static int find_fake_program(void **state)
{
	ssize_t length = readlink("/proc/self/exe", fake_program, sizeof(fake_program) - 32);
	char *slash;

	(void)state;
	if (length < 0)
		return -1;
	fake_program[length] = '\0';
	slash = strrchr(fake_program, '/');
	snprintf(slash, 32, "/fake_stream");
	return access(fake_program, X_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_saver_is_given_its_domain),
		cmocka_unit_test(a_restorer_is_given_ports_and_size_and_reports_frames),
		cmocka_unit_test(the_child_holds_its_five_descriptors_and_no_other),
		cmocka_unit_test(a_failure_comes_in_the_library_s_words_on_one_line),
		cmocka_unit_test(a_crash_is_a_result_that_names_the_signal),
		cmocka_unit_test(an_end_without_a_result_is_a_failure),
		cmocka_unit_test(nothing_comes_after_the_result),
		cmocka_unit_test(each_question_gets_its_answer),
		cmocka_unit_test(a_limit_reaches_the_child_unasked),
		cmocka_unit_test(a_suspend_is_asked_for_and_answered),
		cmocka_unit_test(a_saver_s_death_is_seen_before_its_connection_ends),
		cmocka_unit_test(an_answer_to_a_dead_child_leaves_its_reason_to_the_next_event),
		cmocka_unit_test(a_silent_child_meets_the_deadline),
		cmocka_unit_test(the_peer_is_heard_while_the_child_works),
		cmocka_unit_test(a_cancel_ends_only_a_wait_that_allows_it),
		cmocka_unit_test(a_saver_is_let_clean_up_before_it_ends),
		cmocka_unit_test(stopping_nothing_is_harmless),
		cmocka_unit_test(another_version_is_refused_in_words),
		cmocka_unit_test(a_program_that_is_missing_is_named_and_the_connection_closed),
	};

	return cmocka_run_group_tests_name("stream", tests, find_fake_program, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A process that ends when `life` is closed. */
struct process {
	pid_t pid;
	int life;
};

static struct process begin_process(void)
{
	struct process process;
	int ends[2];
	char byte;

	assert_int_equal(pipe(ends), 0);
	process.pid = fork();
	assert_true(process.pid >= 0);
	if (process.pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	process.life = ends[1];
	return process;
}

static void count(void *context)
{
	unsigned *calls = context;

	(*calls)++;
}

static void end_loop(uv_loop_t *loop)
{
	assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void the_end_of_a_process_is_heard_once(void **state)
{
	struct process process = begin_process();
	struct watch *watch;
	unsigned calls = 0;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	watch = watch_begin(&loop, process.pid, count, &calls);
	assert_non_null(watch);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(calls, 0);
	close(process.life);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0); /* as long as something is watched */
	assert_int_equal(calls, 1);
	watch_end(watch);
	end_loop(&loop);
	assert_int_equal(waitpid(process.pid, NULL, 0), process.pid);
}

static void who_has_stopped_watching_hears_nothing(void **state)
{
	struct process process = begin_process();
	unsigned calls = 0;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	watch_end(watch_begin(&loop, process.pid, count, &calls));
	close(process.life);
	assert_int_equal(waitpid(process.pid, NULL, 0), process.pid);
	end_loop(&loop);
	assert_int_equal(calls, 0);
}

static void a_process_that_has_gone_cannot_be_watched(void **state)
{
	struct process process = begin_process();
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	close(process.life);
	assert_int_equal(waitpid(process.pid, NULL, 0), process.pid);
	assert_null(watch_begin(&loop, process.pid, count, NULL));
	watch_end(NULL);
	end_loop(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_process_is_heard_once),
		cmocka_unit_test(who_has_stopped_watching_hears_nothing),
		cmocka_unit_test(a_process_that_has_gone_cannot_be_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

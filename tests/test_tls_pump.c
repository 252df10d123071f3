/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What passes through xenferry-tls as it was built: all of it, in order, each half until its end.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "tls_ends.h"

static struct tls_pool pool;
static struct tls_identity a, b;

static int set_up(void **state)
{
	(void)state;
	tls_pool_begin(&pool);
	tls_pool_issue(&pool, "A", "DNS:A", NULL, &a);
	tls_pool_issue(&pool, "B", "DNS:B", NULL, &b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_pool_end(&pool);
	return 0;
}

static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

#define MUCH (8u << 20)

/* In another process, so that both directions are under way at once. */
static pid_t send_much(int fd, const uint8_t *bytes)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	end_send(fd, bytes, MUCH);
	shutdown(fd, SHUT_WR);
	_exit(0);
}

static void much_passes_both_ways_at_once_and_each_half_ends(void **state)
{
	CLEANUP_FREE uint8_t *there = malloc(MUCH), *back = malloc(MUCH), *got = malloc(MUCH);
	struct tls_end source, target;
	pid_t children[2];
	int status;
	char byte;

	(void)state;
	assert_true(there && back && got);
	fill(there, MUCH, 1);
	fill(back, MUCH, 2);
	ends_meet(&a, "B", &b, &source, &target);
	children[0] = send_much(source.plain, there);
	children[1] = send_much(target.plain, back);

	/* the second waits in buffers that are not without end */
	assert_int_equal(end_receive(target.plain, got, MUCH), MUCH);
	assert_memory_equal(got, there, MUCH);
	assert_int_equal(end_receive(target.plain, &byte, 1), 0);
	assert_int_equal(end_receive(source.plain, got, MUCH), MUCH);
	assert_memory_equal(got, back, MUCH);
	assert_int_equal(end_receive(source.plain, &byte, 1), 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
	end_forget(&source);
	end_forget(&target);
}

static void one_half_may_end_before_the_other(void **state)
{
	struct tls_end source, target;
	char bytes[8];

	(void)state;
	ends_meet(&a, "B", &b, &source, &target);
	end_send(source.plain, "ask", 3);
	shutdown(source.plain, SHUT_WR);
	assert_int_equal(end_receive(target.plain, bytes, sizeof(bytes)), 3);
	end_send(target.plain, "answer", 6);
	assert_int_equal(end_receive(source.plain, bytes, 6), 6);
	end_forget(&target);
	assert_int_equal(end_receive(source.plain, bytes, 1), 0);
	end_forget(&source);
}

static void what_a_side_said_before_it_closed_arrives(void **state)
{
	struct tls_end source, target;
	char bytes[8];

	(void)state;
	ends_meet(&a, "B", &b, &source, &target);
	end_send(source.plain, "unread", 6); /* would break a TCP connection */
	end_send(target.plain, "last", 4);
	end_forget(&target);
	assert_int_equal(end_receive(source.plain, bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "last", 4);
	end_forget(&source);
}

static void the_socket_is_given_only_where_the_kernel_encrypts(void **state)
{
	struct tls_end source, target;
	char bytes[8];
	int before;

	(void)state;
	ends_meet(&a, "B", &b, &source, &target);
	before = fcntl(source.plain, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(tls_take_socket(&clock_system, source.control,
					 clock_after_ms(&clock_system, GENEROUS_MS),
					 &source.plain, NULL), 0);
	close(before);
	end_send(source.plain, "there", 5);
	assert_int_equal(end_receive(target.plain, bytes, 5), 5);
	assert_memory_equal(bytes, "there", 5);
	end_forget(&source);
	assert_int_equal(end_receive(target.plain, bytes, 1), 0);
	end_forget(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(much_passes_both_ways_at_once_and_each_half_ends),
		cmocka_unit_test(one_half_may_end_before_the_other),
		cmocka_unit_test(what_a_side_said_before_it_closed_arrives),
		cmocka_unit_test(the_socket_is_given_only_where_the_kernel_encrypts),
	};

	if (!getenv("top_builddir")) {
		print_message("SKIP: `make check` says where xenferry-tls is\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

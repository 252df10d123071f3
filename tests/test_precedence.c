/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who goes first, as a child process of this one sees it: a test must not keep its precedence. */
#include "precedence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OFFSET 20 /* of a priority, from -20 to 19, in an exit status */
#define NOBODY 65534

static int own_priority(void)
{
	return getpriority(PRIO_PROCESS, 0) + OFFSET;
}

static int priority_of_a_child(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(own_priority());
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* ---- what a process does whose exit status is a priority ---- */

static int take(void)
{
	(void)precedence_take();
	(void)precedence_take();
	return own_priority();
}

static int take_and_fork(void)
{
	(void)precedence_take();
	return priority_of_a_child();
}

static int take_and_return(void)
{
	precedence_return(precedence_take());
	return own_priority();
}

static int take_return_and_fork(void)
{
	precedence_return(precedence_take());
	return priority_of_a_child();
}

static int take_without_the_right(void)
{
	if (geteuid() == 0 && setuid(NOBODY) < 0)
		return own_priority() - 1;
	return take();
}

static int try_highest(void)
{
	(void)setpriority(PRIO_PROCESS, 0, -OFFSET);
	return own_priority();
}

static int priority_after(int (*act)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) - OFFSET;
}

/* What it comes to here: not every root may go first. */
static int highest(void)
{
	return priority_after(try_highest);
}

static void it_goes_first_and_its_children_do_not(void **state)
{
	int before = own_priority() - OFFSET;

	(void)state;
	assert_int_equal(priority_after(take), highest());
	assert_int_equal(priority_after(take_and_fork), highest() == -OFFSET ? 0 : before);
}

static void what_is_returned_leaves_no_trace(void **state)
{
	int before = own_priority() - OFFSET;

	(void)state;
	assert_int_equal(priority_after(take_and_return), before);
	assert_int_equal(priority_after(take_return_and_fork), before);
}

static void without_the_right_to_it_all_stays_as_it_was(void **state)
{
	(void)state;
	assert_int_equal(priority_after(take_without_the_right), own_priority() - OFFSET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_first_and_its_children_do_not),
		cmocka_unit_test(what_is_returned_leaves_no_trace),
		cmocka_unit_test(without_the_right_to_it_all_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("precedence", tests, NULL, NULL);
}

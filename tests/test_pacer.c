/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (1024u * 1024u)
#define SECOND_US 1000000u

static void without_a_limit_nothing_waits(void **state)
{
	struct pacer pacer = { 0 };

	(void)state;
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US, 1000ull * MIB), 0);
}

static void what_goes_too_fast_waits_until_it_does_not(void **state)
{
	struct pacer pacer = { 0 };

	(void)state;
	pacer_set(&pacer, 4 * MIB, SECOND_US, 100);
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US, 100), 0);
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US, 100 + 4 * MIB), SECOND_US);
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US * 3 / 2, 100 + 4 * MIB), SECOND_US / 2);
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US * 2, 100 + 4 * MIB), 0);
}

static void a_pause_earns_no_burst(void **state)
{
	struct pacer pacer = { 0 };
	uint64_t wait_us;

	(void)state;
	pacer_set(&pacer, 10 * MIB, 0, 0);
	assert_int_equal(pacer_wait_us(&pacer, 60 * SECOND_US, 0), 0);
	wait_us = pacer_wait_us(&pacer, 60 * SECOND_US, 10 * MIB);
	assert_int_equal(wait_us, SECOND_US - 100000);
}

static void a_new_limit_counts_from_where_it_was_set(void **state)
{
	struct pacer pacer = { 0 };

	(void)state;
	pacer_set(&pacer, MIB, 0, 0);
	assert_int_equal(pacer_wait_us(&pacer, 0, 64 * MIB), 64ull * SECOND_US);
	pacer_set(&pacer, 64 * MIB, 0, 64 * MIB);
	assert_int_equal(pacer_wait_us(&pacer, 0, 64 * MIB), 0);
	assert_int_equal(pacer_wait_us(&pacer, 0, 65 * MIB), SECOND_US / 64);
}

static void the_limit_that_holds_already_goes_on(void **state)
{
	struct pacer pacer = { 0 };

	(void)state;
	pacer_set(&pacer, MIB, 0, 0);
	pacer_set(&pacer, MIB, SECOND_US, 4 * MIB);
	assert_int_equal(pacer_wait_us(&pacer, SECOND_US, 4 * MIB), 3 * SECOND_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_limit_nothing_waits),
		cmocka_unit_test(what_goes_too_fast_waits_until_it_does_not),
		cmocka_unit_test(a_pause_earns_no_burst),
		cmocka_unit_test(a_new_limit_counts_from_where_it_was_set),
		cmocka_unit_test(the_limit_that_holds_already_goes_on),
	};

	return cmocka_run_group_tests_name("pacer", tests, NULL, NULL);
}

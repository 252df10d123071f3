/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_gap_is_the_longest_silence_between_two_answers(void **state)
{
	struct probe_tally tally = { .sent = 4 };

	(void)state;
	probe_tally_hear(&tally, 5000000, true); /* before the first nothing is known */
	probe_tally_hear(&tally, 5010000, true);
	probe_tally_hear(&tally, 5130000, true);
	probe_tally_hear(&tally, 5140000, true);
	assert_int_equal(tally.gap_us, 120000);
	assert_int_equal(tally.answered, 4);
}

static void a_guest_that_never_came_back_is_silent_until_the_end(void **state)
{
	struct probe_tally tally = { .sent = 2 };

	(void)state;
	probe_tally_hear(&tally, 1000000, true);
	probe_tally_hear(&tally, 3000000, false);
	assert_int_equal(tally.gap_us, 2000000);
	assert_int_equal(tally.answered, 1);
}

static void an_address_is_one(void **state)
{
	static const char *const words[] = { "", "web1", "10.0.0", "10.0.0.1;reboot", "::1" };
	struct config config;
	struct probe probe = { .pid = 0 };
	struct err err;

	(void)state;
	config_defaults(&config);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(probe_begin(&probe, &config, words[i], &err), -EINVAL);
	assert_int_equal(probe.pid, 0);
}

static void what_was_not_begun_has_no_end(void **state)
{
	struct probe probe = { .pid = 0 };
	struct probe_tally tally;

	(void)state;
	assert_int_equal(probe_end(&probe, &clock_system, &tally, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gap_is_the_longest_silence_between_two_answers),
		cmocka_unit_test(a_guest_that_never_came_back_is_silent_until_the_end),
		cmocka_unit_test(an_address_is_one),
		cmocka_unit_test(what_was_not_begun_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

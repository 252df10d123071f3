/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void err_set_returns_rc_and_keeps_code_and_sentence(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(&err, ERR_REFUSED, -EEXIST, "the name %s is taken", "g1"),
			 -EEXIST);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.message, "the name g1 is taken");
}

static void err_set_without_err_only_passes_rc_on(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_FAILED, -EIO, "nobody reads this"), -EIO);
	assert_int_equal(err_prefix(NULL, -EIO, "nor this"), -EIO);
}

static void err_errno_appends_the_system_s_words(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = ENOENT;

	assert_int_equal(err_errno(&err, "open %s", "/etc/x"), -ENOENT);
	assert_int_equal(err.code, ERR_FAILED);
	assert_string_equal(err.message, "open /etc/x: No such file or directory");
}

static void err_errno_without_errno_is_still_a_failure(void **state)
{
	struct err err = { 0 };

	(void)state;
	errno = 0;

	assert_int_equal(err_errno(&err, "xc_domain_save"), -EIO);
}

static void err_prefix_goes_before_what_was_known_below(void **state)
{
	struct err err = { 0 };
	int rc;

	(void)state;
	rc = err_set(&err, ERR_TIMED_OUT, -ETIMEDOUT, "script vif-bridge: no answer");
	rc = err_prefix(&err, rc, "plug vif %d", 0);

	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(err.code, ERR_TIMED_OUT);
	assert_string_equal(err.message, "plug vif 0: script vif-bridge: no answer");
}

static void a_message_is_one_line_whatever_was_said_below(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_FAILED, -EIO, "script vif-bridge: %s", "no bridge\n\x1b[31mxenbr0\t");

	assert_string_equal(err.message, "script vif-bridge: no bridge  [31mxenbr0 ");
}

static void an_error_can_be_told_again_in_other_words(void **state)
{
	struct err err = { 0 };

	(void)state;
	err_set(&err, ERR_FAILED, -EIO, "the disk is gone");
	err_set(&err, ERR_REFUSED, -EPERM, "refused, because %s", err.message);

	assert_int_equal(err.code, ERR_REFUSED);
	assert_string_equal(err.message, "refused, because the disk is gone");
}

static void a_message_that_is_too_long_is_cut_and_terminated(void **state)
{
	char words[2 * ERR_MESSAGE_MAX];
	struct err err = { 0 };

	(void)state;
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';

	err_set(&err, ERR_FAILED, -EIO, "%s", words);
	err_prefix(&err, -EIO, "%s", words);
	assert_int_equal(strlen(err.message), ERR_MESSAGE_MAX - 1);
}

static void every_code_has_a_text_of_its_own_that_leads_back_to_it(void **state)
{
	(void)state;
	for (enum err_code code = ERR_NONE; code < ERR_CODES; code++) {
		assert_true(strlen(err_text(code)) > 0);
		assert_int_equal(err_from_text(err_text(code)), code);
	}
}

static void every_failure_has_an_xapi_code_and_an_exit_status(void **state)
{
	(void)state;
	assert_int_equal(err_exit_status(ERR_NONE), 0);
	for (enum err_code code = ERR_NONE + 1; code < ERR_CODES; code++) {
		assert_true(strlen(err_xapi(code)) > 0);
		assert_in_range(err_exit_status(code), 1, 8);
	}
}

static void an_unknown_text_is_a_plain_failure(void **state)
{
	(void)state;
	assert_int_equal(err_from_text("from-a-newer-version"), ERR_FAILED);
	assert_int_equal(err_from_text(""), ERR_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_set_returns_rc_and_keeps_code_and_sentence),
		cmocka_unit_test(err_set_without_err_only_passes_rc_on),
		cmocka_unit_test(err_errno_appends_the_system_s_words),
		cmocka_unit_test(err_errno_without_errno_is_still_a_failure),
		cmocka_unit_test(err_prefix_goes_before_what_was_known_below),
		cmocka_unit_test(a_message_is_one_line_whatever_was_said_below),
		cmocka_unit_test(an_error_can_be_told_again_in_other_words),
		cmocka_unit_test(a_message_that_is_too_long_is_cut_and_terminated),
		cmocka_unit_test(every_code_has_a_text_of_its_own_that_leads_back_to_it),
		cmocka_unit_test(every_failure_has_an_xapi_code_and_an_exit_status),
		cmocka_unit_test(an_unknown_text_is_a_plain_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake_store.h"

static int make_store(void **state)
{
	*state = fake_store_new();
	return 0;
}

static int free_store(void **state)
{
	fake_store_free(*state);
	return 0;
}

/* A transaction's body that counts its runs, writes, and returns what it is told to. */
struct body {
	unsigned runs;
	int rc;
};

static int run_body(struct store *store, void *data, struct err *err)
{
	struct body *body = data;

	body->runs++;
	store_write(store, "written", "/a/b");
	return body->rc < 0 ? err_set(err, ERR_REFUSED, body->rc, "body") : 0;
}

static void a_transaction_that_goes_through_is_run_once(void **state)
{
	struct store *store = *state;
	struct body body = { .rc = 0 };
	struct err err = { 0 };

	assert_int_equal(store_transaction(store, run_body, &body, &err), 0);

	assert_int_equal(body.runs, 1);
	assert_string_equal(fake_store_value(store, "/a/b"), "written");
}

static void a_conflict_runs_the_body_again_on_the_changed_store(void **state)
{
	struct store *store = *state;
	struct body body = { .rc = 0 };
	struct err err = { 0 };

	fake_store_conflict(store, 3);

	assert_int_equal(store_transaction(store, run_body, &body, &err), 0);

	assert_int_equal(body.runs, 4);
	assert_string_equal(fake_store_value(store, "/a/b"), "written");
}

static void a_transaction_gives_up_after_sixteen_conflicts(void **state)
{
	struct store *store = *state;
	struct body body = { .rc = 0 };
	struct err err = { 0 };

	fake_store_conflict(store, 1000);

	assert_int_equal(store_transaction(store, run_body, &body, &err), -EAGAIN);

	assert_int_equal(body.runs, 16);
	assert_false(fake_store_has(store, "/a/b"));
	assert_non_null(strstr(err.message, "conflict"));
}

static void a_body_that_fails_leaves_nothing_behind(void **state)
{
	struct store *store = *state;
	struct body body = { .rc = -EPERM };
	struct err err = { 0 };

	assert_int_equal(store_transaction(store, run_body, &body, &err), -EPERM);

	assert_int_equal(body.runs, 1);
	assert_false(fake_store_has(store, "/a/b"));
	assert_string_equal(err.message, "body");
}

static void a_number_that_is_none_reads_as_the_fallback(void **state)
{
	struct store *store = *state;

	store_write(store, "42", "/good/%d", 1);
	store_write(store, "-7", "/good/%d", 2);
	store_write(store, "12x", "/bad/1");
	store_write(store, "", "/bad/2");
	store_write(store, "99999999999999999999", "/bad/3");

	assert_int_equal(store_read_integer(store, -1, "/good/%d", 1), 42);
	assert_int_equal(store_read_integer(store, -1, "/good/%d", 2), -7);
	for (int i = 1; i <= 4; i++)
		assert_int_equal(store_read_integer(store, 5, "/bad/%d", i), 5);
}

static void a_path_that_is_too_long_is_refused_and_not_cut(void **state)
{
	struct store *store = *state;
	CLEANUP_FREE char *before = fake_store_dump(store), *after = NULL;
	char name[STORE_PATH_MAX];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';

	assert_int_equal(store_write(store, "1", "/a/%s", name), -ENAMETOOLONG);
	assert_int_equal(store_remove(store, "/a/%s", name), -ENAMETOOLONG);
	assert_null(store_read(store, "/a/%s", name));
	after = fake_store_dump(store);
	assert_string_equal(before, after);
}

static void a_value_that_xenstore_cannot_hold_is_refused(void **state)
{
	CLEANUP_FREE char *value = malloc(STORE_VALUE_MAX + 1);

	assert_non_null(value);
	memset(value, 'v', STORE_VALUE_MAX);
	value[STORE_VALUE_MAX] = '\0';

	assert_int_equal(store_write(*state, value, "/a"), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_store, free_store)
		TEST(a_transaction_that_goes_through_is_run_once),
		TEST(a_conflict_runs_the_body_again_on_the_changed_store),
		TEST(a_transaction_gives_up_after_sixteen_conflicts),
		TEST(a_body_that_fails_leaves_nothing_behind),
		TEST(a_number_that_is_none_reads_as_the_fallback),
		TEST(a_path_that_is_too_long_is_refused_and_not_cut),
		TEST(a_value_that_xenstore_cannot_hold_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

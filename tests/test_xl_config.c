/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "description.h"

struct fixture {
	char directory[32], path[64];
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->directory, sizeof(f->directory), "/tmp/xenferry-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/config", f->directory);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->directory);
	free(f);
	return 0;
}

static void every_byte_comes_back_and_only_root_may_read_it(void **state)
{
	static const uint8_t content[] = { '{', 0x00, 0xff, '\n', '}' };
	CLEANUP_FREE uint8_t *bytes = NULL;
	struct fixture *f = *state;
	struct stat status;
	size_t size;

	assert_int_equal(xl_config_write(f->path, content, sizeof(content), &f->err), 0);
	assert_int_equal(xl_config_read(f->path, &bytes, &size, &f->err), 0);

	assert_int_equal(size, sizeof(content));
	assert_memory_equal(bytes, content, size);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void a_guest_that_xl_did_not_make_has_none(void **state)
{
	struct fixture *f = *state;
	uint8_t *bytes = NULL;
	size_t size = 1;

	assert_int_equal(xl_config_read(f->path, &bytes, &size, &f->err), 0);

	assert_null(bytes);
	assert_int_equal(size, 0);
}

static void one_that_is_too_large_is_refused(void **state)
{
	CLEANUP_FREE uint8_t *large = calloc(1, GUEST_CONFIG_MAX + 1);
	struct fixture *f = *state;
	uint8_t *bytes = NULL;
	size_t size;

	assert_int_equal(xl_config_write(f->path, large, GUEST_CONFIG_MAX + 1, &f->err), 0);

	assert_int_equal(xl_config_read(f->path, &bytes, &size, &f->err), -EFBIG);
	assert_null(bytes);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("/dev/null", f->path), 0);

	assert_int_equal(xl_config_write(f->path, (const uint8_t *)"x", 1, &f->err), -ELOOP);
}

static void removing_is_idempotent(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(xl_config_write(f->path, (const uint8_t *)"x", 1, &f->err), 0);
	assert_int_equal(xl_config_remove(f->path, &f->err), 0);
	assert_int_equal(xl_config_remove(f->path, &f->err), 0);

	assert_int_not_equal(access(f->path, F_OK), 0);
}

static void those_of_a_guest_are_found_whatever_its_domids_were(void **state)
{
	static const char *const names[] = {
		"userdata-d.7.6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001.libxl-json",
		"userdata-d.8.6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e002.libxl-json", /* another's */
		"userdata-d.9.6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001.json",
		"userdata-d.010.6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001.libxl-json",
		"userdata-n.7.6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001.libxl-json",
	};
	struct fixture *f = *state;
	uint32_t domids[4];
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, names[i]);
		assert_int_equal(xl_config_write(path, (const uint8_t *)"x", 1, &f->err), 0);
	}
	assert_int_equal(xl_config_find(f->directory, "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001",
					domids, 4), 1);
	assert_int_equal(domids[0], 7);
	assert_int_equal(xl_config_find(f->directory, "", domids, 4), 0);
	assert_int_equal(xl_config_find("/nonexistent", "x", domids, 4), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->directory, names[i]);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(every_byte_comes_back_and_only_root_may_read_it),
		TEST(a_guest_that_xl_did_not_make_has_none),
		TEST(one_that_is_too_large_is_refused),
		TEST(a_link_in_its_place_is_not_followed),
		TEST(removing_is_idempotent),
		TEST(those_of_a_guest_are_found_whatever_its_domids_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

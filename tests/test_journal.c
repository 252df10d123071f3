/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "scratch.h"

#define FOLDER_MAX 128

static int set_up(void **state)
{
	char *folder = malloc(FOLDER_MAX);

	assert_non_null(folder);
	scratch_make(folder, FOLDER_MAX, "test_journal");
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "journal", "guest" };
	char *folder = *state;
	char path[FOLDER_MAX + 16];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	free(folder);
	return 0;
}

/* Writes the events one after another, as a worker does. */
static void write_events(const char *folder, const struct journal_entry *entries, size_t count)
{
	struct journal *journal = NULL;

	assert_int_equal(journal_open(folder, &clock_system, &journal, NULL), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(journal->ops->append(journal, &entries[i], NULL), 0);
	journal->ops->close(journal);
}

static void what_was_written_is_read_again(void **state)
{
	static const struct journal_entry entries[] = {
		{ .event = JOURNAL_BEGIN, .text = "handover" },
		{ .event = JOURNAL_STEP, .row = 3, .text = "watch-disks" },
		{ .event = JOURNAL_STEP_BLACKOUT, .row = 7, .text = "drain-disks" },
		{ .event = JOURNAL_RELEASED, .row = 8 },
	};
	struct journal_state read;

	write_events(*state, entries, 4);

	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_true(read.begun && read.released);
	assert_false(read.taken || read.never || read.undone || read.done);
	assert_int_equal(read.row, 7);
	assert_string_equal(read.plan, "handover");
}

static void it_says_when_the_first_row_behind_another_was_begun(void **state)
{
	static const struct journal_entry entries[] = {
		{ .event = JOURNAL_STEP, .row = 1, .text = "suspend-guest" },
		{ .event = JOURNAL_STEP_BLACKOUT, .row = 2, .text = "drain-disks" },
		{ .event = JOURNAL_TAKEN },
		{ .event = JOURNAL_STEP_BLACKOUT, .row = 4, .text = "announce-guest" },
		{ .event = JOURNAL_STEP_BLACKOUT, .row = 5, .text = "await-network" },
	};
	struct journal_state read;

	write_events(*state, entries, 5);
	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_true(read.blackout_s > 0);
	assert_true(journal_time_after(&read, 3) >= read.blackout_s);
	assert_float_equal(journal_time_after(&read, 3), read.rows_s[4], 1e-9);
	assert_float_equal(journal_time_after(&read, 5), 0, 1e-9);
}

static void a_release_that_was_taken_back_is_none(void **state)
{
	static const struct journal_entry entries[] = {
		{ .event = JOURNAL_RELEASED }, { .event = JOURNAL_TAKEN_BACK },
	};
	struct journal_state read;

	write_events(*state, entries, 2);

	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_false(read.released);
}

static void a_torn_last_line_is_ignored(void **state)
{
	static const struct journal_entry entries[] = { { .event = JOURNAL_STEP, .row = 2 } };
	static const char torn[] = "{\"time\":1.0,\"event\":\"taken\",\"row\":9,\"text\":\"\"}";
	struct journal_state read;
	char path[FOLDER_MAX + 16];
	CLEANUP_FD int fd = -1;

	write_events(*state, entries, 1);
	snprintf(path, sizeof(path), "%s/journal", (char *)*state);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);

	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_false(read.taken);
	assert_int_equal(read.row, 2);
}

static void the_line_after_a_torn_one_is_read(void **state)
{
	static const struct journal_entry entries[] = { { .event = JOURNAL_STEP, .row = 2 } };
	static const struct journal_entry never[] = { { .event = JOURNAL_NEVER } };
	static const char torn[] = "{\"time\":1.0,\"event\":\"taken\",\"row\":9,\"text\":\"\"}";
	struct journal_state read;
	char path[FOLDER_MAX + 16];
	CLEANUP_FD int fd = -1;

	write_events(*state, entries, 1);
	snprintf(path, sizeof(path), "%s/journal", (char *)*state);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, torn, sizeof(torn) - 1), sizeof(torn) - 1);

	write_events(*state, never, 1);

	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_false(read.taken);
	assert_true(read.never);
	assert_int_equal(read.row, 2);
}

/* As on a full disk: files may grow to `bytes` from here on. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_line_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	static const struct journal_entry taken = { .event = JOURNAL_TAKEN };
	static const struct journal_entry never = { .event = JOURNAL_NEVER };
	struct journal *journal = NULL;
	struct journal_state read;
	struct err err;

	assert_int_equal(journal_open(*state, &clock_system, &journal, NULL), 0);
	limit_files(20); /* part of a line */
	assert_true(journal->ops->append(journal, &taken, &err) < 0);
	limit_files(RLIM_INFINITY);
	assert_int_equal(journal->ops->append(journal, &never, NULL), 0);
	journal->ops->close(journal);

	assert_int_equal(journal_read(*state, &read, NULL), 0);
	assert_true(read.never);
	assert_false(read.taken);
}

static void the_guest_that_was_kept_is_read_again(void **state)
{
	struct journal *journal = NULL;
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t size = 0;

	assert_int_equal(journal_open(*state, &clock_system, &journal, NULL), 0);
	assert_int_equal(journal->ops->keep_guest(journal, "description", 11, NULL), 0);
	journal->ops->close(journal);

	assert_int_equal(journal_read_guest(*state, &bytes, &size, NULL), 0);
	assert_int_equal(size, 11);
	assert_memory_equal(bytes, "description", 11);
}

static void a_folder_without_a_journal_has_none(void **state)
{
	struct journal_state read;
	struct err err;

	assert_int_equal(journal_read(*state, &read, &err), -ENOENT);
	assert_non_null(strstr(err.message, "journal"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_says_when_the_first_row_behind_another_was_begun,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_release_that_was_taken_back_is_none, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_torn_last_line_is_ignored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_line_after_a_torn_one_is_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_line_that_cannot_be_written_leaves_nothing_behind,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_that_was_kept_is_read_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_folder_without_a_journal_has_none, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

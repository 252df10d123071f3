/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char first[] = "00000000-0000-4000-8000-000000000001";
static const char second[] = "00000000-0000-4000-8000-000000000002";
static const char third[] = "00000000-0000-4000-8000-000000000003";
static const char last[] = "00000000-0000-4000-8000-00000000000f";
static const char request[] = "{\"vm\": \"g1\"}";

/* A state of its own, which keeps two past jobs. */
static struct folders *open_state(void)
{
	struct folders *folders = calloc(1, sizeof(*folders));
	char path[] = "/tmp/test_folder.XXXXXX";
	struct err err;

	assert_non_null(folders);
	assert_non_null(mkdtemp(path));
	assert_int_equal(folders_open(path, 2, folders, &err), 0);
	return folders;
}

static int set_up(void **state)
{
	*state = open_state();
	return 0;
}

/* The history of 0 jobs removes what a test has left. */
static int tear_down(void **state)
{
	struct folders *folders = *state;
	struct folder_entry *entries = NULL;
	ssize_t count = folders_list(folders, "jobs", &entries);
	char path[FOLDER_PATH_MAX];

	folders->history_max = 0;
	assert_int_equal(folders_make(folders, last, request, strlen(request), NULL), 0);
	assert_int_equal(folders_file(folders, last, NULL), 0);
	for (ssize_t i = 0; i < count; i++)
		(void)folders_file(folders, entries[i].uuid, NULL);
	free(entries);
	snprintf(path, sizeof(path), "%s/lock", folders->state);
	unlink(path);
	snprintf(path, sizeof(path), "%s/jobs", folders->state);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/history", folders->state);
	rmdir(path);
	folders_close(folders);
	assert_int_equal(rmdir(folders->state), 0);
	free(folders);
	return 0;
}

static int make(const struct folders *folders, const char *uuid)
{
	return folders_make(folders, uuid, request, strlen(request), NULL);
}

static void a_job_is_known_while_it_runs_and_afterwards(void **state)
{
	const struct folders *folders = *state;
	struct err err;

	assert_int_equal(make(folders, first), 0);
	assert_int_equal(folders_make(folders, first, request, strlen(request), &err), -EEXIST);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_int_equal(folders_file(folders, first, &err), 0);
	assert_int_equal(make(folders, first), -EEXIST);
}

static void what_was_written_is_read_again(void **state)
{
	const struct folders *folders = *state;
	static const char record[] = "{\"status\": \"failed\"}";
	struct json_value *value;

	assert_int_equal(make(folders, first), 0);
	value = folders_request(folders, first);
	assert_string_equal(json_get_string(value, "vm"), "g1");
	json_value_free(value);
	assert_null(folders_record(folders, first));

	assert_int_equal(folders_write_record(folders, first, record, strlen(record), NULL), 0);
	assert_int_equal(folders_file(folders, first, NULL), 0);

	value = folders_record(folders, first);
	assert_string_equal(json_get_string(value, "status"), "failed");
	json_value_free(value);
}

/* Makes a job the older the smaller `seconds` is, and files it. */
static void file_aged(const struct folders *folders, const char *uuid, time_t seconds)
{
	const struct timespec times[2] = { { seconds, 0 }, { seconds, 0 } };
	char path[FOLDER_PATH_MAX];

	assert_int_equal(make(folders, uuid), 0);
	snprintf(path, sizeof(path), "%s/jobs/%s", folders->state, uuid);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(folders_file(folders, uuid, NULL), 0);
}

static void the_history_keeps_the_newest(void **state)
{
	const struct folders *folders = *state;
	struct folder_entry *entries = NULL;

	file_aged(folders, second, 2000);
	file_aged(folders, first, 1000);
	file_aged(folders, third, 3000);

	assert_int_equal(folders_list(folders, "history", &entries), 2);
	assert_string_equal(entries[0].uuid, third);
	assert_string_equal(entries[1].uuid, second);
	free(entries);
}

static void what_is_no_job_is_left_alone(void **state)
{
	const struct folders *folders = *state;
	struct folder_entry *entries = NULL;
	char path[FOLDER_PATH_MAX];

	snprintf(path, sizeof(path), "%s/jobs/lost+found", folders->state);
	assert_int_equal(mkdir(path, 0700), 0);

	assert_int_equal(folders_list(folders, "jobs", &entries), 0);
	free(entries);
	rmdir(path);
}

static void a_worker_is_known_by_its_lock(void **state)
{
	const struct folders *folders = *state;
	char path[FOLDER_PATH_MAX];
	int lock;

	assert_int_equal(make(folders, first), 0);
	assert_int_equal(folders_worker(folders, first), 0);
	snprintf(path, sizeof(path), "%s/jobs/%s/lock", folders->state, first);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(lock, "4711\n", 5), 5);
	assert_int_equal(folders_worker(folders, first), 0);

	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);

	assert_int_equal(folders_worker(folders, first), 4711);
	close(lock);
	assert_int_equal(folders_worker(folders, first), 0);
}

static void what_is_claimed_no_worker_begins(void **state)
{
	const struct folders *folders = *state;
	char path[FOLDER_PATH_MAX];
	int claim, lock;

	assert_int_equal(folders_claim(folders, first), -ENOENT);
	assert_int_equal(make(folders, first), 0);
	claim = folders_claim(folders, first);
	assert_true(claim >= 0);

	snprintf(path, sizeof(path), "%s/jobs/%s/lock", folders->state, first);
	lock = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
	close(claim);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(folders_claim(folders, first), -EBUSY);
	close(lock);
}

static void one_daemon_uses_a_state(void **state)
{
	const struct folders *folders = *state;
	struct folders other;
	struct err err;

	assert_int_equal(folders_open(folders->state, 2, &other, &err), -EBUSY);
	assert_non_null(strstr(err.message, "another xenferryd"));
}

#define WITH_STATE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STATE(a_job_is_known_while_it_runs_and_afterwards),
		WITH_STATE(what_was_written_is_read_again),
		WITH_STATE(the_history_keeps_the_newest),
		WITH_STATE(what_is_no_job_is_left_alone),
		WITH_STATE(a_worker_is_known_by_its_lock),
		WITH_STATE(what_is_claimed_no_worker_begins),
		WITH_STATE(one_daemon_uses_a_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

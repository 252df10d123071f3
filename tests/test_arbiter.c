/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arbiter.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "lease.h"

#define LEASE_BYTES (2 * 1024 * 1024)

/* One host: its configuration, and a job with a folder. */
struct site {
	char folder[64];
	struct config config;
	struct job job;
	struct record record;
	const struct lockspace_ops *lockspace;
	struct arbiter *arbiter;
	struct err err;
};

static void write_file(const struct site *site, const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", site->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void site_init(struct site *site, const char *folder, enum arbiter_kind kind,
		      enum side side)
{
	*site = (struct site){ .config = { .arbiter = kind, .arbiter_timeout_ms = 5000 },
			       .job = { .id = { 1, 2, 3 } },
			       .record = { .side = side } };
	snprintf(site->folder, sizeof(site->folder), "%s", folder);
	snprintf(site->config.state_dir, sizeof(site->config.state_dir), "%s", folder);
	snprintf(site->config.arbiter_command, sizeof(site->config.arbiter_command),
		 "%s/command", folder);
	snprintf(site->config.arbiter_lease, sizeof(site->config.arbiter_lease), "%s/lease",
		 folder);
	snprintf(site->job.folder, sizeof(site->job.folder), "%s", folder);
	snprintf(site->record.uuid, sizeof(site->record.uuid), "a-job");
	snprintf(site->record.guest_name, sizeof(site->record.guest_name), "a guest");
	snprintf(site->record.target, sizeof(site->record.target), "B");
}

static struct arbiter_setup setup_of(const struct site *site)
{
	return (struct arbiter_setup){ &site->config, &clock_system, &site->job, &site->record,
				       site->lockspace };
}

static void site_open(struct site *site)
{
	const struct arbiter_setup setup = setup_of(site);

	assert_int_equal(arbiter_open(&setup, &site->arbiter, &site->err), 0);
}

static int site_decide(struct site *site, struct verdict *verdict)
{
	return site->arbiter->ops->decide(site->arbiter, clock_after_ms(&clock_system, 20000),
					  verdict, &site->err);
}

static void site_close(struct site *site)
{
	if (site->arbiter)
		site->arbiter->ops->close(site->arbiter);
}

/* A folder for a test; in the build's, for a lease wants a disk below it. */
static char *make_folder(void)
{
	static char folder[32];

	snprintf(folder, sizeof(folder), "arbiter.XXXXXX");
	return mkdtemp(folder);
}

static void remove_folder(const struct site *site)
{
	static const char *const names[] = { "command", "lease", "lease.lock", "said",
					     JOB_RESOLUTION };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", site->folder, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(site->folder);
}

static void none_is_none(void **state)
{
	struct site site;

	(void)state;
	site_init(&site, ".", ARBITER_NONE, SIDE_SOURCE);
	site_open(&site);
	assert_null(site.arbiter);
}

static void an_operator_says_it_with_a_file_in_the_jobs_folder(void **state)
{
	struct verdict verdict;
	struct site site;

	(void)state;
	site_init(&site, make_folder(), ARBITER_OPERATOR, SIDE_SOURCE);
	site_open(&site);
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	write_file(&site, JOB_RESOLUTION, "{\"outcome\": \"source\"}\n", 0600);
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_NEVER);
	assert_string_equal(verdict.by, "the operator");
	write_file(&site, JOB_RESOLUTION, "{\"outcome\": \"moon\"}\n", 0600);
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	write_file(&site, JOB_RESOLUTION, "{\"outc", 0600);
	assert_true(site_decide(&site, &verdict) < 0);
	site_close(&site);
	remove_folder(&site);
}

static void a_command_says_it_with_its_exit_status(void **state)
{
	static const struct {
		const char *script;
		enum outcome outcome;
	} cases[] = {
		{ "#!/bin/sh\nexit 0\n", OUTCOME_NEVER },
		{ "#!/bin/sh\nexit 10\n", OUTCOME_TAKEN },
		{ "#!/bin/sh\n[ \"$1/$2/$4\" = 'a-job/a guest/B' ]\n", OUTCOME_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct verdict verdict;
		struct site site;

		site_init(&site, make_folder(), ARBITER_COMMAND, SIDE_SOURCE);
		write_file(&site, "command", cases[i].script, 0700);
		site_open(&site);
		assert_int_equal(site_decide(&site, &verdict), 0);
		assert_int_equal(verdict.outcome, cases[i].outcome);
		site_close(&site);
		remove_folder(&site);
	}
}

static void a_command_that_does_not_know_says_why(void **state)
{
	static const char *const scripts[] = { "#!/bin/sh\necho no power switch >&2\nexit 1\n",
					       "#!/bin/sh\necho no power switch\nkill -9 $$\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct verdict verdict;
		struct site site;

		site_init(&site, make_folder(), ARBITER_COMMAND, SIDE_SOURCE);
		write_file(&site, "command", scripts[i], 0700);
		site_open(&site);
		assert_int_equal(site_decide(&site, &verdict), -EAGAIN);
		assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
		assert_non_null(strstr(site.err.message, "does not know: no power switch"));
		site_close(&site);
		remove_folder(&site);
	}
}

static void a_command_is_started_only_when_the_doubt_has_lasted(void **state)
{
	struct verdict verdict;
	struct site site;

	(void)state;
	site_init(&site, make_folder(), ARBITER_COMMAND, SIDE_SOURCE);
	site.config.arbiter_after_ms = 3600000;
	site_open(&site); /* there is no such command: starting it would fail */
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	site_close(&site);
	remove_folder(&site);
}

static void a_target_has_nobody_fenced(void **state)
{
	struct verdict verdict;
	struct site site;

	(void)state;
	site_init(&site, make_folder(), ARBITER_COMMAND, SIDE_TARGET);
	write_file(&site, "command", "#!/bin/sh\nexit 0\n", 0700);
	site_open(&site);
	assert_int_equal(site_decide(&site, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	site_close(&site);
	remove_folder(&site);
}

static void a_command_that_hangs_is_killed_and_has_not_answered(void **state)
{
	struct verdict verdict;
	struct site site;

	(void)state;
	site_init(&site, make_folder(), ARBITER_COMMAND, SIDE_SOURCE);
	site.config.arbiter_timeout_ms = 50;
	write_file(&site, "command", "#!/bin/sh\nsleep 1000\nexit 0\n", 0700);
	site_open(&site);
	assert_int_equal(site_decide(&site, &verdict), -ETIMEDOUT);
	assert_non_null(strstr(site.err.message, "killed"));
	site_close(&site);
	remove_folder(&site);
}

/* Two hosts and their lease; false when the build's folder is on what has no O_DIRECT. */
static bool open_both_with(enum arbiter_kind kind, const struct lockspace_ops *lockspace,
			   struct site *source, struct site *target)
{
	const char *folder = make_folder();
	char path[128];
	int fd;

	site_init(source, folder, kind, SIDE_SOURCE);
	site_init(target, folder, kind, SIDE_TARGET);
	source->lockspace = target->lockspace = lockspace;
	source->config.host_id = 1;
	target->config.host_id = CONFIG_HOST_ID_MAX;
	snprintf(path, sizeof(path), "%s/lease", folder);
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, LEASE_BYTES) < 0) {
		remove_folder(source);
		return false;
	}
	close(fd);
	site_open(source);
	site_open(target);
	return true;
}

static bool open_both(struct site *source, struct site *target)
{
	return open_both_with(ARBITER_LEASE, NULL, source, target);
}

static int put(struct site *site, enum outcome outcome)
{
	return site->arbiter->ops->tell(site->arbiter, outcome,
					clock_after_ms(&clock_system, 20000), &site->err);
}

static void a_lease_carries_what_the_other_host_has_decided(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	if (!open_both(&source, &target))
		skip();
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	assert_int_equal(put(&target, OUTCOME_TAKEN), 0);
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_TAKEN);
	assert_int_equal(site_decide(&target, &verdict), 0); /* its own word is no news to it */
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	assert_int_equal(put(&target, OUTCOME_NEVER), 0);
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_NEVER);
	source.job.id[0] = 99; /* another job's */
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	site_close(&source);
	site_close(&target);
	remove_folder(&source);
}

static void a_lease_forgets_the_oldest_job_first(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	if (!open_both(&source, &target))
		skip();
	for (uint8_t job = 0; job < 17; job++) { /* one more than fit */
		target.job.id[0] = job;
		assert_int_equal(put(&target, OUTCOME_TAKEN), 0);
	}
	source.job.id[0] = 0;
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	source.job.id[0] = 1;
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_TAKEN);
	site_close(&source);
	site_close(&target);
	remove_folder(&source);
}

static void what_is_torn_or_foreign_in_a_lease_is_not_there(void **state)
{
	struct site source, target;
	struct verdict verdict;
	CLEANUP_FD int fd = -1;
	char path[128], byte;
	off_t at = (off_t)(CONFIG_HOST_ID_MAX - 1) * 16 * 4096 + 24; /* within its number */

	(void)state;
	if (!open_both(&source, &target))
		skip();
	assert_int_equal(put(&target, OUTCOME_TAKEN), 0);
	snprintf(path, sizeof(path), "%s/lease", source.folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	site_close(&source);
	site_close(&target);
	remove_folder(&source);
}

static void a_lease_that_is_not_there_decides_nothing(void **state)
{
	struct site site;
	struct verdict verdict;

	(void)state;
	site_init(&site, make_folder(), ARBITER_LEASE, SIDE_SOURCE);
	site.config.host_id = 1;
	site_open(&site);
	assert_true(site_decide(&site, &verdict) < 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	assert_non_null(strstr(site.err.message, "lease"));
	site_close(&site);
	remove_folder(&site);
}

static void storage_that_hangs_is_left_at_the_deadline_and_no_child_stays(void **state)
{
	struct site site;
	struct verdict verdict;
	char path[128];

	(void)state;
	site_init(&site, make_folder(), ARBITER_LEASE, SIDE_SOURCE);
	site.config.host_id = 1;
	snprintf(path, sizeof(path), "%s/lease", site.folder);
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody will ever write there */
	site_open(&site);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(site.arbiter->ops->decide(site.arbiter,
							   clock_after_ms(&clock_system, 20),
							   &verdict, &site.err),
				 -ETIMEDOUT);
		assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	}
	site_close(&site);
	assert_int_equal(waitpid(-1, NULL, 0), -1);
	assert_int_equal(errno, ECHILD);
	remove_folder(&site);
}

/* ---- sanlock ---- */

/* A lockspace that says what it is to say; it is asked in a child, which has a copy of it. */
static struct {
	int rc;                         /* of join() */
	bool hangs;
	bool dead;                      /* every other host is */
	const struct site *wrote;       /* who has put a last word down, NEVER, when it died */
} space;

static int join_space(const char *name, uint32_t host_id, struct err *err)
{
	(void)name;
	(void)host_id;
	while (space.hangs)
		pause();
	return space.rc < 0 ? err_set(err, ERR_FAILED, space.rc, "not in the lockspace") : 0;
}

static int is_dead_in_space(const char *name, uint32_t host_id, bool *dead, struct err *err)
{
	(void)name;
	assert_true(host_id == 1 || host_id == CONFIG_HOST_ID_MAX);
	*dead = space.dead;
	if (space.wrote) {
		const struct arbiter_setup setup = setup_of(space.wrote);

		return lease_put(&setup, OUTCOME_NEVER, err);
	}
	return 0;
}

static const struct lockspace_ops space_ops = { join_space, is_dead_in_space };

static int join(struct site *site)
{
	return site->arbiter->ops->join(site->arbiter, clock_after_ms(&clock_system, 20000),
					&site->err);
}

static void open_space(struct site *source, struct site *target)
{
	memset(&space, 0, sizeof(space));
	if (!open_both_with(ARBITER_SANLOCK, &space_ops, source, target))
		skip();
}

static void close_space(struct site *source, struct site *target)
{
	site_close(source);
	site_close(target);
	remove_folder(source);
}

static void the_guest_of_a_host_that_sanlock_says_is_dead_is_the_targets(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	open_space(&source, &target);
	assert_int_equal(join(&source), 0);
	assert_int_equal(join(&target), 0);
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	space.dead = true;
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_TAKEN);
	assert_string_equal(verdict.by, "sanlock (the other host is dead)");
	assert_int_equal(site_decide(&target, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_TAKEN);
	close_space(&source, &target);
}

static void what_a_dead_host_has_put_down_counts_up_to_its_last_word(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	open_space(&source, &target);
	assert_int_equal(join(&target), 0);
	space.dead = true;
	space.wrote = &target;
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_NEVER);
	assert_string_equal(verdict.by, "the other host's entry in the lease");
	close_space(&source, &target);
}

static void who_is_dead_is_asked_only_when_the_doubt_has_lasted(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	open_space(&source, &target);
	assert_int_equal(join(&target), 0);
	space.dead = true;
	source.config.arbiter_after_ms = 3600000;
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(site_decide(&source, &verdict), 0);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	close_space(&source, &target);
}

static void of_a_host_that_has_not_joined_nobody_says_that_it_is_dead(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	open_space(&source, &target);
	space.dead = true;
	assert_int_equal(site_decide(&source, &verdict), -ENOENT);
	assert_non_null(strstr(source.err.message, "no entry of the other host"));
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	close_space(&source, &target);
}

static void a_host_that_is_not_in_the_lockspace_neither_joins_nor_judges(void **state)
{
	struct site source, target;
	struct verdict verdict;

	(void)state;
	open_space(&source, &target);
	assert_int_equal(join(&target), 0);
	space.rc = -ENOENT;
	space.dead = true;
	assert_int_equal(join(&source), -ENOENT);
	assert_string_equal(source.err.message, "not in the lockspace");
	assert_int_equal(site_decide(&source, &verdict), -ENOENT);
	assert_int_equal(verdict.outcome, OUTCOME_UNDECIDED);
	space.rc = 0;
	assert_int_equal(site_decide(&target, &verdict), -ENOENT); /* the source has no entry */
	close_space(&source, &target);
}

static void a_lockspace_that_hangs_is_left_at_the_deadline(void **state)
{
	struct site source, target;

	(void)state;
	open_space(&source, &target);
	space.hangs = true;
	assert_int_equal(source.arbiter->ops->join(source.arbiter,
						   clock_after_ms(&clock_system, 20), &source.err),
			 -ETIMEDOUT);
	close_space(&source, &target);
}

static void who_needs_nothing_prepared_has_joined(void **state)
{
	struct site site;

	(void)state;
	site_init(&site, make_folder(), ARBITER_LEASE, SIDE_SOURCE);
	site_open(&site); /* there is no lease: writing there would fail */
	assert_int_equal(join(&site), 0);
	site_close(&site);
	remove_folder(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_none),
		cmocka_unit_test(an_operator_says_it_with_a_file_in_the_jobs_folder),
		cmocka_unit_test(a_command_says_it_with_its_exit_status),
		cmocka_unit_test(a_command_that_does_not_know_says_why),
		cmocka_unit_test(a_command_is_started_only_when_the_doubt_has_lasted),
		cmocka_unit_test(a_target_has_nobody_fenced),
		cmocka_unit_test(a_command_that_hangs_is_killed_and_has_not_answered),
		cmocka_unit_test(a_lease_carries_what_the_other_host_has_decided),
		cmocka_unit_test(a_lease_forgets_the_oldest_job_first),
		cmocka_unit_test(what_is_torn_or_foreign_in_a_lease_is_not_there),
		cmocka_unit_test(a_lease_that_is_not_there_decides_nothing),
		cmocka_unit_test(storage_that_hangs_is_left_at_the_deadline_and_no_child_stays),
		cmocka_unit_test(the_guest_of_a_host_that_sanlock_says_is_dead_is_the_targets),
		cmocka_unit_test(what_a_dead_host_has_put_down_counts_up_to_its_last_word),
		cmocka_unit_test(who_is_dead_is_asked_only_when_the_doubt_has_lasted),
		cmocka_unit_test(of_a_host_that_has_not_joined_nobody_says_that_it_is_dead),
		cmocka_unit_test(a_host_that_is_not_in_the_lockspace_neither_joins_nor_judges),
		cmocka_unit_test(a_lockspace_that_hangs_is_left_at_the_deadline),
		cmocka_unit_test(who_needs_nothing_prepared_has_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook_folder.h"

#include <errno.h>
#include <ftw.h>
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

#define UUID "6f1d2c3b-0000-4000-8000-000000000001"
#define LONG_MS 60000 /* a deadline that no test waits for */

struct fixture {
	char root[64];
	struct hook_folder folder;
	char notes[8][512];
	size_t note_count;
	struct err err;
};

static void take_note(void *context, const char *sentence)
{
	struct fixture *fixture = context;

	assert_true(fixture->note_count < 8);
	snprintf(fixture->notes[fixture->note_count++], sizeof(fixture->notes[0]), "%s", sentence);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	snprintf(fixture->root, sizeof(fixture->root), "/tmp/xenferry-hook-XXXXXX");
	assert_non_null(mkdtemp(fixture->root));
	hook_folder_init(&fixture->folder, &clock_system, fixture->root, LONG_MS, take_note,
			 fixture);
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	nftw(fixture->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* A script of /bin/sh; `name` is "vm-pre-migrate/10a". It may write "$SAID". */
static void script(struct fixture *fixture, const char *name, mode_t mode, const char *body)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
	*strrchr(path, '/') = '\0';
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\nSAID=%s/said\n%s\n", fixture->root, body);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static const char *said(struct fixture *fixture, char text[1024])
{
	CLEANUP_FILE FILE *file = NULL;
	char path[256];

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/said", fixture->root);
	file = fopen(path, "re");
	if (file)
		text[fread(text, 1, 1023, file)] = '\0';
	return text;
}

static int run(struct fixture *fixture, enum hook hook, const char *reason, uint32_t domid)
{
	const struct hook_call call = { hook, UUID, domid, reason };

	fixture->err = (struct err){ ERR_NONE, "" };
	return fixture->folder.hooks.ops->run(&fixture->folder.hooks, &call,
					      clock_after_ms(&clock_system, LONG_MS), true,
					      &fixture->err);
}

static int pre_migrate(struct fixture *fixture)
{
	return run(fixture, HOOK_VM_PRE_MIGRATE, HOOK_REASON_SOURCE, 7);
}

static void assert_said(struct fixture *fixture, const char *wanted)
{
	char text[1024];

	assert_string_equal(said(fixture, text), wanted);
}

static void assert_refused(struct fixture *fixture, int rc, const char *words)
{
	assert_int_equal(pre_migrate(fixture), rc);
	if (!strstr(fixture->err.message, words))
		fail_msg("'%s' is not in '%s'", words, fixture->err.message);
}

static void each_hook_has_the_name_that_xenopsd_has(void **state)
{
	enum hook hook = HOOKS;

	(void)state;
	for (enum hook i = 0; i < HOOKS; i++) {
		assert_true(hook_find(hook_name(i), &hook));
		assert_int_equal(hook, i);
		assert_int_equal(hook_vetoes(i), strstr(hook_name(i), "-pre-") &&
							 i != HOOK_VM_PRE_SHUTDOWN);
	}
	assert_false(hook_find("vm-pre-lunch", &hook));
	assert_string_equal(hook_name(HOOK_VM_PRE_MIGRATE), "vm-pre-migrate");
	assert_string_equal(hook_name(HOOK_VM_POST_MIGRATE), "vm-post-migrate");
}

static void no_folder_is_no_hook(void **state)
{
	assert_int_equal(pre_migrate(*state), 0);
}

static void they_run_in_the_order_of_their_names_bytes(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/9last", 0755, "echo 9last >>$SAID");
	script(fixture, "vm-pre-migrate/a", 0755, "echo a >>$SAID");
	script(fixture, "vm-pre-migrate/10first", 0755, "echo 10first >>$SAID");
	script(fixture, "vm-pre-migrate/B", 0755, "echo B >>$SAID");
	script(fixture, "vm-post-migrate/10other", 0755, "echo other >>$SAID");
	assert_int_equal(pre_migrate(fixture), 0);
	assert_said(fixture, "10first\n9last\nB\na\n");
}

static void they_get_what_xenopsd_gives_them(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "echo \"$*\" >$SAID; env -u PWD >>$SAID");
	setenv("SECRET", "of the agent", 1);
	assert_int_equal(pre_migrate(fixture), 0);
	assert_said(fixture, "-vmuuid " UUID " -reason source -vmdomid 7\n"
			     "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin\n");
}

static void a_guest_without_a_domain_has_no_domid(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-post-destroy/10a", 0755, "echo \"$*\" >$SAID");
	assert_int_equal(run(fixture, HOOK_VM_POST_DESTROY, HOOK_REASON_SUSPEND, 0), 0);
	assert_said(fixture, "-vmuuid " UUID " -reason suspend\n");
}

static void a_host_is_named_as_xapi_names_it(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "host-pre-evacuate/10a", 0755, "echo \"$*\" >$SAID");
	assert_int_equal(run(fixture, HOOK_HOST_PRE_EVACUATE, HOOK_REASON_NONE, 0), 0);
	assert_said(fixture, "-hostuuid " UUID " -reason none\n");
}

static void one_is_logged_and_all_goes_on(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "echo so so; exit 1");
	script(fixture, "vm-pre-migrate/20b", 0755, "echo b >>$SAID");
	assert_int_equal(pre_migrate(fixture), 0);
	assert_said(fixture, "b\n");
	assert_int_equal(fixture->note_count, 1);
	assert_string_equal(fixture->notes[0], "hook vm-pre-migrate/10a: exit 1: so so");
}

static void what_it_says_is_noted(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "echo opened port 80 >&2");
	assert_int_equal(pre_migrate(fixture), 0);
	assert_string_equal(fixture->notes[0], "hook vm-pre-migrate/10a: exit 0: opened port 80");
}

static void any_other_status_is_a_veto_and_ends_it(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "echo checking; echo backup runs; exit 2");
	script(fixture, "vm-pre-migrate/20b", 0755, "echo b >>$SAID");
	assert_refused(fixture, -EPERM, "hook vm-pre-migrate/10a: exit 2: backup runs");
	assert_said(fixture, "");
	script(fixture, "vm-pre-migrate/10a", 0755, "kill -KILL $$");
	assert_refused(fixture, -EPERM, "hook vm-pre-migrate/10a: killed by signal 9");
}

static void a_post_hook_that_fails_keeps_no_other_from_running(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-post-migrate/10a", 0755, "echo no >&2; exit 3");
	script(fixture, "vm-post-migrate/20b", 0755, "echo b >>$SAID");
	script(fixture, "vm-post-migrate/30c", 0755, "exit 4");
	assert_int_equal(run(fixture, HOOK_VM_POST_MIGRATE, HOOK_REASON_DESTINATION, 9), -EPERM);
	assert_string_equal(fixture->err.message, "hook vm-post-migrate/10a: exit 3: no");
	assert_said(fixture, "b\n");
}

static void what_cannot_be_run_is_a_veto_with_its_remedy(void **state)
{
	struct fixture *fixture = *state;
	char path[256];

	script(fixture, "vm-pre-migrate/10a", 0644, "");
	assert_refused(fixture, -EACCES, "is not an executable file: chmod +x /tmp/");
	script(fixture, "vm-pre-migrate/10a", 0757, "");
	assert_refused(fixture, -EACCES, "may be changed by anybody: chmod o-w /tmp/");
	script(fixture, "vm-pre-migrate/10a", 0755, "");
	snprintf(path, sizeof(path), "%s/vm-pre-migrate/20folder", fixture->root);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_refused(fixture, -EACCES, "vm-pre-migrate/20folder is not an executable file");
}

static void a_link_is_followed_and_one_to_nothing_is_a_veto(void **state)
{
	struct fixture *fixture = *state;
	char path[256], link[256];

	script(fixture, "elsewhere/a", 0755, "echo linked >>$SAID");
	script(fixture, "vm-pre-migrate/20b", 0755, "echo b >>$SAID");
	snprintf(path, sizeof(path), "%s/elsewhere/a", fixture->root);
	snprintf(link, sizeof(link), "%s/vm-pre-migrate/10a", fixture->root);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(pre_migrate(fixture), 0);
	assert_said(fixture, "linked\nb\n");
	assert_int_equal(unlink(path), 0);
	assert_refused(fixture, -EACCES, "hook vm-pre-migrate/10a cannot be run: ");
}

static void what_is_deleted_in_between_is_no_hook_any_more(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "rm \"${0%/*}/20b\"");
	script(fixture, "vm-pre-migrate/20b", 0755, "exit 2");
	script(fixture, "vm-pre-migrate/30c", 0755, "echo c >>$SAID");
	assert_int_equal(pre_migrate(fixture), 0);
	assert_said(fixture, "c\n");
}

static void one_that_hangs_is_killed_with_all_that_it_started(void **state)
{
	struct fixture *fixture = *state;
	uint64_t start_us = clock_now_us(&clock_system);

	fixture->folder.timeout_ms = 50;
	script(fixture, "vm-pre-migrate/10a", 0755, "echo waiting; sleep 600 & wait");
	assert_int_equal(pre_migrate(fixture), -ETIMEDOUT);
	assert_non_null(strstr(fixture->err.message,
			       "hook vm-pre-migrate/10a: still running at the deadline, killed"));
	assert_true(clock_now_us(&clock_system) - start_us >= 50000);
}

static void a_megabyte_is_read_and_its_end_kept(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755,
	       "head -c 1048576 /dev/zero | tr '\\0' x; echo; echo the end; exit 7");
	assert_refused(fixture, -EPERM, "hook vm-pre-migrate/10a: exit 7: the end");
	script(fixture, "vm-pre-migrate/10a", 0755, "printf 'a\\033[31m\\007b\\n'; exit 7");
	assert_refused(fixture, -EPERM, "exit 7: a [31m b");
}

static void a_daemon_that_it_leaves_behind_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/10a", 0755, "setsid sleep 5 & echo left");
	assert_int_equal(pre_migrate(fixture), 0);
	assert_string_equal(fixture->notes[0], "hook vm-pre-migrate/10a: exit 0: left");
}

static void too_many_are_refused(void **state)
{
	struct fixture *fixture = *state;
	char name[64];

	for (int i = 0; i <= HOOK_SCRIPTS_MAX; i++) {
		snprintf(name, sizeof(name), "vm-pre-migrate/%02d", i);
		script(fixture, name, 0755, "echo run >>$SAID");
	}
	assert_refused(fixture, -E2BIG, "65 hooks, and 64 are the most");
	assert_said(fixture, "");
}

static void see(void *context, const char *name, const struct err *err)
{
	struct fixture *fixture = context;

	snprintf(fixture->notes[fixture->note_count++], sizeof(fixture->notes[0]), "%.200s%s%.200s",
		 name, err->code ? "! " : "", err->message);
}

static void looking_names_them_and_runs_none(void **state)
{
	struct fixture *fixture = *state;

	script(fixture, "vm-pre-migrate/20b", 0644, "");
	script(fixture, "vm-pre-migrate/10a", 0755, "echo run >>$SAID");
	assert_int_equal(fixture->folder.hooks.ops->look(&fixture->folder.hooks,
							 HOOK_VM_PRE_MIGRATE, see, fixture,
							 &fixture->err), 0);
	assert_int_equal(fixture->note_count, 2);
	assert_string_equal(fixture->notes[0], "vm-pre-migrate/10a");
	assert_non_null(strstr(fixture->notes[1], "vm-pre-migrate/20b! hook vm-pre-migrate/20b "));
	assert_said(fixture, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_hook_has_the_name_that_xenopsd_has),
		TEST(no_folder_is_no_hook),
		TEST(they_run_in_the_order_of_their_names_bytes),
		TEST(they_get_what_xenopsd_gives_them),
		TEST(a_guest_without_a_domain_has_no_domid),
		TEST(a_host_is_named_as_xapi_names_it),
		TEST(one_is_logged_and_all_goes_on),
		TEST(what_it_says_is_noted),
		TEST(any_other_status_is_a_veto_and_ends_it),
		TEST(a_post_hook_that_fails_keeps_no_other_from_running),
		TEST(what_cannot_be_run_is_a_veto_with_its_remedy),
		TEST(a_link_is_followed_and_one_to_nothing_is_a_veto),
		TEST(what_is_deleted_in_between_is_no_hook_any_more),
		TEST(one_that_hangs_is_killed_with_all_that_it_started),
		TEST(a_megabyte_is_read_and_its_end_kept),
		TEST(a_daemon_that_it_leaves_behind_is_not_waited_for),
		TEST(too_many_are_refused),
		TEST(looking_names_them_and_runs_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

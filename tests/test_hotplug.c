/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake_site.h"
#include "plug.h"

#define LONG_MS 60000 /* a deadline that no test waits for */

struct fixture {
	struct fake_site *fake;
	struct description guest;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->fake = fake_site_new();
	fake_site_guest(fixture->fake, &fixture->guest);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	description_fini(&fixture->guest);
	fake_site_free(fixture->fake);
	free(fixture);
	return 0;
}

static int run(struct fixture *fixture, unsigned kinds, enum hotplug_action action)
{
	const struct devices devices = devices_of(&fixture->guest, kinds);

	return hotplug_run_all(&fixture->fake->site, FAKE_DOMID, devices.list, devices.count,
			       action, fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static void a_vif_script_gets_what_libxl_gives_it(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *said = NULL;
	char expected[512];

	fake_site_script(fixture->fake, "vif-bridge",
			 "echo \"$*|$script|$XENBUS_TYPE|$XENBUS_PATH|$XENBUS_BASE_PATH|$vif|"
			 "${netdev-unset}\" >\"$FOLDER/said\"\n");
	setenv("vif", "inherited", 1);
	assert_int_equal(run(fixture, 1u << DEVICE_VIF, HOTPLUG_ADD), 0);
	unsetenv("vif");
	said = fake_site_read(fixture->fake, "said");
	snprintf(expected, sizeof(expected),
		 "online type_if=vif|%s/vif-bridge|vif|backend/vif/7/0|backend|vif7.0|\n",
		 fixture->fake->scripts_dir);
	assert_string_equal(said, expected);
}

static void a_vbd_script_gets_what_libxl_gives_it(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *said = NULL;
	char expected[512];

	fake_site_script(fixture->fake, "block",
			 "echo \"$*|$script|$XENBUS_TYPE|$XENBUS_PATH|${vif-unset}\" "
			 ">\"$FOLDER/said\"\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_REMOVE), 0);
	said = fake_site_read(fixture->fake, "said");
	snprintf(expected, sizeof(expected), "remove|%s/block|vbd|backend/vbd/7/51712|unset\n",
		 fixture->fake->scripts_dir);
	assert_string_equal(said, expected);
}

static void a_script_starts_with_no_signal_blocked(void **state)
{
	struct fixture *fixture = *state;
	sigset_t term, before;

	fake_site_script(fixture->fake, "block", "kill -TERM $$\nexit 0\n");
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_ADD), -EIO);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_non_null(strstr(fixture->err.message, "killed by signal 15"));
}

static void a_failure_has_the_exit_status_and_the_last_line(void **state)
{
	struct fixture *fixture = *state;

	fake_site_script(fixture->fake, "block",
			 "echo nothing wrong yet\necho \"no such volume\" >&2\necho\nexit 3\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_ADD), -EIO);
	assert_string_equal(fixture->err.message,
			    "vbd xvda: script block add: exit 3: no such volume");
}

static void the_words_left_in_xenstore_are_preferred(void **state)
{
	struct fixture *fixture = *state;

	store_write(fixture->fake->site.store, "bridge br9 is missing",
		    "/local/domain/0/backend/vif/7/0/hotplug-error");
	fake_site_script(fixture->fake, "vif-bridge", "echo sigerr >&2\nexit 1\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VIF, HOTPLUG_ADD), -EIO);
	assert_string_equal(fixture->err.message,
			    "vif 0: script vif-bridge online: exit 1: bridge br9 is missing");
}

static void a_scripts_words_are_shown_without_their_control_characters(void **state)
{
	struct fixture *fixture = *state;

	fake_site_script(fixture->fake, "vif-bridge", "printf 'a\\033[2Jb\\177c\\n'\nexit 1\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VIF, HOTPLUG_ADD), -EIO);
	assert_non_null(strstr(fixture->err.message, ": a [2Jb c"));
	store_write(fixture->fake->site.store, "no\nbridge\033[1m",
		    "/local/domain/0/backend/vif/7/0/hotplug-error");
	assert_int_equal(run(fixture, 1u << DEVICE_VIF, HOTPLUG_ADD), -EIO);
	assert_non_null(strstr(fixture->err.message, ": no bridge [1m"));
}

static void much_output_neither_blocks_nor_hides_the_end(void **state)
{
	struct fixture *fixture = *state;

	fake_site_script(fixture->fake, "block",
			 "i=0\nwhile [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done\n"
			 "echo the end\nexit 1\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_ADD), -EIO);
	assert_non_null(strstr(fixture->err.message, "exit 1: the end"));
}

/* Each waits for the other at the pipe: run one after the other, the first would never end. */
static void all_scripts_run_at_the_same_time(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/meet", fixture->fake->folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	fake_site_script(fixture->fake, "block", "echo hello >\"$FOLDER/meet\"\n");
	fake_site_script(fixture->fake, "vif-bridge", "read word <\"$FOLDER/meet\"\n");
	assert_int_equal(run(fixture, DEVICES_ALL, HOTPLUG_ADD), 0);
}

static void one_failure_stops_no_other_script(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	fake_site_script(fixture->fake, "block", "exit 1\n");
	assert_int_equal(run(fixture, DEVICES_ALL, HOTPLUG_ADD), -EIO);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "online backend/vif/7/0\n");
	assert_non_null(strstr(fixture->err.message, "vbd xvda"));
}

/* Lets the deadline pass as soon as the script's child has shown that it runs. */
static void pass_deadline_once_heard(struct fake_site *fake, void *data)
{
	char byte;

	if (read(*(int *)data, &byte, 1) == 1)
		fake->ahead_us = 2 * LONG_MS * 1000ull;
}

static void a_hanging_script_is_killed_with_its_children(void **state)
{
	struct fixture *fixture = *state;
	struct fake_site *fake = fixture->fake;
	CLEANUP_FD int fd = -1;
	char path[128], byte;

	snprintf(path, sizeof(path), "%s/alive", fake->folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fake_site_script(fake, "block",
			 "echo waiting for the lock\nexec 9>\"$FOLDER/alive\"\n"
			 "(printf x >&9; exec sleep 1000) &\nwait\n");
	fake->on_wait = pass_deadline_once_heard;
	fake->data = &fd;
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_ADD), -ETIMEDOUT);
	assert_int_equal(fixture->err.code, ERR_TIMED_OUT);
	assert_string_equal(fixture->err.message,
			    "vbd xvda: script block add: still running at the deadline, killed: "
			    "waiting for the lock");
	/* nobody holds the pipe any more: its end, where a live child would make this EAGAIN */
	for (int i = 0; i < 1000 && read(fd, &byte, 1) != 0; i++)
		clock_sleep_us(&clock_system, 1000);
	assert_int_equal(read(fd, &byte, 1), 0);
}

static void a_daemon_that_keeps_the_output_open_does_not_matter(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *pid = NULL;

	fake_site_script(fixture->fake, "block", "sleep 1000 &\necho $! >\"$FOLDER/pid\"\n");
	assert_int_equal(run(fixture, 1u << DEVICE_VBD, HOTPLUG_ADD), 0);
	pid = fake_site_read(fixture->fake, "pid");
	assert_true(atoi(pid) > 1);
	assert_int_equal(kill(atoi(pid), SIGKILL), 0);
}

static void only_executables_of_the_scripts_folder_are_run(void **state)
{
	struct fixture *fixture = *state;
	const char *folder = fixture->fake->scripts_dir;
	static const char *const refused[] = {
		"",           "block",     "/bin/sh",     "%s",           "%s-more/block",
		"%s/../disk", "%s/absent", "%s/block;id", "%s/block add", "%s/plain",
	};
	char path[256];

	snprintf(path, sizeof(path), "%s/plain", folder);
	fclose(fopen(path, "we"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const char *rest = refused[i];
		bool below = strncmp(rest, "%s", 2) == 0;

		snprintf(path, sizeof(path), "%s%s", below ? folder : "", below ? rest + 2 : rest);
		assert_true(hotplug_check(folder, path, &fixture->err) < 0);
		assert_int_equal(fixture->err.code, ERR_REFUSED);
	}
	snprintf(path, sizeof(path), "%s/block", folder);
	assert_int_equal(hotplug_check(folder, path, &fixture->err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_vif_script_gets_what_libxl_gives_it),
		TEST(a_vbd_script_gets_what_libxl_gives_it),
		TEST(a_script_starts_with_no_signal_blocked),
		TEST(a_failure_has_the_exit_status_and_the_last_line),
		TEST(the_words_left_in_xenstore_are_preferred),
		TEST(a_scripts_words_are_shown_without_their_control_characters),
		TEST(much_output_neither_blocks_nor_hides_the_end),
		TEST(all_scripts_run_at_the_same_time),
		TEST(one_failure_stops_no_other_script),
		TEST(a_hanging_script_is_killed_with_its_children),
		TEST(a_daemon_that_keeps_the_output_open_does_not_matter),
		TEST(only_executables_of_the_scripts_folder_are_run),
	};

	return cmocka_run_group_tests_name("hotplug", tests, NULL, NULL);
}

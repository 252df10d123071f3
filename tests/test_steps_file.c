/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests into files and out of them: the runner and its steps over a fake host and a real file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "peer.h"
#include "recover.h"
#include "runner.h"
#include "scratch.h"

#define JOB_UUID "0b7c6ba6-3f5c-4a3d-9a5b-1b1d0e8f6a11"

struct scene {
	struct fake_migration fake;
	struct peer_file peer;
	char folder[128], path[160];
	struct err err;
	unsigned fail_times; /* 0: always */
};

/* A run of a plan of files; it fails at `fail_at`, a pattern of the fake's log. */
static int run(struct scene *scene, enum side side, const char *plan, const char *fail_at)
{
	struct migration *m = &scene->fake.migration;
	int rc;

	fake_migration_init(&scene->fake, side, "handover");
	scene->fake.fail_at = fail_at;
	scene->fake.fail_times = scene->fail_times;
	m->plan = plan_find_file(plan);
	message_fini(&m->offer);
	m->link = NULL;
	assert_int_equal(saved_file_name(&m->file, scene->path, JOB_UUID, &scene->err), 0);
	peer_file_init(&scene->peer, &m->file);
	m->peer = &scene->peer.peer;
	scene->err = (struct err){ ERR_NONE, "" };
	rc = plan_run(m, 0, &scene->err);
	saved_file_close(&m->file);
	return rc;
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scratch_make(scene->folder, sizeof(scene->folder), "test_steps_file");
	snprintf(scene->path, sizeof(scene->path), "%s/g1", scene->folder);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	unlink(scene->path);
	assert_int_equal(rmdir(scene->folder), 0); /* and nothing else is in it */
	free(scene);
	return 0;
}

static bool is_there(const struct scene *scene)
{
	return access(scene->path, F_OK) == 0;
}

static size_t count(const struct scene *scene, const char *entry)
{
	return fake_count(&scene->fake, entry);
}

static size_t at(const struct scene *scene, const char *entry)
{
	return fake_index(&scene->fake, entry);
}

static void a_guest_is_torn_down_once_it_is_whole_in_its_file(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, SIDE_SOURCE, "suspend", NULL), 0);
	assert_true(is_there(scene));
	assert_true(at(scene, "journal taken") < at(scene, "destroy"));
	assert_int_equal(count(scene, "resume"), 0);
	assert_int_equal(count(scene, "journal done"), 1);
	fake_migration_fini(&scene->fake);
}

static void a_checkpoint_leaves_the_guest_running(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(run(scene, SIDE_SOURCE, "checkpoint", NULL), 0);
	assert_true(is_there(scene));
	assert_int_equal(count(scene, "resume"), 1);
	assert_int_equal(count(scene, "destroy"), 0);
	fake_migration_fini(&scene->fake);
}

/* What must be undone once it was begun. */
static void assert_taken_back(const struct scene *scene, const char *done, const char *undone,
			      const char *fail_at)
{
	size_t begun = at(scene, done);

	if (begun == FAKE_LOG_MAX)
		return;
	if (at(scene, undone) == FAKE_LOG_MAX || at(scene, undone) < begun)
		fail_msg("failed at %s: %s without %s", fail_at, done, undone);
}

/* Runs `plan` once for each entry of a good run's log up to `last`, and fails there. */
static void fail_everywhere(struct scene *scene, enum side side, const char *plan,
			    const char *last, void (*look)(struct scene *, const char *))
{
	struct scene good = *scene;
	size_t end;

	assert_int_equal(run(&good, side, plan, NULL), 0);
	end = at(&good, last);
	assert_true(end < good.fake.log_count);
	scene->fail_times = 1;
	if (side == SIDE_SOURCE)
		assert_int_equal(unlink(scene->path), 0);
	for (size_t i = 0; i <= end; i++) {
		const char *entry = good.fake.log[i];

		if (strcmp(entry, "unwatch_disks") == 0 || strcmp(entry, "stream_stop") == 0)
			continue; /* these cannot fail */
		assert_true(run(scene, side, plan, entry) < 0);
		assert_true(scene->err.code != ERR_NONE);
		look(scene, entry);
		assert_int_equal(count(scene, "journal undone"), 1);
		fake_migration_fini(&scene->fake);
	}
	fake_migration_fini(&good.fake);
}

static void look_at_source(struct scene *scene, const char *fail_at)
{
	if (is_there(scene))
		fail_msg("failed at %s: there is a file", fail_at);
	assert_taken_back(scene, "watch_disks", "unwatch_disks", fail_at);
	assert_taken_back(scene, "save_begin", "stream_stop", fail_at);
	assert_taken_back(scene, "suspend", "resume", fail_at);
	assert_int_equal(count(scene, "destroy"), 0);
}

static void a_failure_before_the_commit_lets_the_guest_go_on_and_leaves_no_file(void **state)
{
	fail_everywhere(*state, SIDE_SOURCE, "suspend", "journal taken", look_at_source);
	fail_everywhere(*state, SIDE_SOURCE, "checkpoint", "journal taken", look_at_source);
}

static void look_at_target(struct scene *scene, const char *fail_at)
{
	if (!is_there(scene))
		fail_msg("failed at %s: the file has gone", fail_at);
	assert_taken_back(scene, "create", "destroy", fail_at);
	assert_taken_back(scene, "plug 1", "unplug", fail_at);
	assert_taken_back(scene, "plug 2", "unplug", fail_at);
	assert_taken_back(scene, "restore_begin", "stream_stop", fail_at);
	assert_int_equal(count(scene, "unpause"), 0);
}

static void describe(struct description *guest)
{
	description_init(guest);
	snprintf(guest->name, sizeof(guest->name), "g1");
	snprintf(guest->uuid, sizeof(guest->uuid), FAKE_GUEST_UUID);
	snprintf(guest->xen_version, sizeof(guest->xen_version), "4.17");
	guest->type = GUEST_PVH;
	guest->vcpus = 1;
	guest->pages_max = guest->pages_now = 1024;
	guest->static_max_kib = guest->target_kib = 4096;
	guest->config = (uint8_t *)strdup("{\"xl\": \"its own\"}");
	guest->config_bytes = strlen((char *)guest->config);
}

static void make_file(struct scene *scene)
{
	struct saved_file file = { .fd = -1 };
	struct description guest;

	describe(&guest);
	assert_int_equal(saved_file_name(&file, scene->path, JOB_UUID, &scene->err), 0);
	assert_int_equal(saved_file_create(&file, &guest, &scene->err), 0);
	assert_int_equal(saved_file_finish(&file, &scene->err), 0);
	assert_int_equal(saved_file_publish(&file, &scene->err), 0);
	saved_file_close(&file);
	description_fini(&guest);
}

static void a_guest_that_cannot_be_taken_out_stays_in_its_file(void **state)
{
	make_file(*state);
	fail_everywhere(*state, SIDE_TARGET, "resume", "journal taken", look_at_target);
}

/* The line may stand on the disk: who resumed the guest now might tear it down later. */
static void a_commit_that_can_be_written_neither_way_is_left_to_recovery(void **state)
{
	struct scene *scene = *state;

	assert_true(run(scene, SIDE_SOURCE, "suspend", "journal @(taken|never)") < 0);
	assert_int_equal(scene->err.code, ERR_IN_DOUBT);
	assert_int_equal(count(scene, "resume"), 0);
	saved_file_drop(&scene->fake.migration.file);
	fake_migration_fini(&scene->fake);
}

static int recover(struct scene *scene, const struct journal_state *journal)
{
	struct migration *m = &scene->fake.migration;
	struct description guest;
	struct tlv_writer bytes;
	int rc;

	describe(&guest);
	tlv_writer_init(&bytes, DESCRIPTION_MAX);
	description_encode(&guest, &bytes);
	fake_migration_init(&scene->fake, SIDE_SOURCE, "handover");
	m->plan = plan_find_file("suspend");
	m->link = NULL;
	assert_int_equal(saved_file_name(&m->file, scene->path, JOB_UUID, &scene->err), 0);
	rc = recover_run(m, journal, bytes.bytes, bytes.size, &scene->err);
	tlv_writer_fini(&bytes);
	description_fini(&guest);
	return rc;
}

static void a_commit_that_was_taken_back_is_undone_by_recovery(void **state)
{
	struct scene *scene = *state;
	const struct journal_state journal = { .begun = true, .taken = true, .never = true,
					       .row = 8 };

	assert_true(recover(scene, &journal) < 0);
	assert_int_equal(count(scene, "resume"), 1);
	assert_int_equal(count(scene, "destroy"), 0);
	fake_migration_fini(&scene->fake);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_is_torn_down_once_it_is_whole_in_its_file),
		TEST(a_checkpoint_leaves_the_guest_running),
		TEST(a_failure_before_the_commit_lets_the_guest_go_on_and_leaves_no_file),
		TEST(a_guest_that_cannot_be_taken_out_stays_in_its_file),
		TEST(a_commit_that_can_be_written_neither_way_is_left_to_recovery),
		TEST(a_commit_that_was_taken_back_is_undone_by_recovery),
	};

	return cmocka_run_group_tests_name("steps_file", tests, NULL, NULL);
}

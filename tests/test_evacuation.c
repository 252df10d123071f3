/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evacuation.h"

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
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake_clock.h"

#define JOB "6f1d2c3b-0000-4000-8000-000000000001"

/* An evacuation without a daemon. */
struct scene {
	struct config config;
	struct fake_clock clock;
	struct jobs jobs;
	struct evacuation evacuation;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct evacuation *evacuation = &scene->evacuation;

	fake_clock_init(&scene->clock);
	config_defaults(&scene->config);
	scene->jobs.setup.config = &scene->config;
	scene->jobs.setup.clock = &scene->clock.clock;
	evacuation->jobs = &scene->jobs;
	evacuation->guests = calloc(EVACUEES_MAX, sizeof(*evacuation->guests));
	evacuation->movers = calloc(EVACUEES_MAX, sizeof(*evacuation->movers));
	*state = scene;
	return evacuation_plan_init(&evacuation->plan, NULL);
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	for (size_t i = 0; i < scene->evacuation.plan.guest_count; i++)
		free(scene->evacuation.movers[i].error);
	free(scene->evacuation.guests);
	free(scene->evacuation.movers);
	evacuation_plan_fini(&scene->evacuation.plan);
	free(scene);
	return 0;
}

static int read_text(struct scene *scene, const char *text)
{
	CLEANUP_JSON_VALUE struct json_value *saved = json_parse(text, strlen(text), NULL);

	assert_non_null(saved);
	return evacuation_read(&scene->evacuation, saved);
}

#define SAVED(status, guests) \
	"{\"uuid\": \"" JOB "\", \"status\": \"" status "\", \"targets\": \"B,C\", " \
	"\"order\": \"smallest\", \"batch_size\": 5, \"guests\": [" guests "]}"
#define GUEST(name, target, state, job) \
	"{\"uuid\": \"" name "\", \"name-label\": \"" name "\", \"target\": " target ", " \
	"\"state\": \"" state "\", \"attempts\": 2, \"migration\": " job ", \"start_ms\": 5}"

static void what_was_kept_is_gone_on_from(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct scene *scene = *state;
	const struct evacuation *evacuation = &scene->evacuation;

	assert_int_equal(read_text(scene, SAVED("running",
		GUEST("g1", "\"B\"", "moved", "\"" JOB "\"") ","
		GUEST("g2", "\"C\"", "copying", "\"" JOB "\"") ","
		GUEST("g3", "null", "failed", "null"))), 0);
	assert_int_equal(evacuation->status, EVACUATION_RUNNING);
	assert_int_equal(evacuation->request.order, ORDER_SMALLEST);
	assert_int_equal(evacuation->request.copying_max, 5);
	assert_string_equal(evacuation->request.targets, "B,C");
	assert_int_equal(evacuation->guests[0].state, SCHEDULE_MOVED);
	assert_int_equal(evacuation->guests[1].state, SCHEDULE_COPYING);
	assert_string_equal(evacuation->movers[1].job, JOB);
	assert_int_equal(evacuation->guests[1].attempts, 2);
	assert_int_equal(evacuation->guests[2].state, SCHEDULE_FAILED);
	evacuation_write(evacuation, writer);
	assert_non_null(strstr(json_text(writer, NULL), "\"moved\":1,\"failed\":1,\"left\":2"));
}

static void who_has_no_host_or_no_job_cannot_be_under_way(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(read_text(scene, SAVED("stopping",
		GUEST("g1", "null", "copying", "\"" JOB "\"") ","
		GUEST("g2", "\"B\"", "blackout", "\"../../etc/passwd\""))), 0);
	assert_int_equal(scene->evacuation.status, EVACUATION_STOPPING);
	assert_int_equal(scene->evacuation.guests[0].state, SCHEDULE_WAITING);
	assert_int_equal(scene->evacuation.guests[1].state, SCHEDULE_WAITING);
	assert_string_equal(scene->evacuation.movers[1].job, "");
}

static void what_has_ended_is_not_gone_on_with(void **state)
{
	assert_int_equal(read_text(*state, SAVED("completed", "")), -ENOENT);
	assert_int_equal(read_text(*state, SAVED("stopped", "")), -ENOENT);
	assert_int_equal(read_text(*state, "{}"), -ENOENT);
	assert_int_equal(read_text(*state, "[]"), -ENOENT);
}

/* One row a request that is refused, with a word of the reason. */
static void requests_are_refused_with_what_is_wanted(void **state)
{
	static const struct {
		const char *params, *word;
	} wrong[] = {
		{ "{\"host\": \"elsewhere\"}", "ask it there" },
		{ "{\"order\": \"random\"}", "largest" },
		{ "{\"batch_size\": 0}", "1 to 64" },
		{ "{\"batch_size\": 65}", "1 to 64" },
		{ "{\"targets\": \"\"}", "commas" },
	};
	struct scene *scene = *state;
	struct evacuation_request request;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CLEANUP_JSON_VALUE struct json_value *params =
			json_parse(wrong[i].params, strlen(wrong[i].params), NULL);
		struct err err = { ERR_NONE, "" };

		assert_int_not_equal(evacuation_read_request(params, &scene->config, &request,
							     &err), 0);
		assert_non_null(strstr(err.message, wrong[i].word));
	}
	assert_int_equal(evacuation_read_request(NULL, &scene->config, &request, NULL), 0);
	assert_int_equal(request.copying_max, 3);
	assert_int_equal(request.order, ORDER_LARGEST);
}

/* ---- after a restart of the daemon ---- */

/* A state folder with two jobs that an earlier daemon's workers are at. No program starts. */
struct restart {
	uv_loop_t loop;
	struct config config;
	struct fake_clock clock;
	struct folders folders;
	struct worker_program program;
	struct jobs jobs;
	struct evacuation evacuation;
	int locks[2];        /* as the workers hold them */
	bool knew_beginning; /* a job that began stood in the evacuation's file by then */
};

#define JOB_A "6f1d2c3b-0000-4000-8000-00000000000a"
#define JOB_B "6f1d2c3b-0000-4000-8000-00000000000b"

static const char *const job_uuids[] = { JOB_A, JOB_B };

static void hear_of_job(void *context, const struct json_value *record)
{
	struct restart *restart = context;
	CLEANUP_JSON_VALUE struct json_value *kept = folders_evacuation(&restart->folders);
	const struct json_value *last = json_at(json_get(kept, "guests"), 2);
	const char *job = json_get_string(last, "migration");

	restart->knew_beginning |= job && strcmp(job, json_get_string(record, "uuid")) == 0;
	evacuation_note(&restart->evacuation, record);
}

static void hear_nothing(void *context)
{
	(void)context;
}

static char *record_of(size_t job, const char *rest)
{
	char *text = NULL;

	assert_true(asprintf(&text, "{\"uuid\": \"%s\", %s}", job_uuids[job], rest) > 0);
	return text;
}

/* Its worker waits at the gate, and holds the job's lock. */
static int make_job(const struct folders *folders, size_t job)
{
	static const char request[] = "{\"side\": \"source\", \"vm\": \"g\"}";
	CLEANUP_FREE char *record =
		record_of(job, "\"status\": \"copying\", \"awaits_continue\": true");
	char path[FOLDER_PATH_MAX + 64];
	int lock;

	assert_int_equal(folders_make(folders, job_uuids[job], request, strlen(request), NULL), 0);
	assert_int_equal(
		folders_write_record(folders, job_uuids[job], record, strlen(record), NULL), 0);
	snprintf(path, sizeof(path), "%s/jobs/%s/lock", folders->state, job_uuids[job]);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0);
	assert_true(dprintf(lock, "%d", (int)getpid()) > 0);
	return lock;
}

static void begin_daemon(struct restart *restart)
{
	const struct jobs_setup setup = {
		&restart->loop,    &restart->clock.clock, &restart->config, &restart->folders,
		&restart->program, hear_of_job,           restart
	};

	jobs_init(&restart->jobs, &setup);
	evacuation_init(&restart->evacuation, &restart->jobs, hear_nothing, NULL);
	(void)uv_run(&restart->loop, UV_RUN_NOWAIT);
}

static void end_daemon(struct restart *restart)
{
	evacuation_fini(&restart->evacuation);
	jobs_fini(&restart->jobs);
	assert_int_equal(uv_run(&restart->loop, UV_RUN_DEFAULT), 0);
}

static int set_up_restart(void **state)
{
	static const char saved[] = SAVED("running",
		GUEST("g1", "\"B\"", "ready", "\"" JOB_A "\"") ","
		GUEST("g2", "\"C\"", "copying", "\"" JOB_B "\"") ","
		GUEST("g3", "\"B\"", "copying", "\"" JOB "\""));
	struct restart *restart = calloc(1, sizeof(*restart));
	char path[] = "/tmp/test_evacuation.XXXXXX";

	assert_non_null(restart);
	assert_non_null(mkdtemp(path));
	fake_clock_init(&restart->clock);
	config_defaults(&restart->config);
	assert_int_equal(uv_loop_init(&restart->loop), 0);
	assert_int_equal(folders_open(path, 0, &restart->folders, NULL), 0);
	restart->program.libexec_dir = restart->folders.state;
	for (size_t i = 0; i < 2; i++)
		restart->locks[i] = make_job(&restart->folders, i);
	assert_int_equal(folders_write_evacuation(&restart->folders, saved, strlen(saved), NULL),
			 0);
	begin_daemon(restart);
	*state = restart;
	return 0;
}

static int tear_down_restart(void **state)
{
	static const char *const left[] = { "/evacuation.json", "/lock", "/jobs", "/history", "" };
	struct restart *restart = *state;
	char path[FOLDER_PATH_MAX + 64];

	end_daemon(restart);
	assert_int_equal(uv_loop_close(&restart->loop), 0);
	for (size_t i = 0; i < 2; i++) {
		close(restart->locks[i]);
		assert_int_equal(folders_file(&restart->folders, job_uuids[i], NULL), 0);
	}
	folders_close(&restart->folders);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", restart->folders.state, left[i]);
		(void)remove(path);
	}
	assert_int_equal(access(restart->folders.state, F_OK), -1);
	free(restart);
	return 0;
}

static bool may_go_on(const struct restart *restart, size_t job)
{
	CLEANUP_JSON_VALUE struct json_value *orders =
		folders_orders(&restart->folders, job_uuids[job]);

	return json_get_boolean(orders, "continue", false);
}

static void runs_at_the_target(struct restart *restart, size_t job)
{
	CLEANUP_FREE char *text =
		record_of(job, "\"status\": \"copying\", \"sync_point\": \"SP4\"");
	CLEANUP_JSON_VALUE struct json_value *record = json_parse(text, strlen(text), NULL);

	evacuation_note(&restart->evacuation, record);
	(void)uv_run(&restart->loop, UV_RUN_NOWAIT);
}

static void after_a_restart_blackouts_still_wait_for_each_other(void **state)
{
	struct restart *restart = *state;

	assert_true(may_go_on(restart, 0)); /* it waited first */
	assert_false(may_go_on(restart, 1));
	runs_at_the_target(restart, 0);
	assert_true(may_go_on(restart, 1));
}

static void whose_turn_it_is_survives_another_restart(void **state)
{
	struct restart *restart = *state;

	end_daemon(restart);
	begin_daemon(restart);
	assert_int_equal(restart->evacuation.guests[0].state, SCHEDULE_CLEARED);
	assert_int_equal(restart->evacuation.guests[1].state, SCHEDULE_READY);
	assert_false(may_go_on(restart, 1));
}

/* It was written down, and no more: it begins, as far as it can here. */
static void a_job_is_written_down_before_it_begins(void **state)
{
	const struct restart *restart = *state;

	assert_string_not_equal(restart->evacuation.movers[2].job, JOB);
	assert_true(restart->knew_beginning);
	assert_int_equal(restart->evacuation.guests[2].attempts, 2); /* of which one was none */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define RESTART_TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up_restart, tear_down_restart)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_kept_is_gone_on_from),
		TEST(who_has_no_host_or_no_job_cannot_be_under_way),
		TEST(what_has_ended_is_not_gone_on_with),
		TEST(requests_are_refused_with_what_is_wanted),
		RESTART_TEST(after_a_restart_blackouts_still_wait_for_each_other),
		RESTART_TEST(whose_turn_it_is_survives_another_restart),
		RESTART_TEST(a_job_is_written_down_before_it_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

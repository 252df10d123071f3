/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evacuation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_kept_is_gone_on_from),
		TEST(who_has_no_host_or_no_job_cannot_be_under_way),
		TEST(what_has_ended_is_not_gone_on_with),
		TEST(requests_are_refused_with_what_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evacuation_plan.h"

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

#define LIST \
	"\"hosts\": [{\"name\": \"B\", \"address\": \"192.0.2.2\", \"tags\": [\"ssd\"]}," \
	"{\"name\": \"C\", \"address\": \"192.0.2.3\", \"link-mibps\": 100}]"

/* Two hosts, B with 1 MiB more, and what is said of the guests. */
#define SURVEY(guests) \
	"{\"hosts\": [{\"name\": \"B\", \"reached\": true, \"free_bytes\": 9437184, " \
	"\"guests\": [\"db9\"], \"fixed_ms\": 100}, {\"name\": \"C\", \"reached\": true, " \
	"\"free_bytes\": 8388608, \"guests\": [], \"fixed_ms\": 200}], \"guests\": [" guests "]}"
#define GUEST(name, mib) \
	"{\"uuid\": \"" name "\", \"name-label\": \"" name "\", \"memory_bytes\": " mib "000000, " \
	"\"needs_bytes\": " mib "048576, \"refused\": []}"

static struct evacuation_plan plan;

static int tear_down(void **state)
{
	(void)state;
	evacuation_plan_fini(&plan);
	return 0;
}

static int take(const char *rules, const char *survey, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *parsed = json_parse(survey, strlen(survey), err);
	char path[] = "/tmp/test_evacuation_plan.XXXXXX";
	static struct hosts hosts;
	struct guest_rules said;
	int fd = mkstemp(path), rc;

	assert_non_null(parsed);
	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "{" LIST "%s}", rules) > 0, 1);
	close(fd);
	rc = hosts_load(path, HOST_PORT_DEFAULT, &hosts, err);
	if (rc == 0)
		rc = guest_rules_load(path, &said, err);
	unlink(path);
	if (rc < 0)
		return rc;
	if (!plan.hosts)
		assert_int_equal(evacuation_plan_init(&plan, err), 0);
	rc = evacuation_plan_take(&plan, parsed, &hosts, &said, err);
	guest_rules_fini(&said);
	return rc;
}

/* Returns how many have no place. */
static int place_all(void)
{
	bool wanted[EVACUEES_MAX];

	memset(wanted, true, sizeof(wanted));
	return evacuation_plan_place(&plan, wanted);
}

static int plan_for(const char *rules, const char *survey)
{
	struct err err = { ERR_NONE, "" };

	if (take(rules, survey, &err) < 0)
		fail_msg("%s", err.message);
	return place_all();
}

static const char *target_of(const char *guest)
{
	uint32_t target = plan.guests[evacuation_plan_find(&plan, guest)].target;

	return target == PLACEMENT_NONE ? NULL : plan.hosts[target].place.name;
}

static bool has_reason(const char *guest, const char *words)
{
	for (size_t i = 0; i < plan.reason_count; i++)
		if (plan.reasons[i].guest == evacuation_plan_find(&plan, guest) &&
		    strstr(plan.reasons[i].message, words))
			return true;
	return false;
}

static void guests_have_targets_and_predictions(void **state)
{
	(void)state;
	assert_int_equal(plan_for("", SURVEY(GUEST("g1", "1") "," GUEST("g2", "1"))), 0);
	assert_string_not_equal(target_of("g1"), target_of("g2"));
	assert_true(plan.guests[0].total_ms > 1000);
	assert_true(plan.guests[0].downtime_ms >= 100);
	assert_int_equal(plan.hosts[1].place.link_mibps, 100);
}

static void without_room_the_reason_says_how_much_there_is(void **state)
{
	struct err why = { ERR_NONE, "" };

	(void)state;
	assert_int_equal(plan_for("", SURVEY(GUEST("g1", "99") "," GUEST("g2", "8"))), 1);
	assert_null(target_of("g1"));
	assert_true(has_reason("g1", "it needs 94 MiB"));
	assert_true(evacuation_plan_why(&plan, 0, &why));
	assert_int_equal(why.code, ERR_NO_MEMORY);
	assert_non_null(strstr(why.message, "B: it needs 94 MiB"));
	assert_non_null(target_of("g2"));
	assert_false(evacuation_plan_why(&plan, 1, &why));
}

static void a_host_that_refuses_a_guest_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(plan_for("", SURVEY("{\"uuid\": \"g1\", \"name-label\": \"g1\", "
		"\"memory_bytes\": 1, \"needs_bytes\": 1, \"refused\": [{\"host\": \"B\", "
		"\"code\": \"refused\", \"message\": \"no bridge\"}]}")), 0);
	assert_string_equal(target_of("g1"), "C");
	assert_true(has_reason("g1", "no bridge"));
}

static void who_cannot_be_described_stays_with_the_reason(void **state)
{
	(void)state;
	assert_int_equal(plan_for("", SURVEY("{\"uuid\": \"g1\", \"name-label\": \"g1\", "
		"\"memory_bytes\": 1, \"code\": \"refused\", \"message\": \"it is paused\"}")), 1);
	assert_true(has_reason("g1", "it is paused"));
}

static void rules_pin_want_tags_and_keep_apart(void **state)
{
	(void)state;
	assert_int_equal(plan_for(
		", \"guests\": [{\"name\": \"g1\", \"pinned\": \"a dongle\"}, {\"name\": \"g2\", "
		"\"tags\": [\"ssd\"]}, {\"name\": \"g3\", \"apart\": \"db\"}, {\"name\": \"db9\", "
		"\"apart\": \"db\"}, {\"name\": \"g4\", \"tags\": [\"gpu\"]}]",
		SURVEY(GUEST("g1", "1") "," GUEST("g2", "1") "," GUEST("g3", "1") ","
		       GUEST("g4", "1"))), 2);
	assert_null(target_of("g1"));
	assert_true(has_reason("g1", "a dongle"));
	assert_string_equal(target_of("g2"), "B");
	assert_string_equal(target_of("g3"), "C"); /* db9 is at B */
	assert_true(has_reason("g3", "db9 is there"));
	assert_true(has_reason("g4", "the tag gpu"));
}

static void a_failure_leads_elsewhere_and_then_to_the_same_again(void **state)
{
	uint32_t first;

	(void)state;
	assert_int_equal(plan_for("", SURVEY(GUEST("g1", "8"))), 0);
	first = plan.guests[0].target;
	evacuation_plan_replace(&plan, 0);
	assert_int_not_equal(plan.guests[0].target, first);
	evacuation_plan_replace(&plan, 0);
	assert_int_not_equal(plan.guests[0].target, PLACEMENT_NONE);
	assert_int_equal(plan.hosts[0].free_bytes + plan.hosts[1].free_bytes,
			 9437184 + 8388608 - 8048576);
	assert_int_equal(plan.reason_count, 0);
}

static void a_later_survey_brings_newcomers_and_says_who_has_gone(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(plan_for("", SURVEY(GUEST("g1", "1") "," GUEST("g2", "1"))), 0);
	assert_int_equal(take("", SURVEY(GUEST("g2", "1") "," GUEST("g3", "1")), &err), 0);
	assert_int_equal(plan.guest_count, 3);
	assert_true(plan.guests[0].gone);
	assert_false(plan.guests[1].gone);
	assert_string_equal(plan.guests[2].name, "g3");
	assert_int_equal(plan.guests[2].target, PLACEMENT_NONE); /* it is not placed yet */
}

static void bad_rules_are_refused_by_their_line(void **state)
{
	static const char *const rules[] = {
		", \"guests\": {}",
		", \"guests\": [{}]",
		", \"guests\": [{\"name\": \"g1\", \"appart\": \"db\"}]",
		", \"guests\": [{\"name\": \"g1\", \"priority\": \"high\"}]",
		", \"guests\": [{\"name\": \"g1\", \"tags\": \"ssd\"}]",
		", \"guests\": [{\"name\": \"g1\"}, {\"name\": \"g1\"}]",
		", \"guests\": [{\"name\": \"g1\", \"pinned\": \"a\\u0007b\"}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct err err = { ERR_NONE, "" };

		assert_int_equal(take(rules[i], SURVEY(""), &err), -EINVAL);
		assert_non_null(strstr(err.message, ":1: "));
	}
}

static void what_is_no_survey_is_refused(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(take("", "[]", &err), -EINVAL);
	assert_int_equal(take("", "{\"hosts\": [7, {}], \"guests\": [[], {\"uuid\": 1}]}", &err),
			 0);
	assert_int_equal(plan.guest_count, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guests_have_targets_and_predictions),
		TEST(without_room_the_reason_says_how_much_there_is),
		TEST(a_host_that_refuses_a_guest_is_left_out),
		TEST(who_cannot_be_described_stays_with_the_reason),
		TEST(rules_pin_want_tags_and_keep_apart),
		TEST(a_failure_leads_elsewhere_and_then_to_the_same_again),
		TEST(a_later_survey_brings_newcomers_and_says_who_has_gone),
		TEST(bad_rules_are_refused_by_their_line),
		TEST(what_is_no_survey_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

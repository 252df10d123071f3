/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan_file.h"

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

#include "meet.h"
#include "plan_wire.h"

#define ROW(step) "{\"step\": \"" step "\"}"
#define MEETING(step, point) "{\"step\": \"" step "\", \"sync\": \"" point "\"}"

struct fixture {
	char folder[64], path[128];
	struct plan plan;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/test-plans-XX" "XXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->path, sizeof(fixture->path), "%s/mine.json", fixture->folder);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static void write_text(const struct fixture *fixture, const char *text)
{
	FILE *file = fopen(fixture->path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void write_as(const struct fixture *fixture, const struct plan *plan)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);

	assert_non_null(writer);
	plan_write(plan, writer);
	write_text(fixture, json_text(writer, NULL));
}

static int load(struct fixture *fixture, const char *name)
{
	return plan_load(fixture->folder, name, &fixture->plan, &fixture->err);
}

static void assert_same_rows(const struct plan *plan, const struct plan *other)
{
	assert_int_equal(plan_count(plan), plan_count(other));
	assert_memory_equal(plan->rows, other->rows, sizeof(plan->rows));
}

static void every_built_in_plan_can_be_written_and_read_again(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; plan_at(i); i++) {
		write_as(fixture, plan_at(i));
		assert_int_equal(plan_read_file(fixture->path, &fixture->plan, &fixture->err), 0);
		assert_string_equal(fixture->plan.name, plan_at(i)->name);
		assert_string_equal(fixture->plan.summary, plan_at(i)->summary);
		assert_same_rows(&fixture->plan, plan_at(i));
	}
}

static void a_plan_of_ones_own_is_found_by_its_name(void **state)
{
	struct fixture *fixture = *state;
	struct plan mine = *plan_find("xenopsd");
	char *names[PLAN_FOLDER_MAX];

	snprintf(mine.name, sizeof(mine.name), "mine");
	write_as(fixture, &mine);
	assert_int_equal(load(fixture, "mine"), 0);
	assert_same_rows(&fixture->plan, &mine);
	assert_int_equal(plan_folder_names(fixture->folder, names), 1);
	assert_string_equal(names[0], "mine");
	free(names[0]);
}

static void a_name_leads_nowhere_else(void **state)
{
	static const char *const names[] = { "", "../mine", "a/b", ".mine", "Mine", "none" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(load(fixture, names[i]), -ENOENT);
		assert_non_null(strstr(fixture->err.message, "there is no plan"));
	}
	assert_int_equal(load(fixture, "handover"), 0);
	assert_same_rows(&fixture->plan, plan_find("handover"));
}

static void a_file_has_the_name_of_its_plan(void **state)
{
	struct fixture *fixture = *state;
	struct plan other = *plan_find("handover");

	snprintf(other.name, sizeof(other.name), "other");
	write_as(fixture, &other);
	assert_int_equal(load(fixture, "mine"), -EINVAL);
	assert_non_null(strstr(fixture->err.message, "mine.json: its plan is called \"other\""));
}

static void a_plan_that_breaks_a_rule_is_not_loaded(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan = *plan_find("handover");

	snprintf(plan.name, sizeof(plan.name), "mine");
	plan.rows[plan_row_with(&plan, STEP_DRAINS)].step = plan_step("close-disks");
	write_as(fixture, &plan);
	assert_int_equal(load(fixture, "mine"), -EINVAL);
	assert_non_null(strstr(fixture->err.message, "plan mine breaks a rule"));
}

static void every_mistake_is_named_with_its_row_and_key(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "[]", "a plan is {" },
		{ "{", "mine.json" },
		{ "{\"summary\": \"\", \"rows\": []}", "\"name\" is missing" },
		{ "{\"name\": \"a b\", \"summary\": \"\", \"rows\": []}", "\"name\" may have" },
		{ "{\"name\": \"a\", \"rows\": []}", "\"summary\" is missing" },
		{ "{\"name\": \"a\", \"summary\": \"\\n\", \"rows\": []}", "control character" },
		{ "{\"name\": \"a\", \"summary\": \"\"}", "\"rows\" is a list" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": []}", "\"rows\" is a list" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": [], \"row\": 1}",
		  "there is no key \"row\"" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": ["
		  MEETING("describe-guest", "SP0") ", 3]}", "row 2: a row is {" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": [" ROW("fly") "]}",
		  "row 1: there is no step \"fly\"" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": ["
		  MEETING("describe-guest", "SP6") "]}", "row 1: \"sync\" is one of" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": [{\"sync\": \"SP0\"}]}",
		  "row 1: \"step\" is missing" },
		{ "{\"name\": \"a\", \"summary\": \"\", \"rows\": ["
		  "{\"step\": \"describe-guest\", \"undo\": true}]}",
		  "row 1: there is no key \"undo\"" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_text(fixture, cases[i].text);
		assert_int_equal(plan_read_file(fixture->path, &fixture->plan, &fixture->err),
				 -EINVAL);
		assert_int_equal(fixture->err.code, ERR_USAGE);
		if (!strstr(fixture->err.message, cases[i].message))
			fail_msg("not '%s', but: %s", cases[i].message, fixture->err.message);
	}
	assert_string_equal(fixture->plan.name, "");
}

static void a_plan_has_no_more_rows_than_there_is_room(void **state)
{
	struct fixture *fixture = *state;
	char text[8192] = "{\"name\": \"a\", \"summary\": \"\", \"rows\": [";

	for (int i = 0; i <= PLAN_ROWS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s" ROW("forget-macs"),
			 i > 0 ? ", " : "");
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
	write_text(fixture, text);
	assert_int_equal(plan_read_file(fixture->path, &fixture->plan, &fixture->err), -EINVAL);
	assert_non_null(strstr(fixture->err.message, "\"rows\" is a list of 1 to 40 rows"));
}

static void the_example_passes_the_rules(void **state)
{
	const char *top = getenv("top_srcdir");
	struct fixture *fixture = *state;
	char path[512];

	snprintf(path, sizeof(path), "%s/docs/examples/file-disks.json", top ? top : "..");
	assert_int_equal(plan_read_file(path, &fixture->plan, &fixture->err), 0);
	assert_int_equal(plan_check(&fixture->plan, &fixture->err), 0);
	assert_true(plan_attaches_late(&fixture->plan));
}

/* ---- on the wire ---- */

#define FIELD_PLAN 1
#define FIELD_PLAN_ROW 20

/* An offer with that plan, or with the name alone. */
static int offer(struct fixture *fixture, const struct plan *plan, bool with_rows)
{
	struct tlv_writer writer;
	struct message message = { .type = WIRE_SYNC, .point = SYNC_SP0 };
	int rc;

	tlv_writer_init(&writer, MEET_PAYLOAD_MAX);
	tlv_put_string(&writer, FIELD_PLAN | TLV_REQUIRED, plan->name);
	if (with_rows)
		plan_encode(plan, FIELD_PLAN_ROW, &writer);
	message.payload = writer.bytes;
	message.size = writer.size;
	rc = meet_read_plan(&message, &fixture->plan, &fixture->err);
	tlv_writer_fini(&writer);
	return rc;
}

static void a_target_follows_the_rows_of_the_offer(void **state)
{
	struct fixture *fixture = *state;
	struct plan mine = *plan_find("xenserver-5.5");

	snprintf(mine.name, sizeof(mine.name), "mine");
	assert_int_equal(offer(fixture, &mine, true), 0);
	assert_string_equal(fixture->plan.name, "mine");
	assert_same_rows(&fixture->plan, &mine);
}

static void an_offer_of_an_older_source_has_a_name_alone(void **state)
{
	struct fixture *fixture = *state;
	struct plan mine = *plan_find("handover");

	assert_int_equal(offer(fixture, &mine, false), 0);
	assert_same_rows(&fixture->plan, &mine);
	snprintf(mine.name, sizeof(mine.name), "mine");
	assert_true(offer(fixture, &mine, false) < 0);
	assert_non_null(strstr(fixture->err.message, "does not know the plan 'mine'"));
}

static void a_target_refuses_what_it_cannot_follow(void **state)
{
	struct fixture *fixture = *state;
	struct plan plan = *plan_find("handover");
	struct step strange = *plan_step("forget-macs");

	plan.rows[plan_row_at(&plan, SYNC_SP4)].sync = SYNC_NONE;
	assert_true(offer(fixture, &plan, true) < 0);
	assert_int_equal(fixture->err.code, ERR_INCOMPATIBLE);
	assert_non_null(strstr(fixture->err.message, "breaks a rule"));
	strange.name = "polish-guest";
	plan.rows[3].step = &strange;
	assert_true(offer(fixture, &plan, true) < 0);
	assert_non_null(strstr(fixture->err.message, "a step 'polish-guest', which this host"));
	plan = *plan_find("handover");
	snprintf(plan.name, sizeof(plan.name), "No \"name\"");
	assert_true(offer(fixture, &plan, true) < 0);
	assert_string_equal(fixture->plan.name, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_built_in_plan_can_be_written_and_read_again),
		TEST(a_plan_of_ones_own_is_found_by_its_name),
		TEST(a_name_leads_nowhere_else),
		TEST(a_file_has_the_name_of_its_plan),
		TEST(a_plan_that_breaks_a_rule_is_not_loaded),
		TEST(every_mistake_is_named_with_its_row_and_key),
		TEST(a_plan_has_no_more_rows_than_there_is_room),
		TEST(the_example_passes_the_rules),
		TEST(a_target_follows_the_rows_of_the_offer),
		TEST(an_offer_of_an_older_source_has_a_name_alone),
		TEST(a_target_refuses_what_it_cannot_follow),
	};

	return cmocka_run_group_tests_name("plan files", tests, NULL, NULL);
}

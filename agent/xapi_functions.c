/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xapi_functions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli.h"
#include "cli_caller.h"
#include "clock.h"
#include "timeline.h"

#define WAIT_DEFAULT_S 30
#define LOOK_MS 5000 /* what is kept of the time for a last look after a wait */

/* ---- asking the daemon ---- */

static uint64_t left_ms(const struct xapi_question *question)
{
	uint64_t now_us = clock_now_us(&clock_system);

	return now_us < question->deadline_us ? (question->deadline_us - now_us) / 1000 : 0;
}

/* What is left for a wait that has to end before the deadline. */
static uint64_t wait_ms(const struct xapi_question *question)
{
	uint64_t left = left_ms(question);

	return left > LOOK_MS ? left - LOOK_MS : 0;
}

/* Connects and begins a call, whose parameters are put into *params. */
static int begin(const struct xapi_question *question, const char *method, struct caller **caller,
		 struct json_writer **params, struct err *err)
{
	int rc = caller_open(&question->args, caller, err);

	if (rc < 0)
		return rc;
	*params = caller_begin(*caller, method);
	return *params ? 0 : err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
}

/* A call with the parameters that were given, or with none of them. */
static int ask(const struct xapi_question *question, const char *method, bool with_params,
	       struct json_value **answer, const struct json_value **result, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	struct json_writer *params;
	int rc = begin(question, method, &caller, &params, err);

	if (rc < 0)
		return rc;
	if (with_params)
		caller_put_params(params, &question->args);
	return caller_finish(caller, left_ms(question), NULL, NULL, answer, result, err);
}

static void note(char subject[XAPI_SUBJECT_MAX], const char *text)
{
	snprintf(subject, XAPI_SUBJECT_MAX, "%s", text ? text : "");
}

static void note_record(struct xapi_subject *subject, const struct json_value *record)
{
	note(subject->guest, json_get_string(json_get(record, "vm"), "uuid"));
	note(subject->source, json_get_string(record, "source"));
	note(subject->target, json_get_string(record, "target"));
}

/* The record of uuid=, as it is now. */
static int look(struct xapi_question *question, struct json_value **answer,
		const struct json_value **record, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	struct json_writer *params;
	int rc = begin(question, "migration.get", &caller, &params, err);

	if (rc < 0)
		return rc;
	json_put_string(params, "uuid", cli_text(&question->args, "uuid"));
	rc = caller_finish(caller, left_ms(question), NULL, NULL, answer, record, err);
	if (rc == 0)
		note_record(&question->subject, *record);
	return rc;
}

static int answer_record(struct xapi_question *question, struct json_writer *value, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *record;
	int rc = look(question, &answer, &record, err);

	if (rc == 0)
		json_copy(value, record);
	return rc;
}

/* ---- the functions ---- */

/* The answer to one method, as it is. */
static int run_method(struct xapi_question *question, const char *method, struct json_writer *value,
		      struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result;
	int rc = ask(question, method, true, &answer, &result, err);

	if (rc == 0)
		json_copy(value, result);
	return rc;
}

static int run_migrate(struct xapi_question *question, const char *method,
		       struct json_writer *value, struct err *err)
{
	struct cli_args *args = &question->args;
	int rc = 0;

	note(question->subject.guest, cli_text(args, "vm"));
	note(question->subject.target, cli_text(args, "host"));
	if (!cli_text(args, "live")) /* XAPI asks for no other */
		rc = cli_set_param(args, "live", "true", err);
	return rc < 0 ? rc : run_method(question, method, value, err);
}

static void put_running(struct json_writer *value, const struct json_value *list)
{
	static const char *const running[] = { "preparing", "copying", "blackout", "in-doubt" };

	json_key(value, "running");
	json_array_begin(value);
	for (size_t i = 0; i < json_size(list); i++) {
		const char *status = json_get_string(json_at(list, i), "status");

		for (size_t j = 0; status && j < sizeof(running) / sizeof(running[0]); j++)
			if (strcmp(status, running[j]) == 0)
				json_copy(value, json_at(list, i));
	}
	json_array_end(value);
}

/* One migration, or the agent and what it has under way. */
static int run_status(struct xapi_question *question, const char *method,
		      struct json_writer *value, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *version_answer = NULL;
	CLEANUP_JSON_VALUE struct json_value *list_answer = NULL;
	const struct json_value *version, *list;
	int rc;

	if (cli_text(&question->args, "uuid"))
		return answer_record(question, value, err);
	rc = ask(question, "agent.version", false, &version_answer, &version, err);
	if (rc == 0)
		rc = ask(question, method, false, &list_answer, &list, err);
	if (rc < 0)
		return rc;
	json_object_begin(value);
	for (size_t i = 0; i < json_size(version); i++) {
		json_key(value, json_key_at(version, i));
		json_copy(value, json_value_at(version, i));
	}
	put_running(value, list);
	json_object_end(value);
	return 0;
}

static int run_diagnostics(struct xapi_question *question, const char *method,
			   struct json_writer *value, struct err *err)
{
	(void)method;
	return cli_write_diagnostics(&question->args, value, err);
}

/* Its end, or how it is when the time is over: who called sees its status, and may call again. */
static int run_wait(struct xapi_question *question, const char *method, struct json_writer *value,
		    struct err *err)
{
	long timeout_s = cli_number(&question->args, "timeout", WAIT_DEFAULT_S);
	long longest_s = (long)(wait_ms(question) / 1000);
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_CALLER struct caller *caller = NULL;
	const struct json_value *record;
	struct json_writer *params;
	int rc;

	if (timeout_s > XAPI_WAIT_MAX_S)
		return err_set(err, ERR_USAGE, -EINVAL, "timeout= is at most %d seconds",
			       XAPI_WAIT_MAX_S);
	rc = begin(question, method, &caller, &params, err);
	if (rc < 0)
		return rc;
	json_put_string(params, "uuid", cli_text(&question->args, "uuid"));
	json_put_integer(params, "timeout_s", timeout_s < longest_s ? timeout_s : longest_s);
	rc = caller_finish(caller, left_ms(question), NULL, NULL, &answer, &record, err);
	if (rc == -ETIMEDOUT && err->code == ERR_TIMED_OUT)
		return answer_record(question, value, err);
	if (rc < 0)
		return rc;
	note_record(&question->subject, record);
	rc = cli_migration_judge(record, err);
	if (rc == 0)
		json_copy(value, record);
	question->subject.ended = rc < 0;
	return rc;
}

/* The record once everything is undone; or as it is when that takes its time. */
static int run_cancel(struct xapi_question *question, const char *method, struct json_writer *value,
		      struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_CALLER struct caller *caller = NULL;
	const struct json_value *result;
	struct json_writer *params;
	int rc = begin(question, method, &caller, &params, err);

	if (rc < 0)
		return rc;
	json_put_string(params, "uuid", cli_text(&question->args, "uuid"));
	rc = caller_finish(caller, wait_ms(question), NULL, NULL, &answer, &result, err);
	return rc == 0 || rc == -ETIMEDOUT ? answer_record(question, value, err) : rc;
}

/* JSON as it is, another format as a text. */
static int run_timeline(struct xapi_question *question, const char *method,
			struct json_writer *value, struct err *err)
{
	const char *format = cli_text(&question->args, "format");
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_JSON_VALUE struct json_value *parsed = NULL;
	CLEANUP_FREE char *text = NULL;
	const struct json_value *record;
	int rc;

	(void)method;
	rc = look(question, &answer, &record, err);
	if (rc == 0)
		rc = cli_timeline_text(record, format ? format : "json", &text, err);
	if (rc < 0)
		return rc;
	parsed = json_parse(text, strlen(text), NULL);
	if (parsed)
		json_copy(value, parsed);
	else
		json_string(value, text);
	return 0;
}

/* Who cannot go, and every reason. */
static int run_prevent_evacuation(struct xapi_question *question, const char *method,
				  struct json_writer *value, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *plan;
	int rc = ask(question, method, true, &answer, &plan, err);

	if (rc == 0)
		cli_write_prevented(plan, value);
	return rc;
}

/* ---- the table ---- */

#define EVACUATION \
	{ "host", CLI_TEXT, false, "<name>", "this host" }, \
	{ "targets", CLI_TEXT, false, "<name,...>", "where the guests may go" }

/* The parameters of what has no verb of its own. */
static const struct cli_verb own_verbs[] = {
	{ .name = "version" },
	{ .name = "status",
	  .params = { { "uuid", CLI_TEXT, false, "<uuid>", "the migration" } } },
	{ .name = "list" },
	{ .name = "diagnostics" },
	{ .name = "evacuate",
	  .params = { EVACUATION,
		      { "order", CLI_TEXT, false, "<order>", "who goes first" },
		      { "batch-size", CLI_NUMBER, false, "<n>", "guests that copy at once" } } },
	{ .name = "prevent_evacuation", .params = { EVACUATION } },
	{ .name = NULL },
};

static const struct function {
	const char *name, *verb, *method;
	int (*run)(struct xapi_question *question, const char *method, struct json_writer *value,
		   struct err *err);
} functions[] = {
	{ "version", "version", "agent.version", run_method },
	{ "status", "status", "migration.list", run_status },
	{ "migrate", "vm-migrate", "vm.migrate", run_migrate },
	{ "wait", "migration-wait", "migration.wait", run_wait },
	{ "cancel", "migration-cancel", "migration.cancel", run_cancel },
	{ "list", "list", "migration.list", run_method },
	{ "timeline", "migration-timeline", "migration.get", run_timeline },
	{ "evacuate_plan", "evacuate", "host.plan", run_method },
	{ "evacuate", "evacuate", "host.evacuate", run_method },
	{ "prevent_evacuation", "prevent_evacuation", "host.plan", run_prevent_evacuation },
	{ "diagnostics", "diagnostics", NULL, run_diagnostics },
};

static const struct function *find_function(const char *name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

bool xapi_function_exists(const char *name)
{
	return find_function(name) != NULL;
}

int xapi_function_run(const struct xapi_call *call, struct xapi_question *question,
		      struct json_writer *value, struct err *err)
{
	const struct function *function = find_function(call->function);
	struct cli_args *args = &question->args;
	int rc = 0;

	args->verb = cli_find_verb(own_verbs, function->verb);
	if (!args->verb)
		args->verb = cli_find_verb(cli_verbs, function->verb);
	for (size_t i = 0; i < call->count && rc == 0; i++)
		rc = cli_set_param(args, call->args[i].name, call->args[i].value, err);
	if (rc == 0)
		rc = cli_check_required(args, err);
	return rc < 0 ? rc : function->run(question, function->method, value, err);
}

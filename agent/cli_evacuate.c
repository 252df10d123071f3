/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs about hosts: host-list, and those by which this host is emptied. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "cli_print.h"
#include "clock.h"
#include "evacuation_show.h"

#define SURVEY_TIMEOUT_MS 130000 /* a plan asks every host about every guest */
#define WAIT_S 30                /* asked for again and again: so a daemon that hangs is noticed */
#define WAIT_MARGIN_MS 10000
#define LINE_MAX_BYTES 256

static const struct cli_field host_fields[] = {
	{ "name", "name", true },
	{ "address", "address", true },
	{ "port", "port", false },
	{ "reached", "reached", true },
	{ "memory-free", "free_bytes", true },
	{ "guests", "guests", true },
	{ "tags", "tags", false },
	{ NULL, NULL, false },
};

static const struct cli_field prevented_fields[] = {
	{ "uuid", "uuid", true },
	{ "name-label", "name-label", true },
	{ "reason", "reason", true },
	{ "host", "host", true },
	{ NULL, NULL, false },
};

static const struct cli_field plan_fields[] = {
	{ "uuid", "uuid", true },
	{ "name-label", "name-label", true },
	{ "target", "target", true },
	{ "predicted-total-ms", "predicted.total_ms", true },
	{ "predicted-downtime-ms", "predicted.downtime_ms", true },
	{ "memory", "memory_bytes", false },
	{ NULL, NULL, false },
};

/* ---- calls ---- */

/* A call that takes what host-evacuate takes, as far as it was said. */
static int call(const struct cli_args *args, struct caller *caller, const char *method,
		const char *const names[], struct json_value **answer,
		const struct json_value **result, struct err *err)
{
	struct json_writer *params = caller_begin(caller, method);

	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	for (; names && *names; names++)
		if (cli_text(args, *names))
			json_put_string(params, *names, cli_text(args, *names));
	if (names && cli_find_verb(args->verbs, "host-evacuate") == args->verb &&
	    cli_text(args, "batch-size"))
		json_put_integer(params, "batch_size", cli_number(args, "batch-size", 0));
	return caller_finish(caller, SURVEY_TIMEOUT_MS, NULL, NULL, answer, result, err);
}

static int make_plan(const struct cli_args *args, const char *const names[],
		     struct json_value **answer, const struct json_value **plan, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	int rc = caller_open(args, &caller, err);

	return rc < 0 ? rc : call(args, caller, "host.plan", names, answer, plan, err);
}

int cli_host_list(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *plan;
	struct cli_columns columns;
	int rc = cli_choose(host_fields, cli_text(args, "params"), &columns, err);

	if (rc == 0)
		rc = make_plan(args, NULL, &answer, &plan, err);
	if (rc < 0)
		return rc;
	if (args->json)
		cli_print_json(stdout, json_get(plan, "hosts"));
	else
		cli_print_list(stdout, json_get(plan, "hosts"), &columns, args->minimal);
	return 0;
}

/* ---- who cannot go, and why ---- */

static bool is_prevented(const struct json_value *guest)
{
	return !json_get_string(guest, "target");
}

/* A row for each reason: xe's table has one a guest, and shows the first alone. */
void cli_write_prevented(const struct json_value *plan, struct json_writer *writer)
{
	const struct json_value *guests = json_get(plan, "guests");

	json_array_begin(writer);
	for (size_t i = 0; i < json_size(guests); i++) {
		const struct json_value *guest = json_at(guests, i);
		const struct json_value *reasons = json_get(guest, "reasons");

		for (size_t j = 0; is_prevented(guest) && j < json_size(reasons); j++) {
			const struct json_value *reason = json_at(reasons, j);

			json_object_begin(writer);
			json_put_string(writer, "uuid", json_get_string(guest, "uuid"));
			json_put_string(writer, "name-label", json_get_string(guest, "name-label"));
			json_put_string(writer, "host", json_get_string(reason, "host"));
			json_put_string(writer, "code", json_get_string(reason, "code"));
			json_put_string(writer, "reason", json_get_string(reason, "message"));
			json_object_end(writer);
		}
	}
	json_array_end(writer);
}

int cli_host_prevented(const struct cli_args *args, struct err *err)
{
	static const char *const names[] = { "host", "targets", NULL };
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_JSON_VALUE struct json_value *list = NULL;
	const struct json_value *plan;
	struct cli_columns columns;
	const char *text;
	size_t size;
	int rc = cli_choose(prevented_fields, NULL, &columns, err);

	if (rc == 0 && !writer)
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = make_plan(args, names, &answer, &plan, err);
	if (rc < 0)
		return rc;
	cli_write_prevented(plan, writer);
	text = json_text(writer, &size);
	list = json_parse(text, size, err);
	if (!list)
		return -EIO;
	if (args->json)
		cli_print_json(stdout, list);
	else
		cli_print_list(stdout, list, &columns, args->minimal);
	return 0;
}

/* ---- emptying it ---- */

/* Why a guest stays: what befell it, or each host's reason. */
static void print_why(const struct json_value *guest)
{
	const struct json_value *reasons = json_get(guest, "reasons");
	CLEANUP_FREE char *name = cli_value(guest, "name-label");
	CLEANUP_FREE char *why = cli_value(guest, "error.message");

	if (!name || !why)
		return;
	if (why[0] || json_size(reasons) == 0)
		fprintf(stderr, "xenferry: %s stays: %s\n", name,
			why[0] ? why : "it was not begun");
	for (size_t i = 0; !why[0] && i < json_size(reasons); i++) {
		CLEANUP_FREE char *host = cli_value(json_at(reasons, i), "host");
		CLEANUP_FREE char *reason = cli_value(json_at(reasons, i), "message");

		if (host && reason)
			fprintf(stderr, "xenferry: %s stays: %s%s%s\n", name, host,
				host[0] ? ": " : "", reason);
	}
}

static int print_plan(const struct cli_args *args, const struct json_value *plan, struct err *err)
{
	const struct json_value *guests = json_get(plan, "guests");
	const struct json_value *predicted = json_get(plan, "predicted");
	long long left = json_get_integer(plan, "left", 0);
	struct cli_columns columns;
	int rc = cli_choose(plan_fields, NULL, &columns, err);

	if (rc < 0)
		return rc;
	if (args->json) {
		cli_print_json(stdout, plan);
	} else {
		cli_print_list(stdout, guests, &columns, args->minimal);
		fprintf(stderr, "xenferry: %zu guests in about %.0f s, none of them standing still "
			"for more than about %.0f ms, if they write little meanwhile\n",
			json_size(guests) - (size_t)left,
			json_get_double(predicted, "total_ms", 0) / 1000,
			json_get_double(predicted, "downtime_ms", 0));
	}
	for (size_t i = 0; i < json_size(guests); i++)
		if (!json_get_string(json_at(guests, i), "target"))
			print_why(json_at(guests, i));
	if (left == 0)
		return 0;
	return err_set(err, ERR_REFUSED, -EPERM, "%lld of %zu guests cannot go", left,
		       json_size(guests));
}

/* Each guest that is left, with the reason. */
static void print_left(const struct json_value *evacuation)
{
	const struct json_value *guests = json_get(evacuation, "guests");

	for (size_t i = 0; i < json_size(guests); i++) {
		const struct json_value *guest = json_at(guests, i);
		const char *state = json_get_string(guest, "state");

		if ((!state || strcmp(state, "moved") != 0) &&
		    !json_get_boolean(guest, "gone", false))
			print_why(guest);
	}
}

static int judge(const struct cli_args *args, const struct json_value *evacuation,
		 struct err *err)
{
	const char *status = json_get_string(evacuation, "status");
	long long moved = json_get_integer(evacuation, "moved", 0);
	long long left = json_get_integer(evacuation, "left", 0);

	if (args->json)
		cli_print_json(stdout, evacuation);
	if (status && strcmp(status, "completed") == 0)
		return 0;
	if (status && strcmp(status, "none") == 0)
		return err_set(err, ERR_REFUSED, -ENOENT, "this host was not emptied yet");
	print_left(evacuation);
	if (status && strcmp(status, "stopped") == 0)
		return err_set(err, ERR_CANCELLED, -ECANCELED,
			       "stopped: %lld guests have moved, %lld are left", moved, left);
	return err_set(err, ERR_FAILED, -EIO, "%lld guests have moved, %lld are left", moved, left);
}

/* "3 of 30 guests moved, 3 copying, 1 in blackout, 0 failed" */
static void show_progress(const struct json_value *evacuation, bool terminal)
{
	const struct json_value *guests = json_get(evacuation, "guests");
	unsigned copying = 0, suspended = 0;
	char line[LINE_MAX_BYTES];

	for (size_t i = 0; i < json_size(guests); i++) {
		const char *state = json_get_string(json_at(guests, i), "state");

		copying += state && (strcmp(state, "copying") == 0 ||
				     strcmp(state, "cleared") == 0);
		suspended += state && strcmp(state, "blackout") == 0;
	}
	snprintf(line, sizeof(line), "%lld of %zu guests moved, %u copying, %u in blackout, "
		 "%lld failed", (long long)json_get_integer(evacuation, "moved", 0),
		 json_size(guests), copying, suspended,
		 (long long)json_get_integer(evacuation, "failed", 0));
	fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", line);
}

static bool is_over(const struct json_value *evacuation)
{
	const char *status = json_get_string(evacuation, "status");

	return !status || (strcmp(status, "running") != 0 && strcmp(status, "stopping") != 0);
}

/* Asks again and again until it is over or the time is; `timeout_s` 0: for ever. */
static int follow(const struct cli_args *args, struct caller *caller, long timeout_s,
		  struct json_value **answer, const struct json_value **result, struct err *err)
{
	bool terminal = isatty(STDERR_FILENO), progress = args->progress;
	uint64_t deadline_us = clock_after_ms(&clock_system, (uint64_t)timeout_s * 1000);
	const struct json_value *evacuation = json_get(*result, "evacuation");
	int rc = 0;

	while (rc == 0 && !is_over(evacuation)) {
		int64_t version = json_get_integer(*result, "version", 0);
		struct json_writer *params;

		if (timeout_s > 0 && clock_now_us(&clock_system) >= deadline_us)
			return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
				       "it has not ended yet; it goes on");
		if (progress)
			show_progress(evacuation, terminal);
		json_value_free(*answer);
		*answer = NULL;
		params = caller_begin(caller, "host.evacuation");
		if (!params)
			return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
		json_put_integer(params, "since", version);
		json_put_integer(params, "timeout_s",
				 timeout_s > 0 && timeout_s < WAIT_S ? timeout_s : WAIT_S);
		rc = caller_finish(caller, (uint64_t)WAIT_S * 1000 + WAIT_MARGIN_MS, NULL, NULL,
				   answer, result, err);
		evacuation = json_get(*result, "evacuation");
	}
	if (progress && terminal)
		fputc('\n', stderr);
	return rc;
}

static int evacuate(const struct cli_args *args, const char *const names[], struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result = NULL;
	int rc = caller_open(args, &caller, err);

	if (rc == 0)
		rc = caller_catch_interrupt(caller, err);
	if (rc == 0)
		rc = call(args, caller, "host.evacuate", names, &answer, &result, err);
	if (rc == 0 && !cli_boolean(args, "async"))
		rc = follow(args, caller, 0, &answer, &result, err);
	if (rc == -EINTR)
		return err_set(err, ERR_FAILED, rc,
			       "no longer waiting; it goes on (host-evacuate-cancel stops it)");
	if (rc < 0 || cli_boolean(args, "async"))
		return rc;
	return judge(args, json_get(result, "evacuation"), err);
}

int cli_host_evacuate(const struct cli_args *args, struct err *err)
{
	static const char *const names[] = { "host", "targets", "order", NULL };
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *plan;
	int rc;

	if (!cli_boolean(args, "dry-run"))
		return evacuate(args, names, err);
	rc = make_plan(args, names, &answer, &plan, err);
	return rc < 0 ? rc : print_plan(args, plan, err);
}

int cli_host_evacuate_wait(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result = NULL;
	int rc = caller_open(args, &caller, err);

	if (rc == 0)
		rc = call(args, caller, "host.evacuation", NULL, &answer, &result, err);
	if (rc == 0)
		rc = follow(args, caller, cli_number(args, "timeout", 0), &answer, &result, err);
	return rc < 0 ? rc : judge(args, json_get(result, "evacuation"), err);
}

int cli_host_evacuate_cancel(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result;
	int rc = caller_open(args, &caller, err);

	return rc < 0 ? rc : call(args, caller, "host.evacuate_cancel", NULL, &answer, &result,
				  err);
}

int cli_host_evacuate_timeline(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const char *format = cli_text(args, "format");
	const struct json_value *result, *evacuation;
	int rc = caller_open(args, &caller, err);

	format = format ? format : args->json ? "json" : "text";
	if (rc == 0)
		rc = call(args, caller, "host.evacuation", NULL, &answer, &result, err);
	if (rc < 0)
		return rc;
	evacuation = json_get(result, "evacuation");
	if (strcmp(format, "json") == 0)
		cli_print_json(stdout, evacuation);
	else if (strcmp(format, "svg") == 0)
		evacuation_show_svg(evacuation, stdout);
	else if (strcmp(format, "text") == 0)
		evacuation_show_text(evacuation, stdout);
	else
		return err_set(err, ERR_USAGE, -EINVAL, "format= wants text, json or svg, not '%s'",
			       format);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/xapi.d/plugins/xenferry: `xe host-call-plugin plugin=xenferry fn=migrate args:vm=... `.
 *
 * xapi reads stdout as one methodResponse and anything but exit status 0 as a broken plugin: so
 * whatever happens is said in the answer, and the status is 0.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "xapi_functions.h"

#define PARAMS_MAX 4

/*
 * What XAPI's own errors are told with; what is left out is empty. A word in braces stands for what
 * the failure is about.
 */
static const struct shape {
	const char *code, *params[PARAMS_MAX];
} shapes[] = {
	{ "INTERNAL_ERROR", { "{message}" } },
	{ "INVALID_VALUE", { "argument", "{message}" } },
	{ "TASK_CANCELLED", { "{message}" } },
	{ "VM_MIGRATE_FAILED", { "{guest}", "{source}", "{target}", "{message}" } },
	{ "HOST_OFFLINE", { "{message}" } },
	{ "VM_BAD_POWER_STATE", { "{guest}", "running", "{message}" } },
	{ "OPERATION_NOT_ALLOWED", { "{message}" } },
	{ "UUID_INVALID", { "VM", "{message}" } },
	{ "HOST_NOT_ENOUGH_FREE_MEMORY", { "{message}", "" } },
	{ "VM_INCOMPATIBLE_WITH_THIS_HOST", { "{guest}", "{target}", "{message}" } },
	{ "VM_CRASHED", { "{guest}" } },
};

static const struct shape *find_shape(const char *code)
{
	size_t i = 0;

	while (i < sizeof(shapes) / sizeof(shapes[0]) && strcmp(shapes[i].code, code) != 0)
		i++;
	return i < sizeof(shapes) / sizeof(shapes[0]) ? &shapes[i] : &shapes[0];
}

static const char *fill_in(const char *param, const struct xapi_subject *subject,
			   const char *message)
{
	const struct {
		const char *word, *text;
	} words[] = {
		{ "{message}", message },
		{ "{guest}", subject->guest },
		{ "{source}", subject->source },
		{ "{target}", subject->target },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(param, words[i].word) == 0)
			return words[i].text;
	return param;
}

static void answer_error(const struct xapi_subject *subject, const struct err *err)
{
	const char *code = subject->ended && err->code == ERR_FAILED ? "VM_MIGRATE_FAILED"
								     : err_xapi(err->code);
	const struct shape *shape = find_shape(code);
	const char *description[1 + PARAMS_MAX] = { code };
	size_t count = 1;

	for (size_t i = 0; i < PARAMS_MAX && shape->params[i]; i++)
		description[count++] = fill_in(shape->params[i], subject, err->message);
	xapi_answer_failure(stdout, description, count);
}

/* The names of these two are XenAPIPlugin.py's. */
static void answer_unknown(const char *function)
{
	const char *const description[] = { "UNKNOWN_XENAPI_PLUGIN_FUNCTION", function };

	xapi_answer_failure(stdout, description, 2);
}

static void answer_unreadable(const struct err *err)
{
	const char *const description[] = { "XENAPI_PLUGIN_FAILURE", "xenferry", "BadCall",
					    err->message };

	xapi_answer_failure(stdout, description, 4);
}

static void run(const struct xapi_call *call, const char *config)
{
	struct xapi_question question = {
		.args = { .config = config },
		.deadline_us = clock_after_ms(&clock_system, XAPI_PLUGIN_LIMIT_MS),
	};
	CLEANUP_JSON_WRITER struct json_writer *value = json_writer_new(false);
	struct err err = { .code = ERR_NONE };
	int rc;

	if (!value)
		rc = err_set(&err, ERR_FAILED, -ENOMEM, "out of memory");
	else
		rc = xapi_function_run(call, &question, value, &err);
	if (rc < 0)
		answer_error(&question.subject, &err);
	else
		xapi_answer_success(stdout, json_text(value, NULL));
}

/* `[--config FILE] CALL`; xapi itself gives the call alone. */
static const char *read_words(int count, char **words, const char **config)
{
	if (count == 3 && strcmp(words[0], "--config") == 0) {
		*config = words[1];
		return words[2];
	}
	return count == 1 ? words[0] : "";
}

int main(int argc, char **argv)
{
	const char *config = NULL;
	const char *text = read_words(argc - 1, argv + 1, &config);
	struct xapi_call call = { .function = NULL };
	struct err err;

	log_init("xenferry-plugin", false);
	signal(SIGPIPE, SIG_IGN);
	if (xapi_call_read(text, strlen(text), &call, &err) < 0)
		answer_unreadable(&err);
	else if (!xapi_function_exists(call.function))
		answer_unknown(call.function);
	else
		run(&call, config);
	xapi_call_fini(&call);
	fflush(stdout);
	return 0;
}

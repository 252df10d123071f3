/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-xapi [--config FILE]: beside xenferryd on a host with XAPI, and a client of both: hears
 * of migrations from the one, and shows them as tasks to the other. What goes wrong here changes no
 * migration; when either goes away it is asked again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "xapi_task.h"

#define EVENT_WAIT_S 1 /* then it is asked who is to be cancelled */
#define MARGIN_MS 10000
#define AGAIN_US 1000000
#define CANCEL_MS 1000 /* to be taken; what comes of it is an event */

struct watch {
	struct cli_args args;
	struct xapi_tasks tasks;
	struct caller *caller;
	int64_t next; /* event; negative: from now on */
	struct err said; /* the last error, which is said once */
};

static void say(struct watch *watch, const struct err *err)
{
	if (strcmp(watch->said.message, err->message) == 0)
		return;
	log_warning("%s", err->message);
	watch->said = *err;
}

/* What could not be shown is not lost: after an error all is caught up with. */
static int show_all(struct watch *watch, const struct json_value *list, const char *key,
		    struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_size(list); i++) {
		const struct json_value *item = json_at(list, i);

		rc = xapi_tasks_show(&watch->tasks, key ? json_get(item, key) : item, err);
	}
	return rc;
}

static int hear(struct watch *watch, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result;
	struct json_writer *params = caller_begin(watch->caller, "event.wait");
	int rc;

	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (watch->next >= 0)
		json_put_integer(params, "since", watch->next);
	json_put_integer(params, "timeout_s", watch->next >= 0 ? EVENT_WAIT_S : 0);
	rc = caller_finish(watch->caller, EVENT_WAIT_S * 1000 + MARGIN_MS, NULL, NULL, &answer,
			   &result, err);
	if (rc < 0)
		return rc;
	watch->next = json_get_integer(result, "next", 0);
	return show_all(watch, json_get(result, "events"), "record", err);
}

/* Connects, and shows what is under way already; what happens from here on will be heard. */
static int catch_up(struct watch *watch, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *list;
	int rc = caller_open(&watch->args, &watch->caller, err);

	watch->next = -1;
	if (rc == 0)
		rc = hear(watch, err);
	if (rc == 0 && !caller_begin(watch->caller, "migration.list"))
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = caller_finish(watch->caller, CALL_TIMEOUT_MS, NULL, NULL, &answer, &list, err);
	if (rc == 0)
		rc = show_all(watch, list, NULL, err);
	return rc;
}

/* The daemon does it as soon as it is asked, and answers when it is done, which nobody awaits. */
static void cancel(struct watch *watch, const char *job)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_CALLER struct caller *caller = NULL;
	const struct json_value *result;
	struct json_writer *params;
	struct err err;

	if (caller_open(&watch->args, &caller, &err) < 0)
		return;
	params = caller_begin(caller, "migration.cancel");
	if (!params)
		return;
	json_put_string(params, "uuid", job);
	log_info("migration %s is cancelled: its task in XAPI was", job);
	(void)caller_finish(caller, CANCEL_MS, NULL, NULL, &answer, &result, &err);
}

static int watch_once(struct watch *watch, struct err *err)
{
	const char *job;
	int rc = watch->caller ? 0 : catch_up(watch, err);

	if (rc == 0)
		rc = hear(watch, err);
	for (size_t at = 0; rc == 0 && (job = xapi_tasks_cancelled(&watch->tasks, &at)); at++)
		cancel(watch, job);
	return rc;
}

static void run(struct watch *watch)
{
	struct err err;

	for (;;) {
		if (watch_once(watch, &err) == 0)
			continue;
		say(watch, &err);
		caller_close(watch->caller);
		watch->caller = NULL;
		clock_sleep_us(&clock_system, AGAIN_US);
	}
}

int main(int argc, char **argv)
{
	struct watch watch = { .tasks = { .clock = &clock_system } };
	struct config config;
	struct err err;

	log_init("xenferry-xapi", false);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "--config") == 0) {
		watch.args.config = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: xenferry-xapi [--config FILE]\n");
		return 2;
	}
	if (config_load(watch.args.config, &config, &err) < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.code);
	}
	if (access(config.xapi_socket, F_OK) < 0) {
		log_info("no XAPI here: there is no %s", config.xapi_socket);
		return 0;
	}
	watch.tasks.socket = config.xapi_socket;
	run(&watch);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm-migrate and migration-wait: start, and follow to the end. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "cli_print.h"
#include "cli_progress.h"
#include "clock.h"

#define WAIT_S 30 /* asked for again and again: so a daemon that hangs is noticed */
#define WAIT_MARGIN_MS 10000

/* What the end of a migration is to a shell, by its status. */
static const struct ending {
	const char *status;
	enum err_code code; /* ERR_NONE: it has succeeded */
	enum err_code finer[2]; /* the record's own codes that may stand instead */
} endings[] = {
	{ "completed", ERR_NONE, { ERR_NONE, ERR_NONE } },
	{ "failed", ERR_FAILED, { ERR_NOT_CONVERGED, ERR_TIMED_OUT } },
	{ "cancelled", ERR_CANCELLED, { ERR_NONE, ERR_NONE } },
	{ "refused", ERR_REFUSED, { ERR_NONE, ERR_NONE } },
	{ "in-doubt", ERR_IN_DOUBT, { ERR_NONE, ERR_NONE } },
	{ "lost", ERR_LOST, { ERR_NONE, ERR_NONE } },
};

static void say(const char *what, const struct json_value *object, const char *key)
{
	CLEANUP_FREE char *text = cli_value(object, key);

	fprintf(stderr, "xenferry: %s%s\n", what, text ? text : "");
}

int cli_migration_judge(const struct json_value *record, struct err *err)
{
	const struct json_value *error = json_get(record, "error");
	const char *status = json_get_string(record, "status");
	const char *code = json_get_string(error, "code");
	const char *message = json_get_string(error, "message");
	const struct ending *ending = NULL;
	enum err_code own = code ? err_from_text(code) : ERR_NONE;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]) && !ending; i++)
		if (status && strcmp(endings[i].status, status) == 0)
			ending = &endings[i];
	if (!ending)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "xenferryd gave a final record whose status is '%s'",
			       status ? status : "");
	if (ending->code == ERR_NONE) {
		if (message) /* the guest has moved, and lacks something */
			say("the guest has moved, but: ", error, "message");
		return 0;
	}
	if (own == ERR_NONE || (own != ending->finer[0] && own != ending->finer[1]))
		own = ending->code;
	return err_set(err, own, -ECANCELED, "%s", message ? message : ending->status);
}

/* The site's programs that it would run: "hook vm-pre-migrate/10firewall at the target". */
static void print_hooks(const struct json_value *hooks)
{
	for (size_t i = 0; i < json_size(hooks); i++) {
		CLEANUP_FREE char *name = cli_value(json_at(hooks, i), "name");
		CLEANUP_FREE char *side = cli_value(json_at(hooks, i), "side");

		printf("hook %s at the %s\n", name ? name : "", side ? side : "");
	}
}

/* The answer to a dry run, for people: each reason against it in a line, or how long it takes. */
static int print_dry_run(const struct json_value *record, const struct json_value *dry_run,
			 struct err *err)
{
	const struct json_value *reasons = json_get(dry_run, "reasons");
	CLEANUP_FREE char *guest = cli_value(record, "vm.name-label");
	CLEANUP_FREE char *target = cli_value(record, "target");
	double rate = json_get_double(dry_run, "send_bytes_per_s", 0) / (1024 * 1024);

	for (size_t i = 0; i < json_size(reasons); i++) {
		CLEANUP_FREE char *reason = cli_value(json_at(reasons, i), "message");

		printf("%s\n", reason ? reason : "");
	}
	if (json_size(reasons) > 0)
		return err_set(err, ERR_REFUSED, -EPERM, "%s cannot go to %s: %zu reason%s", guest,
			       target, json_size(reasons), json_size(reasons) == 1 ? "" : "s");
	printf("%s can go to %s: in about %.1f s, of which it stands still for %.0f ms, at %s "
	       "%.0f MiB/s, if it writes little meanwhile\n", guest, target,
	       json_get_double(dry_run, "predicted_total_ms", 0) / 1000,
	       json_get_double(dry_run, "predicted_downtime_ms", 0),
	       json_get_boolean(dry_run, "rate_measured", false) ? "the last migration's" :
								   "an assumed", rate);
	print_hooks(json_get(dry_run, "hooks"));
	return 0;
}

/* Ctrl-C ends the waiting and nothing else; then we die of it, as a shell expects. */
static void give_up_waiting(const char *uuid)
{
	sigset_t signals;

	fprintf(stderr,
		"the migration goes on; wait for it with 'xenferry migration-wait uuid=%s', "
		"stop it with 'xenferry migration-cancel uuid=%s'\n",
		uuid, uuid);
	signal(SIGINT, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	raise(SIGINT);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
}

/* As wide as the terminal is now, but for the last column, in which some would wrap. */
static size_t columns_now(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 0;
	return size.ws_col - 1u;
}

static void on_event(void *context, const struct json_value *record)
{
	progress_show(context, record, columns_now());
}

/* One migration.wait of at most `wait_s`. */
static int wait_once(struct caller *caller, const char *uuid, long wait_s,
		     struct progress *progress, struct json_value **answer,
		     const struct json_value **record, struct err *err)
{
	struct json_writer *params = caller_begin(caller, "migration.wait");

	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_put_string(params, "uuid", uuid);
	json_put_integer(params, "timeout_s", wait_s);
	json_put_boolean(params, "progress", progress != NULL);
	return caller_finish(caller, (uint64_t)wait_s * 1000 + WAIT_MARGIN_MS,
			     progress ? on_event : NULL, progress, answer, record, err);
}

/* Waits for the end, at most `timeout_s` (0: however long it takes). */
static int wait_for_end(struct caller *caller, const char *uuid, long timeout_s,
			struct progress *progress, struct json_value **answer,
			const struct json_value **record, struct err *err)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, (uint64_t)timeout_s * 1000);
	int rc;

	do {
		uint64_t now_us = clock_now_us(&clock_system);
		long left_s = now_us < deadline_us
				      ? (long)((deadline_us - now_us + 999999) / 1000000)
				      : 0;
		long wait_s = timeout_s == 0 || left_s > WAIT_S ? WAIT_S : left_s;

		rc = wait_once(caller, uuid, wait_s, progress, answer, record, err);
	} while (rc == -ETIMEDOUT && err->code == ERR_TIMED_OUT &&
		 (timeout_s == 0 || clock_now_us(&clock_system) < deadline_us));
	return rc;
}

static int follow(const struct cli_args *args, struct caller *caller, const char *uuid,
		  long timeout_s, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *record;
	struct progress progress;
	int rc = caller_catch_interrupt(caller, err);

	if (rc < 0)
		return rc;
	progress_init(&progress, stderr, isatty(STDERR_FILENO));
	rc = wait_for_end(caller, uuid, timeout_s, args->progress ? &progress : NULL, &answer,
			  &record, err);
	if (rc == 0 && args->progress)
		progress_show(&progress, record, columns_now());
	progress_end(&progress);
	if (rc == -EINTR)
		give_up_waiting(uuid);
	if (rc < 0)
		return rc;
	if (args->json)
		cli_print_json(stdout, record);
	else if (json_is_object(json_get(record, "dry_run")))
		return print_dry_run(record, json_get(record, "dry_run"), err);
	return cli_migration_judge(record, err);
}

/* Has the daemon begin a job, and follows it to its end. */
static int start(const struct cli_args *args, const char *method, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *started;
	struct json_writer *params;
	const char *uuid;
	int rc = caller_open(args, &caller, err);

	if (rc < 0)
		return rc;
	params = caller_begin(caller, method);
	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	caller_put_params(params, args);
	rc = caller_finish(caller, CALL_TIMEOUT_MS, NULL, NULL, &answer, &started, err);
	if (rc < 0)
		return rc;
	uuid = json_get_string(started, "uuid");
	if (!uuid)
		return err_set(err, ERR_FAILED, -EBADMSG, "xenferryd gave no uuid");
	if (json_get_string(started, "caution"))
		say("", started, "caution");
	if (!cli_boolean(args, "async"))
		return follow(args, caller, uuid, 0, err);
	if (args->json)
		cli_print_json(stdout, started);
	else
		printf("%s\n", uuid);
	return 0;
}

int cli_vm_migrate(const struct cli_args *args, struct err *err)
{
	return start(args, "vm.migrate", err);
}

int cli_vm_suspend(const struct cli_args *args, struct err *err)
{
	return start(args, "vm.suspend", err);
}

int cli_vm_resume(const struct cli_args *args, struct err *err)
{
	return start(args, "vm.resume", err);
}

int cli_vm_checkpoint(const struct cli_args *args, struct err *err)
{
	return start(args, "vm.checkpoint", err);
}

int cli_migration_wait(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	int rc = caller_open(args, &caller, err);

	return rc < 0 ? rc
		      : follow(args, caller, cli_text(args, "uuid"), cli_number(args, "timeout", 0),
			       err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xapi_task.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cli_print.h"
#include "xapi_rpc.h"

#define PROGRESS_STEP 0.01

/* What an ended migration is to XAPI. */
static const struct ending {
	const char *status, *task_status;
	bool failed; /* and has error_info */
} endings[] = {
	{ "completed", "success", false },
	{ "cancelled", "cancelled", false },
	{ "failed", "failure", true },
	{ "refused", "failure", true },
	{ "lost", "failure", true },
};

/* ---- calls ---- */

/* Ends a call that was begun, and makes it. */
static int finish(const struct xapi_tasks *tasks, struct json_writer *writer,
		  struct json_value **answer, const struct json_value **result, struct err *err)
{
	return xapi_rpc_call(tasks->clock, tasks->socket, writer,
			     clock_after_ms(tasks->clock, XAPI_CALL_MS), answer, result, err);
}

/* Begins a call about a task, or whatever else goes by one text. NULL: out of memory. */
static struct json_writer *begin(const struct xapi_tasks *tasks, const char *method,
				 const char *about)
{
	struct json_writer *writer = xapi_rpc_begin(method);

	if (writer) {
		json_string(writer, tasks->session);
		json_string(writer, about);
	}
	return writer;
}

static int ask(const struct xapi_tasks *tasks, const char *method, const char *about,
	       struct json_value **answer, const struct json_value **result, struct err *err)
{
	struct json_writer *writer = begin(tasks, method, about);

	return writer ? finish(tasks, writer, answer, result, err)
		      : err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
}

/* For call(): its parameters. */
#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A call with text parameters, ended by NULL; `text` may be NULL, else the result goes there. */
static int call(const struct xapi_tasks *tasks, const char *method, const char *const *params,
		char text[XAPI_REF_MAX], struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	struct json_writer *writer = xapi_rpc_begin(method);
	const struct json_value *result;
	int rc;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	for (; *params; params++)
		json_string(writer, *params);
	rc = finish(tasks, writer, &answer, &result, err);
	if (rc < 0)
		return err_prefix(err, rc, "%s", method);
	if (text)
		snprintf(text, XAPI_REF_MAX, "%s",
			 json_string_of(result) ? json_string_of(result) : "");
	return 0;
}

static int set_progress(const struct xapi_tasks *tasks, const char *ref, double progress,
			struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	struct json_writer *writer = begin(tasks, "task.set_progress", ref);
	const struct json_value *result;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_double(writer, progress);
	return finish(tasks, writer, &answer, &result, err);
}

static int set_error(const struct xapi_tasks *tasks, const char *ref,
		     const struct json_value *record, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_FREE char *message = cli_value(record, "error.message");
	CLEANUP_FREE char *code = cli_value(record, "error.code");
	struct json_writer *writer = begin(tasks, "task.set_error_info", ref);
	const struct json_value *result;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_array_begin(writer);
	json_string(writer, err_xapi(code ? err_from_text(code) : ERR_FAILED));
	json_string(writer, message ? message : "");
	json_array_end(writer);
	return finish(tasks, writer, &answer, &result, err);
}

/* On its own socket XAPI takes root for who calls, whatever the password. */
static int log_in(struct xapi_tasks *tasks, struct err *err)
{
	if (tasks->session[0])
		return 0;
	return call(tasks, "session.login_with_password", TEXTS("root", "", "1.0", "xenferry"),
		    tasks->session, err);
}

/* ---- one task ---- */

static struct xapi_task *find(struct xapi_tasks *tasks, const char *job)
{
	for (size_t i = 0; i < XAPI_TASKS_MAX; i++)
		if (strcmp(tasks->tasks[i].job, job) == 0)
			return &tasks->tasks[i];
	return NULL;
}

/* Makes a new task; its reference goes into `ref`. */
static int make(const struct xapi_tasks *tasks, const char *label, const char *job,
		char ref[XAPI_REF_MAX], struct err *err)
{
	char description[64];
	int rc;

	snprintf(description, sizeof(description), "xenferry %s", job);
	rc = call(tasks, "task.create", TEXTS(tasks->session, label, description), ref, err);
	if (rc < 0)
		return rc;
	return call(tasks, "task.add_to_other_config", TEXTS(tasks->session, ref, "xenferry", job),
		    NULL, err);
}

/* A task of this job that was made before: 1, or 0 when there is none. */
static int adopt(const struct xapi_tasks *tasks, const char *label, const char *job,
		 char ref[XAPI_REF_MAX], struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *refs, *config;
	int rc = ask(tasks, "task.get_by_name_label", label, &answer, &refs, err);

	if (rc < 0)
		return err_prefix(err, rc, "task.get_by_name_label");
	for (size_t i = 0; i < json_size(refs); i++) {
		CLEANUP_JSON_VALUE struct json_value *second = NULL;
		const char *found = json_string_of(json_at(refs, i)), *owner;

		if (!found ||
		    ask(tasks, "task.get_other_config", found, &second, &config, NULL) < 0)
			continue;
		owner = json_get_string(config, "xenferry");
		if (owner && strcmp(owner, job) == 0) {
			snprintf(ref, XAPI_REF_MAX, "%s", found);
			return 1;
		}
	}
	return 0;
}

static bool is_pending(const struct xapi_tasks *tasks, const char *ref)
{
	char status[XAPI_REF_MAX];

	return call(tasks, "task.get_status", TEXTS(tasks->session, ref), status, NULL) == 0 &&
	       strcmp(status, "pending") == 0;
}

/*
 * The task of this migration, from before or new, into `task`. One that has `ended` gets no new
 * one: 1 when XAPI waits for the end of none, or its task was ended by somebody else.
 */
static int take(const struct xapi_tasks *tasks, struct xapi_task *task,
		const struct json_value *record, bool ended, struct err *err)
{
	CLEANUP_FREE char *guest = cli_value(record, "vm.name-label");
	CLEANUP_FREE char *target = cli_value(record, "target");
	const char *job = json_get_string(record, "uuid");
	char ref[XAPI_REF_MAX], label[256];
	int adopted, rc = 0;

	snprintf(label, sizeof(label), "Migrating %s to %s", guest ? guest : "",
		 target ? target : "");
	adopted = adopt(tasks, label, job, ref, err);
	if (adopted < 0)
		return adopted;
	if (adopted ? !is_pending(tasks, ref) : ended)
		return 1;
	if (!adopted)
		rc = make(tasks, label, job, ref, err);
	if (rc < 0)
		return rc;
	*task = (struct xapi_task){ .progress = 0 };
	snprintf(task->job, sizeof(task->job), "%s", job);
	snprintf(task->ref, sizeof(task->ref), "%s", ref);
	return 0;
}

/* The share of its memory that has been copied at least once; the blackout is the rest. */
static double progress_of(const struct json_value *record)
{
	const struct json_value *memory = json_get(record, "memory");
	double total = json_get_double(memory, "total_bytes", 0);
	double sent = json_get_double(memory, "transferred_bytes", 0);

	if (total <= 0 || sent <= 0)
		return 0;
	return sent < 0.95 * total ? sent / total : 0.95;
}

static int move_on(const struct xapi_tasks *tasks, struct xapi_task *task,
		   const struct json_value *record, struct err *err)
{
	double progress = progress_of(record);
	int rc;

	if (progress < task->progress + PROGRESS_STEP)
		return 0;
	rc = set_progress(tasks, task->ref, progress, err);
	if (rc == 0)
		task->progress = progress;
	return rc;
}

static int end(const struct xapi_tasks *tasks, struct xapi_task *task,
	       const struct json_value *record, const struct ending *ending, struct err *err)
{
	int rc = ending->failed ? set_error(tasks, task->ref, record, err)
				: set_progress(tasks, task->ref, 1, err);

	if (rc == 0)
		rc = call(tasks, "task.set_result", TEXTS(tasks->session, task->ref, task->job),
			  NULL, err);
	if (rc == 0) /* the last: from then on XAPI lets nobody change it */
		rc = call(tasks, "task.set_status",
			  TEXTS(tasks->session, task->ref, ending->task_status), NULL, err);
	if (rc == 0)
		task->job[0] = '\0';
	return rc;
}

/* ---- all of them ---- */

static const struct ending *find_ending(const char *status)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcmp(endings[i].status, status) == 0)
			return &endings[i];
	return NULL;
}

static int show(struct xapi_tasks *tasks, const struct json_value *record, const char *job,
		const char *status, struct err *err)
{
	const struct ending *ending = find_ending(status);
	struct xapi_task *task = find(tasks, job);
	int rc = 0;

	if (!task) {
		task = find(tasks, "");
		if (!task)
			return 0; /* more than are shown */
		rc = take(tasks, task, record, ending, err);
	}
	if (rc != 0)
		return rc < 0 ? rc : 0; /* over before it was seen */
	return ending ? end(tasks, task, record, ending, err) : move_on(tasks, task, record, err);
}

int xapi_tasks_show(struct xapi_tasks *tasks, const struct json_value *record, struct err *err)
{
	const char *job = json_get_string(record, "uuid"), *side = json_get_string(record, "side");
	const char *status = json_get_string(record, "status");
	uint8_t bytes[UUID_BYTES];
	int rc;

	if (!job || !uuid_from_text(job, bytes) || !side || strcmp(side, "source") != 0 || !status)
		return 0;
	rc = log_in(tasks, err);
	if (rc == 0)
		rc = show(tasks, record, job, status, err);
	if (rc < 0) { /* the session may have ended, or XAPI was started anew */
		tasks->session[0] = '\0';
		memset(tasks->tasks, 0, sizeof(tasks->tasks));
	}
	return rc;
}

static bool is_cancelled(const struct xapi_tasks *tasks, const char *ref)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result;

	if (ask(tasks, "task.get_current_operations", ref, &answer, &result, NULL) < 0)
		return false;
	for (size_t i = 0; i < json_size(result); i++) {
		const char *operation = json_string_of(json_value_at(result, i));

		if (operation && strcmp(operation, "cancel") == 0)
			return true;
	}
	return false;
}

const char *xapi_tasks_cancelled(struct xapi_tasks *tasks, size_t *at)
{
	for (; *at < XAPI_TASKS_MAX; (*at)++) {
		struct xapi_task *task = &tasks->tasks[*at];

		if (!task->job[0] || task->cancelled || !is_cancelled(tasks, task->ref))
			continue;
		task->cancelled = true;
		return task->job;
	}
	return NULL;
}

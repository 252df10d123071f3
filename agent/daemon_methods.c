/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "codec_choice.h"
#include "daemon_evacuation.h"
#include "daemon_files.h"
#include "daemon_guests.h"
#include "daemon_params.h"
#include "daemon_record.h"
#include "daemon_resolution.h"
#include "host.h"
#include "log.h"
#include "wire.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

#define CANCEL_WAIT_MS 60000 /* then the answer is that it takes its time */
#define LIST_TEXT_MAX (RPC_REPLY_MAX / 4 * 3) /* then the oldest are left out */

/* A reply that is owed. */
struct wait {
	struct wait *next;
	struct methods *methods;
	struct client *client;
	struct rpc_id id;
	char uuid[UUID_TEXT]; /* "": the list of guests */
	bool progress;
	bool cancelling; /* it is told that the migration is to undo everything */
	uv_timer_t deadline;
};

/* ---- replies that come later ---- */

static int add_wait(struct methods *methods, struct client *client, const struct rpc_id *id,
		    const char *uuid, struct wait **added, struct err *err)
{
	struct wait *wait = methods->wait_count < WAITS_MAX ? calloc(1, sizeof(*wait)) : NULL;

	if (!wait)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "too many clients wait already, try again later");
	wait->methods = methods;
	wait->client = client;
	wait->id = *id;
	snprintf(wait->uuid, sizeof(wait->uuid), "%s", uuid);
	wait->next = methods->waits;
	methods->waits = wait;
	methods->wait_count++;
	uv_timer_init(methods->loop, &wait->deadline);
	wait->deadline.data = wait;
	*added = wait;
	return 0;
}

static void on_wait_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void remove_wait(struct wait *wait)
{
	struct wait **at = &wait->methods->waits;

	while (*at != wait)
		at = &(*at)->next;
	*at = wait->next;
	wait->methods->wait_count--;
	uv_close((uv_handle_t *)&wait->deadline, on_wait_closed);
}

static void on_deadline(uv_timer_t *timer)
{
	struct wait *wait = timer->data;
	struct err err;

	(void)err_set(&err, ERR_TIMED_OUT, -ETIMEDOUT, "migration %s has not ended yet; it goes on",
		      wait->uuid);
	client_error(wait->client, &wait->id, rpc_number_of(&err), &err);
	remove_wait(wait);
}

static void send_event(struct client *client, const struct json_value *record)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return; /* the next one may come */
	rpc_put_event(writer, RPC_EVENT, record);
	client_send(client, writer);
}

/* Past SP3 a cancel changes nothing, and who asked for it is told so. */
static void answer_cancel(const struct wait *wait, const struct json_value *record)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	bool moved = daemon_record_status(record) == STATUS_COMPLETED;
	struct err err;

	if (moved) {
		(void)err_set(&err, ERR_REFUSED, -EALREADY,
			      "migration %s could not be cancelled any more: the guest had been "
			      "given to %s (SP3), and runs there", wait->uuid,
			      json_get_string(record, "target"));
		client_error(wait->client, &wait->id, rpc_number_of(&err), &err);
		return;
	}
	if (!writer)
		return;
	rpc_result_begin(writer, &wait->id);
	json_boolean(writer, true);
	rpc_result_end(writer);
	client_send(wait->client, writer);
}

void methods_changed(void *context, const struct json_value *record)
{
	struct methods *methods = context;
	bool final = status_is_final(daemon_record_status(record));
	const char *uuid = json_get_string(record, "uuid");
	struct wait *next;

	for (struct wait *wait = methods->waits; wait; wait = next) {
		next = wait->next;
		if (strcmp(wait->uuid, uuid) != 0)
			continue;
		if (final) {
			if (wait->cancelling)
				answer_cancel(wait, record);
			else
				client_result(wait->client, &wait->id, record);
			remove_wait(wait);
		} else if (wait->progress) {
			send_event(wait->client, record);
		}
	}
}

static void on_gone(void *context, struct client *client)
{
	struct methods *methods = context;
	struct wait *next;

	events_gone(methods->events, client);
	evacuation_clients_gone(methods->evacuation_clients, client);
	for (struct wait *wait = methods->waits; wait; wait = next) {
		next = wait->next;
		if (wait->client == client)
			remove_wait(wait);
	}
}

void methods_fini(struct methods *methods)
{
	while (methods->waits)
		remove_wait(methods->waits);
}

/* ---- the methods; each answers, or fails with `err` ---- */

typedef int method_fn(struct methods *methods, struct client *client,
		      const struct rpc_request *request, struct err *err);

static void on_listed(void *context, const struct json_value *guests, const struct err *err)
{
	struct methods *methods = context;
	struct wait *next;

	methods->listing = false;
	for (struct wait *wait = methods->waits; wait; wait = next) {
		next = wait->next;
		if (wait->uuid[0] != '\0')
			continue;
		if (guests)
			client_result(wait->client, &wait->id, guests);
		else
			client_error(wait->client, &wait->id, rpc_number_of(err), err);
		remove_wait(wait);
	}
}

static int vm_list(struct methods *methods, struct client *client,
		   const struct rpc_request *request, struct err *err)
{
	struct wait *wait;
	int rc = add_wait(methods, client, &request->id, "", &wait, err);

	if (rc < 0 || methods->listing)
		return rc;
	rc = guests_list(methods->loop, methods->program, on_listed, methods, err);
	if (rc < 0)
		remove_wait(wait);
	methods->listing = rc == 0;
	return rc;
}

static int check_manner(const struct json_value *params, struct err *err)
{
	if (!json_get_boolean(params, "live", false))
		return err_set(err, ERR_REFUSED, -EOPNOTSUPP,
			       "a guest is moved while it runs, and in no other way; say so with "
			       "live=true");
	return daemon_check_memory(params, err);
}

/* `steering` is what `wanted` points to. */
static int read_migrate(const struct methods *methods, const struct json_value *params,
			struct steering *steering, struct job_request *wanted, struct err *err)
{
	const struct config *config = methods->config;
	struct hosts hosts;
	int rc;

	*wanted = (struct job_request){
		.vm = json_get_string(params, "vm"),
		.plan = json_get_string(params, "plan"),
		.dry_run = json_get_boolean(params, "dry_run", false),
		.probe = json_get_string(params, "probe"),
		.steering = steering,
		.params = params,
		.compress = json_get_string(params, "compress"),
		.numa_node = json_get_string(params, "numa_node"),
		.channels = json_get_integer(params, "channels", -1),
		.verify = json_get_boolean(params, "verify", false),
	};
	rc = daemon_check_guest(wanted->vm, err);
	if (rc == 0)
		rc = check_manner(params, err);
	if (rc == 0)
		rc = probe_check(wanted->probe, err);
	if (rc == 0)
		rc = steering_read(params, config, steering, err);
	if (rc == 0)
		rc = hosts_load(config->hosts_file, HOST_PORT_DEFAULT, &hosts, err);
	if (rc == 0)
		rc = hosts_resolve(&hosts, json_get_string(params, "host"), HOST_PORT_DEFAULT,
				   &wanted->place, err);
	return rc;
}

static int vm_migrate(struct methods *methods, struct client *client,
		      const struct rpc_request *request, struct err *err)
{
	struct steering steering;
	struct job_request wanted;
	char uuid[UUID_TEXT];
	int rc = read_migrate(methods, request->params, &steering, &wanted, err);

	if (rc == 0)
		rc = jobs_migrate(methods->jobs, &wanted, uuid, err);
	return rc < 0 ? rc : daemon_answer_uuid(client, &request->id, uuid,
						policy_caution(&steering.policy), err);
}

/* The history, as far as it fits. */
static void list_history(const struct methods *methods, struct json_writer *writer)
{
	CLEANUP_FREE struct folder_entry *entries = NULL;
	ssize_t count = folders_list(methods->folders, "history", &entries);
	size_t size = 0;

	for (ssize_t i = 0; i < count && size < LIST_TEXT_MAX; i++) {
		CLEANUP_JSON_VALUE struct json_value *record =
			folders_record(methods->folders, entries[i].uuid);

		if (daemon_record_is_sound(record, entries[i].uuid) &&
		    !daemon_record_is_dry_run(record))
			daemon_record_summarise(record, writer);
		(void)json_text(writer, &size);
	}
}

static int migration_list(struct methods *methods, struct client *client,
			  const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const struct json_value *record;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the list");
	rpc_result_begin(writer, &request->id);
	json_array_begin(writer);
	for (size_t i = 0; (record = jobs_record_at(methods->jobs, i)); i++)
		if (!daemon_record_is_dry_run(record))
			daemon_record_summarise(record, writer);
	list_history(methods, writer);
	json_array_end(writer);
	rpc_result_end(writer);
	client_send(client, writer);
	return 0;
}

/*
 * The record of the migration that a request names: the job's own while there is one, else the
 * history's, which is put into *read for the caller to free.
 */
static int find_record(const struct methods *methods, const struct rpc_request *request,
		       const struct json_value **record, struct json_value **read, struct err *err)
{
	const char *text = json_get_string(request->params, "uuid");
	uint8_t uuid[UUID_BYTES];

	if (!uuid_from_text(text, uuid))
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is not a migration's uuid", text);
	*record = jobs_record(methods->jobs, text);
	if (*record)
		return 0;
	*read = folders_record(methods->folders, text);
	*record = *read;
	if (daemon_record_is_sound(*read, text))
		return 0;
	return err_set(err, ERR_REFUSED, -ENOENT,
		       "there is no migration %s, running or past, at this host", text);
}

static int migration_get(struct methods *methods, struct client *client,
			 const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *read = NULL;
	const struct json_value *record;
	int rc = find_record(methods, request, &record, &read, err);

	if (rc == 0)
		client_result(client, &request->id, record);
	return rc;
}

static int migration_wait(struct methods *methods, struct client *client,
			  const struct rpc_request *request, struct err *err)
{
	int64_t timeout_s = json_get_integer(request->params, "timeout_s", WAIT_DEFAULT_S);
	CLEANUP_JSON_VALUE struct json_value *read = NULL;
	const struct json_value *record;
	struct wait *wait;
	int rc = find_record(methods, request, &record, &read, err);

	if (rc < 0)
		return rc;
	if (timeout_s > WAIT_MAX_S)
		return err_set(err, ERR_USAGE, -EINVAL, "a wait is at most %d s long", WAIT_MAX_S);
	if (read || status_is_final(daemon_record_status(record))) {
		client_result(client, &request->id, record);
		return 0;
	}
	rc = add_wait(methods, client, &request->id, json_get_string(record, "uuid"), &wait, err);
	if (rc < 0)
		return rc;
	wait->progress = json_get_boolean(request->params, "progress", false);
	uv_timer_start(&wait->deadline, on_deadline, (uint64_t)timeout_s * 1000, 0);
	if (wait->progress)
		send_event(client, record);
	return 0;
}

static int migration_cancel(struct methods *methods, struct client *client,
			    const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *read = NULL;
	const struct json_value *record;
	struct wait *wait;
	int rc = find_record(methods, request, &record, &read, err);

	if (rc == 0 && read)
		rc = err_set(err, ERR_REFUSED, -ESRCH, "migration %s is %s already",
			     json_get_string(record, "uuid"), json_get_string(record, "status"));
	if (rc == 0)
		rc = add_wait(methods, client, &request->id, json_get_string(record, "uuid"), &wait,
			      err);
	if (rc < 0)
		return rc;
	rc = jobs_cancel(methods->jobs, wait->uuid, err);
	if (rc < 0) {
		remove_wait(wait);
		return rc;
	}
	wait->cancelling = true;
	uv_timer_start(&wait->deadline, on_deadline, CANCEL_WAIT_MS, 0);
	return 0;
}

static int answer_true(struct client *client, const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the answer");
	rpc_result_begin(writer, &request->id);
	json_boolean(writer, true);
	rpc_result_end(writer);
	client_send(client, writer);
	return 0;
}

/* Says `change` to the migration that a request names, and answers. */
static int order(struct methods *methods, struct client *client,
		 const struct rpc_request *request, const struct order *change, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *read = NULL;
	const struct json_value *record;
	int rc = find_record(methods, request, &record, &read, err);

	if (rc == 0)
		rc = jobs_order(methods->jobs, json_get_string(record, "uuid"), change, err);
	return rc < 0 ? rc : answer_true(client, request, err);
}

static int migration_resolve(struct methods *methods, struct client *client,
			     const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *read = NULL;
	const struct json_value *record;
	int rc = find_record(methods, request, &record, &read, err);

	if (rc == 0)
		rc = resolution_take(methods->jobs, json_get_string(record, "uuid"),
				     json_get_string(request->params, "outcome"), err);
	return rc < 0 ? rc : answer_true(client, request, err);
}

static int event_wait(struct methods *methods, struct client *client,
		      const struct rpc_request *request, struct err *err)
{
	return events_wait(methods->events, client, request, err);
}

static int migration_param_set(struct methods *methods, struct client *client,
			       const struct rpc_request *request, struct err *err)
{
	const struct order change = {
		.bandwidth_mibps = json_get_integer(request->params, "bandwidth_mibps", -1),
	};
	struct stream_limit limit;
	int rc = steering_bandwidth(change.bandwidth_mibps, &limit, err);

	return rc < 0 ? rc : order(methods, client, request, &change, err);
}

static int migration_continue(struct methods *methods, struct client *client,
			      const struct rpc_request *request, struct err *err)
{
	const struct order change = { .bandwidth_mibps = -1, .go_on = true };

	return order(methods, client, request, &change, err);
}

static int agent_version(struct methods *methods, struct client *client,
			 const struct rpc_request *request, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the answer");
	rpc_result_begin(writer, &request->id);
	json_object_begin(writer);
	json_put_string(writer, "version", PACKAGE_VERSION);
	json_put_integer(writer, "protocol", WIRE_VERSION);
	json_put_string(writer, "host", methods->config->host_name);
	json_object_end(writer);
	rpc_result_end(writer);
	client_send(client, writer);
	return 0;
}

/* ---- the table ---- */

/* clang-format off */
#define EVACUATION_PARAMS \
	{ "host", PARAM_TEXT, false }, { "targets", PARAM_TEXT, false }, \
	{ "order", PARAM_TEXT, false }, { "batch_size", PARAM_NUMBER, false }

static const struct method {
	const char *name;
	method_fn *call;
	struct param params[PARAMS_MAX];
} methods_table[] = {
	{ .name = "vm.list", .call = vm_list },
	{ "vm.migrate", vm_migrate,
	  { { "vm", PARAM_TEXT, true },
	    { "host", PARAM_TEXT, true },
	    { "live", PARAM_BOOLEAN, false },
	    { "plan", PARAM_TEXT, false },
	    { "policy", PARAM_TEXT, false },
	    { "downtime_limit_ms", PARAM_NUMBER, false },
	    { "compress", PARAM_TEXT, false },
	    { "numa_node", PARAM_TEXT, false },
	    { "channels", PARAM_NUMBER, false },
	    { "verify", PARAM_BOOLEAN, false },
	    { "bandwidth_mibps", PARAM_NUMBER, false },
	    { "limit_last_pass", PARAM_BOOLEAN, false },
	    { "pause_before_switchover", PARAM_BOOLEAN, false },
	    { "timeout_s", PARAM_NUMBER, false },
	    { "timeout_action", PARAM_TEXT, false },
	    { "dry_run", PARAM_BOOLEAN, false },
	    { "probe", PARAM_TEXT, false },
	    { "async", PARAM_BOOLEAN, false } } }, /* it always is */
	{ "vm.suspend", files_suspend,
	  { { "vm", PARAM_TEXT, true },
	    { "file", PARAM_TEXT, true },
	    { "compress", PARAM_TEXT, false },
	    { "async", PARAM_BOOLEAN, false } } },
	{ "vm.checkpoint", files_checkpoint,
	  { { "vm", PARAM_TEXT, true },
	    { "file", PARAM_TEXT, true },
	    { "compress", PARAM_TEXT, false },
	    { "async", PARAM_BOOLEAN, false } } },
	{ "vm.resume", files_resume,
	  { { "file", PARAM_TEXT, true }, { "async", PARAM_BOOLEAN, false } } },
	{ .name = "migration.list", .call = migration_list },
	{ "migration.get", migration_get, { { "uuid", PARAM_TEXT, true } } },
	{ "migration.wait", migration_wait,
	  { { "uuid", PARAM_TEXT, true },
	    { "timeout_s", PARAM_NUMBER, false },
	    { "progress", PARAM_BOOLEAN, false } } },
	{ "migration.cancel", migration_cancel, { { "uuid", PARAM_TEXT, true } } },
	{ "migration.resolve", migration_resolve,
	  { { "uuid", PARAM_TEXT, true }, { "outcome", PARAM_TEXT, true } } },
	{ "event.wait", event_wait,
	  { { "since", PARAM_NUMBER, false }, { "timeout_s", PARAM_NUMBER, false } } },
	{ "migration.param_set", migration_param_set,
	  { { "uuid", PARAM_TEXT, true }, { "bandwidth_mibps", PARAM_NUMBER, true } } },
	{ "migration.continue", migration_continue, { { "uuid", PARAM_TEXT, true } } },
	{ "host.plan", host_plan, { EVACUATION_PARAMS } },
	{ "host.evacuate", host_evacuate, { EVACUATION_PARAMS } },
	{ "host.evacuation", host_evacuation,
	  { { "since", PARAM_NUMBER, false }, { "timeout_s", PARAM_NUMBER, false } } },
	{ .name = "host.evacuate_cancel", .call = host_evacuate_cancel },
	{ .name = "agent.version", .call = agent_version },
};
/* clang-format on */

#define METHODS (sizeof(methods_table) / sizeof(methods_table[0]))

static void on_request(void *context, struct client *client, const struct rpc_request *request)
{
	const struct method *method = NULL;
	struct err err;

	for (size_t i = 0; i < METHODS && !method; i++)
		if (strcmp(methods_table[i].name, request->method) == 0)
			method = &methods_table[i];
	log_debug("request: %s", method ? method->name : "unknown");
	if (!method) {
		(void)err_set(&err, ERR_USAGE, -ENOSYS, "there is no method '%s'", request->method);
		client_error(client, &request->id, RPC_NO_METHOD, &err);
	} else if (params_check(method->name, method->params, request->params, &err) < 0 ||
		   method->call(context, client, request, &err) < 0) {
		client_error(client, &request->id, rpc_number_of(&err), &err);
	}
}

const struct client_events methods_events = { .request = on_request, .gone = on_gone };

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-worker: one migration, one side, one process; straight-line code with a deadline on
 * every wait. The daemon starts it as `xenferry-worker [--config FILE] [--debug] MODE …`; the modes
 * are the table at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "channel.h"
#include "cleanup.h"
#include "config.h"
#include "doubt.h"
#include "dry_run.h"
#include "journal.h"
#include "log.h"
#include "meet.h"
#include "memory.h"
#include "migration.h"
#include "peer.h"
#include "plan_file.h"
#include "precedence.h"
#include "runner.h"
#include "uuid.h"
#include "worker.h"

#define CONNECT_MS 10000
#define JOIN_MS 5000
#define CLOCK_ROUNDS 8
#define CLOCK_MS 5000
#define OFFER_MS 40000 /* target: until the source has measured the clock and described its guest */
#define REQUEST_MAX 65536

/* What a hook says that does not fail is for the log alone. */
static void note_hook(void *context, const char *sentence)
{
	const struct work *work = context;

	log_info("job %s: %s", work->record.uuid, sentence);
}

static int open_arbiter(struct work *work, struct err *err)
{
	const struct arbiter_setup setup = { work->config, &clock_system, &work->job,
					     &work->record, LOCKSPACE };

	return arbiter_open(&setup, &work->migration.arbiter, err);
}

/* Where it could not answer a doubt, none is risked. */
static int join_arbiter(struct work *work, struct err *err)
{
	struct arbiter *arbiter = work->migration.arbiter;
	int rc = 0;

	if (arbiter && arbiter->ops->join)
		rc = arbiter->ops->join(arbiter, clock_after_ms(&clock_system, JOIN_MS), err);
	if (rc < 0)
		err->code = ERR_REFUSED;
	return rc;
}

int worker_open(struct work *work, const struct config *config, const char *uuid,
		struct err *err)
{
	int rc;

	work->config = config;
	tracking_init(&work->tracking, config);
	rc = job_find(config, uuid, false, &work->job, err);
	if (rc == 0)
		rc = job_lock(&work->job, err);
	if (rc < 0)
		return rc;
	channel_init(&work->channel, &clock_system, &work->job, WORKER_CHANNEL_FD);
	work->record = (struct record){
		.started_us = clock_now_us(&clock_system),
		.started_wall_s = clock_wall_s(&clock_system),
	};
	snprintf(work->record.uuid, sizeof(work->record.uuid), "%s", uuid);
	description_init(&work->migration.guest);
	work->migration.clock = &clock_system;
	work->migration.record = &work->record;
	work->migration.sink = &work->channel.sink;
	hook_folder_init(&work->hooks, &clock_system, config->hooks_dir, config->hook_timeout_ms,
			 note_hook, work);
	work->migration.hooks = &work->hooks.hooks;
	work->migration.settings.drain_ms = config->drain_ms;
	work->migration.settings.memory.compress = config->compress;
	work->migration.settings.memory.channels = config->channels;
	work->migration.settings.memory.numa = config->numa;
	snprintf(work->migration.settings.host_name,
		 sizeof(work->migration.settings.host_name), "%s", config->host_name);
	work->migration.settings.port = config->port;
	rc = open_arbiter(work, err);
	if (rc < 0)
		return rc;
	return journal_open(work->job.folder, &clock_system, &work->migration.journal, err);
}

int worker_open_host(struct work *work, struct err *err)
{
	char stream_program[CONFIG_PATH_MAX + 32];

	if (work->migration.host)
		return 0;
	snprintf(stream_program, sizeof(stream_program), "%s/xenferry-stream",
		 work->config->libexec_dir);
	return host_xen_open(&clock_system, stream_program, &work->migration.host, err);
}

int worker_finish(struct work *work, int rc, const struct err *err)
{
	struct record *record = &work->record;

	record->ended_us = clock_now_us(&clock_system);
	record->status = record_status_after(rc, err);
	if (rc < 0) {
		record->error = *err;
		log_error("job %s (%s): %s", record->uuid, side_name(record->side), err->message);
	}
	migration_publish(&work->migration, true);
	return rc == 0 ? 0 : err_exit_status(err->code);
}

void worker_close(struct work *work)
{
	struct migration *m = &work->migration;

	if (m->link)
		m->link->ops->close(m->link);
	if (m->host)
		m->host->ops->close(m->host);
	if (m->journal)
		m->journal->ops->close(m->journal);
	if (m->arbiter)
		m->arbiter->ops->close(m->arbiter);
	description_fini(&m->guest);
	tracking_fini(&work->tracking);
	channel_fini(&work->channel);
	job_fini(&work->job);
}

int worker_begin(struct work *work, enum side side, struct err *err)
{
	struct migration *m = &work->migration;
	struct journal_entry entry = { .event = JOURNAL_BEGIN };

	m->side = side;
	work->record.side = side;
	work->record.plan = m->plan;
	work->note.side = side;
	snprintf(entry.text, sizeof(entry.text), "%s", m->plan->name);
	if (job_write_note(&work->job, &work->note, err) < 0 ||
	    job_write_plan(&work->job, m->plan, err) < 0)
		return -EIO;
	return m->journal->ops->append(m->journal, &entry, err);
}

struct json_value *worker_request(const struct work *work, struct err *err)
{
	char path[JOB_FOLDER_MAX + 16];

	snprintf(path, sizeof(path), "%s/request.json", work->job.folder);
	return json_parse_file(path, REQUEST_MAX, err);
}

/* ---- source ---- */

static int read_steering(struct work *work, const struct json_value *request, struct err *err)
{
	struct migration_settings *settings = &work->migration.settings;
	struct steering *steering = &settings->steering;
	int rc = steering_read(request, work->config, steering, err);

	if (rc < 0)
		return rc;
	snprintf(work->record.policy, sizeof(work->record.policy), "%s", steering->policy.name);
	work->record.downtime_limit_ms = steering->downtime_limit_ms ?
						 steering->downtime_limit_ms :
						 steering->policy.initial_ms;
	memory_wish(request, &steering->policy, &settings->memory);
	costs_read(work->config->state_dir, work->record.target, work->migration.plan->name,
		   &settings->costs);
	orders_init(&work->orders, &work->job);
	work->migration.orders = &work->orders.orders;
	work->migration.tracking = &work->tracking.tracking;
	return 0;
}

/* What the daemon wrote down of the operator's request; it has been checked there. */
static int read_request(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	CLEANUP_JSON_VALUE struct json_value *request = NULL;
	const char *vm, *host, *address, *certificate, *plan, *probe;

	request = worker_request(work, err);
	if (!request)
		return -EINVAL;
	vm = json_get_string(request, "vm");
	host = json_get_string(request, "host");
	address = json_get_string(request, "address");
	certificate = json_get_string(request, "certificate");
	plan = json_get_string(request, "plan");
	if (!vm || !host || !address)
		return err_set(err, ERR_USAGE, -EINVAL, "the request lacks vm, host or address");
	m->plan = &work->plan;
	if (plan_load(work->config->plans_dir, plan ? plan : plan_at(0)->name, &work->plan,
		      err) < 0) {
		err->code = ERR_REFUSED;
		return -EINVAL;
	}
	snprintf(m->settings.vm, sizeof(m->settings.vm), "%s", vm);
	snprintf(work->note.address, sizeof(work->note.address), "%s", address);
	snprintf(work->note.certificate, sizeof(work->note.certificate), "%s",
		 certificate ? certificate : address);
	work->note.port = (uint16_t)json_get_integer(request, "port", 0);
	snprintf(work->record.guest_name, sizeof(work->record.guest_name), "%s", vm);
	snprintf(work->record.source, sizeof(work->record.source), "%s",
		 m->settings.host_name);
	snprintf(work->record.target, sizeof(work->record.target), "%s", host);
	work->dry_run = json_get_boolean(request, "dry_run", false);
	probe = json_get_string(request, "probe");
	snprintf(work->probe_address, sizeof(work->probe_address), "%s", probe ? probe : "");
	return read_steering(work, request, err);
}

static int connect_to_target(struct work *work, const struct peer_tcp *peer, struct err *err)
{
	struct migration *m = &work->migration;
	int fd = -1;
	int rc = peer_connect(peer, WIRE_CONTROL, clock_after_ms(&clock_system, CONNECT_MS), &fd,
			      err);

	if (rc == 0)
		rc = link_open(&clock_system, fd, work->note.nonce, "target", &m->link, err);
	if (rc == 0)
		rc = link_measure_clock(m->link, &clock_system, CLOCK_ROUNDS,
					clock_after_ms(&clock_system, CLOCK_MS),
					&m->clock_offset_us, &work->record.clock_uncertainty_us,
					err);
	return rc;
}

/* What this handover has cost tells how long the next one will take. */
static void learn(struct work *work)
{
	struct migration *m = &work->migration;
	struct costs costs = m->settings.costs;
	struct err err;

	costs_learn(&costs, &work->record, m->policy.limited);
	if (costs_write(work->config->state_dir, work->record.target, m->plan->name, &costs,
			&err) < 0)
		log_warning("job %s: %s", work->record.uuid, err.message);
}

/* What was measured from here stands beside what the two workers measured themselves. */
static void end_probe(struct work *work)
{
	struct err err;
	int rc = probe_end(&work->probe, &clock_system, &work->record.probe, &err);

	work->record.probed = rc == 0;
	if (rc < 0 && rc != -ENOENT)
		log_warning("job %s: %s", work->record.uuid, err.message);
}

static int move_guest(struct work *work, struct err *err)
{
	int rc = 0;

	if (work->probe_address[0] != '\0')
		rc = probe_begin(&work->probe, work->config, work->probe_address, err);
	if (rc < 0)
		return rc;
	rc = plan_run(&work->migration, 0, err);
	if (rc == 0)
		learn(work);
	end_probe(work);
	return rc;
}

static int connect_for_dry_run(void *context, struct err *err)
{
	struct work *work = context;

	return connect_to_target(work, &work->peer, err);
}

static int migrate_as_source(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	int rc = read_request(work, err);

	clock_random(&clock_system, work->note.nonce, sizeof(work->note.nonce));
	if (rc == 0)
		rc = worker_begin(work, SIDE_SOURCE, err);
	if (rc == 0 && !work->dry_run)
		rc = join_arbiter(work, err);
	if (rc == 0)
		rc = worker_open_host(work, err);
	peer_source_init(&work->peer, &clock_system, &work->job, &work->note,
			 config_tls(work->config, &work->tls));
	if (rc == 0 && work->dry_run)
		return dry_run_ask(m, connect_for_dry_run, work, err);
	if (rc == 0)
		rc = connect_to_target(work, &work->peer, err);
	if (rc < 0)
		return rc;
	m->peer = &work->peer.peer;
	return move_guest(work, err);
}

/* ---- target ---- */

static int welcome(struct work *work, enum wire_kind kind, struct err *err)
{
	struct wire_hello hello = peer_hello(&work->job, &work->note, kind);

	return link_welcome(&clock_system, WORKER_PEER_FD, &hello,
			    clock_after_ms(&clock_system, CLOCK_MS), err);
}

/* What the daemon wrote down of the caller: who it is, and where it is asked in doubt. */
static void read_caller(struct work *work)
{
	struct migration_settings *settings = &work->migration.settings;
	CLEANUP_JSON_VALUE struct json_value *request = NULL;
	const char *host, *address, *certificate;
	char path[JOB_FOLDER_MAX + 16];

	snprintf(path, sizeof(path), "%s/request.json", work->job.folder);
	request = json_parse_file(path, REQUEST_MAX, NULL);
	address = json_get_string(request, "address");
	certificate = json_get_string(request, "certificate");
	snprintf(work->note.address, sizeof(work->note.address), "%s", address ? address : "");
	snprintf(work->note.certificate, sizeof(work->note.certificate), "%s",
		 certificate ? certificate : "");
	host = json_get_string(request, "host");
	if (!host)
		return;
	snprintf(settings->peer_name, sizeof(settings->peer_name), "%s", host);
	snprintf(work->record.source, sizeof(work->record.source), "%s", host);
	log_info("job %s: the source is %s by its certificate", work->record.uuid, host);
}

/* Hears the offer, because it says which plan the two sides are going to follow. */
static int hear_plan(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	int rc = link_answer_clock(m->link, &clock_system, clock_after_ms(&clock_system, OFFER_MS),
				   &m->offer, err);

	work->note.port = meet_read_port(&m->offer);
	if (rc == 0)
		rc = meet_read_plan(&m->offer, &work->plan, err);
	m->plan = &work->plan;
	return rc;
}

/* Before the plan runs nobody tells the source that we give up. */
static int prepare_target(struct work *work, struct err *err)
{
	int rc = hear_plan(work, err);

	if (rc == 0)
		rc = worker_begin(work, SIDE_TARGET, err);
	if (rc == 0 && !dry_run_is_asked(&work->migration.offer))
		rc = join_arbiter(work, err);
	if (rc == 0)
		rc = worker_open_host(work, err);
	if (rc < 0 && rc != -ECONNABORTED)
		link_send_abort(work->migration.link, &clock_system, err);
	return rc;
}

static int migrate_as_target(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	int rc = welcome(work, WIRE_CONTROL, err);

	work->record.side = SIDE_TARGET;
	snprintf(work->record.target, sizeof(work->record.target), "%s",
		 m->settings.host_name);
	read_caller(work);
	if (rc == 0)
		rc = link_open(&clock_system, WORKER_PEER_FD, work->note.nonce, "source",
			       &m->link, err);
	if (rc == 0)
		rc = prepare_target(work, err);
	if (rc < 0)
		return rc;
	if (dry_run_is_asked(&m->offer))
		return meet(m, SYNC_SP0, clock_after_ms(&clock_system, OFFER_MS), err);
	peer_target_init(&work->peer, &clock_system, &work->job, &work->note,
			 config_tls(work->config, &work->tls), WORKER_CHANNEL_FD, m->link);
	m->peer = &work->peer.peer;
	return plan_run(m, 0, err);
}

/* ---- the modes ---- */

int worker_run_mode(mode_fn *mode, const struct config *config, char **arguments,
		    struct host *host)
{
	static struct work work; /* a quarter of a MiB, which a spare worker has touched before */
	struct err err = { ERR_NONE, "" };
	int rc, status;

	(void)precedence_take();
	work = (struct work){ .job = { .lock = -1 }, .migration = { .host = host } };
	rc = worker_open(&work, config, arguments[0], &err);
	if (rc == 0 && arguments[1] && !nonce_from_text(arguments[1], work.note.nonce))
		rc = err_set(&err, ERR_USAGE, -EINVAL, "'%s' is not a nonce", arguments[1]);
	if (rc == 0)
		rc = mode(&work, &err);
	if (!work.channel.sink.ops) {
		log_error("%s", err.message);
		if (host)
			host->ops->close(host);
		return err_exit_status(err.code);
	}
	status = worker_finish(&work, rc, &err);
	doubt_confirm(&work.migration);
	worker_close(&work);
	return status;
}

static int run_source(const struct config *config, char **arguments)
{
	return worker_run_mode(migrate_as_source, config, arguments, NULL);
}

static int run_target(const struct config *config, char **arguments)
{
	return worker_run_mode(migrate_as_target, config, arguments, NULL);
}

static int run_save(const struct config *config, char **arguments)
{
	return worker_run_mode(worker_save, config, arguments, NULL);
}

static int run_load(const struct config *config, char **arguments)
{
	return worker_run_mode(worker_load, config, arguments, NULL);
}

static int run_recover(const struct config *config, char **arguments)
{
	return worker_run_mode(recover_job, config, arguments, NULL);
}

static const struct {
	const char *name;
	int arguments;
	int (*run)(const struct config *config, char **arguments);
	const char *usage;
} modes[] = {
	{ "source", 1, run_source, "source JOB" },
	{ "target", 2, run_target, "target JOB NONCE" },
	{ "save", 1, run_save, "save JOB" },
	{ "load", 1, run_load, "load JOB" },
	{ "ask", 2, run_ask, "ask JOB NONCE" },
	{ "recover", 1, run_recover, "recover JOB" },
	{ "spare", 1, run_spare, "spare JOB" },
	{ "list", 0, run_list, "list" },
	{ "hook", 2, run_hook, "hook NAME REASON" },
	{ "survey", 2, run_survey, "survey TARGETS MEASURE" },
	{ "inquiry", 1, run_inquiry, "inquiry NONCE" },
	{ "dirty-rate", 2, run_dirty_rate, "dirty-rate VM SECONDS" },
	{ "transport", 1, run_transport, "transport NONCE" },
	{ "probe", 1, run_probe, "probe ADDRESS" },
};

static int usage(void)
{
	fprintf(stderr, "usage: xenferry-worker [--config FILE] [--debug] MODE\nmodes:\n");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, "  %s\n", modes[i].usage);
	return err_exit_status(ERR_USAGE);
}

static int run_mode(const struct config *config, int count, char **words)
{
	for (size_t i = 0; count > 0 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(words[0], modes[i].name) == 0 && count == 1 + modes[i].arguments)
			return modes[i].run(config, words + 1);
	return usage();
}

/* Scripts and the stream's child have no business with the daemon and the peer. */
static void keep_from_children(void)
{
	for (int fd = WORKER_CHANNEL_FD; fd <= WORKER_PEER_FD; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* a mode that has none: EBADF */
}

int main(int argc, char **argv)
{
	const char *config_path = NULL;
	struct config config;
	bool debug = false;
	struct err err;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--debug") == 0)
			debug = true;
		else if (strcmp(argv[at], "--config") == 0 && at + 1 < argc)
			config_path = argv[++at];
		else
			return usage();
	}
	log_init("xenferry-worker", debug);
	signal(SIGPIPE, SIG_IGN);
	keep_from_children();
	if (config_load(config_path, &config, &err) < 0 || clock_catch_cancel() < 0) {
		log_error("%s", err.message);
		return err_exit_status(ERR_USAGE);
	}
	return run_mode(&config, argc - at, argv + at);
}

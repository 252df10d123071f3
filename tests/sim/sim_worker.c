/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doubt.h"
#include "invariants.h"
#include "meet.h"
#include "recover.h"
#include "runner.h"

#define CLOCK_ROUNDS 1
#define CLOCK_MS 5000 /* as in agent/worker.c */
#define OFFER_MS 40000

/* ---- the seams that are small ---- */

static uint64_t clock_now(const struct clock *clock)
{
	const struct process *process = PROCESS_OF(clock, clock);

	return process->dead ? UINT64_MAX : process->world->now_us; /* no deadline holds the dead */
}

static double clock_wall(const struct clock *clock)
{
	return (double)clock_now(clock) / 1e6;
}

static int clock_wait_until(const struct clock *clock, struct pollfd *fds, size_t count,
			    uint64_t deadline_us, bool cancellable)
{
	struct process *process = PROCESS_OF(clock, clock);

	(void)fds;
	(void)count;
	if (process->dead)
		return 0;
	if (cancellable &&
	    world_strike(process, "waiting", SYNC_NONE, BIT(CANCELLED)) == FAULT_CANCELLED)
		process->cancelled = true;
	if (cancellable && process->cancelled)
		return -ECANCELED;
	(void)world_wait(process, deadline_us, NULL);
	return 0;
}

static void clock_dice(const struct clock *clock, void *bytes, size_t size)
{
	(void)clock;
	memset(bytes, 0x5a, size);
}

static const struct clock_ops clock_ops = {
	.now_us = clock_now,
	.wall_s = clock_wall,
	.wait = clock_wait_until,
	.random = clock_dice,
};

static void publish(struct record_sink *sink, const struct record *record, bool durable)
{
	struct process *process = PROCESS_OF(sink, sink);

	(void)durable;
	if (process->dead || record->status != STATUS_IN_DOUBT)
		return;
	process->doubt_shown = true;
	world_event(process, "tells the operator: in doubt");
}

static const struct record_sink_ops sink_ops = { publish };

/* ---- the worker's main ---- */

static void set_up(struct process *process)
{
	struct migration *m = &process->migration;
	bool source = process->side == SIDE_SOURCE;

	process->clock.ops = &clock_ops;
	process->link.ops = &sim_link_ops;
	process->peer.ops = process->world->file.in_use ? &sim_file_peer_ops :
			    source		       ? &sim_source_peer_ops :
							 &sim_target_peer_ops;
	process->hooks.ops = &sim_hooks_ops;
	process->arbiter.ops = &sim_arbiter_ops;
	process->journal.ops = &sim_journal_ops;
	process->sink.ops = &sink_ops;
	process->cancelled = process->running_plan = false;
	process->err = (struct err){ .code = ERR_NONE };
	process->record = (struct record){ .side = process->side, .plan = process->world->plan };
	m->side = process->side;
	m->plan = process->world->plan;
	m->settings = (struct migration_settings){
		.memory = { .channels = 1 },
		.vm = "g1", .drain_ms = 1000, .host_name = "A"
	};
	m->settings.steering.policy = *policy_builtin_at(0);
	costs_init(&m->settings.costs);
	m->policy = (struct policy){ .next_item = 0 };
	m->throttle_percent = 0;
	m->cannot_throttle = false;
	m->clock = &process->clock;
	m->host = &process->world->hosts[process->side].host;
	m->file = sim_file_of(process);
	m->link = process->recovering || m->file.ops ? NULL : &process->link;
	m->peer = &process->peer;
	m->arbiter = process->world->no_arbiter || m->file.ops ? NULL : &process->arbiter;
	m->hooks = &process->hooks;
	m->journal = &process->journal;
	m->record = &process->record;
	m->sink = &process->sink;
	m->row = 0;
	m->cancellable = m->released = m->taken = m->committing = m->found_running = false;
	m->resolved = OUTCOME_UNDECIDED;
	m->later = 0;
	description_init(&m->guest);
}

static int begin(struct process *process, struct err *err)
{
	struct journal_entry entry = { .event = JOURNAL_BEGIN };

	snprintf(entry.text, sizeof(entry.text), "%s", process->world->plan->name);
	return process->journal.ops->append(&process->journal, &entry, err);
}

static int run_plan(struct process *process, struct err *err)
{
	process->running_plan = true;
	return plan_run(&process->migration, 0, err);
}

static int migrate_as_source(struct process *process, struct err *err)
{
	struct migration *m = &process->migration;
	int rc = begin(process, err);

	if (rc == 0)
		rc = link_measure_clock(m->link, m->clock, CLOCK_ROUNDS,
					clock_after_ms(m->clock, CLOCK_MS), &m->clock_offset_us,
					&m->record->clock_uncertainty_us, err);
	return rc < 0 ? rc : run_plan(process, err);
}

/* Mutants break rules on purpose: it is the plan's own rows that are followed. */
static int hear_plan(struct migration *m, struct err *err)
{
	return link_answer_clock(m->link, m->clock, clock_after_ms(m->clock, OFFER_MS), &m->offer,
				 err);
}

static int migrate_as_target(struct process *process, struct err *err)
{
	struct migration *m = &process->migration;
	int rc = hear_plan(m, err);

	if (rc == 0)
		rc = begin(process, err);
	if (rc < 0 && rc != -ECONNABORTED)
		link_send_abort(m->link, m->clock, err);
	return rc < 0 ? rc : run_plan(process, err);
}

static int move_file(struct process *process, struct err *err)
{
	int rc = begin(process, err);

	return rc < 0 ? rc : run_plan(process, err);
}

static int recover(struct process *process, struct err *err)
{
	const struct sim_journal *journal = &process->world->journals[process->side];

	if (!journal->written.begun)
		return err_set(err, ERR_FAILED, -EINVAL, "the journal does not name a plan");
	process->running_plan = true;
	return recover_run(&process->migration, &journal->written, journal->guest,
			   journal->guest_size, err);
}

static void end(struct process *process)
{
	if (!process->dead) {
		process->status = record_status_after(process->rc, &process->err);
		if (process->status == STATUS_IN_DOUBT) /* what is mapped goes with the process */
			process->world->hosts[process->side].watching = false;
		invariants_hold_at_exit(process);
		world_event(process, "tells the operator: %s%s%s", status_word(process->status),
			    process->rc < 0 ? ": " : "",
			    process->rc < 0 ? process->err.message : "");
	}
}

static void close_up(struct process *process)
{
	struct migration *m = &process->migration;

	if (m->link)
		m->link->ops->close(m->link);
	message_fini(&m->offer);
	description_fini(&m->guest);
}

void worker_run(void *argument)
{
	struct process *process = argument;

	process->recovering = process->started; /* the first has gone */
	process->started = true;
	set_up(process);
	if (process->recovering)
		process->rc = recover(process, &process->err);
	else if (process->migration.file.ops)
		process->rc = move_file(process, &process->err);
	else if (process->side == SIDE_SOURCE)
		process->rc = migrate_as_source(process, &process->err);
	else
		process->rc = migrate_as_target(process, &process->err);
	end(process);
	doubt_confirm(&process->migration);
	close_up(process);
}

/* With a file in the peer's place there is nobody at the other side. */
static bool works(const struct world *world, enum side side)
{
	enum side alone = sim_file_plan_is(world, "resume") ? SIDE_TARGET : SIDE_SOURCE;

	return !world->file.in_use || side == alone;
}

void worker_init(struct process *process, struct world *world, enum side side)
{
	process->world = world;
	process->side = side;
	process->dead = process->started = process->doubt_shown = false;
	process->start_us = works(world, side) ? world->now_us : NEVER_US;
	process->status = STATUS_PREPARING; /* nothing was said */
}

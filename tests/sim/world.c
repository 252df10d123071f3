/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "invariants.h"
#include "sim_log.h"
#include "sim_worker.h"

#define RESTART_US (1 * SECOND) /* the daemon notices that its worker has gone */
#define REBOOT_US (2 * MINUTE)
#define RECOVER_AGAIN_US (10 * MINUTE) /* somebody starts the agent again */
#define PARTITION_US (5 * MINUTE)
#define SLOW_US (2 * SECOND) /* within every deadline */
#define SETTLED_US (26 * HOUR) /* after the last fault; a copy has a day */
#define STANDSTILL_US (40 * SECOND) /* of the guest, after the last fault */
#define STRIKES_OF_A_KIND 2 /* a thing that fails is tried three times */

static const struct {
	const char *text;
	bool harmless;
} faults_table[FAULTS] = {
#define X(fault, text, harmless) [FAULT_##fault] = { text, harmless },
	FAULT_TABLE(X)
#undef X
};

const char *fault_text(enum fault fault)
{
	return faults_table[fault].text;
}

bool fault_is_harmless(enum fault fault)
{
	return faults_table[fault].harmless;
}

/* ---- telling ---- */

static void tell(const struct process *process, const char *text)
{
	const struct world *world = process->world;
	double at_s = (double)world->now_us / 1e6;

	fprintf(world->tells, "%14.6f s  %s %s\n", at_s,
		process->side == SIDE_SOURCE ? "source         " : "        target ", text);
}

/* For how long does the guest run nowhere? One that is in a file rests there. */
static void measure_standstill(struct world *world)
{
	bool rests = sim_file_plan_is(world, "resume") ||
		     (sim_file_plan_is(world, "suspend") &&
		      world->journals[SIDE_SOURCE].durable.taken);
	bool runs = rests || world->hosts[SIDE_SOURCE].domain == DOMAIN_RUNNING ||
		    world->hosts[SIDE_TARGET].domain == DOMAIN_RUNNING;

	if (!runs && world->stopped_us == 0)
		world->stopped_us = world->now_us;
	if (!runs || world->stopped_us == 0)
		return;
	world->standstill_us += world->now_us - world->stopped_us;
	world->stopped_us = 0;
}

void world_event(struct process *process, const char *format, ...)
{
	struct world *world = process->world;

	if (world->tells) {
		char text[512];
		va_list arguments;

		va_start(arguments, format);
		vsnprintf(text, sizeof(text), format, arguments);
		va_end(arguments);
		tell(process, text);
	}
	measure_standstill(world);
	if (!world->violation[0])
		invariants_hold(world);
}

void world_violation(struct world *world, const char *format, ...)
{
	va_list arguments;

	if (world->violation[0])
		return;
	va_start(arguments, format);
	vsnprintf(world->violation, sizeof(world->violation), format, arguments);
	va_end(arguments);
	if (world->tells)
		fprintf(world->tells, "%14.6f s  VIOLATION: %s\n", (double)world->now_us / 1e6,
			world->violation);
}

/* ---- waiting ---- */

bool world_wait(struct process *process, uint64_t deadline_us,
		uint64_t (*ready_us)(const struct process *process))
{
	if (process->dead)
		return false;
	process->wake_us = deadline_us;
	process->ready_us = ready_us;
	coroutine_yield(&process->coroutine);
	return !process->dead;
}

bool world_spend(struct process *process, uint64_t usual_us)
{
	struct world *world = process->world;

	return world_wait(process, world->now_us + chooser_time_us(world->chooser, usual_us), NULL);
}

bool world_is_partitioned(const struct world *world)
{
	return world->now_us < world->partition_until_us;
}

/* ---- faults ---- */

void world_fault_until(struct world *world, uint64_t us)
{
	if (us > world->last_fault_us)
		world->last_fault_us = us;
}

/*
 * What lasts is another story: what has to be done is tried three times, and then said not to be
 * done. So the third try works, be it one thing that failed or several in one row.
 */
static bool is_spent(const struct process *process, const char *what)
{
	const struct world *world = process->world;
	unsigned same = 0, in_row = 0;

	for (size_t i = 0; i < world->strike_count; i++) {
		const struct strike *strike = &world->strikes[i];

		if (strike->side != process->side)
			continue;
		same += strcmp(strike->what, what) == 0;
		in_row += process->running_plan && strike->row == process->migration.row;
	}
	return same >= STRIKES_OF_A_KIND || in_row >= STRIKES_OF_A_KIND ||
	       world->strike_count == STRIKES_MAX;
}

static enum fault nth_of(unsigned faults, unsigned n)
{
	enum fault fault = FAULT_NONE;

	while (n > 0)
		n -= (faults >> ++fault & 1u);
	return fault;
}

/* Within a step, or when the sides meet after it. */
static enum sync_point point_now(const struct process *process, const char *what)
{
	const struct record *record = &process->record;
	const struct plan_row *row = &process->world->plan->rows[process->migration.row];
	bool in_step = record->step_count > 0 && row->step &&
		       record->steps[record->step_count - 1].end_us == 0;

	return in_step || strncmp(what, "journal step", 12) == 0 ? SYNC_NONE : row->sync;
}

static void note_strike(struct process *process, enum fault fault, const char *what,
			enum sync_point point)
{
	struct world *world = process->world;
	struct strike *strike = &world->strikes[world->strike_count++];

	*strike = (struct strike){ .fault = fault,
				   .side = process->side,
				   .what = what,
				   .row = ROW_OUTSIDE,
				   .point = point };
	if (process->running_plan)
		strike->row = process->migration.row;
	if (process->running_plan && point == SYNC_NONE)
		strike->point = point_now(process, what);
	world_fault_until(world, world->now_us);
	if (world->tells) {
		char text[128];

		snprintf(text, sizeof(text), "*** %s: %s", what, fault_text(fault));
		tell(process, text);
	}
}

enum fault world_strike(struct process *process, const char *what, enum sync_point point,
			unsigned faults)
{
	struct world *world = process->world;
	unsigned answer = 0;
	enum fault fault;

	if (is_spent(process, what))
		faults = 0;
	answer = chooser_fault(world->chooser, (unsigned)__builtin_popcount(faults));
	if (answer == 0)
		return FAULT_NONE;
	fault = nth_of(faults, answer);
	note_strike(process, fault, what, point);
	switch (fault) {
	case FAULT_SLOW:
		(void)world_wait(process, world->now_us + SLOW_US, NULL);
		return FAULT_NONE;
	case FAULT_KILLED_BEFORE:
	case FAULT_RESET:
		(void)world_kill(process, fault == FAULT_RESET);
		return fault;
	case FAULT_PARTITION:
		line_partition(world, PARTITION_US);
		return fault;
	default:
		return fault;
	}
}

int world_kill(struct process *process, bool reset)
{
	struct world *world = process->world;
	struct sim_journal *journal = &world->journals[process->side];

	assert(!process->dead);
	process->dead = true;
	sim_log = NULL; /* nor is anything heard of it */
	process->start_us = world->now_us + (reset ? REBOOT_US : RESTART_US);
	world_fault_until(world, process->start_us);
	sim_host_lose_worker(&world->hosts[process->side]);
	if (reset)
		sim_host_reset(&world->hosts[process->side], process->start_us);
	line_close(process);
	if (reset || (sim_journal_lags(journal) && chooser_either(world->chooser, 2) == 0))
		sim_journal_lose(journal);
	world_event(process, reset ? "the host is reset" : "the worker is killed");
	return -ESHUTDOWN;
}

void world_fence(struct world *world, enum side side)
{
	struct process *process = &world->processes[side];

	world->fenced = true;
	if (process->coroutine.live && !process->dead) {
		(void)world_kill(process, true);
		process->wake_us = world->now_us; /* it has no turn of its own to die in */
		return;
	}
	sim_host_reset(&world->hosts[side], world->now_us + REBOOT_US);
	sim_journal_lose(&world->journals[side]);
	if (process->start_us != NEVER_US)
		process->start_us = world->now_us + REBOOT_US;
	world_fault_until(world, world->now_us + REBOOT_US);
	world_event(process, "the host is switched off");
}

/* ---- turns ---- */

static uint64_t next_turn_us(const struct process *process)
{
	uint64_t ready_us;

	if (!process->coroutine.live)
		return process->start_us;
	ready_us = process->ready_us ? process->ready_us(process) : NEVER_US;
	return ready_us < process->wake_us ? ready_us : process->wake_us;
}

/* What the daemon makes of a worker that has gone. */
static void conclude(struct process *process)
{
	struct world *world = process->world;

	if (process->dead)
		return; /* world_kill() has said when the next one starts */
	if (process->status == STATUS_IN_DOUBT)
		process->start_us = world->now_us + RECOVER_AGAIN_US;
	world_fault_until(world, process->start_us == NEVER_US ? 0 : process->start_us);
}

static void take_turn(struct process *process)
{
	sim_log = process->world->tells;
	if (process->coroutine.live) {
		coroutine_resume(&process->coroutine);
	} else {
		process->start_us = NEVER_US;
		process->dead = false;
		coroutine_start(&process->coroutine, worker_run, process);
	}
	if (!process->coroutine.live)
		conclude(process);
}

/* Whoever is due first; in a run with a seed chance decides between two at once. */
static struct process *whose_turn(struct world *world, uint64_t *at_us)
{
	uint64_t source_us = next_turn_us(&world->processes[SIDE_SOURCE]);
	uint64_t target_us = next_turn_us(&world->processes[SIDE_TARGET]);
	enum side side = target_us < source_us ? SIDE_TARGET : SIDE_SOURCE;

	*at_us = target_us < source_us ? target_us : source_us;
	return *at_us == NEVER_US ? NULL : &world->processes[side];
}

/* All that still lives comes to its end, without effect. */
static void unwind(struct world *world)
{
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		struct process *process = &world->processes[side];

		process->dead = true;
		sim_log = NULL;
		while (process->coroutine.live)
			coroutine_resume(&process->coroutine);
	}
}

static void begin(struct world *world, struct chooser *chooser, const struct plan *plan)
{
	world->chooser = chooser;
	world->plan = plan;
	world->now_us = world->last_fault_us = 1 * HOUR;
	world->partition_until_us = 0;
	world->strike_count = 0;
	world->stopped_us = world->standstill_us = 0;
	world->sp3_said = world->abort_said = world->lost_with_host = world->fenced = false;
	world->ran_at_target = false;
	world->will = WILL_BE_ASKED;
	world->told[SIDE_SOURCE] = world->told[SIDE_TARGET] = OUTCOME_UNDECIDED;
	world->violation[0] = '\0';
	world->memory = (struct memory_line){ NEVER_US, NEVER_US, NEVER_US };
	line_init(&world->line);
	sim_file_init(world);
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		sim_host_init(&world->hosts[side], world, side);
		sim_journal_init(&world->journals[side]);
		worker_init(&world->processes[side], world, side);
	}
}

/*
 * How long the guest may run nowhere without a fault that lasts: while its sides meet and undo, and
 * as long as one waits for what the plan lets the other do meanwhile.
 */
static uint64_t standstill_allowed_us(const struct plan *plan)
{
	size_t end = plan_row_with(plan, STEP_UNPAUSES) + 1, count = plan_count(plan);
	uint64_t allowed_us = STANDSTILL_US;

	for (size_t row = plan_row_with(plan, STEP_COPIES) + 1; row < end && row < count; row++)
		if (plan->rows[row].step->traits & STEP_RUNS_SCRIPTS)
			allowed_us += plan->rows[row].step->timeout_ms * MS;
	return allowed_us;
}

/* Time goes on to `at_us`; not for ever, once the faults are over. */
static void pass_time(struct world *world, uint64_t at_us)
{
	uint64_t since_us = world->last_fault_us;

	if (at_us > world->now_us)
		world->now_us = at_us;
	if (world->now_us > since_us + SETTLED_US)
		world_violation(world, "not settled 26 hours after the last fault");
	if (since_us < world->stopped_us)
		since_us = world->stopped_us;
	if (world->stopped_us && !world->lost_with_host &&
	    world->now_us > since_us + standstill_allowed_us(world->plan))
		world_violation(world, "the guest runs nowhere for minutes");
}

void world_run(struct world *world, struct chooser *chooser, const struct plan *plan)
{
	struct process *process;
	uint64_t at_us;

	begin(world, chooser, plan);
	while (!world->violation[0] && (process = whose_turn(world, &at_us)) != NULL) {
		pass_time(world, at_us);
		if (!world->violation[0])
			take_turn(process);
	}
	unwind(world);
	if (!world->violation[0])
		invariants_hold_at_end(world);
}

void world_fini(struct world *world)
{
	line_init(&world->line);
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		sim_journal_init(&world->journals[side]);
		coroutine_fini(&world->processes[side].coroutine);
	}
}

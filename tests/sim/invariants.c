/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "invariants.h"

#include "file_invariants.h"
#include "recover.h"
#include "world.h"

/* ---- after every event ---- */

static void at_most_one_runs(struct world *world)
{
	const struct sim_host *hosts = world->hosts;
	bool taken = world->journals[SIDE_TARGET].durable.taken;
	bool source_may = !taken || world->fenced;

	if (hosts[SIDE_SOURCE].domain == DOMAIN_RUNNING &&
	    hosts[SIDE_TARGET].domain == DOMAIN_RUNNING)
		world_violation(world, "the guest runs twice");
	if (hosts[SIDE_TARGET].domain == DOMAIN_RUNNING && !taken)
		world_violation(world, "the target runs the guest, and the commit is not durable");
	if (hosts[SIDE_SOURCE].domain == DOMAIN_RUNNING && !source_may)
		world_violation(world, "the target has taken a guest that runs at the source");
}

/* A copy that runs, or is suspended and whole where somebody may still let it go on. */
static void a_copy_can_run(struct world *world)
{
	const struct sim_host *source = &world->hosts[SIDE_SOURCE];
	const struct sim_host *target = &world->hosts[SIDE_TARGET];
	const struct journal_state *said = &world->journals[SIDE_TARGET].durable;
	bool source_may = source->domain != DOMAIN_NONE && (!said->taken || world->fenced);
	bool target_may = target->domain == DOMAIN_RUNNING ||
			  (target->complete && !said->never && !world->abort_said);

	if (!source_may && !target_may && !world->lost_with_host)
		world_violation(world, "no copy of the guest can run any more");
}

/* Until the source has said SP3 it may let its guest go on, so it must be able to. */
static void source_can_resume(struct world *world)
{
	const struct sim_host *source = &world->hosts[SIDE_SOURCE];

	if (!world->sp3_said && !world->lost_with_host && source->domain == DOMAIN_NONE)
		world_violation(world, "the source cannot let its guest go on, before SP3");
}

static void disks_are_quiet(struct world *world)
{
	const struct sim_host *source = &world->hosts[SIDE_SOURCE];

	if (world->hosts[SIDE_TARGET].domain == DOMAIN_RUNNING && source->vbd_plugged &&
	    !source->vbd_closed && world->now_us < source->drained_us)
		world_violation(world, "the guest runs at the target while the source's disk "
				       "still has requests");
	if (source->domain == DOMAIN_RUNNING &&
	    (!source->vbd_plugged || source->vbd_closed || !source->vif_plugged ||
	     source->vif_closed || !source->on_bridge))
		world_violation(world, "the guest runs at the source without its devices");
}

void invariants_hold(struct world *world)
{
	if (world->file.in_use) {
		file_invariants_hold(world);
		return;
	}
	at_most_one_runs(world);
	source_can_resume(world);
	a_copy_can_run(world);
	disks_are_quiet(world);
}

/* ---- at the end of a worker ---- */

void invariants_hold_at_exit(struct process *process)
{
	struct world *world = process->world;
	const struct sim_host *host = &world->hosts[process->side];

	if (host->stream.running)
		world_violation(world, "a worker ends and leaves its stream");
	if (host->watching)
		world_violation(world, "a worker ends and leaves the disks watched");
}

/* ---- at the end of all ---- */

static bool plan_has(const struct world *world, unsigned traits)
{
	return world->plan->rows[plan_row_with(world->plan, traits)].step;
}

void nothing_is_left(struct world *world, enum side side)
{
	const struct sim_host *host = &world->hosts[side];

	if (host->domain != DOMAIN_NONE)
		world_violation(world, "a domain is left at the %s", side_name(side));
	if (host->vbd_plugged || host->vif_plugged || host->on_bridge)
		world_violation(world, "a device is left at the %s", side_name(side));
	if (host->port_open && (side == SIDE_TARGET || plan_has(world, STEP_TELLS_GONE)))
		world_violation(world, "what a hook opened is left at the %s", side_name(side));
	if (host->claim)
		world_violation(world, "a claim on memory is left at the %s", side_name(side));
}

void guest_has_all(struct world *world, enum side side)
{
	const struct sim_host *host = &world->hosts[side];

	if (!host->vbd_plugged || !host->vif_plugged || !host->on_bridge || !host->introduced ||
	    !host->named || host->claim || host->vbd_held)
		world_violation(world, "the guest at the %s lacks something", side_name(side));
	if (side == SIDE_TARGET && !host->port_open && !world->file.in_use &&
	    plan_has(world, STEP_ASKS_HOOKS))
		world_violation(world, "the guest has moved, and its hooks were not run before");
}

static bool runs_at(const struct world *world, enum side side)
{
	return world->hosts[side].domain == DOMAIN_RUNNING;
}

/* What a side told its operator last must be so. */
static void the_operator_knows(struct world *world, enum side side)
{
	enum status status = world->processes[side].status;
	bool moved = runs_at(world, SIDE_TARGET);

	if (world->lost_with_host || (world->fenced && side == SIDE_TARGET))
		return; /* who was fenced may have been told what was true before */
	if (moved ? status != STATUS_COMPLETED
		  : status == STATUS_COMPLETED || status == STATUS_LOST ||
			    status == STATUS_IN_DOUBT)
		world_violation(world,
				"the %s's operator is told '%s', and the guest runs at the "
				"%s",
				side_name(side), status_word(status), moved ? "target" : "source");
	if (status == STATUS_REFUSED && world->hosts[SIDE_TARGET].created)
		world_violation(world, "the operator is told 'refused', and something was "
				       "touched");
}

bool nothing_failed(const struct world *world)
{
	for (size_t i = 0; i < world->strike_count; i++)
		if (!fault_is_harmless(world->strikes[i].fault))
			return false;
	return true;
}

void journal_is_closed(struct world *world, enum side side)
{
	const struct sim_journal *journal = &world->journals[side];
	const struct journal_state *state = &journal->written;

	if (journal->failed || world->lost_with_host || !state->begun || !journal->guest)
		return;
	if (!state->done && !state->undone)
		world_violation(world, "the %s's journal does not say how it ended",
				side_name(side));
	if (state->undone && side == SIDE_SOURCE && state->released)
		world_violation(world, "the source took its guest back and not its word");
}

void invariants_hold_at_end(struct world *world)
{
	enum side winner = runs_at(world, SIDE_TARGET) ? SIDE_TARGET : SIDE_SOURCE;

	if (world->file.in_use) {
		file_invariants_hold_at_end(world);
		return;
	}
	if (!world->lost_with_host && !runs_at(world, winner))
		world_violation(world, "in the end the guest runs nowhere");
	if (world->hosts[SIDE_SOURCE].cap_percent && runs_at(world, SIDE_SOURCE))
		world_violation(world, "the guest goes on at the source, and slowed down");
	if (runs_at(world, winner))
		guest_has_all(world, winner);
	if (runs_at(world, winner) || winner == SIDE_SOURCE)
		nothing_is_left(world, winner == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE);
	if (nothing_failed(world) && winner != SIDE_TARGET)
		world_violation(world, "nothing failed, and the guest has not moved");
	if (runs_at(world, SIDE_SOURCE) &&
	    recover_outcome(&world->journals[SIDE_TARGET].durable) == OUTCOME_TAKEN)
		world_violation(world, "the guest was resolved to the source, and the target "
				       "was not told when it came back");
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		the_operator_knows(world, side);
		journal_is_closed(world, side);
	}
}

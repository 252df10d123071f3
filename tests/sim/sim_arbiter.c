/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_arbiter.h"

#include <errno.h>
#include <stdio.h>

#include "world.h"

#define FENCE_US (5 * SECOND)
#define LOOK_US (20 * MS)

static enum side other(enum side side)
{
	return side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
}

/*
 * The target is switched off before anybody says that it is. When the guest has run there its disks
 * have moved on, and the copy at the source is of no use: it went with the target. Who cannot see
 * whether it has takes it for that.
 */
static enum outcome fence_target(struct process *process, bool sees)
{
	struct world *world = process->world;

	if (process->side == SIDE_TARGET)
		return OUTCOME_UNDECIDED;
	if (!world->fenced) {
		if (!world_wait(process, world->now_us + FENCE_US, NULL))
			return OUTCOME_UNDECIDED;
		world->lost_with_host |= !sees || world->ran_at_target ||
					 process->migration.taken;
		world_fence(world, SIDE_TARGET);
	}
	return world->lost_with_host ? OUTCOME_TAKEN : OUTCOME_NEVER;
}

static enum outcome answer(struct process *process)
{
	struct world *world = process->world;
	bool runs = world->hosts[SIDE_TARGET].domain == DOMAIN_RUNNING;

	switch (world->will) {
	case WILL_FENCE_TARGET:
		return fence_target(process, true);
	case WILL_HEAR_OF_DEATH:
		return fence_target(process, false);
	case WILL_SEE_TARGET:
		return process->side == SIDE_SOURCE && runs ? OUTCOME_TAKEN : OUTCOME_UNDECIDED;
	case WILL_READ:
		return world->told[other(process->side)];
	default:
		return OUTCOME_UNDECIDED;
	}
}

static int decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
		  struct err *err)
{
	struct process *process = PROCESS_OF(arbiter, arbiter);
	struct world *world = process->world;
	enum fault fault;

	*verdict = (struct verdict){ OUTCOME_UNDECIDED, "the arbiter" };
	if (process->dead)
		return -ESHUTDOWN;
	if (world->will == WILL_BE_ASKED)
		world->will = WILL_WAIT + chooser_either(world->chooser, WILLS - WILL_WAIT);
	fault = world_strike(process, "the arbiter", SYNC_NONE,
			     BIT(FAILS) | BIT(HANGS) | BIT(SLOW) | ANY_DEATH);
	if (process->dead || !world_spend(process, LOOK_US))
		return -ESHUTDOWN;
	if (fault == FAULT_FAILS)
		return err_set(err, ERR_FAILED, -EIO, "the arbiter cannot be asked");
	if (fault == FAULT_HANGS) {
		world_fault_until(world, deadline_us);
		return world_wait(process, deadline_us, NULL) ? -ETIMEDOUT : -ESHUTDOWN;
	}
	verdict->outcome = answer(process);
	if (process->dead)
		return -ESHUTDOWN;
	world_event(process, "asks the arbiter: %s", outcome_side(verdict->outcome));
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

static int tell(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		struct err *err)
{
	struct process *process = PROCESS_OF(arbiter, arbiter);
	enum fault fault;

	(void)deadline_us;
	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, "telling the arbiter", SYNC_NONE,
			     BIT(FAILS) | BIT(SLOW) | ANY_DEATH);
	if (process->dead || !world_spend(process, LOOK_US))
		return -ESHUTDOWN;
	if (fault == FAULT_FAILS)
		return err_set(err, ERR_FAILED, -EIO, "the arbiter cannot be told");
	process->world->told[process->side] = outcome;
	world_event(process, "tells the arbiter: %s", outcome_side(outcome));
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

static void close_arbiter(struct arbiter *arbiter)
{
	(void)arbiter;
}

const struct arbiter_ops sim_arbiter_ops = {
	.decide = decide, .tell = tell, .close = close_arbiter
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_invariants.h"

#include "world.h"

static bool suspends(const struct world *world)
{
	return sim_file_plan_is(world, "suspend");
}

static enum side side_of(const struct world *world)
{
	return sim_file_plan_is(world, "resume") ? SIDE_TARGET : SIDE_SOURCE;
}

/* ---- after every event ---- */

static void the_file_is_whole_or_has_no_name(struct world *world)
{
	if (world->file.named && !world->file.whole)
		world_violation(world, "the file has its name, and is not whole");
}

/* Nothing may depend on what a reset takes away. */
static void the_guest_is_somewhere(struct world *world)
{
	const struct sim_host *host = &world->hosts[side_of(world)];
	bool taken = world->journals[side_of(world)].durable.taken;

	if (side_of(world) == SIDE_SOURCE && host->domain == DOMAIN_NONE &&
	    !world->lost_with_host && !(taken && sim_file_has_guest(world)))
		world_violation(world, "the guest is on no host, and in no file");
	if (side_of(world) == SIDE_TARGET && !sim_file_has_guest(world))
		world_violation(world, "the file that the guest comes from is gone");
}

/* The disks belong to one of them. */
static void it_is_not_twice(struct world *world)
{
	const struct sim_host *host = &world->hosts[side_of(world)];
	bool taken = world->journals[side_of(world)].durable.taken;

	if (suspends(world) && taken && host->domain == DOMAIN_RUNNING)
		world_violation(world, "the guest runs, and is taken to be in the file");
	if (suspends(world) && taken && host->vbd_plugged && world->now_us < host->drained_us)
		world_violation(world, "the guest is in the file, and its disk has requests");
	if (side_of(world) == SIDE_TARGET && !taken && host->domain == DOMAIN_RUNNING)
		world_violation(world, "the guest runs, and the commit is not durable");
}

void file_invariants_hold(struct world *world)
{
	the_file_is_whole_or_has_no_name(world);
	the_guest_is_somewhere(world);
	it_is_not_twice(world);
}

/* ---- at the end of all ---- */

static void the_file_is_as_told(struct world *world, bool completed)
{
	const struct sim_file *file = &world->file;

	if (file->part)
		world_violation(world, "a part of a file is left");
	if (completed && !(file->named && file->name_durable))
		world_violation(world, "the operator is told 'completed', and the file may go");
	if (!completed && file->named && side_of(world) == SIDE_SOURCE)
		world_violation(world, "the operator is told of a failure, and there is a file");
}

static void the_guest_is_as_told(struct world *world, bool completed)
{
	enum side side = side_of(world);
	bool gone = side == SIDE_SOURCE ? suspends(world) && completed : !completed;
	bool runs = world->hosts[side].domain == DOMAIN_RUNNING;

	if (gone) {
		nothing_is_left(world, side);
		return;
	}
	if (!runs && !world->lost_with_host)
		world_violation(world, "in the end the guest runs nowhere");
	if (runs)
		guest_has_all(world, side);
	if (runs && world->hosts[side].cap_percent)
		world_violation(world, "the guest goes on, and slowed down");
}

void file_invariants_hold_at_end(struct world *world)
{
	enum status status = world->processes[side_of(world)].status;
	bool completed = status == STATUS_COMPLETED;

	if (nothing_failed(world) && !completed)
		world_violation(world, "nothing failed, and it was not done");
	if (status == STATUS_IN_DOUBT || (status == STATUS_LOST && !world->lost_with_host))
		world_violation(world, "the operator is told '%s'", status_word(status));
	the_file_is_as_told(world, completed);
	the_guest_is_as_told(world, completed);
	journal_is_closed(world, side_of(world));
}

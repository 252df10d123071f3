/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "sim_host.h"
#include "world.h"

#define HANG_US (15 * MINUTE)

struct process *sim_worker_of(struct host *host)
{
	struct sim_host *self = (struct sim_host *)host;

	return &self->world->processes[self->side];
}

static int hang(struct process *process, const char *what, uint64_t deadline_us, struct err *err)
{
	struct world *world = process->world;
	uint64_t until_us = deadline_us ? deadline_us : world->now_us + HANG_US;

	world_fault_until(world, until_us);
	if (!world_wait(process, until_us, NULL))
		return -ESHUTDOWN;
	if (!deadline_us)
		return 0;
	world_event(process, "%s: time is up", what);
	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "not done in time");
}

static void check_domid(struct sim_host *host, const struct description *guest, const char *what)
{
	if (guest && guest->domid == 0 && strcmp(what, "unplug") != 0 &&
	    strcmp(what, "destroy") != 0)
		world_violation(host->world, "%s is called for domain 0", what);
}

static int take_effect(struct sim_host *host, const struct description *guest, const char *what,
		       bool half, sim_effect *effect, struct err *err)
{
	int rc = effect ? effect(host, guest, half, err) : 0;

	if (rc == -ESHUTDOWN)
		return rc;
	world_event(sim_worker_of(&host->host), "%s%s", what, rc < 0 ? ": fails" : "");
	return rc;
}

int sim_call(struct host *base, const struct description *guest, const char *what, unsigned faults,
	     uint64_t usual_us, uint64_t deadline_us, sim_effect *effect, struct err *err)
{
	struct sim_host *host = (struct sim_host *)base;
	struct process *process = sim_worker_of(base);
	bool half;
	enum fault fault;
	int rc;

	if (process->dead)
		return -ESHUTDOWN;
	check_domid(host, guest, what);
	fault = world_strike(process, what, SYNC_NONE, faults);
	if (process->dead || !world_spend(process, usual_us))
		return -ESHUTDOWN;
	half = fault == FAULT_FAILS_HALF_DONE;
	rc = fault == FAULT_HANGS ? hang(process, what, deadline_us, err) : 0;
	if (rc < 0)
		return rc;
	if (fault != FAULT_FAILS)
		rc = take_effect(host, guest, what, half, effect, err);
	if (fault == FAULT_KILLED_AFTER)
		return world_kill(process, false);
	if (half || fault == FAULT_FAILS || fault == FAULT_FAILS_DONE)
		return err_set(err, ERR_FAILED, -EIO, "%s: input/output error", what);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_hooks.h"

#include <errno.h>

#include "world.h"

#define USUAL_US (50 * MS)
#define HOOK_FAULTS (BIT(FAILS) | BIT(FAILS_DONE) | BIT(SLOW) | BIT(HANGS) | ANY_DEATH)

static bool runs(const struct world *world, enum side side)
{
	return world->hosts[side].domain == DOMAIN_RUNNING;
}

/* A hook that is run while the guest stands still costs it that time. */
static void check(struct world *world, enum side side, enum hook hook)
{
	bool stands = world->hosts[SIDE_SOURCE].domain == DOMAIN_SUSPENDED &&
		      !runs(world, SIDE_TARGET);

	if (hook_vetoes(hook) && stands)
		world_violation(world, "a hook is asked while the guest stands still");
	if (hook == HOOK_VM_POST_MIGRATE && !runs(world, side))
		world_violation(world, "hooks are told of a guest that does not run");
}

/* They open a port for the guest, and close it when it is gone. */
static int open_port(struct sim_host *host, const struct description *guest, bool half,
		     struct err *err)
{
	(void)guest, (void)half, (void)err;
	host->port_open = true;
	return 0;
}

static int close_port(struct sim_host *host, const struct description *guest, bool half,
		      struct err *err)
{
	(void)guest, (void)half, (void)err;
	host->port_open = false;
	return 0;
}

static int run(struct hooks *hooks, const struct hook_call *call, uint64_t deadline_us,
	       bool cancellable, struct err *err)
{
	struct process *process = PROCESS_OF(hooks, hooks);
	struct world *world = process->world;
	struct sim_host *host = &world->hosts[process->side];
	sim_effect *effect = call->hook == HOOK_VM_PRE_MIGRATE	? open_port :
			     call->hook == HOOK_VM_POST_DESTROY ? close_port :
								  NULL;
	int rc;

	if (cancellable && process->cancelled)
		return err_set(err, ERR_CANCELLED, -ECANCELED, "cancelled");
	if (!process->dead)
		check(world, process->side, call->hook);
	rc = sim_call(&host->host, NULL, hook_name(call->hook), HOOK_FAULTS, USUAL_US, deadline_us,
		      effect, err);
	if (rc < 0 && rc != -ESHUTDOWN && call->hook == HOOK_VM_POST_DESTROY)
		host->port_open = false; /* it was told, and that is all that we can do */
	return rc;
}

static int look(struct hooks *hooks, enum hook hook, hook_seen_fn *seen, void *context,
		struct err *err)
{
	(void)hooks, (void)hook, (void)seen, (void)context, (void)err;
	return 0;
}

const struct hooks_ops sim_hooks_ops = { run, look };

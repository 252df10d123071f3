/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

#define GUEST_UUID "6f1d2c3b-0000-4000-8000-000000000001"
#define SOURCE_DOMID 7
#define TARGET_DOMID 9
#define QUEUE_US (200 * MS) /* what is outstanding when the guest is suspended takes that */
#define QUEUE_MAX_US (800 * MS) /* less than drain_ms */

#define STEP_FAULTS (BIT(FAILS) | BIT(FAILS_DONE) | BIT(SLOW) | BIT(HANGS) | ANY_DEATH)
#define DIVISIBLE (STEP_FAULTS | BIT(FAILS_HALF_DONE))

void sim_host_init(struct sim_host *host, struct world *world, enum side side)
{
	bool source = side == SIDE_SOURCE && !sim_file_plan_is(world, "resume");

	*host = (struct sim_host){
		.host = { &sim_host_ops },
		.world = world,
		.side = side,
		.domain = source ? DOMAIN_RUNNING : DOMAIN_NONE,
		.domid = source ? SOURCE_DOMID : 0,
		.introduced = source,
		.named = source,
		.on_bridge = source,
		.vbd_plugged = source,
		.vif_plugged = source,
		.drained_us = NEVER_US,
	};
}

void sim_host_lose_worker(struct sim_host *host)
{
	sim_stream_kill(host);
	host->watching = false;
}

void sim_host_reset(struct sim_host *host, uint64_t down_until_us)
{
	struct world *world = host->world;
	bool source = host->side == SIDE_SOURCE;
	enum side owner = sim_file_plan_is(world, "suspend") ? SIDE_SOURCE : SIDE_TARGET;
	bool taken = world->journals[owner].durable.taken && !world->fenced;

	if (source ? host->domain != DOMAIN_NONE && !taken : taken)
		world->lost_with_host = true;
	sim_file_reset(world);
	*host = (struct sim_host){
		.host = host->host,
		.world = world,
		.side = host->side,
		.created = host->created,
		.down_until_us = down_until_us,
	};
}

/* What a call does to the host; `half` of it when it fails half done. */
#define EFFECT(name) \
	static int name( \
		struct sim_host *host, const struct description *guest __attribute__((unused)), \
		bool half __attribute__((unused)), struct err *err __attribute__((unused)))

#define HOST_OP(name, what, faults, usual_us, effect) \
	static int host_##name(struct host *host, const struct description *guest, \
			       struct err *err) \
	{ \
		return sim_call(host, guest, what, faults, usual_us, 0, effect, err); \
	}
#define HOST_OP_UNTIL(name, what, faults, usual_us, effect) \
	static int host_##name(struct host *host, const struct description *guest, \
			       uint64_t deadline_us, struct err *err) \
	{ \
		return sim_call(host, guest, what, faults, usual_us, deadline_us, effect, err); \
	}

/* ---- looking ---- */

static int host_find(struct host *base, const char *uuid, uint32_t *domid, bool *running,
		     struct err *err)
{
	struct sim_host *host = (struct sim_host *)base;
	bool there = host->domain != DOMAIN_NONE && strcmp(uuid, GUEST_UUID) == 0;
	int rc = sim_call(base, NULL, "find", LOOK_FAULTS, MS, 0, NULL, err);

	if (rc < 0)
		return rc;
	*domid = there ? host->domid : 0;
	*running = there && host->domain == DOMAIN_RUNNING;
	return 0;
}

static int host_list(struct host *base, int (*each)(const struct guest_summary *, void *),
		     void *data, struct err *err)
{
	struct sim_host *host = (struct sim_host *)base;
	struct guest_summary guest = {
		.uuid = GUEST_UUID,
		.name = "g1",
		.domid = host->domid,
		.power_state = host->domain == DOMAIN_RUNNING ? "running" : "paused",
	};
	int rc = sim_call(base, NULL, "list", LOOK_FAULTS, MS, 0, NULL, err);

	return rc == 0 && host->domain != DOMAIN_NONE ? each(&guest, data) : rc;
}

void sim_host_describe_guest(struct description *guest)
{
	snprintf(guest->name, sizeof(guest->name), "g1");
	snprintf(guest->uuid, sizeof(guest->uuid), GUEST_UUID);
	snprintf(guest->xen_version, sizeof(guest->xen_version), "4.17");
	guest->type = GUEST_PVH;
	guest->vcpus = 1;
	guest->pages_max = guest->pages_now = 1024;
}

static int host_describe(struct host *base, const char *vm, struct description *guest,
			 struct reasons *reasons)
{
	struct sim_host *host = (struct sim_host *)base;
	struct err why = { ERR_NONE, "" }; /* the dead say nothing */
	int rc = sim_call(base, NULL, "describe", LOOK_FAULTS | BIT(HANGS), 5 * MS, 0, NULL, &why);

	if (rc == 0 && host->domain == DOMAIN_NONE)
		rc = err_set(&why, ERR_NO_GUEST, -ENOENT, "there is no guest %s", vm);
	if (rc < 0) {
		*reasons_next(reasons) = why;
		return rc;
	}
	sim_host_describe_guest(guest);
	guest->domid = host->domid;
	return 0;
}

static void host_examine(struct host *base, const struct description *guest, bool late_disks,
			 struct reasons *reasons)
{
	struct err err;

	(void)guest;
	(void)late_disks;
	if (sim_call(base, NULL, "examine", LOOK_FAULTS, 5 * MS, 0, NULL, &err) < 0)
		err_set(reasons_next(reasons), ERR_NO_MEMORY, -ENOMEM, "too little memory");
}

static int host_free_memory(struct host *base, uint64_t *bytes, struct err *err)
{
	*bytes = 1024 * UINT64_C(4096);
	return sim_call(base, NULL, "free_memory", LOOK_FAULTS, MS, 0, NULL, err);
}

/* ---- the target prepares ---- */

EFFECT(make_domain)
{
	host->domain = DOMAIN_BUILT;
	host->domid = TARGET_DOMID;
	host->created = true;
	host->claim = !half;
	return 0;
}

static int host_create(struct host *base, struct description *guest, struct err *err)
{
	struct sim_host *host = (struct sim_host *)base;
	int rc = sim_call(base, NULL, "create", DIVISIBLE, 40 * MS, 0, make_domain, err);

	guest->domid = host->domid;
	return rc;
}

EFFECT(plug_vbd)
{
	if (host->domain == DOMAIN_NONE)
		return err_set(err, ERR_FAILED, -ESRCH, "there is no such domain");
	host->vbd_plugged = !half;
	return 0;
}

EFFECT(plug_vif)
{
	if (host->domain == DOMAIN_NONE)
		return err_set(err, ERR_FAILED, -ESRCH, "there is no such domain");
	host->vif_plugged = true;
	host->on_bridge = !half;
	return 0;
}

EFFECT(plug_both)
{
	int rc = plug_vbd(host, guest, half, err);

	return rc < 0 ? rc : plug_vif(host, guest, false, err);
}

static int host_plug(struct host *host, const struct description *guest, unsigned kinds,
		     bool in_turn, uint64_t deadline_us, struct err *err)
{
	static sim_effect *const effects[] = {
		[1u << DEVICE_VBD] = plug_vbd,
		[1u << DEVICE_VIF] = plug_vif,
		[1u << DEVICE_VBD | 1u << DEVICE_VIF] = plug_both,
	};
	static const char *const words[] = { "", "plug the VBD", "plug the VIF",
					     "plug the devices" };
	struct world *world = ((struct sim_host *)host)->world;
	const struct sim_host *source = &world->hosts[SIDE_SOURCE];
	const struct migration *m = &sim_worker_of(host)->migration;
	bool late = m->plan->rows[m->row].step->traits & STEP_PLUGS_LATE &&
		    !sim_worker_of(host)->dead;

	(void)in_turn;
	if (late && source->vbd_plugged && !source->vbd_closed &&
	    (plan_attaches_late(m->plan) || world->now_us < source->drained_us))
		world_violation(world, "a disk is plugged late while the source uses it");
	return sim_call(host, guest, words[kinds], DIVISIBLE, 200 * MS, deadline_us, effects[kinds],
			err);
}

EFFECT(hold)
{
	host->vbd_held = host->vbd_plugged && !half;
	return 0;
}

HOST_OP_UNTIL(hold_disks, "hold the disks", DIVISIBLE, 20 * MS, hold)

EFFECT(release)
{
	host->vbd_held = half && host->vbd_held;
	return 0;
}

HOST_OP(release_disks, "release the disks", DIVISIBLE, MS, release)

/* ---- the guest's pace ---- */

static int host_measure_dirt(struct host *host, const struct description *guest,
			     uint64_t duration_us, uint64_t *pages, uint64_t *took_us,
			     struct err *err)
{
	*pages = 0;
	*took_us = duration_us;
	return sim_call(host, guest, "measure dirt", LOOK_FAULTS, duration_us, 0, NULL, err);
}

EFFECT(lift_cap)
{
	host->cap_percent = 0;
	return 0;
}

EFFECT(set_cap)
{
	host->cap_percent = 50;
	return 0;
}

static int host_cap(struct host *host, const struct description *guest, uint32_t cap_percent,
		    struct err *err)
{
	return sim_call(host, guest, cap_percent ? "cap" : "lift the cap", STEP_FAULTS, MS, 0,
			cap_percent ? set_cap : lift_cap, err);
}

/* ---- the source's disks ---- */

EFFECT(watch)
{
	host->watching = true;
	return 0;
}

HOST_OP(watch_disks, "watch the disks", STEP_FAULTS, MS, watch)

EFFECT(unwatch)
{
	host->watching = false;
	return 0;
}

static void host_unwatch_disks(struct host *host)
{
	(void)sim_call(host, NULL, "unwatch the disks", ANY_DEATH, MS, 0, unwatch, NULL);
}

static int host_check_disks(struct host *host, uint32_t drain_ms, uint64_t deadline_us,
			    struct err *err)
{
	(void)drain_ms;
	return sim_call(host, NULL, "look at the disks' queues", LOOK_FAULTS | BIT(HANGS), MS,
			deadline_us, NULL, err);
}

static uint64_t drained_us(const struct process *process)
{
	return process->world->hosts[SIDE_SOURCE].drained_us;
}

static int await_drained(struct host *base, uint64_t deadline_us, struct err *err)
{
	struct process *process = sim_worker_of(base);

	if (drained_us(process) > process->world->now_us &&
	    !world_wait(process, deadline_us, drained_us))
		return -ESHUTDOWN;
	if (drained_us(process) > process->world->now_us)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "vbd xvda does not drain");
	return 0;
}

static int host_drain(struct host *host, const struct description *guest, uint64_t deadline_us,
		      struct err *err)
{
	int rc = sim_call(host, guest, "drain the disks", LOOK_FAULTS | BIT(HANGS), MS, deadline_us,
			  NULL, err);

	if (rc < 0)
		return rc;
	if (!((struct sim_host *)host)->watching)
		world_violation(((struct sim_host *)host)->world, "drained, but not watched");
	return await_drained(host, deadline_us, err);
}

EFFECT(close_vbd)
{
	(void)half;
	if (host->world->now_us < host->drained_us)
		world_violation(host->world, "a disk is closed while it has requests");
	if (host->watching)
		world_violation(host->world, "a disk is closed while its ring is mapped");
	host->vbd_closed = true;
	return 0;
}

EFFECT(close_vif)
{
	host->vif_closed = true;
	host->on_bridge = half && host->on_bridge;
	return 0;
}

static int host_close_devices(struct host *host, const struct description *guest, unsigned kinds,
			      uint64_t deadline_us, struct err *err)
{
	bool vbds = kinds == 1u << DEVICE_VBD;

	return sim_call(host, guest, vbds ? "close the disks" : "unplug the VIFs", DIVISIBLE,
			30 * MS, deadline_us, vbds ? close_vbd : close_vif, err);
}

EFFECT(replug_vbd)
{
	host->vbd_closed = half && host->vbd_closed;
	return 0;
}

EFFECT(replug_vif)
{
	host->on_bridge = true;
	host->vif_closed = half && host->vif_closed;
	return 0;
}

static int host_replug(struct host *host, const struct description *guest, unsigned kinds,
		       uint64_t deadline_us, struct err *err)
{
	bool vbds = kinds == 1u << DEVICE_VBD;

	return sim_call(host, guest, vbds ? "plug the disks again" : "plug the VIFs again",
			DIVISIBLE, 200 * MS, deadline_us, vbds ? replug_vbd : replug_vif, err);
}

/* ---- the guest stops and goes on ---- */

EFFECT(stop_guest)
{
	struct world *world = host->world;
	uint64_t queue_us = chooser_time_us(world->chooser, QUEUE_US);

	if (host->domain != DOMAIN_RUNNING)
		return err_set(err, ERR_FAILED, -ESRCH, "the guest does not run");
	host->domain = DOMAIN_SUSPENDED;
	host->drained_us = world->now_us + (queue_us < QUEUE_MAX_US ? queue_us : QUEUE_MAX_US);
	return 0;
}

static int host_suspend(struct host *base, const struct description *guest, uint64_t deadline_us,
			uint64_t *suspended_at_us, struct err *err)
{
	struct sim_host *host = (struct sim_host *)base;
	int rc = sim_call(base, guest, "suspend", STEP_FAULTS, 10 * MS, deadline_us, stop_guest,
			  err);

	if (rc == 0)
		*suspended_at_us = host->world->now_us;
	return rc;
}

static bool may_resume(const struct world *world)
{
	return !world->sp3_said || world->abort_said || world->fenced ||
	       world->journals[SIDE_TARGET].durable.never;
}

EFFECT(let_go_on)
{
	struct world *world = host->world;

	if (host->domain != DOMAIN_SUSPENDED)
		return 0;
	if (!may_resume(world))
		world_violation(world, "the source resumes after SP3, and nobody said never");
	if (world->ran_at_target)
		world_violation(world, "the source resumes a copy that is older than the disks");
	if (host->vbd_closed || host->vif_closed)
		world_violation(world, "the guest is resumed without its devices");
	host->domain = DOMAIN_RUNNING;
	host->drained_us = NEVER_US;
	return 0;
}

HOST_OP(resume, "resume", STEP_FAULTS, 5 * MS, let_go_on)

/* ---- the target takes over ---- */

EFFECT(introduce)
{
	if (!host->complete)
		return err_set(err, ERR_FAILED, -ENODATA, "the image is not whole");
	host->introduced = true;
	return 0;
}

static int host_introduce(struct host *host, const struct description *guest, uint64_t store_pfn,
			  uint64_t console_pfn, struct err *err)
{
	(void)store_pfn;
	(void)console_pfn;
	return sim_call(host, guest, "introduce", STEP_FAULTS, MS, 0, introduce, err);
}

EFFECT(leave)
{
	host->on_bridge = false;
	return 0;
}

HOST_OP(leave_bridges, "leave the bridges", STEP_FAULTS, MS, leave)

HOST_OP(forget_macs, "forget the MACs", LOOK_FAULTS | BIT(HANGS), MS, NULL)

EFFECT(start_guest)
{
	if (host->domain == DOMAIN_NONE)
		return err_set(err, ERR_FAILED, -ESRCH, "there is no such domain");
	if (!host->complete || !host->introduced || !host->vbd_plugged || !host->vif_plugged)
		world_violation(host->world, "the target's guest runs without all it needs");
	host->domain = DOMAIN_RUNNING;
	host->world->ran_at_target = true;
	return 0;
}

HOST_OP(unpause, "unpause", STEP_FAULTS, MS, start_guest)

HOST_OP(announce, "announce", LOOK_FAULTS | BIT(HANGS), MS, NULL)

static int host_vifs_connected(struct host *host, const struct description *guest)
{
	(void)sim_call(host, guest, "look at the VIFs", ANY_DEATH, MS, 0, NULL, NULL);
	return sim_worker_of(host)->dead || ((struct sim_host *)host)->vif_plugged;
}

EFFECT(name_guest)
{
	if (host->domain == DOMAIN_NONE)
		return err_set(err, ERR_FAILED, -ESRCH, "there is no such domain");
	host->named = true;
	host->claim = half;
	return 0;
}

HOST_OP(settle, "settle", DIVISIBLE, 5 * MS, name_guest)

/* ---- tearing down ---- */

EFFECT(unplug_all)
{
	if (guest->domid == 0)
		return 0;
	host->vbd_plugged = host->vbd_held = host->vbd_closed = host->vif_closed = false;
	host->watching = false;
	host->vif_plugged = host->on_bridge = half && host->vif_plugged;
	host->drained_us = 0;
	return 0;
}

HOST_OP_UNTIL(unplug, "unplug", DIVISIBLE, 50 * MS, unplug_all)

EFFECT(remove_domain)
{
	if (guest->domid == 0)
		return 0;
	host->domain = DOMAIN_NONE;
	host->domid = 0;
	host->complete = host->introduced = host->named = host->claim = host->watching = false;
	host->cap_percent = 0;
	return 0;
}

HOST_OP(destroy, "destroy", STEP_FAULTS, 20 * MS, remove_domain)

static void host_close(struct host *host)
{
	(void)host;
}

const struct host_ops sim_host_ops = {
	.find = host_find,
	.list = host_list,
	.describe = host_describe,
	.examine = host_examine,
	.free_memory = host_free_memory,
	.create = host_create,
	.plug = host_plug,
	.hold_disks = host_hold_disks,
	.release_disks = host_release_disks,
	.restore_begin = sim_restore_begin,
	.watch_disks = host_watch_disks,
	.unwatch_disks = host_unwatch_disks,
	.save_begin = sim_save_begin,
	.measure_dirt = host_measure_dirt,
	.cap = host_cap,
	.stream_next = sim_stream_next,
	.stream_reply = sim_stream_reply,
	.stream_limit = sim_stream_limit,
	.stream_stop = sim_stream_stop,
	.check_disks = host_check_disks,
	.suspend = host_suspend,
	.resume = host_resume,
	.drain = host_drain,
	.close_devices = host_close_devices,
	.replug = host_replug,
	.leave_bridges = host_leave_bridges,
	.introduce = host_introduce,
	.forget_macs = host_forget_macs,
	.unpause = host_unpause,
	.announce = host_announce,
	.vifs_connected = host_vifs_connected,
	.settle = host_settle,
	.unplug = host_unplug,
	.destroy = host_destroy,
	.close = host_close,
};

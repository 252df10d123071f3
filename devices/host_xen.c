/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real host: each member of the table handed to the module that knows. What must outlive this
 * process (the guest's event channels, its nodes) is in xenstore; here are only the two things that
 * a worker holds open, the stream's child and the watch on the disks.
 */
#include "host.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "announce.h"
#include "bridge.h"
#include "dirty.h"
#include "domain.h"
#include "drain.h"
#include "hold.h"
#include "hypervisor.h"
#include "plug.h"
#include "replug.h"
#include "store.h"
#include "stream.h"
#include "vif.h"

struct host_xen {
	struct host host;
	const struct clock *clock;
	struct hypervisor *hypervisor;
	struct store *store;
	char *stream_program;
	struct stream *stream; /* NULL: no child */
	struct drain *drain;   /* NULL: the disks are not watched */
};

static struct host_xen *xen(struct host *host)
{
	return (struct host_xen *)host;
}

/* ---- looking ---- */

static int host_find(struct host *host, const char *uuid, uint32_t *domid, bool *running,
		     struct err *err)
{
	return domain_find(xen(host)->hypervisor, uuid, domid, running, err);
}

static int host_list(struct host *host,
		     int (*each)(const struct guest_summary *guest, void *data), void *data,
		     struct err *err)
{
	struct domain_list list = { 0 };
	int rc = domain_list_read(xen(host)->hypervisor, xen(host)->store, &list, err);

	for (size_t i = 0; rc == 0 && i < list.count; i++)
		rc = each(&list.guests[i], data);
	domain_list_fini(&list);
	return rc;
}

static int host_describe(struct host *host, const char *vm, struct description *guest,
			 struct reasons *reasons)
{
	int rc = domain_describe(xen(host)->hypervisor, xen(host)->store, vm, guest, reasons);

	if (guest->domid != 0)
		devices_describe(xen(host)->store, guest->domid, guest, reasons);
	if (rc < 0) {
		description_fini(guest);
		description_init(guest);
	}
	return rc;
}

static void host_examine(struct host *host, const struct description *guest, bool late_disks,
			 struct reasons *reasons)
{
	domain_examine(xen(host)->hypervisor, xen(host)->store, guest, reasons);
	devices_examine(xen(host)->store, guest, late_disks, reasons);
}

static int host_free_memory(struct host *host, uint64_t *bytes, struct err *err)
{
	struct hypervisor_facts facts;
	int rc = xen(host)->hypervisor->ops->facts(xen(host)->hypervisor, &facts, err);

	if (rc == 0)
		*bytes = facts.pages_free * XC_PAGE_SIZE;
	return rc;
}

static int host_measure_dirt(struct host *host, const struct description *guest,
			     uint64_t duration_us, uint64_t *pages, uint64_t *took_us,
			     struct err *err)
{
	return dirty_measure(xen(host)->hypervisor, xen(host)->clock, guest, duration_us, pages,
			     took_us, err);
}

/* ---- target: prepare ---- */

static int host_create(struct host *host, struct description *guest, struct err *err)
{
	return domain_create(xen(host)->hypervisor, xen(host)->store, guest, err);
}

static int host_plug(struct host *host, const struct description *guest, unsigned kinds,
		     bool in_turn, uint64_t deadline_us, struct err *err)
{
	return devices_plug(xen(host)->store, xen(host)->clock, guest, kinds, in_turn, deadline_us,
			    err);
}

static int host_hold_disks(struct host *host, const struct description *guest,
			   uint64_t deadline_us, struct err *err)
{
	return hold_disks(xen(host)->store, xen(host)->clock, guest, deadline_us, err);
}

static int host_release_disks(struct host *host, const struct description *guest, struct err *err)
{
	return hold_release(xen(host)->store, guest, err);
}

/* Before the child is started, which stays where this process is. */
static int settle_near(struct host *host, const struct description *guest,
		       const struct memory_path *path, struct err *err)
{
	struct hypervisor *hypervisor = xen(host)->hypervisor;
	struct numa_view view;
	int rc;

	if (path->numa == NUMA_OFF)
		return 0;
	rc = hypervisor->ops->numa(hypervisor, guest->domid, &view, err);
	if (rc < 0 && path->numa == NUMA_AUTO) /* it would only have been faster */
		return 0;
	return rc < 0 ? rc : numa_settle(&view, path->numa, err);
}

static int host_restore_begin(struct host *host, const struct description *guest,
			      const struct memory_path *path, struct err *err)
{
	struct domain_ports ports;
	int rc = domain_read_ports(xen(host)->store, guest->domid, &ports, err);

	assert(!xen(host)->stream);
	if (rc == 0)
		rc = settle_near(host, guest, path, err);
	if (rc < 0) {
		memory_path_close(path);
		return rc;
	}
	return stream_begin_restore(xen(host)->clock, xen(host)->stream_program, guest->domid,
				    ports.store, ports.console, guest->pages_max, path,
				    &xen(host)->stream, err);
}

/* ---- source: prepare and copy ---- */

static void host_unwatch_disks(struct host *host)
{
	if (xen(host)->drain)
		drain_close(xen(host)->drain);
	xen(host)->drain = NULL;
}

static int host_watch_disks(struct host *host, const struct description *guest, struct err *err)
{
	host_unwatch_disks(host);
	return drain_open(xen(host)->store, xen(host)->clock, guest, &xen(host)->drain, err);
}

static int host_save_begin(struct host *host, const struct description *guest,
			   const struct memory_path *path, struct err *err)
{
	int rc = settle_near(host, guest, path, err);

	assert(!xen(host)->stream);
	if (rc < 0) {
		memory_path_close(path);
		return rc;
	}
	return stream_begin_save(xen(host)->clock, xen(host)->stream_program, guest->domid,
				 path, &xen(host)->stream, err);
}

static int host_cap(struct host *host, const struct description *guest, uint32_t cap_percent,
		    struct err *err)
{
	return domain_cap(xen(host)->hypervisor, guest, cap_percent, err);
}

/* ---- either side: while the stream's child works ---- */

static int host_stream_next(struct host *host, int peer_fd, uint64_t deadline_us,
			    bool cancellable, struct stream_event *event, struct err *err)
{
	assert(xen(host)->stream);
	return stream_next(xen(host)->stream, peer_fd, deadline_us, cancellable, event, err);
}

static int host_stream_reply(struct host *host, int answer, struct err *err)
{
	assert(xen(host)->stream);
	return stream_reply(xen(host)->stream, answer, err);
}

static int host_stream_limit(struct host *host, const struct stream_limit *limit, struct err *err)
{
	return xen(host)->stream ? stream_limit(xen(host)->stream, limit, err) : 0;
}

static void host_stream_stop(struct host *host)
{
	stream_stop(&xen(host)->stream);
}

/* ---- source: hand over ---- */

static int host_check_disks(struct host *host, uint32_t drain_ms, uint64_t deadline_us,
			    struct err *err)
{
	if (!xen(host)->drain) /* the plan closes the disks instead */
		return 0;
	return drain_check(xen(host)->drain, drain_ms, deadline_us, err);
}

static int host_suspend(struct host *host, const struct description *guest, uint64_t deadline_us,
			uint64_t *suspended_at_us, struct err *err)
{
	return domain_suspend(xen(host)->hypervisor, xen(host)->store, xen(host)->clock, guest,
			      deadline_us, suspended_at_us, err);
}

static int host_resume(struct host *host, const struct description *guest, struct err *err)
{
	return domain_resume(xen(host)->hypervisor, xen(host)->store, xen(host)->clock, guest,
			     err);
}

static int host_drain(struct host *host, const struct description *guest, uint64_t deadline_us,
		      struct err *err)
{
	(void)guest;
	assert(xen(host)->drain);
	return drain_wait(xen(host)->drain, deadline_us, err);
}

static int host_close_devices(struct host *host, const struct description *guest,
			      unsigned kinds, uint64_t deadline_us, struct err *err)
{
	return devices_close(xen(host)->store, xen(host)->clock, guest, kinds, deadline_us, err);
}

static int host_replug(struct host *host, const struct description *guest, unsigned kinds,
		       uint64_t deadline_us, struct err *err)
{
	return devices_replug(xen(host)->store, xen(host)->clock, guest, kinds, deadline_us, err);
}

static int host_leave_bridges(struct host *host, const struct description *guest,
			      struct err *err)
{
	(void)host;
	return bridge_leave_all(guest, err);
}

/* ---- target: take over ---- */

static int host_introduce(struct host *host, const struct description *guest, uint64_t store_pfn,
			  uint64_t console_pfn, struct err *err)
{
	return domain_introduce(xen(host)->store, guest, store_pfn, console_pfn, err);
}

static int host_forget_macs(struct host *host, const struct description *guest, struct err *err)
{
	(void)host;
	return bridge_forget_macs(guest, err);
}

static int host_unpause(struct host *host, const struct description *guest, struct err *err)
{
	return domain_unpause(xen(host)->hypervisor, guest, err);
}

static int host_announce(struct host *host, const struct description *guest, struct err *err)
{
	(void)host;
	return announce_send(guest, err);
}

static int host_vifs_connected(struct host *host, const struct description *guest)
{
	return vif_all_connected(xen(host)->store, guest);
}

static int host_settle(struct host *host, const struct description *guest, struct err *err)
{
	return domain_settle(xen(host)->hypervisor, xen(host)->store, guest, err);
}

/* ---- either side: tear down ---- */

static int host_unplug(struct host *host, const struct description *guest, uint64_t deadline_us,
		       struct err *err)
{
	if (guest->domid == 0) /* never created: no device can be there */
		return 0;
	host_unwatch_disks(host);
	return devices_unplug(xen(host)->store, xen(host)->clock, guest, deadline_us, err);
}

static int host_destroy(struct host *host, const struct description *guest, struct err *err)
{
	host_unwatch_disks(host); /* a mapped ring would keep the domain from going */
	return domain_destroy(xen(host)->hypervisor, xen(host)->store, xen(host)->clock, guest,
			      err);
}

static void host_close(struct host *host)
{
	struct host_xen *self = xen(host);

	stream_stop(&self->stream);
	host_unwatch_disks(host);
	if (self->store)
		self->store->ops->close(self->store);
	if (self->hypervisor)
		self->hypervisor->ops->close(self->hypervisor);
	free(self->stream_program);
	free(self);
}

static const struct host_ops xen_ops = {
	.find = host_find,
	.list = host_list,
	.describe = host_describe,
	.examine = host_examine,
	.free_memory = host_free_memory,
	.measure_dirt = host_measure_dirt,
	.create = host_create,
	.plug = host_plug,
	.hold_disks = host_hold_disks,
	.release_disks = host_release_disks,
	.restore_begin = host_restore_begin,
	.watch_disks = host_watch_disks,
	.unwatch_disks = host_unwatch_disks,
	.save_begin = host_save_begin,
	.cap = host_cap,
	.stream_next = host_stream_next,
	.stream_reply = host_stream_reply,
	.stream_limit = host_stream_limit,
	.stream_stop = host_stream_stop,
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

int host_xen_open(const struct clock *clock, const char *stream_program, struct host **host,
		  struct err *err)
{
	struct host_xen *self = calloc(1, sizeof(*self));
	int rc;

	if (!self)
		return err_errno(err, "open the host");
	self->host.ops = &xen_ops;
	self->clock = clock;
	self->stream_program = strdup(stream_program);
	rc = self->stream_program ? 0 : err_errno(err, "open the host");
	if (rc == 0)
		rc = hypervisor_open(&self->hypervisor, err);
	if (rc == 0)
		rc = store_open(&self->store, err);
	if (rc < 0) {
		host_close(&self->host);
		return rc;
	}
	*host = &self->host;
	return 0;
}

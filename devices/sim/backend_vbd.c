/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen-blkback, drivers/block/xen-blkback/xenbus.c of Linux 6.1: the names of its functions are said
 * where a piece of its behaviour is.
 */
#include "backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "blk_ring.h"
#include "cleanup.h"
#include "costs.h"

struct vbd {
	struct backend base;
	struct disk *disk; /* NULL: the script has not said which */
	struct blk_ring ring;
	struct blk_counters shown; /* in sysfs */
	uint64_t close_us;         /* when it is closed, once told to; 0: it was not */
};

static struct vbd *vbd_of(struct backend *backend)
{
	return (struct vbd *)backend;
}

/* ---- sysfs ---- */

static void show_counters(struct vbd *vbd)
{
	const struct blk_counters *now = &vbd->ring.counters, *shown = &vbd->shown;
	const struct {
		const char *name;
		uint64_t now, shown;
	} rows[] = {
		{ "statistics/rd_req", now->rd_req, shown->rd_req },
		{ "statistics/wr_req", now->wr_req, shown->wr_req },
		{ "statistics/f_req", now->f_req, shown->f_req },
		{ "statistics/oo_req", now->oo_req, shown->oo_req },
		{ "statistics/rd_sect", now->rd_sect, shown->rd_sect },
		{ "statistics/wr_sect", now->wr_sect, shown->wr_sect },
	};
	char text[24];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].now == rows[i].shown)
			continue;
		snprintf(text, sizeof(text), "%" PRIu64 "\n", rows[i].now);
		backend_sys_write(&vbd->base, rows[i].name, text);
	}
	vbd->shown = *now;
}

/* xenvbd_sysfs_addif() */
static void show_new(struct vbd *vbd)
{
	static const char *const names[] = { "rd_req", "wr_req", "f_req", "ds_req", "oo_req",
					     "rd_sect", "wr_sect" };
	char path[32], number[24];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "statistics/%s", names[i]);
		backend_sys_write(&vbd->base, path, "0\n");
	}
	snprintf(number, sizeof(number), "%x:%x\n", SIM_DISK_MAJOR, disk_minor(vbd->disk));
	backend_sys_write(&vbd->base, "physical_device", number);
	backend_sys_write(&vbd->base, "mode", vbd->ring.read_only ? "r\n" : "w\n");
}

/* ---- the disk ---- */

static int check_number(struct vbd *vbd, const char *number, struct err *err)
{
	char expected[24];

	snprintf(expected, sizeof(expected), "%x:%x", SIM_DISK_MAJOR, disk_minor(vbd->disk));
	if (strcmp(number, expected) == 0)
		return 0;
	disk_put(vbd->disk);
	vbd->disk = NULL;
	return err_set(err, ERR_FAILED, -ENODEV,
		       "creating vbd structure: the script says device %s, and params is %s",
		       number, expected);
}

/* backend_changed(): the script has said which device it is. */
static int find_disk(struct vbd *vbd, struct err *err)
{
	struct store *store = backend_store(&vbd->base);
	CLEANUP_FREE char *number = store_read(store, "%s/physical-device", vbd->base.path);
	CLEANUP_FREE char *path = NULL, *mode = NULL;
	int rc;

	if (vbd->disk || !number)
		return 0;
	path = store_read(store, "%s/params", vbd->base.path);
	mode = store_read(store, "%s/mode", vbd->base.path);
	if (!path || !mode)
		return err_set(err, ERR_FAILED, -ENOENT, "reading mode");
	rc = disk_get(backend_disks(&vbd->base), path, &vbd->disk, err);
	if (!rc)
		rc = check_number(vbd, number, err);
	if (rc)
		return rc;
	vbd->ring.read_only = !strchr(mode, 'w');
	show_new(vbd);
	return 0;
}

/* ---- connecting ---- */

/* connect_ring() */
static int open_ring(struct vbd *vbd, struct err *err)
{
	struct backend *backend = &vbd->base;
	int64_t reference = backend_frontend_number(backend, "ring-ref");
	int64_t port = backend_frontend_number(backend, "event-channel");
	int rc;

	if (disk_under_way(vbd->disk, &vbd->ring) > 0)
		return err_set(err, ERR_FAILED, -EBUSY, "pending I/O");
	if (reference < 0 || reference > UINT32_MAX || port < 0 || port > UINT32_MAX)
		return err_set(err, ERR_FAILED, -EINVAL, "reading %s/ring-ref",
			       backend->frontend);
	rc = blk_ring_open(&vbd->ring, backend_host(backend), backend_events(backend),
			   backend->domid, (uint32_t)reference, (uint32_t)port, vbd->disk);
	if (rc)
		return err_set(err, ERR_FAILED, rc, "mapping ring-ref port %" PRId64 ": %s", port,
			       strerror(-rc));
	backend->port = vbd->ring.port;
	return 0;
}

struct details {
	struct vbd *vbd;
	uint64_t sectors;
};

/* What connect() tells the frontend, in one transaction. */
static int write_details(struct store *store, void *data, struct err *err)
{
	const struct details *details = data;
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "feature-flush-cache", 1 },
		{ "feature-discard", 0 },
		{ "feature-barrier", 0 },
		{ "feature-persistent", 1 },
		{ "sectors", details->sectors },
		{ "info", details->vbd->ring.read_only ? VDISK_READONLY : 0 },
		{ "sector-size", 512 },
		{ "physical-sector-size", 512 },
	};
	int rc = 0;

	(void)store;
	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = backend_write_number(&details->vbd->base, rows[i].key, rows[i].value);
	return rc ? err_set(err, ERR_FAILED, rc, "writing %s", details->vbd->base.path) : 0;
}

/* frontend_changed(), Initialised or Connected; and xen_update_blkif_status(). */
static int connect_frontend(struct vbd *vbd, struct err *err)
{
	struct details details = { .vbd = vbd };
	int rc;

	if (vbd->base.state == XenbusStateConnected || !vbd->disk)
		return 0; /* the script comes later: then this is looked at again */
	details.sectors = disk_sectors(vbd->disk);
	blk_ring_close(&vbd->ring);
	rc = open_ring(vbd, err);
	if (!rc)
		rc = store_transaction(backend_store(&vbd->base), write_details, &details, err);
	if (!rc)
		rc = backend_switch(&vbd->base, XenbusStateConnected);
	if (!rc) /* what the frontend repeats after a move is in the ring already */
		blk_ring_work(&vbd->ring, backend_now_us(&vbd->base));
	return rc;
}

/* ---- closing ---- */

static void disconnect(struct vbd *vbd)
{
	blk_ring_close(&vbd->ring);
	vbd->base.port = 0;
	vbd->close_us = 0;
}

/*
 * Whether as much time has passed since it was told to close as that costs on this host: Linux
 * flushes and waits meanwhile, and hears of nothing else.
 */
static bool has_closed(struct vbd *vbd)
{
	struct backend *backend = &vbd->base;
	uint64_t now_us = backend_now_us(backend), cost_us;

	if (!vbd->ring.memory)
		return true;
	if (vbd->close_us == 0) {
		cost_us = costs_number(sim_host_folder(backend_host(backend)), "vbd_close_ms") *
			  UINT64_C(1000);
		vbd->close_us = now_us + cost_us;
	}
	backend->due_us = vbd->close_us;
	return now_us >= vbd->close_us;
}

/* ---- the driver ---- */

/* xen_blkbk_probe() */
static int probe(struct backend *backend, struct err *err)
{
	int rc = backend_write_number(backend, "feature-max-indirect-segments", 0);

	if (!rc)
		rc = backend_write_number(backend, "multi-queue-max-queues", 1);
	if (!rc)
		rc = backend_write_number(backend, "max-ring-page-order", 0);
	if (!rc)
		rc = backend_switch(backend, XenbusStateInitWait);
	return rc ? err_set(err, ERR_FAILED, rc, "writing %s", backend->path) : 0;
}

/* frontend_changed(): 0 means that there is no frontend, and no device after it. */
static int obey_frontend(struct vbd *vbd, int state, struct err *err)
{
	struct backend *backend = &vbd->base;

	switch (state) {
	case XenbusStateInitialising:
		return backend->state == XenbusStateClosed
			       ? backend_switch(backend, XenbusStateInitWait)
			       : 0;
	case XenbusStateInitialised:
	case XenbusStateConnected:
		return connect_frontend(vbd, err);
	case XenbusStateClosing:
		return backend_switch(backend, XenbusStateClosing);
	case XenbusStateClosed:
		if (!has_closed(vbd))
			return 0;
		disconnect(vbd);
		(void)backend_switch(backend, XenbusStateClosed);
		return !backend_is_online(backend);
	case XenbusStateUnknown:
		return has_closed(vbd);
	default:
		return err_set(err, ERR_FAILED, -EINVAL, "saw state %d at frontend", state);
	}
}

static int look(struct backend *backend, int frontend_state, struct err *err)
{
	int rc = find_disk(vbd_of(backend), err);

	return rc ? rc : obey_frontend(vbd_of(backend), frontend_state, err);
}

static void interrupt(struct backend *backend)
{
	struct vbd *vbd = vbd_of(backend);

	blk_ring_work(&vbd->ring, backend_now_us(backend));
	show_counters(vbd);
}

static int input_fd(struct backend *backend)
{
	(void)backend;
	return -1;
}

static void input(struct backend *backend)
{
	(void)backend;
}

/* xen_blkbk_remove(): what is under way at the disk has no owner from here on. */
static void remove_vbd(struct backend *backend)
{
	struct vbd *vbd = vbd_of(backend);

	disconnect(vbd);
	if (!vbd->disk)
		return;
	disk_disown(vbd->disk, &vbd->ring);
	disk_put(vbd->disk);
}

const struct backend_kind backend_vbd = {
	.name = "vbd",
	.size = sizeof(struct vbd),
	.probe = probe,
	.look = look,
	.interrupt = interrupt,
	.input_fd = input_fd,
	.input = input,
	.remove = remove_vbd,
};

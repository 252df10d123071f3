/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The storage under a VBD, as the host sees it: a raw block device that both hosts may hold at
 * once, or something that must be let go at the source first; its size; what it has in flight.
 */
#ifndef XENFERRY_DISK_H
#define XENFERRY_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "description.h"
#include "site.h"

/* Sets attach and size_bytes of the plugged VBD `device` of `domid`; its nodes are there. */
int disk_describe(const struct site *site, uint32_t domid, struct device *device, struct err *err);

/*
 * Whether this host can take the VBD: its disk is here, of the right kind and size. `late_disks`:
 * the plan attaches disks after the source let go. -errno, ERR_REFUSED with the remedy.
 */
int disk_examine(const struct site *site, const struct device *device, bool late_disks,
		 struct err *err);

/* A block device's counters, from sysfs. */
struct disk_counters {
	uint64_t outstanding; /* requests in flight */
	uint64_t completed; /* requests since boot */
};

/* The block device under a plugged VBD, from its backend's node. -ENOENT when it has none yet. */
int disk_number(struct store *store, uint32_t domid, const struct device *device, unsigned *major,
		unsigned *minor);
/* Reads the counters; -errno when the device has none. Does not block. [blackout] */
int disk_read_counters(const char *sys_dir, unsigned major, unsigned minor,
		       struct disk_counters *counters);
/*
 * How many requests the VBD's backend took from its ring so far; 0 where it does not count them.
 * Does not block. [blackout]
 */
uint64_t disk_requests_started(const char *sys_dir, uint32_t domid, const struct device *device);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs the host's hotplug scripts as libxl does (libxl_linux.c, libxl__get_hotplug_script_info):
 * they put a VIF on its bridge, or find the block device of a VBD.
 */
#ifndef XENFERRY_HOTPLUG_H
#define XENFERRY_HOTPLUG_H

#include <stddef.h>
#include <stdint.h>

#include "description.h"
#include "site.h"

enum hotplug_action { HOTPLUG_ADD, HOTPLUG_REMOVE };

/*
 * Whether `script` may be run: an absolute path below `scripts_dir`, of plain characters and
 * without "..", to an executable file. -errno, ERR_REFUSED with the remedy. The path comes from a
 * peer.
 */
int hotplug_check(const char *scripts_dir, const char *script, struct err *err);

/*
 * Starts the scripts of all `count` devices (at most GUEST_DEVICES_MAX) of the domain `domid` at
 * once, then waits until each has ended. One that still runs at `deadline_us` is killed with all
 * that it started. A failure stops no other script; the first one, in the order of `devices`, is
 * returned, with its exit status and the script's own words: -EIO, or -ETIMEDOUT.
 *
 * Blocks until the deadline, and at most a second longer. Starts processes: not in the blackout,
 * but for plans that attach disks there.
 */
int hotplug_run_all(const struct site *site, uint32_t domid, const struct device *const *devices,
		    size_t count, enum hotplug_action action, uint64_t deadline_us,
		    struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ground that devices stand on: xenstore, time, and two directories of the host. Tests bring
 * their own; everything else uses site_here().
 */
#ifndef XENFERRY_SITE_H
#define XENFERRY_SITE_H

#include "clock.h"
#include "store.h"

#define SITE_SCRIPTS_DIR "/etc/xen/scripts"
#define SITE_SYS_DIR "/sys"

struct site {
	struct store *store;
	const struct clock *clock;
	const char *scripts_dir; /* a device's script must be in here */
	const char *sys_dir; /* where sysfs is mounted */
};

static inline struct site site_here(struct store *store, const struct clock *clock)
{
	return (struct site){
		.store = store,
		.clock = clock,
		.scripts_dir = SITE_SCRIPTS_DIR,
		.sys_dir = SITE_SYS_DIR,
	};
}

#endif

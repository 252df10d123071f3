/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "xl create" and "xl destroy" for a simulated host: the domain and the program in it, its nodes
 * as libxl writes them, its devices plugged by the host's own scripts.
 *
 * Functions block: until the devices are connected, or the deadline.
 */
#ifndef XENFERRY_SIM_CREATE_H
#define XENFERRY_SIM_CREATE_H

#include <stdint.h>

#include "description.h"
#include "err.h"
#include "hypervisor.h"
#include "options.h"
#include "site.h"

/* The host that a guest is made on. */
struct creation_host {
	struct sim_host *host;
	struct site site;
};

struct creation {
	const char *name, *uuid;
	uint64_t memory_mib;
	uint64_t fill_percent;   /* of the pages that are not zero to begin with */
	uint64_t disk_mib;       /* of a disk that has to be made */
	struct option_list vbds; /* "[xvdN=]PATH", also with commas between several */
	struct option_list vifs; /* "mac=...,ip=...[,bridge=...]" */
};

/*
 * Opens the host in `folder` with the xenstored in `rundir` and the scripts in `scripts`; lets the
 * scripts see the host's disks as devices. The strings must outlive it.
 */
int creation_open(struct creation_host *host, const char *folder, const char *rundir,
		  const char *scripts, struct err *err);
void creation_close(struct creation_host *host); /* idempotent; accepts all zeroes */

/* Makes a guest and starts it; returns when it has all its devices. Undone on failure. */
int creation_make(struct creation_host *host, const struct creation *creation,
		  uint64_t deadline_us, uint32_t *domid, struct err *err);
/* Ends the guest `vm` (name, UUID or domid): unplugs its devices and destroys it. -ENOENT. */
int creation_end(struct creation_host *host, const char *vm, uint64_t deadline_us,
		 struct err *err);

/* ---- create_devices.c ---- */

/*
 * Adds what `creation` says of devices to `guest` and to `plan`; makes the disks that are missing
 * and attaches all of them to the host.
 */
struct program_plan;
int creation_add_devices(struct creation_host *host, const struct creation *creation,
			 struct description *guest, struct program_plan *plan, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One device in xenstore: its backend's directory, its frontend's, and libxl's record of it. Which
 * nodes libxl writes there: tools/libs/light/libxl_device.c, libxl__device_generic_add().
 */
#ifndef XENFERRY_XENBUS_H
#define XENFERRY_XENBUS_H

#include <stdbool.h>
#include <stdint.h>

#include "description.h"
#include "site.h"
#include "store.h"

#define XENBUS_PATH_MAX 80 /* longer than the longest of the three with 32-bit numbers */

struct xenbus {
	char backend[XENBUS_PATH_MAX];
	char frontend[XENBUS_PATH_MAX]; /* the guest may write below: nothing there is believed */
	char libxl[XENBUS_PATH_MAX];
};

/* The paths of `device` of the domain `domid`; the backend is in domain 0. */
struct xenbus xenbus_of(uint32_t domid, const struct device *device);

/*
 * Writes both ends and libxl's record, as of a device that was just created: state 1, online.
 * Inside the caller's transaction. -errno with `err` naming the node.
 */
int xenbus_write(struct store *store, uint32_t domid, const struct device *device, struct err *err);
/* The same of the backend's end alone. */
int xenbus_write_backend(struct store *store, uint32_t domid, const struct device *device,
			 struct err *err);
/* Removes all three directories; 0 also when there is nothing. */
int xenbus_erase(struct store *store, uint32_t domid, const struct device *device, struct err *err);

/* Whether there is a backend directory at all. */
bool xenbus_exists(struct store *store, const struct xenbus *bus);
/* The backend's XenbusState, -1 when there is none. [blackout] */
int xenbus_state(struct store *store, const struct xenbus *bus);
/*
 * Whether the backend let go: it says so (state 6), or the kernel has no such device any more. A
 * vbd never reaches state 6 once its frontend's directory is gone; a host without the bus in sysfs
 * has only the state to go by.
 */
bool xenbus_closed(const struct site *site, uint32_t domid, const struct device *device);
/*
 * Whether the backend has let go of everything: the kernel has no such device any more. A host
 * without the bus in sysfs has only the state to go by.
 */
bool xenbus_gone(const struct site *site, uint32_t domid, const struct device *device);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which nodes of a device are carried to the target: what the toolstack configured, and nothing
 * that a driver, a script or the guest wrote. One table, used to read at the source and to check
 * what a peer sent at the target.
 */
#ifndef XENFERRY_NODES_H
#define XENFERRY_NODES_H

#include <stdint.h>

#include "description.h"
#include "store.h"

/*
 * Fills the nodes of `device` (its kind and id are set) of the running domain `domid`, from the
 * backend's directory. ERR_REFUSED when one has a value that cannot be carried.
 */
int nodes_describe(struct store *store, uint32_t domid, struct device *device, struct err *err);

/* Checks every node of `device` against the table. -EINVAL, ERR_REFUSED naming the node. Pure. */
int nodes_check(const struct device *device, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network interfaces of the host's own namespace: the cable between a VIF, which goes onto the
 * bridge, and its backend. As with netback's interface there is no carrier until the other end
 * is up.
 *
 * All block for the kernel's answer only. 0 or -errno.
 */
#ifndef XENFERRY_SIM_NETDEV_H
#define XENFERRY_SIM_NETDEV_H

#include <stdbool.h>

/* Makes both ends, down; `name` gets the address that netback gives to its interfaces. */
int netdev_create_cable(const char *name, const char *far_name);
/* Removes both ends; 0 also when there is none. */
int netdev_remove(const char *name);
int netdev_set_up(const char *name, bool up);
/* A packet socket, not blocking, on everything that comes in there; or -errno. */
int netdev_open(const char *name);

#endif

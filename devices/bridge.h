/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bridges, by rtnetlink: no script and no process, because this happens in the blackout. VIFs
 * without a bridge, or on a switch that is not Linux's own bridge, are passed over.
 *
 * All return 0, or the first failure after having gone on with the others. [blackout]
 */
#ifndef XENFERRY_BRIDGE_H
#define XENFERRY_BRIDGE_H

#include <stdbool.h>

#include "description.h"
#include "err.h"

/* Whether `name` is a bridge of Linux's own. `sys_dir`: where sysfs is mounted. */
bool bridge_exists(const char *sys_dir, const char *name);

/*
 * Takes the guest's VIFs off their bridges, so that the source's switch forgets where the guest
 * was; an interface that is gone, or on no bridge, is fine.
 */
int bridge_leave_all(const struct description *guest, struct err *err);
/*
 * Removes the guest's MACs from every port of their bridges but its own VIFs. A bridge that
 * remembers the guest behind its uplink drops the frames that come from there for the guest.
 */
int bridge_forget_macs(const struct description *guest, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VIFs: the names and addresses that a backend's nodes give. At the target these come from the
 * peer, so nothing is used before it was looked at here.
 */
#ifndef XENFERRY_VIF_H
#define XENFERRY_VIF_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "description.h"
#include "site.h"
#include "store.h"

#define VIF_MAC_BYTES 6

/* Six hexadecimal pairs with colons, of one station (not a group, not zero). Pure. */
bool vif_parse_mac(const char *text, uint8_t mac[VIF_MAC_BYTES]);
/* Whether Linux would take `name` for an interface (dev_valid_name()), in plain ASCII. Pure. */
bool vif_valid_interface(const char *name);

/*
 * What the VIF's interface is called: the vifname that was configured, else "vifDOMID.ID".
 * Returns `name`. Pure.
 */
const char *vif_name(uint32_t domid, const struct device *device, char name[IF_NAMESIZE]);
/* Whether the VIF's interface may be called that: by vif_name(), or as if none were configured. */
bool vif_is_called(uint32_t domid, const struct device *device, const char *name);
/*
 * The interface's index, under either name: a script of the site's own need not rename it. 0 when
 * there is none. [blackout]
 */
unsigned vif_index(uint32_t domid, const struct device *device);
/* The bridge's interface name; NULL when the VIF has none (routed), or only its script knows it. */
const char *vif_bridge(const struct device *device);

/*
 * Whether this host can take the VIF: its bridge is a bridge, its interface's name is free.
 * -errno, ERR_REFUSED with the remedy.
 */
int vif_examine(const struct site *site, const struct device *device, struct err *err);

/* Returns 1 when every VIF's backend is connected to the guest, else 0. [blackout] */
int vif_all_connected(struct store *store, const struct description *guest);

#endif

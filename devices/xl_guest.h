/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest that libxl's configuration describes (libxl_domain_config as JSON, Xen 4.17), for a
 * file that plain `xl save` wrote: there is no domain to ask. What it leaves out is as libxl would
 * choose it.
 */
#ifndef XENFERRY_XL_GUEST_H
#define XENFERRY_XL_GUEST_H

#include <stddef.h>
#include <stdint.h>

#include "description.h"
#include "err.h"

/*
 * Describes a PVH guest from `size` bytes of JSON, and keeps them as its configuration. Not in
 * them, and so left empty: xen_version, the processor, the disks' sizes and identities. `guest` is
 * initialised, and empty after an error. ERR_INCOMPATIBLE with a clause ("its c_info.type is hvm,
 * ...") for what is malformed, beyond its bound, or cannot be made here.
 */
int xl_guest_describe(const uint8_t *config, size_t size, struct description *guest,
		      struct err *err);

#endif

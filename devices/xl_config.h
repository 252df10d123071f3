/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration that xl keeps of each guest, in a file that only xl understands. It travels
 * byte for byte, so that xl can go on managing the guest where it arrived.
 */
#ifndef XENFERRY_XL_CONFIG_H
#define XENFERRY_XL_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define XL_CONFIG_PATH_MAX 128
#define XL_CONFIG_FOLDER "/var/lib/xen"

/* Where xl keeps it: libxl_userdata_store(), tools/libs/light/libxl_dom.c. Returns `path`. */
const char *xl_config_path(uint32_t domid, const char *uuid, char path[XL_CONFIG_PATH_MAX]);

/*
 * Reads at most GUEST_CONFIG_MAX bytes into one allocation. 0 with *bytes NULL when there is no
 * such file: the guest was not made by xl. -EFBIG when it is larger.
 */
int xl_config_read(const char *path, uint8_t **bytes, size_t *size, struct err *err);
/* Writes the file anew, for root's eyes alone. */
int xl_config_write(const char *path, const uint8_t *bytes, size_t size, struct err *err);
/*
 * The domids under which `folder` holds one of the guest's, `max` at most; returns how many. A host
 * that was reset still has those of the domains that it had.
 */
size_t xl_config_find(const char *folder, const char *uuid, uint32_t *domids, size_t max);
/* Removes the file; 0 also when there is none. */
int xl_config_remove(const char *path, struct err *err);

#endif

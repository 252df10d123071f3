/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tells a disk from another one of the same size: the number that its maker or its volume
 * manager gave it, as the kernel shows it, and what its first blocks say of themselves (the id of a
 * partition table, a file system, a volume). The second is the guest's to write: it can spoil a
 * migration of its own with it, and nothing else.
 */
#ifndef XENFERRY_DISK_IDENTITY_H
#define XENFERRY_DISK_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>

#include "description.h"

/*
 * Reads both of the disk at `path`, a block device or a file; "" for what it does not have, or
 * what cannot be read. `sys_dir`: where sysfs is. Blocks for as long as the storage takes.
 */
void disk_identity_read(const char *sys_dir, const char *path, const struct stat *status,
			struct disk_identity *identity);

/*
 * Whether the two are of different disks, and in what (`*here`, `*there`: within the two). Only
 * what both have can tell: the numbers that two kernels show may be of different kinds.
 */
bool disk_identity_differs(const struct disk_identity *a, const struct disk_identity *b,
			   const char **here, const char **there);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks on files (flock) that say that a process lives. A process that was killed may have just
 * made another, which has the lock, too, until it is its own program; and who only looks whether
 * there is a lock has one for a moment. Neither is a reason to refuse anything.
 */
#ifndef XENFERRY_FILE_LOCK_H
#define XENFERRY_FILE_LOCK_H

/*
 * The exclusive lock on `fd`, which goes with it. -EBUSY when somebody keeps it. Blocks for up to a
 * second then.
 */
int file_lock(int fd);

#endif

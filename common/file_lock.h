/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks on files (flock) that say that a process lives. A process that was killed may have just
 * made another, which has the lock, too, until it is its own program; and who only looks whether
 * there is a lock has one for a moment. Neither is a reason to refuse anything.
 */
#ifndef XENFERRY_FILE_LOCK_H
#define XENFERRY_FILE_LOCK_H

#include "clock.h"

/*
 * Takes the exclusive lock on `fd`, which is kept until that is closed. -EBUSY when somebody keeps
 * it, for which it blocks up to a second: not for a blackout; -errno at once when `fd` has none.
 */
int file_lock(int fd);

/*
 * The same for a lock that is kept while something is done, and then let go: blocks until
 * `deadline_us` of `clock` while somebody has it.
 */
int file_lock_until(int fd, const struct clock *clock, uint64_t deadline_us);

#endif

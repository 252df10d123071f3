/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_lock.h"

#include <errno.h>
#include <sys/file.h>

#include "clock.h"

#define PATIENCE_MS 1000 /* from fork() to execve() it is milliseconds */
#define TRY_EVERY_US 5000

int file_lock(int fd)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, PATIENCE_MS);

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (clock_now_us(&clock_system) >= deadline_us)
			return -EBUSY;
		clock_sleep_us(&clock_system, TRY_EVERY_US);
	}
	return 0;
}

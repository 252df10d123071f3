/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_lock.h"

#include <errno.h>
#include <sys/file.h>

#define PATIENCE_MS 1000 /* from fork() to execve() it is milliseconds */
#define TRY_EVERY_US 5000

int file_lock_until(int fd, const struct clock *clock, uint64_t deadline_us)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (clock_now_us(clock) >= deadline_us)
			return -EBUSY;
		clock_sleep_us(clock, TRY_EVERY_US);
	}
	return 0;
}

int file_lock(int fd)
{
	return file_lock_until(fd, &clock_system, clock_after_ms(&clock_system, PATIENCE_MS));
}

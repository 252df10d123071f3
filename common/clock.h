/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time and chance, behind a table, so that a simulator can own both. Everything that waits or
 * stamps takes a `const struct clock *`; nothing else asks the system for the time.
 */
#ifndef XENFERRY_CLOCK_H
#define XENFERRY_CLOCK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock;

struct clock_ops {
	/* Monotonic microseconds, from an arbitrary start. Never blocks. */
	uint64_t (*now_us)(const struct clock *clock);
	/* Seconds since 1970, for people. Never blocks. */
	double (*wall_s)(const struct clock *clock);
	/*
	 * Waits until one of `fds` is ready or `deadline_us` (monotonic) has passed; with no fds it
	 * sleeps. Returns the number ready, 0 at the deadline, -ECANCELED when a cancel request is
	 * pending and `cancellable`.
	 */
	int (*wait)(const struct clock *clock, struct pollfd *fds, size_t count,
		    uint64_t deadline_us, bool cancellable);
	/* Fills `bytes` with unpredictable bytes. */
	void (*random)(const struct clock *clock, void *bytes, size_t size);
};

struct clock {
	const struct clock_ops *ops;
};

/* The system's clock. SIGTERM is the cancel request once clock_catch_cancel() was called. */
extern const struct clock clock_system;

/*
 * Blocks SIGTERM except inside clock_wait(), and makes it the cancel request. Call once, in the
 * main of a program that can be cancelled. Returns 0 or -errno.
 */
int clock_catch_cancel(void);

static inline uint64_t clock_now_us(const struct clock *clock)
{
	return clock->ops->now_us(clock);
}

static inline double clock_wall_s(const struct clock *clock)
{
	return clock->ops->wall_s(clock);
}

static inline uint64_t clock_after_ms(const struct clock *clock, uint64_t ms)
{
	return clock_now_us(clock) + ms * 1000;
}

static inline int clock_wait(const struct clock *clock, struct pollfd *fds, size_t count,
			     uint64_t deadline_us, bool cancellable)
{
	return clock->ops->wait(clock, fds, count, deadline_us, cancellable);
}

/* Sleeps for `us` microseconds; not cancellable: for short pauses between two looks. */
static inline void clock_sleep_us(const struct clock *clock, uint64_t us)
{
	(void)clock->ops->wait(clock, NULL, 0, clock_now_us(clock) + us, false);
}

static inline void clock_random(const struct clock *clock, void *bytes, size_t size)
{
	clock->ops->random(clock, bytes, size);
}

#endif

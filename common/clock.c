/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static volatile sig_atomic_t cancel_requested;
static sigset_t wait_mask; /* the signals blocked while waiting: SIGTERM is not among them */
static bool catching;

static void note_cancel(int signal_number)
{
	(void)signal_number;
	cancel_requested = 1;
}

int clock_catch_cancel(void)
{
	struct sigaction action = { .sa_handler = note_cancel };
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &term, &wait_mask) < 0 || sigaction(SIGTERM, &action, NULL) < 0)
		return -errno;
	sigdelset(&wait_mask, SIGTERM);
	catching = true;
	return 0;
}

static uint64_t system_now_us(const struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static double system_wall_s(const struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int system_wait(const struct clock *clock, struct pollfd *fds, size_t count,
		       uint64_t deadline_us, bool cancellable)
{
	for (;;) {
		uint64_t now_us = system_now_us(clock);
		uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;
		struct timespec left = { .tv_sec = (time_t)(left_us / 1000000),
					 .tv_nsec = (long)(left_us % 1000000) * 1000 };
		int ready;

		if (cancellable && cancel_requested)
			return -ECANCELED;
		ready = ppoll(fds, count, &left, catching ? &wait_mask : NULL);
		if (ready >= 0)
			return ready;
		if (errno != EINTR)
			return -errno;
	}
}

static void system_random(const struct clock *clock, void *bytes, size_t size)
{
	ssize_t got;

	(void)clock;
	assert(size <= 256); /* up to here getrandom() is never interrupted */
	got = getrandom(bytes, size, 0);
	if (got != (ssize_t)size)
		abort(); /* a nonce that can be guessed is worse than no migration */
}

static const struct clock_ops system_ops = {
	.now_us = system_now_us,
	.wall_s = system_wall_s,
	.wait = system_wait,
	.random = system_random,
};

const struct clock clock_system = { .ops = &system_ops };

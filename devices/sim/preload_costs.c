/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host that is slower than this machine pays for: hypercalls, a guest's pages, durable
 * writes, and waking up. Programs read the host's costs when they first pay.
 */
#include "preload.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "costs.h"

#define SLEEP_MIN_US 200 /* less is paid later: nobody sleeps so shortly, and exactly */

static const char *const names[PRELOAD_COSTS] = {
	[PRELOAD_HYPERCALL] = "hypercall_us",
	[PRELOAD_PAGE_READ] = "page_read_us",
	[PRELOAD_PAGE_WRITTEN] = "page_written_us",
	[PRELOAD_CONTEXT] = "context_us",
	[PRELOAD_SYNC] = "sync_us",
	[PRELOAD_WAKE] = "wake_us",
};

static uint32_t costs_us[PRELOAD_COSTS];
static pthread_once_t costs_once = PTHREAD_ONCE_INIT;
static __thread int64_t debt_us;

static void read_costs(void)
{
	struct sim_host *host = preload_host();

	for (size_t i = 0; host && i < PRELOAD_COSTS; i++)
		costs_us[i] = costs_number(sim_host_folder(host), names[i]);
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void preload_pay(enum preload_cost cost, size_t times)
{
	int64_t begin_us;

	pthread_once(&costs_once, read_costs);
	debt_us += (int64_t)costs_us[cost] * (int64_t)times;
	if (debt_us < SLEEP_MIN_US)
		return;
	begin_us = now_us();
	nanosleep(&(struct timespec){ .tv_sec = debt_us / 1000000,
				      .tv_nsec = debt_us % 1000000 * 1000 }, NULL);
	debt_us -= now_us() - begin_us; /* too long a sleep is credit */
}

/* ---- durable writes ---- */

PRELOADED int fsync(int fd)
{
	preload_pay(PRELOAD_SYNC, 1);
	return (int)syscall(SYS_fsync, fd);
}

PRELOADED int fdatasync(int fd)
{
	preload_pay(PRELOAD_SYNC, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

/* ---- waking up: after having slept for something that then happened ---- */

PRELOADED int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
		    const sigset_t *mask)
{
	struct timespec none = { 0 }, left = timeout ? *timeout : none; /* the kernel changes it */
	int ready = (int)syscall(SYS_ppoll, fds, count, &none, mask, _NSIG / 8);

	if (ready != 0)
		return ready;
	ready = (int)syscall(SYS_ppoll, fds, count, timeout ? &left : NULL, mask, _NSIG / 8);
	if (ready > 0)
		preload_pay(PRELOAD_WAKE, 1);
	return ready;
}

PRELOADED int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	const struct timespec timeout = { .tv_sec = timeout_ms / 1000,
					  .tv_nsec = timeout_ms % 1000 * 1000000L };

	return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

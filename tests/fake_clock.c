/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_clock.h"

#include <errno.h>
#include <string.h>

static uint64_t fake_now_us(const struct clock *clock)
{
	return ((const struct fake_clock *)clock)->now_us;
}

static double fake_wall_s(const struct clock *clock)
{
	return (double)fake_now_us(clock) / 1e6;
}

static int fake_wait(const struct clock *clock, struct pollfd *fds, size_t count,
		     uint64_t deadline_us, bool cancellable)
{
	struct fake_clock *fake = (struct fake_clock *)clock;
	int ready;

	fake->waits++;
	if (cancellable && fake->cancelled)
		return -ECANCELED;
	if (fake->on_wait)
		fake->on_wait(fake, fake->argument);
	ready = count > 0 ? poll(fds, count, 0) : 0;
	if (ready == 0 && fake->now_us < deadline_us)
		fake->now_us = deadline_us;
	return ready < 0 ? -errno : ready;
}

static void fake_random(const struct clock *clock, void *bytes, size_t size)
{
	(void)clock;
	memset(bytes, 0x5a, size);
}

static const struct clock_ops fake_ops = {
	.now_us = fake_now_us,
	.wall_s = fake_wall_s,
	.wait = fake_wait,
	.random = fake_random,
};

void fake_clock_init(struct fake_clock *fake)
{
	*fake = (struct fake_clock){ .clock = { .ops = &fake_ops }, .now_us = 1000000 };
}

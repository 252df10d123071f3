/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A clock that never makes anybody wait: a wait that finds nothing ready jumps to its deadline.
 */
#ifndef XENFERRY_FAKE_CLOCK_H
#define XENFERRY_FAKE_CLOCK_H

#include "clock.h"

struct fake_clock {
	struct clock clock;
	uint64_t now_us;
	bool cancelled;                  /* a cancel request is pending */
	unsigned waits;                  /* how often somebody waited */
	void (*on_wait)(struct fake_clock *fake, void *argument); /* NULL: nothing happens */
	void *argument;
};

/* Stands at one second, so that a deadline may also lie in the past. */
void fake_clock_init(struct fake_clock *fake);

#endif

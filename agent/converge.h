/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Auto-convergence: a guest that dirties memory faster than the copy gets on is slowed down, step
 * by step, by the scheduler's cap. Pure: it says how much; the copy's step has it done.
 *
 * When and how much are QEMU's (migration/ram.c, cpu-throttle-initial, -increment and
 * max-cpu-throttle): a pass after which more is dirty than half of what it sent counts; at each
 * second one in all the guest is slowed further.
 */
#ifndef XENFERRY_CONVERGE_H
#define XENFERRY_CONVERGE_H

#include <stdint.h>

#define CONVERGE_INITIAL_PERCENT 20
#define CONVERGE_INCREMENT_PERCENT 10
#define CONVERGE_MAX_PERCENT 99

struct converge {
	uint32_t high_passes;
	uint32_t throttle_percent; /* of its time that the guest is to lose; 0: none */
};

/* A pass sent `sent_bytes` and left `dirty_bytes`. Returns how much the guest is to lose. */
uint32_t converge_step(struct converge *converge, uint64_t sent_bytes, uint64_t dirty_bytes);

/*
 * The scheduler's cap, in percent of one CPU, for a guest of `vcpus` that may have `own_cap` (0: no
 * cap) and is to lose `throttle_percent`. At least 1; its own cap when it is to lose nothing.
 */
uint32_t converge_cap(uint32_t own_cap, uint32_t vcpus, uint32_t throttle_percent);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "converge.h"

#define HIGH_PASSES 2 /* QEMU's: one alone may be a burst */

uint32_t converge_step(struct converge *converge, uint64_t sent_bytes, uint64_t dirty_bytes)
{
	uint32_t next = converge->throttle_percent ?
		converge->throttle_percent + CONVERGE_INCREMENT_PERCENT : CONVERGE_INITIAL_PERCENT;

	if (dirty_bytes <= sent_bytes / 2 || ++converge->high_passes < HIGH_PASSES)
		return converge->throttle_percent;
	converge->high_passes = 0;
	converge->throttle_percent = next < CONVERGE_MAX_PERCENT ? next : CONVERGE_MAX_PERCENT;
	return converge->throttle_percent;
}

uint32_t converge_cap(uint32_t own_cap, uint32_t vcpus, uint32_t throttle_percent)
{
	uint64_t whole = own_cap ? own_cap : (uint64_t)vcpus * 100;
	uint64_t cap = whole * (100 - throttle_percent) / 100;

	if (throttle_percent == 0)
		return own_cap;
	return cap > 0 ? (uint32_t)cap : 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A token bucket: how long to wait so that bytes go no faster than a limit. Pure: it knows the time
 * and the bytes that it is told.
 */
#ifndef XENFERRY_PACER_H
#define XENFERRY_PACER_H

#include <stdint.h>

struct pacer {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t begun_us, begun_bytes; /* from here on the limit is counted */
};

/*
 * From `now_us` on, when `bytes` have gone, the limit is `bytes_per_s` (0: none). One that holds
 * already goes on.
 */
void pacer_set(struct pacer *pacer, uint64_t bytes_per_s, uint64_t now_us, uint64_t bytes);
/*
 * How long to wait, in microseconds, before more may go than the `bytes` that have by `now_us`.
 * What a slow time left unused is kept for 100 ms and no longer, so that no burst comes of it.
 */
uint64_t pacer_wait_us(struct pacer *pacer, uint64_t now_us, uint64_t bytes);

#endif

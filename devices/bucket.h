/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bandwidth limit: a bucket of bytes that fills at the limit's rate and holds a tenth of a second
 * of it. Pure: the caller has the clock and does the waiting.
 */
#ifndef XENFERRY_BUCKET_H
#define XENFERRY_BUCKET_H

#include <stddef.h>
#include <stdint.h>

struct bucket {
	uint64_t rate_bytes_per_s; /* 0: no limit */
	uint64_t filled_us;        /* when it was looked at last */
	double bytes;              /* in it; less than none when more was taken */
};

/* A new limit holds at once; what was taken before is not forgotten. */
void bucket_limit(struct bucket *bucket, uint64_t rate_bytes_per_s, uint64_t now_us);
/* Takes `size` bytes. */
void bucket_take(struct bucket *bucket, size_t size, uint64_t now_us);
/* How long nothing may be sent from now on; 0: go on. */
uint64_t bucket_wait_us(struct bucket *bucket, uint64_t now_us);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bucket.h"

#define HOLDS_S 0.1

static void fill(struct bucket *bucket, uint64_t now_us)
{
	double most = (double)bucket->rate_bytes_per_s * HOLDS_S;
	uint64_t us = now_us > bucket->filled_us ? now_us - bucket->filled_us : 0;

	bucket->bytes += (double)us * (double)bucket->rate_bytes_per_s / 1e6;
	if (bucket->bytes > most)
		bucket->bytes = most;
	bucket->filled_us = now_us;
}

void bucket_limit(struct bucket *bucket, uint64_t rate_bytes_per_s, uint64_t now_us)
{
	if (bucket->rate_bytes_per_s == rate_bytes_per_s)
		return;
	fill(bucket, now_us);
	if (bucket->rate_bytes_per_s == 0)
		bucket->bytes = 0;
	bucket->rate_bytes_per_s = rate_bytes_per_s;
}

void bucket_take(struct bucket *bucket, size_t size, uint64_t now_us)
{
	if (bucket->rate_bytes_per_s == 0)
		return;
	fill(bucket, now_us);
	bucket->bytes -= (double)size;
}

uint64_t bucket_wait_us(struct bucket *bucket, uint64_t now_us)
{
	if (bucket->rate_bytes_per_s == 0)
		return 0;
	fill(bucket, now_us);
	if (bucket->bytes >= 0)
		return 0;
	return (uint64_t)(-bucket->bytes * 1e6 / (double)bucket->rate_bytes_per_s) + 1;
}

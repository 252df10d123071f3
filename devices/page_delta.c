/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page_delta.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "libxc_stream.h"

#define EQUAL_MIN 3 /* a shorter run of equal bytes costs more than it saves */

/* A run's length, seven bits a byte, the low ones first; at most two bytes, as pages are small. */
static size_t put_length(uint8_t *at, size_t length)
{
	if (length < 0x80) {
		at[0] = (uint8_t)length;
		return 1;
	}
	at[0] = (uint8_t)(length | 0x80);
	at[1] = (uint8_t)(length >> 7);
	return 2;
}

static bool take_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
	if (*at == end)
		return false;
	*length = *(*at)++;
	if (*length < 0x80)
		return true;
	if (*at == end || **at > 0x7f)
		return false;
	*length = (*length & 0x7f) | (size_t)*(*at)++ << 7;
	return true;
}

/* How many bytes from `at` on are equal. */
static size_t equal_run(const uint8_t *before, const uint8_t *after, size_t at)
{
	size_t end = at;

	while (end + sizeof(uint64_t) <= PAGE_BYTES) {
		uint64_t a, b;

		memcpy(&a, before + end, sizeof(a));
		memcpy(&b, after + end, sizeof(b));
		if (a != b)
			break;
		end += sizeof(uint64_t);
	}
	while (end < PAGE_BYTES && before[end] == after[end])
		end++;
	return end - at;
}

/* How many bytes from `at` on are new, with those equal ones that are too few to tell. */
static size_t new_run(const uint8_t *before, const uint8_t *after, size_t at)
{
	size_t end = at;

	while (end < PAGE_BYTES) {
		size_t equal = 0;

		while (equal < EQUAL_MIN && end + equal < PAGE_BYTES &&
		       before[end + equal] == after[end + equal])
			equal++;
		if (equal == EQUAL_MIN || end + equal == PAGE_BYTES)
			break;
		end += equal + 1;
	}
	return end - at;
}

int page_delta_make(const uint8_t *before, const uint8_t *after, uint8_t *delta)
{
	size_t at = 0, size = 0;

	for (;;) {
		size_t equal = equal_run(before, after, at), fresh;

		at += equal;
		if (at == PAGE_BYTES)
			return (int)size;
		fresh = new_run(before, after, at);
		if (size + 4 + fresh > PAGE_DELTA_MAX)
			return -EMSGSIZE;
		size += put_length(delta + size, equal);
		size += put_length(delta + size, fresh);
		memcpy(delta + size, after + at, fresh);
		size += fresh;
		at += fresh;
	}
}

int page_delta_apply(uint8_t *page, const uint8_t *delta, size_t size)
{
	const uint8_t *end = delta + size;
	size_t at = 0;

	while (delta < end) {
		size_t equal, fresh;

		if (!take_length(&delta, end, &equal) || !take_length(&delta, end, &fresh) ||
		    fresh == 0 || fresh > (size_t)(end - delta) || equal + fresh > PAGE_BYTES - at)
			return -EBADMSG;
		at += equal;
		memcpy(page + at, delta, fresh);
		at += fresh;
		delta += fresh;
	}
	return 0;
}

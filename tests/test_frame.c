/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What frames are made of: their header, runs, differences of pages, the cache, the compressors. */
#include "frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page_cache.h"
#include "page_delta.h"

/* ---- header ---- */

static void a_header_has_the_bytes_of_the_specification(void **state)
{
	const struct frame frame = { FRAME_PAGES, CODEC_ZSTD, 0x0102030405060708, 0x1234, 0x2345,
				     0x1122334455667788 };
	static const uint8_t expected[FRAME_HEADER_BYTES] = {
		'X', 'F', 'M', 'S', 1, 3, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x12, 0x34,
		0, 0, 0x23, 0x45, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	};
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame again;
	struct err err;

	(void)state;
	frame_encode(&frame, bytes);
	assert_memory_equal(bytes, expected, sizeof(bytes));
	assert_int_equal(frame_decode(bytes, &again, &err), 0);
	assert_memory_equal(&again, &frame, sizeof(frame));
}

static void a_header_that_breaks_a_rule_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} faults[] = { { 0, 'Y' }, { 4, 2 }, { 5, 0 }, { 5, FRAME_TYPES }, { 6, CODECS },
		       { 16, 1 }, { 20, 1 }, { 23, 7 } };
	const struct frame frame = { FRAME_BYTES, CODEC_NONE, 0, 8, 8, 0 };
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame again;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		frame_encode(&frame, bytes);
		bytes[faults[i].at] = faults[i].value;
		assert_int_equal(frame_decode(bytes, &again, &err), -EBADMSG);
	}
}

/* ---- runs ---- */

static void kinds_come_back_from_their_runs(void **state)
{
	uint8_t kinds[FRAME_PAGES_MAX], again[FRAME_PAGES_MAX], bytes[512];
	size_t size;

	(void)state;
	for (size_t i = 0; i < FRAME_PAGES_MAX; i++)
		kinds[i] = (uint8_t)(i * i / 7 % PAGE_KINDS);
	size = frame_put_kinds(bytes, kinds, FRAME_PAGES_MAX);
	assert_int_equal(frame_take_kinds(bytes, size, again, FRAME_PAGES_MAX), size);
	assert_memory_equal(again, kinds, sizeof(kinds));
	memset(kinds, PAGE_ZERO, sizeof(kinds));
	assert_int_equal(frame_put_kinds(bytes, kinds, FRAME_PAGES_MAX), 5);
}

static void runs_that_do_not_come_to_the_pages_are_refused(void **state)
{
	static const uint8_t too_few[] = { 0, 0, 3, 0, 1 }, too_many[] = { 0, 0, 5, 0, 1 };
	static const uint8_t unknown[] = { 4, 0, 4, 0, 1 }, empty[] = { 0, 0, 0, 0, 1 };
	static const uint8_t cut[] = { 0, 4, 0, 1 }, many[] = { 0, 0, 4, 1, 0 };
	uint8_t kinds[4];

	(void)state;
	assert_int_equal(frame_take_kinds(too_few, 5, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(too_many, 5, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(unknown, 5, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(empty, 5, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(cut, 4, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(many, 5, kinds, 4), -EBADMSG);
	assert_int_equal(frame_take_kinds(cut, 1, kinds, 4), -EBADMSG);
}

static void entries_come_back_from_their_runs(void **state)
{
	uint64_t entries[LIBXC_PAGES_MAX], again[LIBXC_PAGES_MAX];
	uint8_t bytes[FRAME_RECORD_MAX];
	uint32_t pass = 0;
	size_t size;

	(void)state;
	for (size_t i = 0; i < LIBXC_PAGES_MAX; i++)
		entries[i] = i % 5 ? 1000 + i : 0xfull << 60 | i;
	size = frame_put_entries(bytes, 7, entries, LIBXC_PAGES_MAX);
	assert_int_equal(frame_take_entries(bytes, size, &pass, again), LIBXC_PAGES_MAX);
	assert_int_equal(pass, 7);
	assert_memory_equal(again, entries, sizeof(entries));
	assert_int_equal(frame_take_entries(bytes, size - 10, &pass, again), -EBADMSG);
	assert_int_equal(frame_take_entries(bytes, size - 1, &pass, again), -EBADMSG);
	assert_int_equal(frame_take_entries(bytes, 0, &pass, again), -EBADMSG);
	bytes[6] = 0xff;
	assert_int_equal(frame_take_entries(bytes, size, &pass, again), -EBADMSG);
}

/* ---- differences ---- */

static void a_page_becomes_what_its_difference_says(void **state)
{
	uint8_t before[PAGE_BYTES], after[PAGE_BYTES], delta[PAGE_DELTA_MAX];
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		int size;

		for (size_t i = 0; i < PAGE_BYTES; i++)
			before[i] = after[i] = (uint8_t)(i * round);
		for (unsigned change = 0; change < round % 40; change++) {
			random = random * 1664525 + 1013904223;
			after[(random >> 8) % PAGE_BYTES] ^= (uint8_t)(random >> 24);
		}
		if (round % 3 == 0)
			after[PAGE_BYTES - 1] ^= 1;
		if (round % 5 == 0)
			after[0] ^= 1;
		size = page_delta_make(before, after, delta);
		assert_in_range(size, 0, PAGE_DELTA_MAX);
		assert_int_equal(size == 0, memcmp(before, after, PAGE_BYTES) == 0);
		assert_int_equal(page_delta_apply(before, delta, (size_t)size), 0);
		assert_memory_equal(before, after, PAGE_BYTES);
	}
}

static void a_page_that_is_all_new_has_no_difference(void **state)
{
	uint8_t before[PAGE_BYTES] = { 0 }, after[PAGE_BYTES], delta[PAGE_DELTA_MAX];

	(void)state;
	memset(after, 1, sizeof(after));
	assert_int_equal(page_delta_make(before, after, delta), -EMSGSIZE);
}

static void a_difference_that_would_leave_the_page_is_refused(void **state)
{
	static const uint8_t far[] = { 0xff, 0x1f, 2, 1, 1 }, nothing[] = { 1, 0 };
	static const uint8_t cut[] = { 1, 5, 1 }, open[] = { 0x80 }, long_length[] = { 0x80, 0x80 };
	uint8_t page[PAGE_BYTES + 8];

	(void)state;
	memset(page, 7, sizeof(page));
	assert_int_equal(page_delta_apply(page, far, sizeof(far)), -EBADMSG);
	assert_int_equal(page_delta_apply(page, nothing, sizeof(nothing)), -EBADMSG);
	assert_int_equal(page_delta_apply(page, cut, sizeof(cut)), -EBADMSG);
	assert_int_equal(page_delta_apply(page, open, sizeof(open)), -EBADMSG);
	assert_int_equal(page_delta_apply(page, long_length, sizeof(long_length)), -EBADMSG);
	for (size_t i = PAGE_BYTES; i < sizeof(page); i++)
		assert_int_equal(page[i], 7);
}

/* ---- the cache ---- */

static void a_page_is_found_until_another_takes_its_place(void **state)
{
	struct page_cache *cache = page_cache_new(8);

	(void)state;
	assert_non_null(cache);
	assert_null(page_cache_find(cache, 3));
	memset(page_cache_put(cache, 3, 1), 3, PAGE_BYTES);
	assert_non_null(page_cache_find(cache, 3));
	assert_null(page_cache_put(cache, 11, 1)); /* sent in the same pass, or the next: stays */
	assert_null(page_cache_put(cache, 11, 2));
	assert_int_equal(page_cache_find(cache, 3)[0], 3);
	assert_non_null(page_cache_put(cache, 11, 3));
	assert_null(page_cache_find(cache, 3));
	page_cache_free(cache);
}

/* ---- compressors ---- */

static void a_block_comes_back_from_each_compressor(void **state)
{
	struct codecs *codecs = codecs_new();
	char plain[8192], again[8192];
	uint8_t packed[8192];

	(void)state;
	for (size_t at = 0; at + 16 <= sizeof(plain); at += 16)
		snprintf(plain + at, 16, "row %zu", at);
	for (enum codec codec = CODEC_LZ4; codec < CODECS; codec++) {
		size_t size = codec_compress(codecs, codec, plain, sizeof(plain), packed,
					     sizeof(packed));

		assert_in_range(size, 1, sizeof(plain) / 2);
		assert_int_equal(codec_decompress(codecs, codec, packed, size, again,
						  sizeof(again)), 0);
		assert_memory_equal(again, plain, sizeof(plain));
		assert_int_equal(codec_decompress(codecs, codec, packed, size, again,
						  sizeof(again) - 1), -EBADMSG);
		assert_int_equal(codec_decompress(codecs, codec, packed, size - 1, again,
						  sizeof(again)), -EBADMSG);
		assert_int_equal(codec_compress(codecs, codec, plain, sizeof(plain), packed, 16),
				 0);
	}
	codecs_free(codecs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_has_the_bytes_of_the_specification),
		cmocka_unit_test(a_header_that_breaks_a_rule_is_refused),
		cmocka_unit_test(kinds_come_back_from_their_runs),
		cmocka_unit_test(runs_that_do_not_come_to_the_pages_are_refused),
		cmocka_unit_test(entries_come_back_from_their_runs),
		cmocka_unit_test(a_page_becomes_what_its_difference_says),
		cmocka_unit_test(a_page_that_is_all_new_has_no_difference),
		cmocka_unit_test(a_difference_that_would_leave_the_page_is_refused),
		cmocka_unit_test(a_page_is_found_until_another_takes_its_place),
		cmocka_unit_test(a_block_comes_back_from_each_compressor),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}

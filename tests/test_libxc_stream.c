/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libxc_stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream_maker.h"

static int walk(const struct stream_maker *maker, size_t step, struct err *err)
{
	struct libxc_stream stream = { .image = false };
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < maker->size; at += step)
		rc = libxc_walk(&stream, maker->bytes + at,
				maker->size - at < step ? maker->size - at : step, err);
	if (rc == 0 && !stream.ended)
		rc = -ENODATA;
	return rc;
}

static void a_stream_without_pages_is_walked_in_steps_of_any_size(void **state)
{
	struct stream_maker maker = { .size = 0 };
	struct err err;

	(void)state;
	make_headers(&maker);
	make_static_data(&maker);
	make_state(&maker);
	for (size_t step = 1; step < 50; step++)
		assert_int_equal(walk(&maker, step, &err), 0);
	stream_maker_free(&maker);
}

static void what_is_cut_has_not_ended(void **state)
{
	struct stream_maker maker = { .size = 0 };
	struct err err;

	(void)state;
	make_headers(&maker);
	make_static_data(&maker);
	make_state(&maker);
	while (maker.size > 0) {
		maker.size--;
		assert_int_equal(walk(&maker, 4096, &err), -ENODATA);
	}
	stream_maker_free(&maker);
}

/* ---- what may not stand there: each is a stream up to its fault ---- */

static void bad_marker(struct stream_maker *maker)
{
	make_headers(maker);
	maker->bytes[3] = 0;
}

static void version_4(struct stream_maker *maker)
{
	make_headers(maker);
	maker->bytes[15] = 4;
}

static void big_endian(struct stream_maker *maker)
{
	make_headers(maker);
	maker->bytes[17] = 1;
}

static void other_domain(struct stream_maker *maker)
{
	make_headers(maker);
	maker->bytes[24] = 3;
}

static void large_pages(struct stream_maker *maker)
{
	make_headers(maker);
	maker->bytes[28] = 13;
}

static void static_data_twice(struct stream_maker *maker)
{
	make_headers(maker);
	make_static_data(maker);
	make_record(maker, LIBXC_STATIC_DATA_END, NULL, 0);
}

static void end_with_body(struct stream_maker *maker)
{
	make_headers(maker);
	make_static_data(maker);
	make_record(maker, LIBXC_END, NULL, 8);
}

static void end_too_early(struct stream_maker *maker)
{
	make_headers(maker);
	make_record(maker, LIBXC_END, NULL, 0);
}

static void something_after_the_end(struct stream_maker *maker)
{
	make_headers(maker);
	make_static_data(maker);
	make_state(maker);
	make_record(maker, LIBXC_HVM_PARAMS, NULL, 8);
}

static void mandatory_and_unknown(struct stream_maker *maker)
{
	make_headers(maker);
	make_record(maker, LIBXC_MSR_POLICY + 1, NULL, 8);
}

static void checkpoint(struct stream_maker *maker)
{
	make_headers(maker);
	make_static_data(maker);
	make_record(maker, LIBXC_CHECKPOINT, NULL, 0);
}

static void pages_among_the_bytes(struct stream_maker *maker)
{
	uint64_t entry = 5;

	make_headers(maker);
	make_static_data(maker);
	make_pages(maker, &entry, 1, NULL);
}

static void too_long(struct stream_maker *maker)
{
	make_headers(maker);
	make_static_data(maker);
	make_record(maker, LIBXC_HVM_PARAMS, NULL, 0);
	maker->bytes[maker->size - 1] = 0x09; /* the length's highest byte */
}

static void what_libxenguest_must_not_see_is_refused_with_a_reason(void **state)
{
	static void (*const make[])(struct stream_maker *) = {
		bad_marker, version_4, big_endian, other_domain, large_pages, static_data_twice,
		end_with_body, end_too_early, something_after_the_end, mandatory_and_unknown,
		checkpoint, pages_among_the_bytes, too_long,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		struct stream_maker maker = { .size = 0 };
		struct err err = { ERR_NONE, "" };

		make[i](&maker);
		assert_int_equal(walk(&maker, 7, &err), -EBADMSG);
		assert_string_not_equal(err.message, "");
		stream_maker_free(&maker);
	}
}

static void an_optional_record_may_be_unknown(void **state)
{
	struct stream_maker maker = { .size = 0 };
	struct err err;

	(void)state;
	make_headers(&maker);
	make_record(&maker, 0x80000077, "whatever", 8);
	make_static_data(&maker);
	make_state(&maker);
	assert_int_equal(walk(&maker, 100, &err), 0);
	stream_maker_free(&maker);
}

static void entries_are_counted_by_what_has_data(void **state)
{
	const uint64_t entries[] = { 1, 2ull << 60 | 2, 9ull << 60 | 3, 0xeull << 60 | 4,
				     0xdull << 60 | 5, 0xfull << 60 | 6 };
	struct err err;

	(void)state;
	assert_int_equal(libxc_check_entries(entries, 6, 7, &err), 3);
}

static void an_entry_that_means_nothing_is_refused(void **state)
{
	const uint64_t bad[] = { 5ull << 60 | 1, 8ull << 60 | 1, 1ull << 52 | 1, 1ull << 59 | 1,
				 100, 0xeull << 60 | 100 };
	uint64_t many[LIBXC_PAGES_MAX + 1] = { 0 };
	const uint64_t hole_far_up = 0xfull << 60 | 100;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(libxc_check_entries(&bad[i], 1, 100, &err), -EBADMSG);
	assert_int_equal(libxc_check_entries(many, 0, 100, &err), -EBADMSG);
	assert_int_equal(libxc_check_entries(many, LIBXC_PAGES_MAX + 1, 100, &err), -EBADMSG);
	assert_int_equal(libxc_check_entries(&hole_far_up, 1, 100, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_without_pages_is_walked_in_steps_of_any_size),
		cmocka_unit_test(what_is_cut_has_not_ended),
		cmocka_unit_test(what_libxenguest_must_not_see_is_refused_with_a_reason),
		cmocka_unit_test(an_optional_record_may_be_unknown),
		cmocka_unit_test(entries_are_counted_by_what_has_data),
		cmocka_unit_test(an_entry_that_means_nothing_is_refused),
	};

	return cmocka_run_group_tests_name("libxc_stream", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tlv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FIELD_NAME = 1, FIELD_COUNT = 2, FIELD_GROUP = 3 };

static void fields_are_written_big_endian_without_padding(void **state)
{
	static const uint8_t expected[] = {
		0x00, 0x01, 0, 0, 0, 2, 'g', '1',
		0x80, 0x02, 0, 0, 0, 8, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
	};
	struct tlv_writer writer;

	(void)state;
	tlv_writer_init(&writer, 1024);
	tlv_put_string(&writer, FIELD_NAME, "g1");
	tlv_put_u64(&writer, FIELD_COUNT | TLV_REQUIRED, 0x0102030405060708);

	assert_int_equal(tlv_writer_status(&writer), 0);
	assert_int_equal(writer.size, sizeof(expected));
	assert_memory_equal(writer.bytes, expected, sizeof(expected));
	tlv_writer_fini(&writer);
}

static void what_was_written_is_read_back_in_order(void **state)
{
	struct tlv_writer writer;
	struct tlv_reader reader;
	struct tlv_field field;
	uint64_t count;
	char name[8];

	(void)state;
	tlv_writer_init(&writer, 1024);
	tlv_put_string(&writer, FIELD_NAME, "g1");
	tlv_put_u64(&writer, FIELD_COUNT | TLV_REQUIRED, 7);
	tlv_reader_init(&reader, writer.bytes, writer.size);

	assert_int_equal(tlv_next(&reader, &field), 1);
	assert_int_equal(field.type, FIELD_NAME);
	assert_false(field.required);
	assert_int_equal(tlv_get_string(&field, name, sizeof(name)), 0);
	assert_string_equal(name, "g1");
	assert_int_equal(tlv_next(&reader, &field), 1);
	assert_int_equal(field.type, FIELD_COUNT);
	assert_true(field.required);
	assert_int_equal(tlv_get_u64(&field, &count), 0);
	assert_int_equal(count, 7);
	assert_int_equal(tlv_next(&reader, &field), 0);
	tlv_writer_fini(&writer);
}

static void a_group_holds_the_fields_put_inside_it(void **state)
{
	struct tlv_reader reader, inner;
	struct tlv_writer writer;
	struct tlv_field field;
	size_t mark;

	(void)state;
	tlv_writer_init(&writer, 1024);
	mark = tlv_begin(&writer, FIELD_GROUP);
	tlv_put_string(&writer, FIELD_NAME, "inside");
	tlv_end(&writer, mark);
	tlv_put_string(&writer, FIELD_NAME, "outside");
	tlv_reader_init(&reader, writer.bytes, writer.size);

	assert_int_equal(tlv_next(&reader, &field), 1);
	assert_int_equal(field.type, FIELD_GROUP);
	tlv_reader_init(&inner, field.value, field.size);
	assert_int_equal(tlv_next(&inner, &field), 1);
	assert_memory_equal(field.value, "inside", field.size);
	assert_int_equal(tlv_next(&inner, &field), 0);
	assert_int_equal(tlv_next(&reader, &field), 1);
	assert_memory_equal(field.value, "outside", field.size);
	tlv_writer_fini(&writer);
}

static void a_writer_stops_at_its_bound_and_stays_failed(void **state)
{
	struct tlv_writer writer;

	(void)state;
	tlv_writer_init(&writer, TLV_HEADER_BYTES + 4);
	tlv_put_string(&writer, FIELD_NAME, "four");
	assert_int_equal(tlv_writer_status(&writer), 0);

	tlv_put_string(&writer, FIELD_NAME, "");
	assert_int_equal(tlv_writer_status(&writer), -EMSGSIZE);
	assert_int_equal(writer.size, TLV_HEADER_BYTES + 4);
	tlv_put_bytes(&writer, FIELD_NAME, NULL, 0);
	assert_int_equal(tlv_writer_status(&writer), -EMSGSIZE);
	tlv_writer_fini(&writer);
}

static void a_size_near_the_end_of_size_t_does_not_wrap(void **state)
{
	struct tlv_writer writer;

	(void)state;
	tlv_writer_init(&writer, SIZE_MAX);
	tlv_put_bytes(&writer, FIELD_NAME, "", SIZE_MAX - 2);

	assert_int_equal(tlv_writer_status(&writer), -EMSGSIZE);
	assert_int_equal(writer.size, 0);
	tlv_writer_fini(&writer);
}

static void a_group_in_a_failed_writer_does_no_harm(void **state)
{
	struct tlv_writer writer;

	(void)state;
	tlv_writer_init(&writer, 4);
	tlv_end(&writer, tlv_begin(&writer, FIELD_GROUP));

	assert_int_equal(tlv_writer_status(&writer), -EMSGSIZE);
	tlv_writer_fini(&writer);
	tlv_writer_fini(&writer);
}

static void every_truncation_is_refused(void **state)
{
	static const uint8_t whole[] = { 0, 1, 0, 0, 0, 2, 'g', '1' };
	struct tlv_reader reader;
	struct tlv_field field;

	(void)state;
	for (size_t size = 1; size < sizeof(whole); size++) {
		tlv_reader_init(&reader, whole, size);
		assert_int_equal(tlv_next(&reader, &field), -EBADMSG);
	}
}

static void a_length_beyond_the_end_is_refused(void **state)
{
	static const uint8_t lying[] = { 0, 1, 0xff, 0xff, 0xff, 0xff, 'g', '1' };
	struct tlv_reader reader;
	struct tlv_field field;

	(void)state;
	tlv_reader_init(&reader, lying, sizeof(lying));

	assert_int_equal(tlv_next(&reader, &field), -EBADMSG);
}

static void nothing_is_the_end(void **state)
{
	struct tlv_reader reader;
	struct tlv_field field;

	(void)state;
	tlv_reader_init(&reader, NULL, 0);

	assert_int_equal(tlv_next(&reader, &field), 0);
}

static void a_string_that_could_break_a_line_or_a_buffer_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int rc;
	} cases[] = {
		{ "", 0, 0 },
		{ "seven..", 7, 0 },
		{ "eight...", 8, -EBADMSG },
		{ "a\0b", 3, -EBADMSG },
		{ "a\nb", 3, -EBADMSG },
		{ "\x1b[2J", 4, -EBADMSG },
		{ "\x7f", 1, -EBADMSG },
		{ "\xc3\xa9", 2, 0 }, /* UTF-8 passes */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tlv_field field = { .value = (const uint8_t *)cases[i].bytes,
					   .size = cases[i].size };
		char string[8] = "before";

		assert_int_equal(tlv_get_string(&field, string, sizeof(string)), cases[i].rc);
		if (cases[i].rc == 0)
			assert_int_equal(strlen(string), cases[i].size);
		else
			assert_string_equal(string, "before");
	}
}

static void a_number_of_another_size_is_refused(void **state)
{
	static const uint8_t bytes[9];
	struct tlv_field field = { .value = bytes };
	uint64_t value = 42;

	(void)state;
	for (field.size = 0; field.size <= sizeof(bytes); field.size++)
		if (field.size != sizeof(value))
			assert_int_equal(tlv_get_u64(&field, &value), -EBADMSG);
	assert_int_equal(value, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_written_big_endian_without_padding),
		cmocka_unit_test(what_was_written_is_read_back_in_order),
		cmocka_unit_test(a_group_holds_the_fields_put_inside_it),
		cmocka_unit_test(a_writer_stops_at_its_bound_and_stays_failed),
		cmocka_unit_test(a_size_near_the_end_of_size_t_does_not_wrap),
		cmocka_unit_test(a_group_in_a_failed_writer_does_no_harm),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(a_length_beyond_the_end_is_refused),
		cmocka_unit_test(nothing_is_the_end),
		cmocka_unit_test(a_string_that_could_break_a_line_or_a_buffer_is_refused),
		cmocka_unit_test(a_number_of_another_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

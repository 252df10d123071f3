/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HELLO_SPARE 48 /* from here on a reader looks at nothing */

static const struct wire_hello hello_of_job = {
	.version_oldest = 1,
	.version_newest = 1,
	.kind = WIRE_MEMORY,
	.job = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
		 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f },
	.nonce = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
		   0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf },
};

static const struct wire_frame frame_of_job = {
	.type = WIRE_SYNC,
	.point = 4,
	.sequence = 0x01020304,
	.size = 0x00054321,
	.nonce = { 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
		   0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf },
};

/* The format, byte by byte: a change here is a change of the protocol. */
static const uint8_t golden_hello[WIRE_HELLO_BYTES] = {
	'X', 'E', 'N', 'F', 'E', 'R', 'R', 'Y', 0x00, 0x01, 0x00, 0x01, 0x00, 0x02, 0x00, 0x00,
	0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
	0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f,
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static const uint8_t golden_frame[WIRE_FRAME_BYTES] = {
	'X', 'F', 'R', 'Y', 0x00, 0x05, 0x00, 0x04, 0x01, 0x02, 0x03, 0x04, 0x00, 0x05, 0x43, 0x21,
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
	0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
};

static int same_hello(const struct wire_hello *a, const struct wire_hello *b)
{
	return a->version_oldest == b->version_oldest && a->version_newest == b->version_newest &&
	       a->kind == b->kind && memcmp(a->job, b->job, WIRE_ID_BYTES) == 0 &&
	       memcmp(a->nonce, b->nonce, WIRE_ID_BYTES) == 0;
}

static int same_frame(const struct wire_frame *a, const struct wire_frame *b)
{
	return a->type == b->type && a->point == b->point && a->sequence == b->sequence &&
	       a->size == b->size && memcmp(a->nonce, b->nonce, WIRE_ID_BYTES) == 0;
}

static void a_hello_has_the_specified_bytes(void **state)
{
	uint8_t bytes[WIRE_HELLO_BYTES];

	(void)state;
	wire_encode_hello(&hello_of_job, bytes);

	assert_memory_equal(bytes, golden_hello, sizeof(bytes));
}

static void a_frame_has_the_specified_bytes(void **state)
{
	uint8_t bytes[WIRE_FRAME_BYTES];

	(void)state;
	wire_encode_frame(&frame_of_job, bytes);

	assert_memory_equal(bytes, golden_frame, sizeof(bytes));
}

static void a_hello_is_read_as_it_was_written(void **state)
{
	struct wire_hello got;

	(void)state;
	assert_int_equal(wire_decode_hello(golden_hello, &got, NULL), 0);

	assert_true(same_hello(&got, &hello_of_job));
}

static void a_frame_is_read_as_it_was_written(void **state)
{
	struct wire_frame got;

	(void)state;
	assert_int_equal(wire_decode_frame(golden_frame, &got, NULL), 0);

	assert_true(same_frame(&got, &frame_of_job));
}

/* Every value of every byte. */
static void no_damaged_hello_passes_for_the_whole_one(void **state)
{
	(void)state;
	for (size_t at = 0; at < HELLO_SPARE; at++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			uint8_t bytes[WIRE_HELLO_BYTES];
			struct wire_hello got;

			memcpy(bytes, golden_hello, sizeof(bytes));
			bytes[at] ^= (uint8_t)flip;
			if (wire_decode_hello(bytes, &got, NULL) < 0)
				continue;
			assert_false(same_hello(&got, &hello_of_job));
			assert_in_range(got.kind, WIRE_CONTROL, WIRE_INQUIRY);
			assert_in_range(wire_version_for(&got), WIRE_VERSION_OLDEST, WIRE_VERSION);
		}
	}
}

static void no_damaged_frame_passes_for_the_whole_one(void **state)
{
	(void)state;
	for (size_t at = 0; at < WIRE_FRAME_BYTES; at++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			uint8_t bytes[WIRE_FRAME_BYTES];
			struct wire_frame got;

			memcpy(bytes, golden_frame, sizeof(bytes));
			bytes[at] ^= (uint8_t)flip;
			if (wire_decode_frame(bytes, &got, NULL) < 0)
				continue;
			assert_false(same_frame(&got, &frame_of_job));
			assert_in_range(got.type, WIRE_WELCOME, WIRE_TYPES - 1);
			assert_in_range(got.point, 0, WIRE_POINT_MAX);
			assert_in_range(got.size, 0, WIRE_PAYLOAD_MAX);
		}
	}
}

static void what_a_later_version_adds_to_the_hello_is_skipped(void **state)
{
	uint8_t bytes[WIRE_HELLO_BYTES];
	struct wire_hello got;

	(void)state;
	memcpy(bytes, golden_hello, sizeof(bytes));
	memset(bytes + HELLO_SPARE, 0xff, sizeof(bytes) - HELLO_SPARE);

	assert_int_equal(wire_decode_hello(bytes, &got, NULL), 0);
	assert_true(same_hello(&got, &hello_of_job));
}

static void the_newest_common_version_is_spoken(void **state)
{
	static const struct {
		uint16_t oldest, newest;
		int rc;
		uint16_t spoken;
	} rows[] = {
		{ 1, 1, 0, 1 },
		{ 1, 2, 0, 1 },
		{ 1, UINT16_MAX, 0, 1 },
		{ 2, 3, -EPROTONOSUPPORT, 0 },
		{ UINT16_MAX, UINT16_MAX, -EPROTONOSUPPORT, 0 },
		{ 0, 0, -EBADMSG, 0 },
		{ 0, 1, -EBADMSG, 0 },
		{ 2, 1, -EBADMSG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[WIRE_HELLO_BYTES];
		struct err err = { .code = ERR_NONE };
		struct wire_hello got;

		memcpy(bytes, golden_hello, sizeof(bytes));
		bytes[8] = (uint8_t)(rows[i].oldest >> 8);
		bytes[9] = (uint8_t)rows[i].oldest;
		bytes[10] = (uint8_t)(rows[i].newest >> 8);
		bytes[11] = (uint8_t)rows[i].newest;

		assert_int_equal(wire_decode_hello(bytes, &got, &err), rows[i].rc);
		if (rows[i].rc == 0)
			assert_int_equal(wire_version_for(&got), rows[i].spoken);
		else
			assert_int_equal(err.code, ERR_INCOMPATIBLE);
	}
}

static void another_version_is_refused_with_the_remedy_and_the_nonce_to_answer_with(void **state)
{
	uint8_t bytes[WIRE_HELLO_BYTES];
	struct wire_hello got;
	struct err err;

	(void)state;
	memcpy(bytes, golden_hello, sizeof(bytes));
	bytes[9] = 2;
	bytes[11] = 3;

	assert_int_equal(wire_decode_hello(bytes, &got, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.message, "versions 2 to 3"));
	assert_non_null(strstr(err.message, "upgrade"));
	assert_memory_equal(got.nonce, hello_of_job.nonce, WIRE_ID_BYTES);
}

static void unknown_kinds_and_requirements_are_refused(void **state)
{
	uint8_t kind[WIRE_HELLO_BYTES], requirement[WIRE_HELLO_BYTES];
	struct wire_hello got;
	struct err err;

	(void)state;
	memcpy(kind, golden_hello, sizeof(kind));
	kind[13] = 9;
	memcpy(requirement, golden_hello, sizeof(requirement));
	requirement[15] = 1;

	assert_int_equal(wire_decode_hello(kind, &got, &err), -EPROTONOSUPPORT);
	assert_int_equal(got.kind, 0);
	assert_non_null(strstr(err.message, "kind 9"));
	assert_int_equal(wire_decode_hello(requirement, &got, &err), -EPROTONOSUPPORT);
}

static void a_strangers_greeting_is_quoted_and_nothing_is_filled(void **state)
{
	uint8_t bytes[WIRE_HELLO_BYTES] = "GET /\x1b[1m HTTP/1.1\r\n";
	struct wire_hello got = { .version_newest = 77 };
	struct err err;

	(void)state;
	assert_int_equal(wire_decode_hello(bytes, &got, &err), -EBADMSG);

	assert_non_null(strstr(err.message, "\"GET /.[1\""));
	assert_int_equal(got.version_newest, 77);
}

static void a_frame_is_refused_when_type_point_sequence_and_size_do_not_fit(void **state)
{
	static const struct {
		const char *why;
		uint8_t type, point, sequence;
		uint32_t size;
		int rc;
	} rows[] = {
		{ "no type", 0, 0, 1, 0, -EBADMSG },
		{ "unknown type", WIRE_TYPES, 0, 1, 0, -EBADMSG },
		{ "SYNC at no point", WIRE_SYNC, 0, 1, 0, -EBADMSG },
		{ "ANSWER at no point", WIRE_ANSWER, 0, 1, 0, -EBADMSG },
		{ "ANSWER past SP5", WIRE_ANSWER, WIRE_POINT_MAX + 1, 1, 0, -EBADMSG },
		{ "ABORT at a point", WIRE_ABORT, 1, 1, 0, -EBADMSG },
		{ "WELCOME later", WIRE_WELCOME, 0, 1, 0, -EBADMSG },
		{ "SYNC first", WIRE_SYNC, 1, 0, 0, -EBADMSG },
		{ "too much", WIRE_ABORT, 0, 1, WIRE_PAYLOAD_MAX + 1, -EBADMSG },
		{ "WELCOME", WIRE_WELCOME, 0, 0, 0, 0 },
		{ "REFUSED", WIRE_REFUSED, 0, 0, 0, 0 },
		{ "SP5", WIRE_SYNC, WIRE_POINT_MAX, 1, WIRE_PAYLOAD_MAX, 0 },
		{ "OUTCOME", WIRE_OUTCOME, 0, 1, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[WIRE_FRAME_BYTES];
		struct wire_frame got;

		memcpy(bytes, golden_frame, sizeof(bytes));
		bytes[5] = rows[i].type;
		bytes[7] = rows[i].point;
		bytes[8] = bytes[9] = bytes[10] = 0;
		bytes[11] = rows[i].sequence;
		bytes[12] = 0;
		bytes[13] = (uint8_t)(rows[i].size >> 16);
		bytes[14] = (uint8_t)(rows[i].size >> 8);
		bytes[15] = (uint8_t)rows[i].size;
		if (wire_decode_frame(bytes, &got, NULL) != rows[i].rc)
			fail_msg("%s", rows[i].why);
	}
}

static void every_type_has_a_name(void **state)
{
	(void)state;
	for (enum wire_type type = WIRE_WELCOME; type < WIRE_TYPES; type++)
		assert_string_not_equal(wire_type_name(type), "?");

	assert_string_equal(wire_type_name(WIRE_TYPES), "?");
	assert_string_equal(wire_type_name(WIRE_CLOCK_ANSWER), "CLOCK_ANSWER");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_has_the_specified_bytes),
		cmocka_unit_test(a_frame_has_the_specified_bytes),
		cmocka_unit_test(a_hello_is_read_as_it_was_written),
		cmocka_unit_test(a_frame_is_read_as_it_was_written),
		cmocka_unit_test(no_damaged_hello_passes_for_the_whole_one),
		cmocka_unit_test(no_damaged_frame_passes_for_the_whole_one),
		cmocka_unit_test(what_a_later_version_adds_to_the_hello_is_skipped),
		cmocka_unit_test(the_newest_common_version_is_spoken),
		cmocka_unit_test(
			another_version_is_refused_with_the_remedy_and_the_nonce_to_answer_with),
		cmocka_unit_test(unknown_kinds_and_requirements_are_refused),
		cmocka_unit_test(a_strangers_greeting_is_quoted_and_nothing_is_filled),
		cmocka_unit_test(a_frame_is_refused_when_type_point_sequence_and_size_do_not_fit),
		cmocka_unit_test(every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

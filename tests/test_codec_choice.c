/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `auto` chooses, on links and processors that are numbers. */
#include "codec_choice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAME_BYTES 500000u
#define FRAMES 400

/* Microseconds a byte of each compressor, and what it leaves; beside it what sending costs. */
struct world {
	double us_per_byte[CODECS], ratio[CODECS];
	double base_us_per_byte, link_us_per_byte;
};

static const struct world text = {
	.us_per_byte = { 0, 0.0015, 0.004 }, .ratio = { 1, 0.5, 0.3 }, .base_us_per_byte = 0.0005,
};

/* One frame through a link that is never idle while something waits for it. */
static void send_frame(struct codec_choice *choice, const struct world *world, double *ahead_us)
{
	enum codec codec = choice->chosen;
	double packing = FRAME_BYTES * world->us_per_byte[codec];
	double processor = packing + FRAME_BYTES * world->base_us_per_byte;
	double sent = FRAME_BYTES * world->ratio[codec];
	double waited;

	if (codec_choice_probes(choice))
		for (enum codec other = CODEC_LZ4; other < CODECS; other++)
			codec_choice_note(choice, other, FRAME_BYTES,
					  (size_t)(FRAME_BYTES * world->ratio[other]),
					  FRAME_BYTES * world->us_per_byte[other]);
	waited = *ahead_us > processor ? *ahead_us - processor : 0;
	*ahead_us = sent * world->link_us_per_byte;
	codec_choice_sent(choice, FRAME_BYTES, (size_t)sent, (uint64_t)(processor + waited),
			  (uint64_t)waited, (uint64_t)packing);
}

static enum codec chosen_at(double mbit_per_s, unsigned compress, const struct world *content)
{
	struct world world = *content;
	struct codec_choice choice;
	double ahead_us = 0;

	world.link_us_per_byte = 8 / mbit_per_s;
	codec_choice_init(&choice, compress);
	for (int i = 0; i < FRAMES; i++)
		send_frame(&choice, &world, &ahead_us);
	return choice.chosen;
}

static void the_slower_the_link_the_more_is_compressed(void **state)
{
	(void)state;
	assert_int_equal(chosen_at(100, COMPRESS_AUTO, &text), CODEC_ZSTD);
	assert_int_equal(chosen_at(1000, COMPRESS_AUTO, &text), CODEC_LZ4);
	assert_int_equal(chosen_at(40000, COMPRESS_AUTO, &text), CODEC_NONE);
}

static void noise_is_not_compressed_on_any_link(void **state)
{
	const struct world noise = {
		.us_per_byte = { 0, 0.001, 0.002 },
		.ratio = { 1, 1, 1 },
		.base_us_per_byte = 0.0005,
	};

	(void)state;
	assert_int_equal(chosen_at(100, COMPRESS_AUTO, &noise), CODEC_NONE);
	assert_int_equal(chosen_at(10000, COMPRESS_AUTO, &noise), CODEC_NONE);
}

static void what_the_operator_fixed_stays(void **state)
{
	(void)state;
	for (unsigned codec = CODEC_NONE; codec < CODECS; codec++)
		assert_int_equal(chosen_at(1000, codec, &text), codec);
}

static void a_link_that_becomes_slow_is_noticed(void **state)
{
	struct world world = text;
	struct codec_choice choice;
	double ahead_us = 0;

	(void)state;
	world.link_us_per_byte = 8.0 / 40000;
	codec_choice_init(&choice, COMPRESS_AUTO);
	for (int i = 0; i < FRAMES; i++)
		send_frame(&choice, &world, &ahead_us);
	assert_int_equal(choice.chosen, CODEC_NONE);
	world.link_us_per_byte = 8.0 / 100;
	for (int i = 0; i < 20; i++)
		send_frame(&choice, &world, &ahead_us);
	assert_int_equal(choice.chosen, CODEC_ZSTD);
}

static void the_words_are_none_lz4_zstd_and_auto(void **state)
{
	unsigned compress = 99;

	(void)state;
	assert_int_equal(compress_from_text("zstd", &compress), 0);
	assert_int_equal(compress, CODEC_ZSTD);
	assert_int_equal(compress_from_text("auto", &compress), 0);
	assert_int_equal(compress, COMPRESS_AUTO);
	assert_int_equal(compress_from_text("gzip", &compress), -EINVAL);
	assert_int_equal(compress, COMPRESS_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slower_the_link_the_more_is_compressed),
		cmocka_unit_test(noise_is_not_compressed_on_any_link),
		cmocka_unit_test(what_the_operator_fixed_stays),
		cmocka_unit_test(a_link_that_becomes_slow_is_noticed),
		cmocka_unit_test(the_words_are_none_lz4_zstd_and_auto),
	};

	return cmocka_run_group_tests_name("codec_choice", tests, NULL, NULL);
}

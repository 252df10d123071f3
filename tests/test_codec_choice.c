/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `auto` chooses, and what that costs, in virtual time: a sender that packs frames, a
 * connection that holds some of them, a link, and a target that unpacks. The compressors' figures
 * are those of lz4 and of zstd's first level on such pages, in frames of half a MiB.
 */
#include "codec_choice.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FRAME_BYTES 524288u
#define FRAMES_MAX 4096u
#define HELD_BYTES 600000.0 /* by the connection at either end */
#define PROBED_BYTES (FRAME_BYTES / 4)
#define FRAMES_A_GIB 2048u

/* Microseconds a byte at either end, and what is left of it. */
struct content {
	double pack[CODECS], unpack[CODECS], ratio[CODECS];
};

static const struct content text = {
	{ 0, 0.00094, 0.0015 }, { 0, 0.00014, 0.00038 }, { 1, 0.64, 0.29 },
};
static const struct content code = {
	{ 0, 0.00135, 0.0021 }, { 0, 0.00016, 0.00057 }, { 1, 0.67, 0.55 },
};
static const struct content noise = {
	{ 0, 0.00003, 0.00007 }, { 0, 0.00001, 0.00001 }, { 1, 1, 1 },
};
static const struct content sparse = { /* a page with little in it */
	{ 0, 0.0003, 0.0005 }, { 0, 0.0001, 0.0002 }, { 1, 0.08, 0.04 },
};

/* Contents by chance, `each` frames at a time. */
struct guest {
	const char *name;
	const struct content *contents[4];
	size_t count, each;
};

static const struct guest guests[] = {
	{ "text", { &text }, 1, 1 },
	{ "code", { &code }, 1, 1 },
	{ "noise", { &noise }, 1, 1 },
	{ "sparse", { &sparse }, 1, 1 },
	{ "mixed", { &text, &noise, &code, &sparse }, 4, 1 },
	{ "half noise", { &noise, &text }, 2, 3 },
};

#define GUESTS (sizeof(guests) / sizeof(guests[0]))

static const struct guest in_regions = {
	"in regions", { &text, &noise, &sparse, &code }, 4, 100,
};

struct world {
	double mbit_per_s;
	double source, target;     /* us a byte, beside the compressors */
	double target_slower;      /* times, of all that the target does */
	double away_us, every_us;  /* others have the processor so long, so often; 0: never */
	const struct guest *guest;
	size_t frames, draw; /* of the guest's contents */
};

#define DRAWS 4

#define USUAL .source = 0.0007, .target = 0.0008, .target_slower = 1

/* One stream. Of each frame: its bytes, when the link has brought it, when it is unpacked. */
struct run {
	struct world world;
	struct codec_choice choice;
	uint64_t dice;
	double now_us, last_us, waited_us, all_sent, pushed;
	size_t frame;
	double sent[FRAMES_MAX], brought_us[FRAMES_MAX], unpacked_us[FRAMES_MAX];
};

/* How long `us` of work take, when the processor is shared. */
static double work(struct run *run, double us)
{
	double chance;

	run->dice = run->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	chance = (double)(run->dice >> 11) / 9007199254740992.0;
	if (run->world.every_us > 0 && chance < us / run->world.every_us)
		us += run->world.away_us;
	return us;
}

static double later(double a, double b)
{
	return a > b ? a : b;
}

/* When the target has taken what it must have before the last frame finds room there. */
static double target_has_room_us(const struct run *run)
{
	double held = 0;

	for (size_t i = run->frame + 1; i-- > 0;) {
		held += run->sent[i];
		if (held > HELD_BYTES)
			return i < run->frame ? run->unpacked_us[i] : 0;
	}
	return 0;
}

/* When the link has brought all but the last `held` bytes of what was sent. */
static double brought_but_us(const struct run *run, double held)
{
	double us_per_byte = 8 / run->world.mbit_per_s;

	for (size_t i = run->frame + 1; i-- > 0; held -= run->sent[i])
		if (held < run->sent[i])
			return run->brought_us[i] - held * us_per_byte;
	return 0;
}

/* How many bytes the connection has not got yet, as it is full. */
static double not_pushed(const struct run *run)
{
	double us_per_byte = 8 / run->world.mbit_per_s, left = 0;

	for (size_t i = run->frame + 1; i-- > 0 && run->brought_us[i] > run->now_us;) {
		double of_it = (run->brought_us[i] - run->now_us) / us_per_byte;

		left += of_it < run->sent[i] ? of_it : run->sent[i];
	}
	return left > HELD_BYTES ? left - HELD_BYTES : 0;
}

static void travel(struct run *run, double sent, double unpacking_us)
{
	const struct world *world = &run->world;
	size_t i = run->frame;
	double free_us = i > 0 ? run->brought_us[i - 1] : 0;

	run->sent[i] = sent;
	run->brought_us[i] = later(run->now_us, free_us) + sent * 8 / world->mbit_per_s;
	run->brought_us[i] = later(run->brought_us[i], target_has_room_us(run));
	free_us = i > 0 ? run->unpacked_us[i - 1] : 0;
	run->unpacked_us[i] = later(run->brought_us[i], free_us) +
			      work(run, unpacking_us * world->target_slower);
}

static void probe(struct run *run, const struct content *content)
{
	for (enum codec codec = CODEC_LZ4; codec < CODECS; codec++) {
		double us = work(run, PROBED_BYTES * content->pack[codec]);

		run->now_us += us;
		codec_choice_note(&run->choice, codec, PROBED_BYTES,
				  (size_t)(PROBED_BYTES * content->ratio[codec]), us);
	}
}

/* The same for all who send this guest. */
static const struct content *content_of(const struct world *world, size_t frame)
{
	const struct guest *guest = world->guest;
	uint64_t turn = frame / guest->each + 1 + 10000 * world->draw;
	uint64_t dice = turn * UINT64_C(0x9e3779b97f4a7c15);

	dice ^= dice >> 31;
	dice *= UINT64_C(0xbf58476d1ce4e5b9);
	return guest->contents[(dice >> 33) % guest->count];
}

static void send_frame(struct run *run)
{
	const struct world *world = &run->world;
	const struct content *content = content_of(world, run->frame);
	enum codec codec = run->choice.chosen;
	double begun_us, packing_us, pushed;

	run->now_us += work(run, FRAME_BYTES * world->source);
	if (codec_choice_probes(&run->choice))
		probe(run, content);
	begun_us = run->now_us;
	run->now_us += work(run, FRAME_BYTES * content->pack[codec]);
	packing_us = run->now_us - begun_us;
	travel(run, FRAME_BYTES * content->ratio[codec],
	       FRAME_BYTES * (world->target + content->unpack[codec]));
	run->all_sent += run->sent[run->frame];
	pushed = run->all_sent - not_pushed(run);
	codec_choice_sent(&run->choice, &(struct codec_frame){
		.plain_bytes = FRAME_BYTES,
		.taken_bytes = (uint64_t)(pushed - run->pushed),
		.us = (uint64_t)(run->now_us - run->last_us),
		.waited_us = (uint64_t)run->waited_us,
		.packing_us = (uint64_t)packing_us,
	});
	run->pushed = pushed;
	run->last_us = run->now_us;
	/* the next one waits until this one is in the connection's hands */
	run->waited_us = later(brought_but_us(run, HELD_BYTES) - run->now_us, 0);
	run->now_us += run->waited_us;
	run->frame++;
}

static void start(struct run *run, const struct world *world, unsigned compress)
{
	*run = (struct run){ .world = *world, .dice = 20130 };
	codec_choice_init(&run->choice, compress);
}

/* How long all of it takes. */
static double run_us(const struct world *world, unsigned compress)
{
	static struct run run;

	assert_true(world->frames > 0 && world->frames <= FRAMES_MAX);
	start(&run, world, compress);
	while (run.frame < world->frames)
		send_frame(&run);
	return run.unpacked_us[run.frame - 1];
}

/* `auto` against the best of the others: how many times as long it takes. */
static double regret(const struct world *world)
{
	double own = run_us(world, COMPRESS_AUTO), best = run_us(world, CODEC_NONE);

	for (unsigned codec = CODEC_LZ4; codec < CODECS; codec++) {
		double us = run_us(world, codec);

		best = us < best ? us : best;
	}
	return own / best;
}

/* No draw of the guest takes more than `most` times as long as at best, on any of the links. */
static void assert_guest(struct world world, const double *links, size_t count, double most)
{
	for (size_t i = 0; i < count; i++)
		for (world.draw = 0; world.draw < DRAWS; world.draw++) {
			double times;

			world.mbit_per_s = links[i];
			times = regret(&world);
			if (times > most)
				print_error("%s at %.0f Mb/s: %.3f\n", world.guest->name, links[i],
					    times);
			assert_true(times <= most);
		}
}

static void assert_guests(struct world world, const double *links, size_t count, double most)
{
	for (size_t i = 0; i < GUESTS; i++) {
		world.guest = &guests[i];
		assert_guest(world, links, count, most);
	}
}

static const double usual_links[] = { 100, 1000, 10000 };
static const double other_links[] = { 300, 2500, 5000, 40000 };

static void auto_is_at_most_5_percent_slower_than_the_best_fixed_setting(void **state)
{
	(void)state;
	assert_guests((struct world){ USUAL, .frames = 2 * FRAMES_A_GIB }, usual_links, 3, 1.05);
}

static void of_a_small_guest_it_is_at_most_8_percent(void **state)
{
	(void)state;
	assert_guests((struct world){ USUAL, .frames = FRAMES_A_GIB / 2 }, usual_links, 3, 1.08);
}

static void contents_that_change_every_50_mib_cost_at_most_8_percent(void **state)
{
	(void)state;
	assert_guest((struct world){ USUAL, .frames = 2 * FRAMES_A_GIB, .guest = &in_regions },
		     usual_links, 3, 1.08);
}

static void between_those_links_it_is_at_most_10_percent(void **state)
{
	(void)state;
	assert_guests((struct world){ USUAL, .frames = 2 * FRAMES_A_GIB }, other_links, 4, 1.1);
}

static void others_on_the_processors_cost_at_most_10_percent(void **state)
{
	(void)state;
	assert_guests((struct world){ USUAL, .away_us = 3000, .every_us = 10000,
				      .frames = 2 * FRAMES_A_GIB }, usual_links, 3, 1.1);
}

static enum codec chosen_at(double mbit_per_s, unsigned compress, const struct guest *guest)
{
	static struct run run;
	const struct world world = { USUAL, .mbit_per_s = mbit_per_s, .guest = guest };

	start(&run, &world, compress);
	while (run.frame < 400)
		send_frame(&run);
	return run.choice.chosen;
}

static void the_slower_the_link_the_more_is_compressed(void **state)
{
	(void)state;
	assert_int_equal(chosen_at(100, COMPRESS_AUTO, &guests[0]), CODEC_ZSTD);
	assert_int_equal(chosen_at(5000, COMPRESS_AUTO, &guests[0]), CODEC_NONE);
	assert_int_equal(chosen_at(40000, COMPRESS_AUTO, &guests[0]), CODEC_NONE);
}

static void what_the_operator_fixed_stays(void **state)
{
	(void)state;
	for (unsigned codec = CODEC_NONE; codec < CODECS; codec++)
		assert_int_equal(chosen_at(1000, codec, &guests[0]), codec);
}

static void a_link_that_changes_is_noticed(void **state)
{
	static struct run run;
	const struct world world = { USUAL, .mbit_per_s = 40000, .guest = &guests[0] };

	(void)state;
	start(&run, &world, COMPRESS_AUTO);
	while (run.frame < 400)
		send_frame(&run);
	assert_int_equal(run.choice.chosen, CODEC_NONE);
	run.world.mbit_per_s = 100;
	while (run.frame < 420)
		send_frame(&run);
	assert_int_equal(run.choice.chosen, CODEC_ZSTD);
	run.world.mbit_per_s = 40000;
	while (run.frame < 600)
		send_frame(&run);
	assert_int_equal(run.choice.chosen, CODEC_NONE);
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
		cmocka_unit_test(auto_is_at_most_5_percent_slower_than_the_best_fixed_setting),
		cmocka_unit_test(of_a_small_guest_it_is_at_most_8_percent),
		cmocka_unit_test(contents_that_change_every_50_mib_cost_at_most_8_percent),
		cmocka_unit_test(between_those_links_it_is_at_most_10_percent),
		cmocka_unit_test(others_on_the_processors_cost_at_most_10_percent),
		cmocka_unit_test(the_slower_the_link_the_more_is_compressed),
		cmocka_unit_test(what_the_operator_fixed_stays),
		cmocka_unit_test(a_link_that_changes_is_noticed),
		cmocka_unit_test(the_words_are_none_lz4_zstd_and_auto),
	};

	return cmocka_run_group_tests_name("codec_choice", tests, NULL, NULL);
}

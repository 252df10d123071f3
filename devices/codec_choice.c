/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec_choice.h"

#include <errno.h>
#include <string.h>

#define WINDOW_US 20000
#define WAITED_SHARE 0.1       /* of a window: less, and the link is faster than we are */
#define PROBE_INTERVAL_MIN 8   /* frames */
#define PROBE_INTERVAL_MAX 128 /* a probe costs a fraction of a frame's time */
#define SMOOTH 0.3             /* the weight of what was measured last */
#define BETTER 1.05            /* a change has to gain this much */

int compress_from_text(const char *text, unsigned *compress)
{
	static const char *const words[COMPRESS_AUTO + 1] = { "none", "lz4", "zstd", "auto" };

	for (unsigned i = 0; i <= COMPRESS_AUTO; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*compress = i;
		return 0;
	}
	return -EINVAL;
}

void codec_choice_init(struct codec_choice *choice, unsigned compress)
{
	*choice = (struct codec_choice){ .automatic = compress >= CODECS };
	if (!choice->automatic)
		choice->chosen = (enum codec)compress;
	choice->codecs[CODEC_NONE] = (struct codec_measure){ 0, 1, true };
	choice->probe_interval = PROBE_INTERVAL_MIN;
}

bool codec_choice_probes(struct codec_choice *choice)
{
	if (!choice->automatic)
		return false;
	if (choice->until_probe > 0) {
		choice->until_probe--;
		return false;
	}
	choice->until_probe = choice->probe_interval;
	if (choice->probe_interval < PROBE_INTERVAL_MAX)
		choice->probe_interval *= 2;
	return true;
}

/* What is far from what it was is no accident: it holds at once. */
static void smooth(double *value, double measured, bool known)
{
	bool near = measured < 2 * *value && *value < 2 * measured;

	*value = known && near ? *value + SMOOTH * (measured - *value) : measured;
}

void codec_choice_note(struct codec_choice *choice, enum codec codec, size_t plain, size_t packed,
		       double us)
{
	struct codec_measure *measure = &choice->codecs[codec];

	if (codec == CODEC_NONE || plain == 0)
		return;
	smooth(&measure->us_per_byte, us / (double)plain, measure->known);
	smooth(&measure->ratio, (double)packed / (double)plain, measure->known);
	measure->known = true;
}

/* The time that a byte takes: on the link or on the processor, which work side by side. */
static double cost(const struct codec_choice *choice, enum codec codec)
{
	const struct codec_measure *measure = &choice->codecs[codec];
	double link = choice->link_us_per_byte * measure->ratio;
	double processor = choice->base_us_per_byte + measure->us_per_byte;

	return link > processor ? link : processor;
}

static void choose(struct codec_choice *choice)
{
	enum codec best = choice->chosen;

	for (enum codec codec = CODEC_NONE; codec < CODECS; codec++)
		if (choice->codecs[codec].known &&
		    cost(choice, codec) * BETTER < cost(choice, best))
			best = codec;
	if (best != choice->chosen)
		choice->probe_interval = PROBE_INTERVAL_MIN;
	choice->chosen = best;
}

/* While we wait for it, the link is busy all the time: what left in that time is its rate. */
static void measure_link(struct codec_choice *choice)
{
	double us_per_byte = (double)choice->window_us / (double)choice->sent_bytes;

	if ((double)choice->waited_us >= WAITED_SHARE * (double)choice->window_us)
		smooth(&choice->link_us_per_byte, us_per_byte, choice->link_us_per_byte > 0);
	else if (us_per_byte < choice->link_us_per_byte)
		choice->link_us_per_byte = us_per_byte; /* it takes at least this much */
}

void codec_choice_sent(struct codec_choice *choice, size_t plain, size_t sent, uint64_t us,
		       uint64_t waited_us, uint64_t packing_us)
{
	double busy_us;

	choice->window_us += us;
	choice->waited_us += waited_us;
	choice->packing_us += packing_us;
	choice->plain_bytes += plain;
	choice->sent_bytes += sent;
	if (!choice->automatic || choice->window_us < WINDOW_US)
		return;
	if (choice->sent_bytes > 0 && choice->plain_bytes > 0) {
		busy_us = (double)(choice->window_us - choice->waited_us) -
			  (double)choice->packing_us;
		smooth(&choice->base_us_per_byte, busy_us / (double)choice->plain_bytes,
		       choice->base_us_per_byte > 0);
		measure_link(choice);
		choose(choice);
	}
	choice->window_us = choice->waited_us = choice->packing_us = 0;
	choice->plain_bytes = choice->sent_bytes = 0;
}

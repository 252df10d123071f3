/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec_choice.h"

#include <errno.h>
#include <string.h>

#define WINDOW_US 5000
#define SPAN_US 2000        /* from a full connection to a full one */
#define MEMORY_US 1e5       /* of what a byte takes beside the compressors, and on the link */
#define WAITED_SHARE 0.1    /* of a span: less, and the link was idle in between */
#define HELD_BYTES 1e6      /* by a connection, about: what it takes at once, however slow it is */
#define FIRST_LINK 0.016    /* us a byte, half a Gb/s: too much compressed at first costs little */
#define FASTER 4            /* than was known, each time that a link is doubted */
#define FIRST_PROBES 3
#define PROBE_SHARE 50      /* of the time, one part may go into probes */
#define PROBE_WITHIN_US 5e5 /* however long the last one took */
#define FORGOTTEN 0.05      /* of the time that tells nothing of the processor's share */
#define SMOOTH 0.2          /* the weight of the last probe */
#define BETTER 1.03         /* a change has to gain this much */
#define PATIENCE_MIN 64     /* windows */
#define PATIENCE_MAX 256

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
	*choice = (struct codec_choice){
		.automatic = compress >= CODECS,
		.chosen = compress >= CODECS ? CODEC_LZ4 : (enum codec)compress,
		.link = { FIRST_LINK, 1 },
		.patience = PATIENCE_MIN,
	};
	choice->codecs[CODEC_NONE].ratio = 1;
}

/* ---- what was measured ---- */

static void recent_add(struct recent *recent, double value)
{
	recent->values[2] = recent->values[1];
	recent->values[1] = recent->values[0];
	recent->values[0] = value;
	if (recent->count < 3)
		recent->count++;
}

/* The middle one; of two the lesser, as accidents take time; 0 of none. */
static double recent_value(const struct recent *recent)
{
	const double *v = recent->values;
	double low = v[0] < v[1] ? v[0] : v[1], high = v[0] < v[1] ? v[1] : v[0];

	if (recent->count == 0)
		return 0;
	if (recent->count < 3)
		return recent->count == 2 ? low : v[0];
	if (v[2] < low)
		return low;
	return v[2] < high ? v[2] : high;
}

static double pace_value(const struct pace *pace)
{
	return pace->bytes > 0 ? pace->us / pace->bytes : 0;
}

/* What is long ago counts little. */
static void pace_add(struct pace *pace, double us, double bytes)
{
	double left = pace->us < MEMORY_US ? 1 : MEMORY_US / pace->us;

	pace->us = pace->us * left + us;
	pace->bytes = pace->bytes * left + bytes;
}

bool codec_choice_probes(struct codec_choice *choice)
{
	/* not in step with contents that take turns */
	double pause_us = PROBE_SHARE * choice->probe_us * (1 + choice->probes % 7 / 7.0);

	if (!choice->automatic)
		return false;
	if (pause_us > PROBE_WITHIN_US)
		pause_us = PROBE_WITHIN_US;
	if (choice->probes >= FIRST_PROBES && choice->since_probe_us < pause_us)
		return false;
	choice->probes++;
	choice->probe_us = choice->since_probe_us = 0;
	return true;
}

void codec_choice_note(struct codec_choice *choice, enum codec codec, size_t plain, size_t packed,
		       double us)
{
	struct codec_measure *measure = &choice->codecs[codec];
	double weight = choice->probes * SMOOTH < 1 ? 1.0 / choice->probes : SMOOTH;
	double ratio = (double)packed / (double)plain;

	choice->probe_us += us;
	choice->probing_us += us;
	recent_add(&measure->us_per_byte, us / (double)plain);
	measure->mean_us_per_byte +=
		weight * (recent_value(&measure->us_per_byte) - measure->mean_us_per_byte);
	measure->ratio += weight * (ratio - measure->ratio);
}

/*
 * A probe is too short to be interrupted, and one that is counts as an accident. Of a frame this
 * is no accident on a busy machine, and compressing takes longer there.
 */
static void measure_processor(struct codec_choice *choice)
{
	const struct codec_frame *window = &choice->window;
	double probed_us =
		choice->codecs[choice->chosen].mean_us_per_byte * (double)window->plain_bytes;
	double busy_us = (double)window->us - (double)window->waited_us -
			 (double)window->packing_us - choice->probing_us;

	pace_add(&choice->base, busy_us, (double)window->plain_bytes);
	if (choice->chosen == CODEC_NONE) /* so it is not known, and forgotten bit by bit */
		pace_add(&choice->share, busy_us * FORGOTTEN, busy_us * FORGOTTEN);
	else if (probed_us > 0)
		pace_add(&choice->share, (double)window->packing_us, probed_us);
}

static bool waited_much(const struct codec_frame *span)
{
	return (double)span->waited_us >= WAITED_SHARE * (double)span->us;
}

static void add(struct codec_frame *sum, const struct codec_frame *frame)
{
	sum->plain_bytes += frame->plain_bytes;
	sum->taken_bytes += frame->taken_bytes;
	sum->us += frame->us;
	sum->waited_us += frame->waited_us;
	sum->packing_us += frame->packing_us;
}

/*
 * The connection was full when the span began, and is now: what it took is what has left. And the
 * link was busy all the time, if we waited for much of it.
 */
static void measure_link(struct codec_choice *choice)
{
	struct codec_frame *span = &choice->span;

	if (span->us < SPAN_US || !waited_much(span) || span->taken_bytes == 0)
		return;
	if (!choice->felt)
		choice->link = (struct pace){ 0, 0 };
	choice->felt = true;
	pace_add(&choice->link, (double)span->us, (double)span->taken_bytes);
	*span = (struct codec_frame){ .us = 0 };
}

static void forget_unfelt(struct codec_choice *choice)
{
	choice->unfelt = (struct codec_frame){ .us = 0 };
	choice->unfelt_windows = 0;
}

/* Whether the connection kept this frame waiting says whether it was full before it. */
static void note_waiting(struct codec_choice *choice, const struct codec_frame *frame)
{
	if (frame->waited_us > 0) {
		measure_link(choice);
		add(&choice->span, frame);
		forget_unfelt(choice);
		return;
	}
	add(&choice->unfelt, frame);
	if (choice->span.us > 0)
		add(&choice->span, frame);
	if (choice->span.us >= SPAN_US && !waited_much(&choice->span))
		choice->span = (struct codec_frame){ .us = 0 };
}

/*
 * Without waiting, more has gone than the link was thought to take and the connection to hold, or
 * nothing was felt of it for long: it may be faster, nobody knows by how much.
 */
static void doubt_link(struct codec_choice *choice)
{
	double us_per_byte = pace_value(&choice->link);
	double left_bytes = (double)choice->unfelt.taken_bytes - HELD_BYTES;

	if (left_bytes < 0)
		return;
	choice->unfelt_windows++;
	if (choice->felt && choice->unfelt_windows < choice->patience &&
	    left_bytes * us_per_byte < (double)choice->unfelt.us)
		return;
	if (choice->unfelt_windows >= choice->patience && choice->patience < PATIENCE_MAX)
		choice->patience *= 2;
	choice->felt = false;
	choice->link = (struct pace){ us_per_byte / FASTER, 1 };
}

/* ---- the choice ---- */

/* The time that a byte takes: on the link or on the processor, which work side by side. */
static double cost(const struct codec_choice *choice, enum codec codec)
{
	const struct codec_measure *measure = &choice->codecs[codec];
	double link = pace_value(&choice->link) * measure->ratio;
	double share = pace_value(&choice->share);
	double processor = pace_value(&choice->base) +
			   measure->mean_us_per_byte * (share > 1 ? share : 1);

	return link > processor ? link : processor;
}

/* The lightest of those that are about as good: with other contents it is less wrong. */
static void choose(struct codec_choice *choice)
{
	enum codec best = CODEC_NONE;

	for (enum codec codec = CODEC_LZ4; codec < CODECS; codec++)
		if (cost(choice, codec) * BETTER < cost(choice, best))
			best = codec;
	if (best != choice->chosen)
		forget_unfelt(choice); /* the connection may hold more now */
	choice->chosen = best;
}

void codec_choice_sent(struct codec_choice *choice, const struct codec_frame *frame)
{
	bool first = choice->base.bytes <= 0;

	if (!choice->automatic)
		return;
	choice->since_probe_us += (double)frame->us;
	add(&choice->window, frame);
	note_waiting(choice, frame);
	if (choice->probes == 0 || choice->window.plain_bytes == 0 ||
	    (choice->window.us < WINDOW_US && !first))
		return;
	measure_processor(choice);
	doubt_link(choice);
	choose(choice);
	choice->window = (struct codec_frame){ .us = 0 };
	choice->probing_us = 0;
}

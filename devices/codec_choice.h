/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which compressor pays. `auto` computes what each would let through: the link's rate times how
 * much smaller the compressor makes the data, or what one processor gets done with it, whichever
 * is less. All three are measured while pages are sent. The target is taken to be as fast as the
 * source: then unpacking is never what is waited for.
 *
 * The link can only be measured while it keeps us waiting. Before that it is supposed to be slow,
 * and one that has not been felt for long is doubted: it may be faster now. Supposed to be so, it
 * makes a lighter compressor pay, with which it is felt.
 */
#ifndef XENFERRY_CODEC_CHOICE_H
#define XENFERRY_CODEC_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"

/* What the operator asks for: a codec's number, or this. */
#define COMPRESS_AUTO ((unsigned)CODECS)
#define COMPRESS_WORDS "none, lz4, zstd or auto"

/* The number of one of those words in *compress; -EINVAL when it is another. */
int compress_from_text(const char *text, unsigned *compress);

/* The last three measurements: the middle one is no accident. */
struct recent {
	double values[3];
	unsigned count;
};

/* What was measured lately: time, and the bytes that it took. */
struct pace {
	double us, bytes;
};

struct codec_measure {
	struct recent us_per_byte; /* of plain data; of the last probes */
	double mean_us_per_byte;   /* what it costs beside everything else */
	double ratio;              /* what it leaves of a byte */
};

/* A frame, and what happened since the one before. */
struct codec_frame {
	uint64_t plain_bytes;
	uint64_t taken_bytes; /* by the connection, of whatever frames */
	uint64_t us;          /* in all; of which */
	uint64_t waited_us;   /* until the connection took what was sent before; 0: it had */
	uint64_t packing_us;  /* compressing, or trying to */
};

struct codec_choice {
	bool automatic;
	enum codec chosen;
	struct codec_measure codecs[CODECS];
	struct pace base;  /* to read, look at and send plain bytes, without compressing */
	struct pace link;  /* of what is sent */
	struct pace share; /* what compressing takes for what it takes undisturbed */
	bool felt;         /* so the link was measured, and is not only supposed */
	unsigned patience; /* windows without waiting for it, until it is doubted */
	unsigned probes;
	double probe_us, since_probe_us; /* how long the last one took, and has passed since */
	double probing_us;               /* of this window */
	/* what was sent in this window; since the connection was full; since we waited for it */
	struct codec_frame window, span, unfelt;
	unsigned unfelt_windows;
};

/* `compress`: a codec's number or COMPRESS_AUTO. */
void codec_choice_init(struct codec_choice *choice, unsigned compress);
/* Whether the next frame's compressors should be measured: now and then, and only for `auto`. */
bool codec_choice_probes(struct codec_choice *choice);
/* What one compressor made of `plain` bytes, in `us`, when it was measured. */
void codec_choice_note(struct codec_choice *choice, enum codec codec, size_t plain, size_t packed,
		       double us);
/* The frame was given to the connection. Chooses anew, for the next, when enough was measured. */
void codec_choice_sent(struct codec_choice *choice, const struct codec_frame *frame);

#endif

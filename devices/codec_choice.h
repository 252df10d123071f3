/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which compressor pays. `auto` compares what each would let through: the link's rate times how
 * much smaller the compressor makes the data, or what one processor gets done with it, whichever
 * is less. All three are measured while pages are sent; nothing is assumed of host or link.
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

struct codec_measure {
	double us_per_byte; /* of plain data; what it costs beside everything else */
	double ratio;       /* what it leaves of a byte */
	bool known;
};

struct codec_choice {
	bool automatic;
	enum codec chosen;
	struct codec_measure codecs[CODECS];
	double base_us_per_byte;      /* to read, look at and send a byte, without compressing */
	double link_us_per_byte;      /* of what is sent; 0: the link has never kept us waiting */
	unsigned until_probe, probe_interval; /* in frames */
	/* of the window that is being measured */
	uint64_t window_us, waited_us, packing_us, sent_bytes, plain_bytes;
};

/* `compress`: a codec's number or COMPRESS_AUTO. */
void codec_choice_init(struct codec_choice *choice, unsigned compress);
/* Whether the next frame's compressors should be measured: now and then, and only for `auto`. */
bool codec_choice_probes(struct codec_choice *choice);
/* What one compressor made of `plain` bytes, in `us`. */
void codec_choice_note(struct codec_choice *choice, enum codec codec, size_t plain, size_t packed,
		       double us);
/*
 * A frame is on its way: it took `us` since the one before, of which the link kept us waiting for
 * `waited_us`, and the compressor took `packing_us`. Chooses anew when enough was measured.
 */
void codec_choice_sent(struct codec_choice *choice, size_t plain, size_t sent, uint64_t us,
		       uint64_t waited_us, uint64_t packing_us);

#endif

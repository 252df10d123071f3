/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The compressors, behind one table: each takes one block and knows nothing of the one before.
 */
#ifndef XENFERRY_CODEC_H
#define XENFERRY_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* The numbers are those of the wire: devices/STREAM.md. */
enum codec { CODEC_NONE, CODEC_LZ4, CODEC_ZSTD, CODECS };

struct codecs; /* what the compressors keep between two blocks, so as not to allocate anew */

struct codecs *codecs_new(void); /* NULL: no memory */
void codecs_free(struct codecs *codecs);

/*
 * Compresses `size` bytes into at most `room`. Returns what it came to, or 0 when that is more than
 * `room`. `codec` is not CODEC_NONE.
 */
size_t codec_compress(struct codecs *codecs, enum codec codec, const void *plain, size_t size,
		      void *packed, size_t room);
/*
 * Undoes that: `size` bytes must become exactly `plain_size`. -EBADMSG when they do not; what is
 * written to `plain` never exceeds `plain_size`, and memory is not taken for what the input says.
 */
int codec_decompress(struct codecs *codecs, enum codec codec, const void *packed, size_t size,
		     void *plain, size_t plain_size);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <lz4.h>
#include <zstd.h>

#define ZSTD_LEVEL 1 /* higher ones are slower than the links that would need them */

struct codecs {
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor;
	void *lz4_state;
};

struct codecs *codecs_new(void)
{
	struct codecs *codecs = calloc(1, sizeof(*codecs));

	if (!codecs)
		return NULL;
	codecs->compressor = ZSTD_createCCtx();
	codecs->decompressor = ZSTD_createDCtx();
	codecs->lz4_state = malloc((size_t)LZ4_sizeofState());
	if (codecs->compressor && codecs->decompressor && codecs->lz4_state)
		return codecs;
	codecs_free(codecs);
	return NULL;
}

void codecs_free(struct codecs *codecs)
{
	if (!codecs)
		return;
	ZSTD_freeCCtx(codecs->compressor);
	ZSTD_freeDCtx(codecs->decompressor);
	free(codecs->lz4_state);
	free(codecs);
}

static size_t lz4_compress(struct codecs *codecs, const void *plain, size_t size, void *packed,
			   size_t room)
{
	int got = LZ4_compress_fast_extState(codecs->lz4_state, plain, packed, (int)size, (int)room,
					     1);

	return got > 0 ? (size_t)got : 0;
}

static int lz4_decompress(struct codecs *codecs, const void *packed, size_t size, void *plain,
			  size_t plain_size)
{
	(void)codecs;
	return LZ4_decompress_safe(packed, plain, (int)size, (int)plain_size) == (int)plain_size ?
		       0 : -EBADMSG;
}

static size_t zstd_compress(struct codecs *codecs, const void *plain, size_t size, void *packed,
			    size_t room)
{
	size_t got = ZSTD_compressCCtx(codecs->compressor, packed, room, plain, size, ZSTD_LEVEL);

	return ZSTD_isError(got) ? 0 : got;
}

static int zstd_decompress(struct codecs *codecs, const void *packed, size_t size, void *plain,
			   size_t plain_size)
{
	size_t got = ZSTD_decompressDCtx(codecs->decompressor, plain, plain_size, packed, size);

	return got == plain_size ? 0 : -EBADMSG; /* an error is a size that is never right */
}

static const struct {
	size_t (*compress)(struct codecs *codecs, const void *plain, size_t size, void *packed,
			   size_t room);
	int (*decompress)(struct codecs *codecs, const void *packed, size_t size, void *plain,
			  size_t plain_size);
} table[CODECS] = {
	[CODEC_LZ4] = { lz4_compress, lz4_decompress },
	[CODEC_ZSTD] = { zstd_compress, zstd_decompress },
};

size_t codec_compress(struct codecs *codecs, enum codec codec, const void *plain, size_t size,
		      void *packed, size_t room)
{
	assert(codec > CODEC_NONE && codec < CODECS && size <= LZ4_MAX_INPUT_SIZE);
	return table[codec].compress(codecs, plain, size, packed, room);
}

int codec_decompress(struct codecs *codecs, enum codec codec, const void *packed, size_t size,
		     void *plain, size_t plain_size)
{
	assert(codec > CODEC_NONE && codec < CODECS && plain_size <= LZ4_MAX_INPUT_SIZE);
	if (size > LZ4_MAX_INPUT_SIZE)
		return -EBADMSG;
	return table[codec].decompress(codecs, packed, size, plain, plain_size);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libxc_stream.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define IMAGE_ID 0x58454E46u /* "XENF" */
#define IMAGE_VERSION 3
#define TYPE_PV 1
#define TYPE_HVM 2
#define PAGE_SHIFT 12
#define OPTIONAL 0x80000000u /* a reader that does not know the record skips it */
#define RESERVED_BITS (0xffull << 52)

bool libxc_takes_pages(const struct libxc_stream *stream)
{
	return stream->static_data_ended && !stream->ended && stream->body_left == 0 &&
	       stream->header_size == 0;
}

static int check_image(const uint8_t *header, struct err *err)
{
	uint64_t marker;
	uint32_t id, version;
	uint16_t options;

	memcpy(&marker, header, sizeof(marker));
	memcpy(&id, header + 8, sizeof(id));
	memcpy(&version, header + 12, sizeof(version));
	memcpy(&options, header + 16, sizeof(options));
	if (marker != UINT64_MAX || be32toh(id) != IMAGE_ID)
		return err_set(err, ERR_FAILED, -EBADMSG, "this is no migration stream of Xen's");
	if (be32toh(version) != IMAGE_VERSION)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "the migration stream is of version %u, and version %u is known",
			       be32toh(version), IMAGE_VERSION);
	if (options != 0)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the migration stream has options that are not known: %#x",
			       be16toh(options));
	return 0;
}

static int check_domain(const uint8_t *header, struct err *err)
{
	uint32_t type;
	uint16_t shift;

	memcpy(&type, header, sizeof(type));
	memcpy(&shift, header + 4, sizeof(shift));
	type = le32toh(type);
	if (type != TYPE_PV && type != TYPE_HVM)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the migration stream is of a domain of type %u", type);
	if (le16toh(shift) != PAGE_SHIFT)
		return err_set(err, ERR_FAILED, -EBADMSG, "the stream's pages are of 2^%u bytes",
			       le16toh(shift));
	return 0;
}

static bool is_known(uint32_t type)
{
	return type & OPTIONAL || type <= LIBXC_MSR_POLICY;
}

static bool has_no_body(uint32_t type)
{
	return type == LIBXC_END || type == LIBXC_STATIC_DATA_END;
}

static int check_record(struct libxc_stream *stream, const uint8_t *header, struct err *err)
{
	uint32_t type, length;

	memcpy(&type, header, sizeof(type));
	memcpy(&length, header + 4, sizeof(length));
	type = le32toh(type);
	length = le32toh(length);
	if (!is_known(type) || type == LIBXC_PAGE_DATA || type == LIBXC_VERIFY ||
	    type == LIBXC_TOOLSTACK || type == LIBXC_CHECKPOINT || type == LIBXC_DIRTY_PFN_LIST)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "a record of type %#x has no place here in the migration stream",
			       type);
	if (length > LIBXC_BODY_MAX || (has_no_body(type) && length > 0))
		return err_set(err, ERR_FAILED, -EBADMSG, "a record of type %#x has %u bytes", type,
			       length);
	if (type == LIBXC_STATIC_DATA_END && stream->static_data_ended)
		return err_set(err, ERR_FAILED, -EBADMSG, "the static data ends twice");
	if (type == LIBXC_END && !stream->static_data_ended)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the migration stream ends before its static data does");
	stream->record = type;
	stream->body_left = ((uint64_t)length + 7) & ~7ull;
	stream->static_data_ended |= type == LIBXC_STATIC_DATA_END;
	stream->ended = type == LIBXC_END;
	return 0;
}

static size_t header_bytes(const struct libxc_stream *stream)
{
	if (!stream->image)
		return LIBXC_IMAGE_BYTES;
	return stream->domain ? LIBXC_RECORD_BYTES : LIBXC_DOMAIN_BYTES;
}

/* The header is there whole. */
static int take_header(struct libxc_stream *stream, struct err *err)
{
	int rc;

	stream->header_size = 0;
	if (!stream->image) {
		rc = check_image(stream->header, err);
		stream->image = rc == 0;
		return rc;
	}
	if (!stream->domain) {
		rc = check_domain(stream->header, err);
		stream->domain = rc == 0;
		return rc;
	}
	return check_record(stream, stream->header, err);
}

int libxc_walk(struct libxc_stream *stream, const uint8_t *bytes, size_t size, struct err *err)
{
	while (size > 0) {
		size_t wanted = header_bytes(stream) - stream->header_size;
		size_t step;
		int rc;

		if (stream->body_left > 0) {
			step = size < stream->body_left ? size : (size_t)stream->body_left;
			stream->body_left -= step;
		} else if (stream->ended) {
			return err_set(err, ERR_FAILED, -EBADMSG,
				       "something follows the end of the migration stream");
		} else {
			step = size < wanted ? size : wanted;
			memcpy(stream->header + stream->header_size, bytes, step);
			stream->header_size += step;
			rc = step == wanted ? take_header(stream, err) : 0;
			if (rc < 0)
				return rc;
		}
		bytes += step;
		size -= step;
	}
	return 0;
}

/* Types 5 to 8 are no types; above 8 a page table is pinned, which has to be one. */
static bool is_type(uint64_t entry)
{
	uint64_t type = entry >> 60;

	return type < 5 || type > 8;
}

/* All but what is broken or not there at all. */
static bool takes_memory(uint64_t entry)
{
	return libxc_has_data(entry) || entry >> 60 == 0xe;
}

int libxc_check_entries(const uint64_t *entries, size_t count, uint64_t pfn_limit, struct err *err)
{
	int with_data = 0;

	if (count == 0 || count > LIBXC_PAGES_MAX)
		return err_set(err, ERR_FAILED, -EBADMSG, "a record of %zu pages", count);
	for (size_t i = 0; i < count; i++) {
		if (!is_type(entries[i]) || entries[i] & RESERVED_BITS)
			return err_set(err, ERR_FAILED, -EBADMSG,
				       "a page's entry is %#" PRIx64 ", which means nothing",
				       entries[i]);
		if (takes_memory(entries[i]) && libxc_pfn(entries[i]) >= pfn_limit)
			return err_set(err, ERR_FAILED, -EBADMSG,
				       "page %#" PRIx64 " is outside the guest's memory",
				       libxc_pfn(entries[i]));
		with_data += libxc_has_data(entries[i]);
	}
	return with_data;
}

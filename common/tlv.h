/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields on the wire: type (16 bits), length (32 bits), value, all big-endian, no padding.
 *
 * A type with TLV_REQUIRED set must be understood by the reader, or the message is refused; any
 * other unknown field is skipped. A value may itself be a sequence of fields.
 */
#ifndef XENFERRY_TLV_H
#define XENFERRY_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLV_REQUIRED 0x8000u
#define TLV_HEADER_BYTES 6

/* Grows as needed, up to `max` bytes. After a failed put every later one fails too; ask once. */
struct tlv_writer {
	uint8_t *bytes;
	size_t size, capacity, max;
	bool failed;
};

/* `max`: the most that the whole may hold, in bytes. */
void tlv_writer_init(struct tlv_writer *writer, size_t max);
void tlv_writer_fini(struct tlv_writer *writer);
void tlv_put_bytes(struct tlv_writer *writer, uint16_t type, const void *bytes, size_t size);
void tlv_put_string(struct tlv_writer *writer, uint16_t type, const char *string);
void tlv_put_u64(struct tlv_writer *writer, uint16_t type, uint64_t value);
/* Opens a nested field; what is put until tlv_end() with the returned mark is its value. */
size_t tlv_begin(struct tlv_writer *writer, uint16_t type);
void tlv_end(struct tlv_writer *writer, size_t mark);
/* 0, or -EMSGSIZE when some put failed: over `max`, or out of memory. */
int tlv_writer_status(const struct tlv_writer *writer);

/* A field as read; `value` points into the reader's bytes. `type` is without TLV_REQUIRED. */
struct tlv_field {
	uint16_t type;
	bool required;
	const uint8_t *value;
	size_t size;
};

struct tlv_reader {
	const uint8_t *bytes;
	size_t size, offset;
};

void tlv_reader_init(struct tlv_reader *reader, const void *bytes, size_t size);
/* Returns 1 with the next field, 0 at the end, -EBADMSG when the bytes are not a field. */
int tlv_next(struct tlv_reader *reader, struct tlv_field *field);

/* Decoders of one field's value; 0, or -EBADMSG when it has not that form. */
int tlv_get_u64(const struct tlv_field *field, uint64_t *value);
/*
 * Copies to `string` (of `size` bytes, terminator included). Refuses with -EBADMSG a value that
 * is too long, has a NUL, or a control character: nothing that a peer says may break a log line.
 */
int tlv_get_string(const struct tlv_field *field, char *string, size_t size);

#endif

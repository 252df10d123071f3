/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tlv.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tlv_writer_init(struct tlv_writer *writer, size_t max)
{
	*writer = (struct tlv_writer){ .max = max };
}

void tlv_writer_fini(struct tlv_writer *writer)
{
	free(writer->bytes);
	*writer = (struct tlv_writer){ .max = writer->max };
}

/* Room for `size` more bytes, or NULL and the writer has failed. */
static uint8_t *tlv_grow(struct tlv_writer *writer, size_t size)
{
	uint8_t *room;

	if (writer->failed || size > writer->max - writer->size) {
		writer->failed = true;
		return NULL;
	}
	if (writer->size + size > writer->capacity) {
		size_t capacity = 2 * (writer->size + size);
		uint8_t *bytes = realloc(writer->bytes, capacity);

		if (!bytes) {
			writer->failed = true;
			return NULL;
		}
		writer->bytes = bytes;
		writer->capacity = capacity;
	}
	room = writer->bytes + writer->size;
	writer->size += size;
	return room;
}

static void tlv_header(uint8_t *at, uint16_t type, size_t size)
{
	uint16_t type_be = htobe16(type);
	uint32_t size_be = htobe32((uint32_t)size);

	memcpy(at, &type_be, sizeof(type_be));
	memcpy(at + sizeof(type_be), &size_be, sizeof(size_be));
}

void tlv_put_bytes(struct tlv_writer *writer, uint16_t type, const void *bytes, size_t size)
{
	uint8_t *at = size <= UINT32_MAX ? tlv_grow(writer, TLV_HEADER_BYTES + size) : NULL;

	if (!at) {
		writer->failed = true;
		return;
	}
	tlv_header(at, type, size);
	if (size > 0)
		memcpy(at + TLV_HEADER_BYTES, bytes, size);
}

void tlv_put_string(struct tlv_writer *writer, uint16_t type, const char *string)
{
	tlv_put_bytes(writer, type, string, strlen(string));
}

void tlv_put_u64(struct tlv_writer *writer, uint16_t type, uint64_t value)
{
	uint64_t value_be = htobe64(value);

	tlv_put_bytes(writer, type, &value_be, sizeof(value_be));
}

size_t tlv_begin(struct tlv_writer *writer, uint16_t type)
{
	size_t mark = writer->size;

	tlv_put_bytes(writer, type, NULL, 0);
	return mark;
}

void tlv_end(struct tlv_writer *writer, size_t mark)
{
	uint32_t size_be;

	if (writer->failed)
		return;
	assert(mark + TLV_HEADER_BYTES <= writer->size);
	size_be = htobe32((uint32_t)(writer->size - mark - TLV_HEADER_BYTES));
	memcpy(writer->bytes + mark + sizeof(uint16_t), &size_be, sizeof(size_be));
}

int tlv_writer_status(const struct tlv_writer *writer)
{
	return writer->failed ? -EMSGSIZE : 0;
}

void tlv_reader_init(struct tlv_reader *reader, const void *bytes, size_t size)
{
	*reader = (struct tlv_reader){ .bytes = bytes, .size = size };
}

int tlv_next(struct tlv_reader *reader, struct tlv_field *field)
{
	size_t left = reader->size - reader->offset;
	const uint8_t *at;
	uint16_t type_be;
	uint32_t size_be;

	if (left == 0)
		return 0;
	if (left < TLV_HEADER_BYTES)
		return -EBADMSG;
	at = reader->bytes + reader->offset;
	memcpy(&type_be, at, sizeof(type_be));
	memcpy(&size_be, at + sizeof(type_be), sizeof(size_be));
	if (be32toh(size_be) > left - TLV_HEADER_BYTES)
		return -EBADMSG;
	*field = (struct tlv_field){
		.type = (uint16_t)(be16toh(type_be) & ~TLV_REQUIRED),
		.required = be16toh(type_be) & TLV_REQUIRED,
		.value = at + TLV_HEADER_BYTES,
		.size = be32toh(size_be),
	};
	reader->offset += TLV_HEADER_BYTES + field->size;
	return 1;
}

int tlv_get_u64(const struct tlv_field *field, uint64_t *value)
{
	uint64_t value_be;

	if (field->size != sizeof(value_be))
		return -EBADMSG;
	memcpy(&value_be, field->value, sizeof(value_be));
	*value = be64toh(value_be);
	return 0;
}

int tlv_get_string(const struct tlv_field *field, char *string, size_t size)
{
	if (field->size >= size)
		return -EBADMSG;
	for (size_t i = 0; i < field->size; i++)
		if (field->value[i] < ' ' || field->value[i] == 0x7f)
			return -EBADMSG;
	memcpy(string, field->value, field->size);
	string[field->size] = '\0';
	return 0;
}

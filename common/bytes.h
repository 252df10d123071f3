/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers in network byte order, at any address. The caller has made sure that the bytes are there.
 */
#ifndef XENFERRY_BYTES_H
#define XENFERRY_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void put_be16(uint8_t *at, uint16_t value)
{
	uint16_t value_be = htobe16(value);

	memcpy(at, &value_be, sizeof(value_be));
}

static inline void put_be32(uint8_t *at, uint32_t value)
{
	uint32_t value_be = htobe32(value);

	memcpy(at, &value_be, sizeof(value_be));
}

static inline void put_be64(uint8_t *at, uint64_t value)
{
	uint64_t value_be = htobe64(value);

	memcpy(at, &value_be, sizeof(value_be));
}

static inline uint16_t get_be16(const uint8_t *at)
{
	uint16_t value_be;

	memcpy(&value_be, at, sizeof(value_be));
	return be16toh(value_be);
}

static inline uint32_t get_be32(const uint8_t *at)
{
	uint32_t value_be;

	memcpy(&value_be, at, sizeof(value_be));
	return be32toh(value_be);
}

static inline uint64_t get_be64(const uint8_t *at)
{
	uint64_t value_be;

	memcpy(&value_be, at, sizeof(value_be));
	return be64toh(value_be);
}

#endif

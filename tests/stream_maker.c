/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_maker.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxc_stream.h"

#define TYPE_HVM 2
#define HOLE_ENTRY (0xfull << 60) /* XTAB: nothing there */
#define TSC_INFO 0x08
#define HVM_CONTEXT 0x09
#define CPUID_POLICY 0x11

void stream_maker_free(struct stream_maker *maker)
{
	free(maker->bytes);
	*maker = (struct stream_maker){ .size = 0 };
}

static void add(struct stream_maker *maker, const void *bytes, size_t size)
{
	if (maker->size + size > maker->room) {
		maker->room = 2 * (maker->size + size);
		maker->bytes = realloc(maker->bytes, maker->room);
		assert(maker->bytes);
	}
	if (bytes)
		memcpy(maker->bytes + maker->size, bytes, size);
	else
		memset(maker->bytes + maker->size, 0, size);
	maker->size += size;
}

static void add_le32(struct stream_maker *maker, uint32_t value)
{
	uint32_t le = htole32(value);

	add(maker, &le, sizeof(le));
}

static void add_be32(struct stream_maker *maker, uint32_t value)
{
	uint32_t be = htobe32(value);

	add(maker, &be, sizeof(be));
}

void make_headers(struct stream_maker *maker)
{
	add_be32(maker, UINT32_MAX);
	add_be32(maker, UINT32_MAX);
	add_be32(maker, 0x58454e46);
	add_be32(maker, 3);
	add(maker, NULL, 8);
	add_le32(maker, TYPE_HVM);
	add_le32(maker, 12);
	add_le32(maker, 4);
	add_le32(maker, 17);
}

void make_record(struct stream_maker *maker, uint32_t type, const void *body, uint32_t size)
{
	add_le32(maker, type);
	add_le32(maker, size);
	add(maker, body, size);
	add(maker, NULL, -size & 7u);
}

void make_static_data(struct stream_maker *maker)
{
	make_record(maker, CPUID_POLICY, NULL, 24);
	make_record(maker, LIBXC_STATIC_DATA_END, NULL, 0);
}

void make_state(struct stream_maker *maker)
{
	const uint32_t params[6] = { htole32(1), 0, htole32(1), 0, htole32(0xff0), 0 };

	make_record(maker, TSC_INFO, NULL, 24);
	make_record(maker, HVM_CONTEXT, "the processor's state", 21);
	make_record(maker, LIBXC_HVM_PARAMS, params, sizeof(params));
	make_record(maker, LIBXC_END, NULL, 0);
}

void make_pages(struct stream_maker *maker, const uint64_t *entries, size_t count,
		const uint8_t *pages)
{
	size_t with_data = 0;

	for (size_t i = 0; i < count; i++)
		with_data += libxc_has_data(entries[i]);
	add_le32(maker, LIBXC_PAGE_DATA);
	add_le32(maker, (uint32_t)(8 + count * 8 + with_data * PAGE_BYTES));
	add_le32(maker, (uint32_t)count);
	add_le32(maker, 0);
	for (size_t i = 0; i < count; i++) {
		add_le32(maker, (uint32_t)entries[i]);
		add_le32(maker, (uint32_t)(entries[i] >> 32));
	}
	add(maker, pages, with_data * PAGE_BYTES);
}

/* One in eight is text, one in eight noise, some of both are written between passes; else zero. */
static void fill_page(uint8_t *page, uint64_t pfn, size_t pass)
{
	uint64_t noise = (pfn + 1) * 0x9e3779b97f4a7c15ull;

	memset(page, 0, PAGE_BYTES);
	if (pfn % 8 == 1)
		for (size_t at = 0; at + 32 < PAGE_BYTES; at += 32)
			snprintf((char *)page + at, 32, "line %u of page %u",
				 (unsigned)at / 32, (unsigned)pfn);
	for (size_t at = 0; pfn % 8 == 3 && at < PAGE_BYTES; at += sizeof(noise)) {
		noise ^= noise << 13, noise ^= noise >> 7, noise ^= noise << 17;
		memcpy(page + at, &noise, sizeof(noise));
	}
	if (pfn % 8 && pfn % 16 < 4)
		memcpy(page + pfn % 4000, &pass, sizeof(pass));
}

void make_stream(struct stream_maker *maker, size_t pages, size_t passes)
{
	uint8_t *bytes = malloc(LIBXC_PAGES_MAX * PAGE_BYTES);
	uint64_t entries[LIBXC_PAGES_MAX];

	assert(bytes);
	make_headers(maker);
	make_static_data(maker);
	for (size_t pass = 0; pass < passes; pass++) {
		for (size_t pfn = 0; pfn < pages;) {
			size_t count = 0, data = 0;

			for (; count < LIBXC_PAGES_MAX && pfn < pages; count++, pfn++) {
				bool hole = pfn % 64 == 63;

				entries[count] = hole ? pfn | HOLE_ENTRY : pfn;
				if (!hole)
					fill_page(bytes + data++ * PAGE_BYTES, pfn, pass);
			}
			make_pages(maker, entries, count, bytes);
		}
	}
	make_state(maker);
	free(bytes);
}

/* ---- what is left of one ---- */

/* Copies the PAGE_DATA record at `record`; last[pfn]: where the page's content stood last. */
static void weed_pages(struct stream_maker *maker, const uint8_t *record, const uint8_t **last,
		       uint64_t limit)
{
	uint64_t left[LIBXC_PAGES_MAX];
	uint8_t *bytes = malloc(LIBXC_PAGES_MAX * PAGE_BYTES);
	size_t count = 0, data = 0;
	uint32_t entries;
	const uint8_t *page;

	assert(bytes);
	memcpy(&entries, record + LIBXC_RECORD_BYTES, sizeof(entries));
	entries = le32toh(entries);
	page = record + LIBXC_RECORD_BYTES + LIBXC_PAGES_HEADER_BYTES + entries * 8;
	for (uint32_t i = 0; i < entries; i++) {
		uint64_t entry, pfn;
		bool same = false;

		memcpy(&entry, record + LIBXC_RECORD_BYTES + LIBXC_PAGES_HEADER_BYTES + i * 8, 8);
		entry = le64toh(entry);
		pfn = libxc_pfn(entry);
		assert(pfn < limit);
		if (libxc_has_data(entry)) {
			same = last[pfn] && memcmp(last[pfn], page, PAGE_BYTES) == 0;
			if (!same)
				memcpy(bytes + data++ * PAGE_BYTES, page, PAGE_BYTES);
			last[pfn] = page;
			page += PAGE_BYTES;
		} else {
			last[pfn] = NULL;
		}
		if (!same)
			left[count++] = entry;
	}
	if (count > 0)
		make_pages(maker, left, count, bytes);
	free(bytes);
}

void make_weeded(struct stream_maker *maker, const struct stream_maker *stream, uint64_t limit)
{
	const uint8_t **last = calloc(limit, sizeof(*last));
	size_t at = LIBXC_IMAGE_BYTES + LIBXC_DOMAIN_BYTES;

	assert(last);
	add(maker, stream->bytes, at);
	while (at < stream->size) {
		const uint8_t *record = stream->bytes + at;
		uint32_t header[2];
		size_t size;

		memcpy(header, record, sizeof(header));
		size = LIBXC_RECORD_BYTES + ((size_t)le32toh(header[1]) + 7) / 8 * 8;
		if (le32toh(header[0]) == LIBXC_PAGE_DATA)
			weed_pages(maker, record, last, limit);
		else
			add(maker, record, size);
		at += size;
	}
	free(last);
}

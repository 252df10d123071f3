/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's half of the filter, in the order of a stream: send_headers, then send_record until
 * the record END, each of them by the function of its type; then the last frame.
 */
#include "filter.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "channels.h"
#include "cleanup.h"
#include "packer.h"
#include "sent_pages.h"

/* Verify: the hash of each page as it was sent last, by pfn; 1 TiB of guest. */
#define HASHES_MAX (1ull << 28)

struct sender {
	int library_fd;
	const struct filter_options *options;
	struct filter_counters *counters;
	struct channels channels;
	struct packer *packer;
	struct sent_pages *sent;
	struct libxc_stream stream;
	uint64_t *sent_hashes; /* verify; NULL: not */
	uint32_t pass;         /* over the guest's memory, from 0 */
	uint64_t last_pfn;     /* the first of the record before */
	uint64_t left_out;     /* pages that were sent before, and have not changed */
	bool verifying;        /* what comes was sent before and is only compared */
	uint64_t verifying_us; /* since when */
	/* the record in hand: the entries that have data, and pages that are looked at first */
	uint64_t entries[LIBXC_PAGES_MAX];
	uint8_t pages[LIBXC_PAGES_MAX * PAGE_BYTES];
};

/* ---- reading ---- */

static int read_exactly(struct sender *sender, void *bytes, size_t size, struct err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(sender->library_fd, (uint8_t *)bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "read what libxenguest writes");
		if (got == 0)
			return err_set(err, ERR_FAILED, -EPIPE, "libxenguest stopped writing");
		done += (size_t)got;
	}
	atomic_fetch_add(&sender->counters->stream_bytes, size);
	return 0;
}

/* ---- sending ---- */

static uint8_t *begin_frame(struct sender *sender, struct frame *frame, struct err *err)
{
	struct channels *channels = &sender->channels;

	pacer_set(&channels->pacer, atomic_load(&sender->counters->limit_bytes_per_s),
		  clock_now_us(channels->clock), channels->bytes);
	return channels_room(channels, frame, err);
}

/* Sends a frame that has `size` bytes of payload and no compressor. */
static int send_plain(struct sender *sender, struct frame *frame, enum frame_type type,
		      const uint8_t *payload, size_t size, struct err *err)
{
	int rc;

	frame->type = type;
	frame->codec = CODEC_NONE;
	frame->size = frame->plain_size = (uint32_t)size;
	frame->checksum = frame_checksum(frame, payload, size);
	rc = channels_send(&sender->channels, frame, err);
	atomic_store(&sender->counters->wire_bytes, sender->channels.bytes);
	return rc;
}

/* `head` was read already, `left` bytes follow it. */
static int send_bytes(struct sender *sender, const uint8_t *head, size_t head_size, uint64_t left,
		      struct err *err)
{
	do {
		struct frame frame;
		uint8_t *payload = begin_frame(sender, &frame, err);
		size_t room = FRAME_PAYLOAD_MAX - head_size;
		size_t step = left < room ? (size_t)left : room;
		int rc = -EIO;

		if (!payload)
			return rc;
		if (head_size > 0)
			memcpy(payload, head, head_size);
		rc = read_exactly(sender, payload + head_size, step, err);
		if (rc == 0)
			rc = libxc_walk(&sender->stream, payload, head_size + step, err);
		if (rc == 0)
			rc = send_plain(sender, &frame, FRAME_BYTES, payload, head_size + step,
					err);
		if (rc < 0)
			return rc;
		head_size = 0;
		left -= step;
	} while (left > 0);
	return 0;
}

/* ---- pages ---- */

static int send_entries(struct sender *sender, const uint64_t *entries, size_t count,
			uint32_t pass, struct err *err)
{
	struct frame frame;
	uint8_t *payload = begin_frame(sender, &frame, err);

	if (!payload)
		return -EIO;
	return send_plain(sender, &frame, FRAME_RECORD, payload,
			  frame_put_entries(payload, pass, entries, count), err);
}

static void count_pages(struct sender *sender)
{
	const uint64_t *kinds = packer_totals(sender->packer)->kinds;
	struct filter_counters *counters = sender->counters;
	uint64_t pages = 0;

	for (enum page_kind kind = PAGE_ZERO; kind < PAGE_KINDS; kind++)
		pages += kinds[kind];
	atomic_store(&counters->pages, pages);
	atomic_store(&counters->zero_pages, kinds[PAGE_ZERO]);
	atomic_store(&counters->same_pages, kinds[PAGE_SAME] + sender->left_out);
	atomic_store(&counters->delta_pages, kinds[PAGE_DELTA]);
	atomic_store(&counters->wire_bytes, sender->channels.bytes);
}

/* Puts pages to `room`: those at `pages`, or, where that is NULL, what the library writes now. */
static int fill_room(struct sender *sender, uint8_t *room, const uint8_t *const *pages,
		     size_t count, struct err *err)
{
	if (!pages)
		return read_exactly(sender, room, count * PAGE_BYTES, err);
	for (size_t i = 0; i < count; i++)
		memcpy(room + i * PAGE_BYTES, pages[i], PAGE_BYTES);
	return 0;
}

/* Sends up to FRAME_PAGES_MAX pages of the record that was announced. */
static int send_pages(struct sender *sender, const uint64_t *entries, const uint8_t *const *pages,
		      size_t count, uint32_t pass, struct err *err)
{
	uint64_t hashes[FRAME_PAGES_MAX];
	struct frame frame;
	uint8_t *payload = begin_frame(sender, &frame, err);
	int rc;

	if (!payload)
		return -EIO;
	rc = fill_room(sender, packer_room(sender->packer, payload), pages, count, err);
	if (rc < 0)
		return rc;
	packer_pages(sender->packer, entries, count, pass, &frame, payload, hashes);
	for (size_t i = 0; sender->sent_hashes && i < count; i++)
		if (libxc_pfn(entries[i]) < HASHES_MAX)
			sender->sent_hashes[libxc_pfn(entries[i])] = hashes[i];
	rc = channels_send(&sender->channels, &frame, err);
	packer_sent(sender->packer, &frame, sender->channels.waited_us, sender->channels.bytes);
	count_pages(sender);
	return rc;
}

/* A record, of whose entries `with_data` have data, and stand in the sender's. */
static int send_whole_record(struct sender *sender, const uint64_t *entries, size_t count,
			     const uint8_t *const *pages, size_t with_data, struct err *err)
{
	int rc = send_entries(sender, entries, count, sender->pass, err);

	for (size_t at = 0; rc == 0 && at < with_data; at += FRAME_PAGES_MAX) {
		size_t left = with_data - at;

		rc = send_pages(sender, sender->entries + at, pages ? pages + at : NULL,
				left < FRAME_PAGES_MAX ? left : FRAME_PAGES_MAX, sender->pass,
				err);
	}
	return rc;
}

/* A record of a later pass: the pages that the target has as they are now are taken out of it. */
static int send_what_changed(struct sender *sender, uint64_t *entries, size_t count,
			     size_t with_data, struct err *err)
{
	const uint8_t *pages[LIBXC_PAGES_MAX], *page = sender->pages;
	size_t left = 0, pages_left = 0;
	int rc = read_exactly(sender, sender->pages, with_data * PAGE_BYTES, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		bool has_data = libxc_has_data(entries[i]);
		bool same = has_data && !sent_pages_note(sender->sent, entries[i], page);

		if (has_data && !same) {
			sender->entries[pages_left] = entries[i];
			pages[pages_left++] = page;
		}
		if (!same)
			entries[left++] = entries[i];
		if (has_data)
			page += PAGE_BYTES;
	}
	sender->left_out += count - left;
	count_pages(sender);
	if (left == 0)
		return 0;
	return send_whole_record(sender, entries, left, pages, pages_left, err);
}

/* ---- pages that are compared ---- */

/*
 * A page that was written since it was sent, though the guest is suspended: a backend has finished
 * a request. The guest would not miss it, but so both ends are the same.
 */
static int send_late_page(struct sender *sender, uint64_t entry, const uint8_t *page,
			  struct err *err)
{
	int rc = send_entries(sender, &entry, 1, 0, err);

	atomic_fetch_add(&sender->counters->late_pages, 1);
	return rc < 0 ? rc : send_pages(sender, &entry, &page, 1, 0, err);
}

static int send_hashes(struct sender *sender, const uint64_t *entries, size_t count,
		       struct err *err)
{
	uint8_t hashes[FRAME_PAGES_MAX * FRAME_HASH_BYTES];
	struct frame frame;
	uint8_t *payload;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *page = sender->pages + i * PAGE_BYTES;
		uint64_t pfn = libxc_pfn(entries[i]), hash = page_hash(page);
		int rc = 0;

		if (pfn >= HASHES_MAX)
			return err_set(err, ERR_FAILED, -E2BIG,
				       "page %#" PRIx64 " is too far up to be verified", pfn);
		if (sender->sent_hashes[pfn] != hash)
			rc = send_late_page(sender, entries[i], page, err);
		if (rc < 0)
			return rc;
		frame_put_hash(hashes + i * FRAME_HASH_BYTES, entries[i], hash);
	}
	payload = begin_frame(sender, &frame, err);
	if (!payload)
		return -EIO;
	memcpy(payload, hashes, count * FRAME_HASH_BYTES);
	atomic_fetch_add(&sender->counters->hashed_pages, count);
	return send_plain(sender, &frame, FRAME_HASHES, payload, count * FRAME_HASH_BYTES, err);
}

static int compare_record_pages(struct sender *sender, size_t count, struct err *err)
{
	for (size_t at = 0; at < count; at += FRAME_PAGES_MAX) {
		size_t step = count - at < FRAME_PAGES_MAX ? count - at : FRAME_PAGES_MAX;
		int rc = read_exactly(sender, sender->pages, step * PAGE_BYTES, err);

		if (rc == 0)
			rc = send_hashes(sender, sender->entries + at, step, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- records ---- */

/* The library goes through memory upwards: when it begins anew, this is another pass. */
static void note_pass(struct sender *sender, uint64_t first_pfn)
{
	if (first_pfn <= sender->last_pfn && sender->last_pfn != UINT64_MAX)
		sender->pass++;
	sender->last_pfn = first_pfn;
}

/* Returns how many entries `entries` has, of which `*with_data` have data. */
static int read_entries(struct sender *sender, uint32_t length, uint64_t *entries, int *with_data,
			struct err *err)
{
	uint32_t header[2], count;
	int rc = read_exactly(sender, header, sizeof(header), err);

	if (rc < 0)
		return rc;
	count = le32toh(header[0]);
	if (count == 0 || count > LIBXC_PAGES_MAX)
		return err_set(err, ERR_FAILED, -EBADMSG, "libxenguest wrote a record of %u pages",
			       count);
	rc = read_exactly(sender, entries, count * sizeof(entries[0]), err);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < count; i++)
		entries[i] = le64toh(entries[i]);
	*with_data = libxc_check_entries(entries, count, UINT64_MAX, err);
	if (*with_data < 0)
		return *with_data;
	if (length != sizeof(header) + count * sizeof(entries[0]) +
			      (size_t)*with_data * PAGE_BYTES)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "libxenguest wrote a record of %u pages in %u bytes", count, length);
	return (int)count;
}

static int send_page_data(struct sender *sender, uint32_t length, struct err *err)
{
	uint64_t entries[LIBXC_PAGES_MAX];
	size_t data = 0;
	int with_data = 0, count = read_entries(sender, length, entries, &with_data, err);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		if (libxc_has_data(entries[i]))
			sender->entries[data++] = entries[i];
		else
			sent_pages_forget(sender->sent, entries[i]);
	}
	if (sender->verifying)
		return compare_record_pages(sender, data, err);
	note_pass(sender, libxc_pfn(entries[0]));
	if (sender->pass > 0)
		return send_what_changed(sender, entries, (size_t)count, data, err);
	return send_whole_record(sender, entries, (size_t)count, NULL, data, err);
}

/* The first record after the pages that were compared. */
static void end_verifying(struct sender *sender)
{
	if (!sender->verifying)
		return;
	sender->verifying = false;
	atomic_store(&sender->counters->verify_us,
		     clock_now_us(sender->channels.clock) - sender->verifying_us);
}

static int send_record(struct sender *sender, struct err *err)
{
	uint32_t header[2], type, length;
	int rc = read_exactly(sender, header, sizeof(header), err);

	if (rc < 0)
		return rc;
	type = le32toh(header[0]);
	length = le32toh(header[1]);
	if (type == LIBXC_PAGE_DATA && libxc_takes_pages(&sender->stream))
		return send_page_data(sender, length, err);
	if (type == LIBXC_VERIFY && sender->sent_hashes && length == 0) {
		sender->verifying = true;
		sender->verifying_us = clock_now_us(sender->channels.clock);
		return 0;
	}
	end_verifying(sender);
	return send_bytes(sender, (uint8_t *)header, sizeof(header),
			  ((uint64_t)length + 7) & ~7ull, err);
}

static int send_end(struct sender *sender, struct err *err)
{
	struct frame frame;
	uint8_t *payload = begin_frame(sender, &frame, err);
	int rc = payload ? send_plain(sender, &frame, FRAME_END, payload, 0, err) : -EIO;

	if (rc == 0)
		rc = channels_flush(&sender->channels, err);
	atomic_store(&sender->counters->wire_bytes, sender->channels.bytes);
	return rc;
}

/* ---- the whole ---- */

static int prepare(struct sender *sender, const struct clock *clock,
		   const struct filter_ends *ends, struct err *err)
{
	int rc = channels_init(&sender->channels, clock, ends->fds, ends->count, err);

	if (rc < 0)
		return rc;
	sender->sent = sent_pages_new();
	if (sender->sent)
		sender->packer = packer_new(clock, sender->options->compress, sender->sent);
	if (!sender->packer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the stream's filter");
	if (!sender->options->verify)
		return 0;
	sender->sent_hashes = mmap(NULL, HASHES_MAX * sizeof(uint64_t), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sender->sent_hashes == MAP_FAILED) {
		sender->sent_hashes = NULL;
		return err_errno(err, "memory for the pages' hashes");
	}
	return 0;
}

int filter_send(const struct clock *clock, const struct filter_ends *ends,
		const struct filter_options *options, struct filter_counters *counters,
		struct err *err)
{
	CLEANUP_FREE struct sender *sender = calloc(1, sizeof(*sender));
	int rc;

	if (!sender)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the stream's filter");
	sender->library_fd = ends->library_fd;
	sender->options = options;
	sender->counters = counters;
	sender->last_pfn = UINT64_MAX;
	rc = prepare(sender, clock, ends, err);
	if (rc == 0)
		rc = send_bytes(sender, NULL, 0, LIBXC_IMAGE_BYTES + LIBXC_DOMAIN_BYTES, err);
	while (rc == 0 && !sender->stream.ended)
		rc = send_record(sender, err);
	if (rc == 0)
		rc = send_end(sender, err);
	if (rc == 0 && ends->done)
		ends->done(ends->library_fd);
	if (sender->sent_hashes)
		munmap(sender->sent_hashes, HASHES_MAX * sizeof(uint64_t));
	packer_free(sender->packer);
	sent_pages_free(sender->sent);
	channels_fini(&sender->channels);
	return rc;
}

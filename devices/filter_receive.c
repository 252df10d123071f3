/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "channels.h"
#include "unfilter.h"

struct receiver {
	int library_fd, expected_fd;
	struct filter_counters *counters;
};

static int write_parts(void *context, struct iovec *parts, int count, struct err *err)
{
	struct receiver *receiver = context;

	while (count > 0) {
		ssize_t wrote = writev(receiver->library_fd, parts, count);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return err_errno(err, "libxenguest reads no further");
		atomic_fetch_add(&receiver->counters->stream_bytes, (uint64_t)wrote);
		for (; count > 0 && (size_t)wrote >= parts->iov_len; parts++, count--)
			wrote -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + wrote;
			parts->iov_len -= (size_t)wrote;
		}
	}
	return 0;
}

static int keep_expectation(void *context, uint64_t pfn, uint64_t hash, struct err *err)
{
	struct receiver *receiver = context;
	const struct page_expectation expected = { pfn, hash };

	if (receiver->expected_fd < 0)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the source sends hashes, and verify was not agreed upon");
	if (write(receiver->expected_fd, &expected, sizeof(expected)) != (ssize_t)sizeof(expected))
		return err_errno(err, "keep the pages' hashes");
	atomic_fetch_add(&receiver->counters->hashed_pages, 1);
	return 0;
}

static int take_frames(struct channels *channels, struct unfilter *unfilter,
		       struct filter_counters *counters, struct err *err)
{
	int rc = 0;

	while (rc == 0) {
		const uint8_t *payload;
		struct frame frame;
		uint64_t pages, zero_pages, awaited_us;

		rc = channels_next(channels, &frame, &payload, err);
		if (rc == 0)
			rc = unfilter_take(unfilter, &frame, payload, err);
		unfilter_count(unfilter, &pages, &zero_pages);
		atomic_store(&counters->wire_bytes, channels->bytes);
		atomic_store(&counters->pages, pages);
		atomic_store(&counters->zero_pages, zero_pages);
		atomic_store(&counters->slow_channel, channels_slow(channels, &awaited_us));
		atomic_store(&counters->awaited_us, awaited_us);
	}
	return rc < 0 ? rc : 0;
}

int filter_receive(const struct clock *clock, const struct filter_ends *ends, uint64_t pfn_limit,
		   int expected_fd, struct filter_counters *counters, struct err *err)
{
	struct receiver receiver = { ends->library_fd, expected_fd, counters };
	const struct unfilter_sink sink = { write_parts, keep_expectation, &receiver };
	struct unfilter *unfilter = unfilter_new(pfn_limit, &sink);
	struct channels channels;
	int rc = channels_init(&channels, clock, ends->fds, ends->count, err);

	if (!unfilter)
		rc = err_set(err, ERR_FAILED, -ENOMEM, "no memory for the stream's filter");
	if (rc == 0)
		rc = take_frames(&channels, unfilter, counters, err);
	if (rc == 0 && ends->done)
		ends->done(ends->library_fd);
	unfilter_free(unfilter);
	channels_fini(&channels);
	return rc;
}

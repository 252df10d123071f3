/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter's process, as xenferry-stream has it beside itself. Afterwards STREAM_MEMORY_FD leads
 * to the filter, which alone has the connections; libxenguest notices no difference.
 */
#ifndef XENFERRY_STREAM_FILTER_H
#define XENFERRY_STREAM_FILTER_H

#include <stddef.h>
#include <sys/types.h>

#include "filter.h"

struct stream_filter {
	pid_t pid;
	struct filter_counters *counters;
	int expected_fd; /* target that verifies: struct page_expectation each; else -1 */
};

struct stream_filter_setup {
	bool sending;
	size_t channels; /* the connections STREAM_MEMORY_FD and following */
	struct filter_options options;
	uint64_t pfn_limit; /* receiving: see filter_receive() */
};

/* Starts it. -errno with `err`; nothing runs then. */
int stream_filter_begin(struct stream_filter *filter, const struct stream_filter_setup *setup,
			struct err *err);
/*
 * Sending: the bytes of the library's that the filter has not taken yet; 0 when it is gone, as it
 * is once its connections have stood still for longer than it waits.
 */
size_t stream_filter_backlog(void);
/*
 * Once the library is through: waits until the filter is so, too, and every byte has left, or the
 * last one has come. -EIO with the filter's reason. Its process ends with ours, or when it is told
 * to: that costs time, for which this is no moment. [blackout]
 */
int stream_filter_finish(struct stream_filter *filter, struct err *err);
/* Once the library has failed: true when that was for the filter's reason, which is in `err`. */
bool stream_filter_failed(struct stream_filter *filter, struct err *err);

#endif

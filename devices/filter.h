/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stage between libxenguest and the network: at the source it reads the library's stream and
 * sends frames, at the target it hears frames and writes the library's stream. It runs in a
 * process of its own beside the library's, so that a frame which crashes it cannot touch the
 * hypervisor; the two share the counters below and nothing else.
 */
#ifndef XENFERRY_FILTER_H
#define XENFERRY_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

/* What both sides of a migration have agreed upon. */
struct filter_options {
	unsigned compress;  /* a codec's number, or COMPRESS_AUTO */
	bool verify;        /* compare the guest's pages at the end */
};

/* In memory that both processes see. The filter writes all but the limit. */
struct filter_counters {
	_Atomic uint64_t stream_bytes; /* of the library's stream, before the filter or after it */
	_Atomic uint64_t wire_bytes;
	_Atomic uint64_t pages, zero_pages, same_pages, delta_pages;
	_Atomic uint64_t hashed_pages; /* verify: whose hashes were sent, or came */
	_Atomic uint64_t late_pages;   /* verify: written after they were sent, and sent again */
	_Atomic uint64_t verify_us;    /* verify, source: what that took of the guest's time */
	_Atomic uint64_t slow_channel; /* target: the one that is, from 1; 0: none */
	_Atomic uint64_t awaited_us;   /* target: that the others waited for one, at most */
	_Atomic uint64_t limit_bytes_per_s; /* the source obeys it from the next frame; 0: none */
	_Atomic bool failed;           /* for the reason that is in `err` */
	struct err err;
};

/* What the filter stands between. */
struct filter_ends {
	int library_fd; /* libxenguest, blocking */
	const int *fds; /* the connections to the other side, non-blocking */
	size_t count;   /* of them */
	/*
	 * Called when the last byte of a whole stream was given on; NULL: nobody waits for it. Only
	 * then is the filter's memory given back, which a PV dom0 does through the hypervisor.
	 */
	void (*done)(int library_fd);
};

/*
 * Reads libxenguest's stream until its end, and sends it in frames. Blocks until all has left.
 * -errno with `err`.
 */
int filter_send(const struct clock *clock, const struct filter_ends *ends,
		const struct filter_options *options, struct filter_counters *counters,
		struct err *err);
/*
 * The way back: hears frames and writes libxenguest's stream. No page that takes memory may have a
 * pfn from `pfn_limit` on. What pages must be in the end goes to `expected_fd`, a struct
 * page_expectation each; -1: that is refused.
 */
int filter_receive(const struct clock *clock, const struct filter_ends *ends, uint64_t pfn_limit,
		   int expected_fd, struct filter_counters *counters, struct err *err);

struct page_expectation {
	uint64_t pfn, hash;
};

#endif

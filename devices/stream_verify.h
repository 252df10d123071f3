/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a restored domain's memory is what the source says it must be, page by page.
 */
#ifndef XENFERRY_STREAM_VERIFY_H
#define XENFERRY_STREAM_VERIFY_H

#include <stdint.h>

#include "err.h"

struct xentoollog_logger;

struct stream_verify {
	uint32_t domid;
	int expected_fd;                 /* struct page_expectation each */
	uint64_t store_pfn, console_pfn; /* which libxenguest clears: not compared */
};

/*
 * Maps the paused domain's pages and compares their hashes. Returns 0 with how many in `*pages`;
 * -EILSEQ naming the first that differs and how many do; -errno when they cannot be looked at.
 * Takes about a second for 10 GiB.
 */
int stream_verify(struct xentoollog_logger *logger, const struct stream_verify *verify,
		  uint64_t *pages, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenforeignmemory.h>

#include "filter.h"
#include "frame.h"

#define PAGES_AT_ONCE 1024u

struct comparison {
	xenforeignmemory_handle *memory;
	const struct stream_verify *verify;
	uint64_t compared, different, first; /* pages */
};

static bool is_cleared(const struct stream_verify *verify, uint64_t pfn)
{
	return pfn == verify->store_pfn || pfn == verify->console_pfn;
}

static void compare_page(struct comparison *comparison, const struct page_expectation *expected,
			 const uint8_t *page, bool mapped)
{
	if (is_cleared(comparison->verify, expected->pfn))
		return;
	comparison->compared++;
	if (mapped && page_hash(page) == expected->hash)
		return;
	if (comparison->different++ == 0)
		comparison->first = expected->pfn;
}

static int compare_some(struct comparison *comparison, const struct page_expectation *expected,
			size_t count, struct err *err)
{
	xen_pfn_t pfns[PAGES_AT_ONCE];
	int errors[PAGES_AT_ONCE];
	const uint8_t *pages;

	for (size_t i = 0; i < count; i++)
		pfns[i] = expected[i].pfn;
	pages = xenforeignmemory_map(comparison->memory, comparison->verify->domid, PROT_READ,
				     count, pfns, errors);
	if (!pages)
		return err_errno(err, "map the restored pages, to verify them");
	for (size_t i = 0; i < count; i++)
		compare_page(comparison, &expected[i], pages + i * PAGE_BYTES, errors[i] == 0);
	xenforeignmemory_unmap(comparison->memory, (void *)pages, count);
	return 0;
}

static int compare_all(struct comparison *comparison, struct err *err)
{
	struct page_expectation expected[PAGES_AT_ONCE];
	off_t at = 0;

	for (;;) {
		ssize_t got = pread(comparison->verify->expected_fd, expected, sizeof(expected),
				    at);
		int rc;

		if (got < 0)
			return err_errno(err, "read the pages' hashes");
		if (got == 0)
			return 0;
		rc = compare_some(comparison, expected, (size_t)got / sizeof(expected[0]), err);
		if (rc < 0)
			return rc;
		at += got;
	}
}

int stream_verify(struct xentoollog_logger *logger, const struct stream_verify *verify,
		  uint64_t *pages, struct err *err)
{
	struct comparison comparison = { xenforeignmemory_open(logger, 0), verify, 0, 0, 0 };
	int rc;

	if (!comparison.memory)
		return err_errno(err, "look at the restored memory, to verify it");
	rc = compare_all(&comparison, err);
	xenforeignmemory_close(comparison.memory);
	if (rc < 0)
		return rc;
	*pages = comparison.compared;
	if (comparison.different == 0)
		return 0;
	return err_set(err, ERR_FAILED, -EILSEQ,
		       "%" PRIu64 " of %" PRIu64 " pages are not what they were at the source, "
		       "the first is %#" PRIx64, comparison.different, comparison.compared,
		       comparison.first);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each page was when it was sent last: a hash of 128 bits in a table of a fixed size. A page
 * that is still the same need not be sent again, as the target's memory has it. A page whose place
 * was taken by another since is not remembered, and sent.
 *
 * The hash's key is random and never leaves the process: so no program in the guest can make a
 * page that passes for another.
 */
#ifndef XENFERRY_SENT_PAGES_H
#define XENFERRY_SENT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

/* 8 MiB: every page of 2 GiB, or the last ones of a larger guest. */
#define SENT_PAGES_PLACES (1u << 19)

struct sent_pages;

/* NULL: no memory. All of it is taken at once. */
struct sent_pages *sent_pages_new(void);
void sent_pages_free(struct sent_pages *sent); /* NULL is harmless */

/*
 * Notes what the page is now; NULL: all zero. Returns whether it is to be sent: it was not sent
 * before, or as of another type, or has changed since. `entry`: its type and pfn, as in the record.
 */
bool sent_pages_note(struct sent_pages *sent, uint64_t entry, const uint8_t *page);
/* What the target has of the page is no longer known: it was told to be of a type without data. */
void sent_pages_forget(struct sent_pages *sent, uint64_t entry);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's writer leaves on the disk, and what it acknowledges over UDP once it is there.
 *
 * Write number N goes to block N / RECORD_GROUP: eight writes after each other to one block, then
 * to the next. A write that lands late is thus an old number over a newer one. Within a group the
 * writer itself sees it, because it reads the block back before each write; after the group it
 * stays on the disk, where the ledger finds it. A lost write is an acknowledged number that is not
 * there.
 */
#ifndef XENFERRY_LAB_DISK_RECORD_H
#define XENFERRY_LAB_DISK_RECORD_H

#include <stdint.h>

#define RECORD_MAGIC 0x78656e6665727279ULL /* "xenferry" */
#define RECORD_BLOCK 4096u                 /* bytes a write */
#define RECORD_GROUP 8u                    /* writes a block */
#define RECORD_INTERVAL_MS 100

/* One block is 64 copies of its record, so that a torn block shows. */
struct record {
	uint64_t magic;
	uint64_t run;      /* which boot of the guest: nanoseconds since 1970 at its start */
	uint64_t number;   /* 1, 2, 3, … */
	uint64_t disorder; /* how often the writer read back something else than it had written */
	uint64_t errors;   /* failed reads and writes */
	uint64_t reserved[3];
};

_Static_assert(RECORD_BLOCK % sizeof(struct record) == 0, "a block is whole copies of a record");

#endif

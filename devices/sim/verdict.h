/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest found out about itself. Two files a guest, in a folder that all hosts share:
 *
 *   UUID.violations  a line for each thing that must never happen, "kind: sentence"; only ever
 *                    appended to, so that neither a later copy of the guest nor a lost one takes
 *                    anything back
 *   UUID.json        the guest as it last saw itself, replaced as a whole
 */
#ifndef XENFERRY_SIM_VERDICT_H
#define XENFERRY_SIM_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* One row a kind: the code, its word in the file, its key in the JSON. */
#define VIOLATION_TABLE(X) \
	X(PROGRAM, "program", "programs_lost")       /* no program, or not as it stopped */ \
	X(PAGE, "page", "pages_wrong")               /* a page is not what the program wrote */ \
	X(BLOCK_STALE, "block-stale", "blocks_stale") /* an old write landed after a newer one */ \
	X(BLOCK_LOST, "block-lost", "blocks_lost")   /* a write that was answered is not there */ \
	X(DISK_ERROR, "disk-error", "disk_errors")   /* a request failed */ \
	X(RINGS, "rings", "rings_wrong")             /* a ring is not what the guest was told */ \
	X(SECOND_COPY, "second-copy", "second_copies") /* the guest runs elsewhere, too */ \
	X(CRASH, "crash", "crashes")                 /* the guest could not go on */

enum violation {
#define X(code, word, key) VIOLATION_##code,
	VIOLATION_TABLE(X)
#undef X
	VIOLATIONS
};

#define VERDICT_PATH_MAX 512
#define VERDICT_UUID_SIZE 37

/* The guest's own numbers; those of violations come from the file. */
struct verdict_facts {
	const char *status; /* "running", "suspended", "stopped" */
	uint32_t domid;
	uint32_t suspends, moves, cancelled; /* resumed: in a new domain; as if nothing had been */
	uint32_t vbds, vbds_connected, vifs, vifs_connected;
	uint64_t uptime_ms;
	uint64_t memory_bytes;
	uint64_t pages_dirtied, pages_checked;
	uint64_t blocks_written, blocks_checked, blocks_reissued;
	uint64_t pings_answered;
	bool memory_verified; /* every page was looked at since it last came to a host, and right */
	bool disk_verified;   /* so was every block that was ever written */
};

struct verdict {
	char folder[VERDICT_PATH_MAX];
	char uuid[VERDICT_UUID_SIZE];
	char host[VERDICT_PATH_MAX]; /* the folder of the host that the guest is on */
	uint32_t recorded;           /* by this process; a bounded number is written down */
};

/* Names the files; touches none. -ENAMETOOLONG. */
int verdict_init(struct verdict *verdict, const char *folder, const char *host, const char *uuid,
		 struct err *err);
/* Writes a violation down, at once. */
void verdict_violation(struct verdict *verdict, enum violation kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* How often each kind was written down, by anybody; returns the sum. */
uint32_t verdict_count(const struct verdict *verdict, uint32_t counts[VIOLATIONS]);
/* Replaces the guest's JSON. Returns 0 or -errno. */
int verdict_write(const struct verdict *verdict, const struct verdict_facts *facts);

#endif

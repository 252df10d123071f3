/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The packet gap of a migration, as it is seen from this host: a child pings the guest while it
 * moves, and says in the end for how long nothing was heard. It is a mode of xenferry-worker, so
 * that nothing it does can hold the migration up.
 *
 * probe_begin() before anything is touched, probe_end() when all is over.
 */
#ifndef XENFERRY_PROBE_H
#define XENFERRY_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "config.h"
#include "err.h"

#define PROBE_INTERVAL_MS 10
#define PROBE_STRAGGLERS_MS 500 /* how long the last answers are waited for */

/* What was asked and heard so far. */
struct probe_tally {
	uint64_t last_answer_us; /* 0: none yet */
	uint64_t gap_us;         /* the longest time between two answers */
	uint32_t sent, answered;
};

/* An answer at `now_us`; or, `answered` false, the end: a guest that never came back. */
void probe_tally_hear(struct probe_tally *tally, uint64_t now_us, bool answered);

struct probe {
	pid_t pid; /* 0: none runs */
	int fd;    /* what it says in the end */
};

/* Whether `address` can be pinged: numeric IPv4, or NULL for none. -EINVAL says what is wanted. */
int probe_check(const char *address, struct err *err);
/*
 * Starts to ping `address`. -EINVAL as probe_check(); -errno when no child can be started. Does
 * not wait for an answer. Zero `probe` before.
 */
int probe_begin(struct probe *probe, const struct config *config, const char *address,
		struct err *err);
/*
 * Ends it and reads what it has found: 0, or -errno with the reason, as when no socket was allowed.
 * Waits a second at most. With no probe under way: -ENOENT, without `err`.
 */
int probe_end(struct probe *probe, const struct clock *clock, struct probe_tally *tally,
	      struct err *err);

/* The mode: pings until SIGTERM, then prints the tally. An exit status. */
int run_probe(const struct config *config, char **arguments);

#endif

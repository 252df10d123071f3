/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may say whose the guest is when the peer does not: docs/ARBITERS.md has what each guarantees.
 * Asked in doubt alone, never in the blackout, and only after the peer was asked.
 */
#ifndef XENFERRY_ARBITER_H
#define XENFERRY_ARBITER_H

#include "clock.h"
#include "config.h"
#include "err.h"
#include "job.h"
#include "lockspace.h"
#include "record.h"

/* Of the target: it has not decided, has taken the guest for good, or never will run it. */
enum outcome { OUTCOME_UNDECIDED, OUTCOME_TAKEN, OUTCOME_NEVER };

struct verdict {
	enum outcome outcome;
	char by[64]; /* who says so: for the journal, without quotes */
};

struct arbiter;

struct arbiter_ops {
	/*
	 * 0 with *verdict, UNDECIDED when it cannot say yet; blocks until `deadline_us` at most.
	 * -errno with `err` when it could not be asked: as good as undecided.
	 */
	int (*decide)(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
		      struct err *err);
	/* What this host has decided, durably, is put where the other can read it without us. */
	int (*tell)(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		    struct err *err);
	void (*close)(struct arbiter *arbiter);
	/*
	 * Before anything is touched: prepares what decide() is going to rely on, on this host and
	 * for the other. -errno with `err` when it would not be able to decide. NULL: nothing is
	 * needed.
	 */
	int (*join)(struct arbiter *arbiter, uint64_t deadline_us, struct err *err);
};

struct arbiter {
	const struct arbiter_ops *ops;
};

/* What an arbiter is told of the job; all of it outlives the arbiter. */
struct arbiter_setup {
	const struct config *config;
	const struct clock *clock;
	const struct job *job;
	const struct record *record; /* names of the guest and the hosts, and the side */
	const struct lockspace_ops *lockspace; /* for [arbiter] kind = sanlock */
};

/*
 * The arbiter that [arbiter] names, behind the operator's own word. *arbiter stays NULL when it
 * names none.
 */
int arbiter_open(const struct arbiter_setup *setup, struct arbiter **arbiter, struct err *err);

/* For one who has nobody to tell, and for one who holds nothing but its memory. */
int arbiter_tell_nobody(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
			struct err *err);
void arbiter_free(struct arbiter *arbiter);

/* The members of the chain that arbiter_open() makes; as it. */
int arbiter_operator_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			  struct err *err);
int arbiter_command_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			 struct err *err);
int arbiter_lease_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
		       struct err *err);
int arbiter_sanlock_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			 struct err *err);

/* The outcome by the side that has the guest then: "source", "target", or "" while undecided. */
const char *outcome_side(enum outcome outcome);
/* UNDECIDED when `side` is neither "source" nor "target". */
enum outcome outcome_of_side(const char *side);

#endif

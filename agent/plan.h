/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan is data: a table of steps, in order, both sides in one row.
 *
 * Steps live in one registry (plan_table.c); a plan is an ordering of them with the points at
 * which the sides meet. plan_run() in runner.h works it off.
 */
#ifndef XENFERRY_PLAN_H
#define XENFERRY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "sync.h"

struct migration;

/* Does one side's part of a step within migration->deadline_us. 0 or -errno with `err`. */
typedef int step_fn(struct migration *migration, struct err *err);

/* Where in the migration a row stands; follows from its place, see plan_phase(). */
enum phase { PHASE_PREPARE, PHASE_COPY, PHASE_BLACKOUT, PHASE_COMMIT, PHASE_RUN, PHASE_CLEAN };

/*
 * Both sides' parts; NULL: nothing to do on this side. An undo takes back what its side did, or
 * half did, or did not do: it is idempotent. The sides are indexed by enum side.
 */
struct step {
	const char *name;    /* in the journal, the log, the timeline, the command line */
	step_fn *run[2];
	step_fn *undo[2];
	uint32_t timeout_ms; /* for its run, on either side */
	unsigned traits;     /* what the rules look at */
	const char *summary; /* for people: "map the disks' rings" */
};

/* What a step is, to the rules: they judge a plan by these, not by names. */
enum step_trait {
	STEP_DESCRIBES = 1u << 0,      /* describes the guest; SP0 is met after it */
	STEP_CREATES = 1u << 1,        /* creates the target's domain */
	STEP_COPIES = 1u << 2,         /* pre-copy; its target part ends when all has come */
	STEP_SUSPENDS = 1u << 3,
	STEP_FINISHES_COPY = 1u << 4,  /* the last dirty pages and the state */
	STEP_WATCHES = 1u << 5,        /* what draining needs */
	STEP_DRAINS = 1u << 6,         /* afterwards the source's disks are quiet */
	STEP_CLOSES_DISKS = 1u << 7,   /* the source cannot resume at once any more */
	STEP_CLOSES_VIFS = 1u << 8,    /* the same */
	STEP_RELEASES = 1u << 9,       /* writes down that SP3 may be said */
	STEP_PLUGS_EARLY = 1u << 10,   /* plugs raw disks while the source still has them */
	STEP_PLUGS_LATE = 1u << 11,    /* plugs disks that the source has let go */
	STEP_PLUGS_VIFS = 1u << 12,
	STEP_HOLDS = 1u << 13,         /* keeps plugged disks from connecting */
	STEP_LETS_CONNECT = 1u << 14,  /* lets them */
	STEP_INTRODUCES = 1u << 15,
	STEP_UNPAUSES = 1u << 16,
	STEP_NEEDS_RUNNING = 1u << 17, /* is for a guest that runs at the target */
	STEP_SETTLES = 1u << 18,       /* name, console, claim */
	STEP_DESTROYS = 1u << 19,      /* tears the source down */
	STEP_RUNS_SCRIPTS = 1u << 20,
	STEP_FILES = 1u << 21,         /* of the plans of files alone */
	STEP_PUBLISHES = 1u << 22,     /* after it the guest is in its file, for others too */
	STEP_ASKS_HOOKS = 1u << 23,    /* the site's own programs, which may say no */
	STEP_TELLS_MOVED = 1u << 24,   /* tells them that the guest runs at the target */
	STEP_TELLS_GONE = 1u << 25,    /* tells them that it is gone from the source */
};

#define STEP_CLOSES (STEP_CLOSES_DISKS | STEP_CLOSES_VIFS)

struct plan_row {
	const struct step *step;
	enum sync_point sync; /* both sides meet after this row; SYNC_NONE: go on */
};

#define PLAN_ROWS_MAX 40
#define PLAN_NAME_MAX 64     /* with the NUL */
#define PLAN_SUMMARY_MAX 256

struct plan {
	char name[PLAN_NAME_MAX];
	char summary[PLAN_SUMMARY_MAX];
	struct plan_row rows[PLAN_ROWS_MAX + 1]; /* ended by a row without a step */
};

/* The built-in plan of that name, or NULL. The first of plan_at() is the default. */
const struct plan *plan_find(const char *name);
const struct plan *plan_at(size_t index); /* NULL past the last */
/* "suspend", "checkpoint", "resume": not for two hosts, and not for the rules; or NULL. */
const struct plan *plan_find_file(const char *name);
const struct plan *plan_file_at(size_t index); /* NULL past the last */
const struct step *plan_step(const char *name);
const struct step *plan_step_at(size_t index); /* NULL past the last */

enum phase plan_phase(const struct plan *plan, size_t row);
const char *phase_name(enum phase phase); /* "BLACKOUT" */
size_t plan_count(const struct plan *plan); /* rows */
/* The first row with any of `traits`; plan_count() when there is none. */
size_t plan_row_with(const struct plan *plan, unsigned traits);
/* The row at which `point` is met; plan_count() when it is not. */
size_t plan_row_at(const struct plan *plan, enum sync_point point);
/* The target attaches disks only after the source has closed them: a file may be one. */
bool plan_attaches_late(const struct plan *plan);

/* ---- for people ---- */

/* Whether a row lies between the guest's suspend and its unpause, both included. */
bool plan_in_blackout(const struct plan *plan, size_t row);
/* What it costs when this row fails: "the guest resumes at once". */
const char *plan_cost(const struct plan *plan, size_t row);
/* What it costs when the sides lose each other at `point`: the same, or "doubt: ...". */
const char *plan_cost_at(const struct plan *plan, enum sync_point point);
/* Without what a failure costs more than it says; NULL: without nothing. */
const char *plan_needs(const struct plan *plan);
/* The worst of that before the commit. */
const char *plan_after_failure(const struct plan *plan);

/* Holds `plan` against the rules (plan_rules.c): -EINVAL with the broken rule's sentence. */
int plan_check(const struct plan *plan, struct err *err);

#endif

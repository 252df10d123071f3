/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The world of one run: two hosts, what lies between them, two workers that take turns, and a clock
 * that jumps to whatever happens next. world_run() is one migration, from the first word until
 * nobody has anything left to do.
 *
 * A worker is production code on a stack of its own. It leaves its turn only in world_wait(), that
 * is when it waits, or when something takes its time. A worker that is killed is not cut short: it
 * is `dead`, its code runs to its end, and nothing that it does has an effect.
 */
#ifndef XENFERRY_SIM_WORLD_H
#define XENFERRY_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "chooser.h"
#include "coroutine.h"
#include "migration.h"
#include "sim_arbiter.h"
#include "sim_file.h"
#include "sim_hooks.h"
#include "sim_host.h"
#include "sim_journal.h"
#include "sim_link.h"

#define NEVER_US UINT64_MAX
#define MS UINT64_C(1000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

/* One row a fault: what the trace calls it, whether a migration completes all the same. */
#define FAULT_TABLE(X) \
	X(NONE, "", true) \
	X(FAILS, "fails", false) \
	X(FAILS_HALF_DONE, "fails half done", false) \
	X(FAILS_DONE, "fails though done", false) \
	X(SLOW, "is slow", true) \
	X(HANGS, "hangs", false) \
	X(FULL, "fails, as all writing for a while", false) \
	X(KILLED_BEFORE, "worker killed before", false) \
	X(KILLED_AFTER, "worker killed after", false) \
	X(RESET, "host reset", false) \
	X(CANCELLED, "operator cancels", false) \
	X(LOST, "message lost", false) \
	X(DELAYED, "message delayed", false) \
	X(TWICE, "message comes twice", false) \
	X(CUT_BEFORE, "connection cut before", false) \
	X(CUT_AFTER, "connection cut after", false) \
	X(PARTITION, "network gone for a while", false)

enum fault {
#define X(fault, text, harmless) FAULT_##fault,
	FAULT_TABLE(X)
#undef X
	FAULTS
};

#define BIT(fault) (1u << FAULT_##fault)
#define ANY_DEATH (BIT(KILLED_BEFORE) | BIT(KILLED_AFTER) | BIT(RESET))
#define LOOK_FAULTS (BIT(FAILS) | BIT(SLOW) | ANY_DEATH)

const char *fault_text(enum fault fault);
bool fault_is_harmless(enum fault fault);

/* A fault that struck: whom, in which row of the plan, at what. */
struct strike {
	enum fault fault;
	enum side side;
	const char *what;
	size_t row;
	enum sync_point point; /* while the sides met there; SYNC_NONE: in the row's step */
};

#define STRIKES_MAX 16
#define ROW_OUTSIDE SIZE_MAX /* before the plan begins */

struct process {
	struct world *world;
	enum side side;
	struct coroutine coroutine;
	bool dead, started, recovering, cancelled;
	uint64_t start_us;       /* when it is started; NEVER_US: it is not */
	uint64_t wake_us;        /* live: until when it waits, if nothing comes before */
	uint64_t (*ready_us)(const struct process *process); /* NULL: nothing can come before */
	bool running_plan;

	struct migration migration;
	struct record record;
	struct clock clock;
	struct link link;
	struct peer peer;
	struct arbiter arbiter;
	struct hooks hooks;
	struct journal journal;
	struct record_sink sink;
	int rc;
	struct err err;
	enum status status;      /* as the operator was told last */
	bool doubt_shown;
};

struct world {
	struct chooser *chooser;
	const struct plan *plan;
	FILE *tells;             /* where a line an event goes; NULL: nowhere */
	unsigned journal_gaps;   /* mutant: bits of events that are not written */
	bool no_arbiter;         /* in doubt the peer alone is asked */
	bool hasty;              /* mutant: a target that has not decided says never */

	uint64_t now_us, last_fault_us;
	struct process processes[2];
	struct sim_host hosts[2];
	struct sim_journal journals[2];
	struct line line;
	struct memory_line memory;
	struct sim_file file;
	uint64_t partition_until_us;

	struct strike strikes[STRIKES_MAX];
	size_t strike_count;
	uint64_t stopped_us;     /* since when the guest runs nowhere; 0: it runs */
	uint64_t standstill_us;  /* how long that took, in all */
	bool sp3_said, abort_said; /* source: SP3 left; target: ABORT left */
	enum will will;          /* of the arbiter */
	enum outcome told[2];    /* what each side put where the other reads it */
	bool ran_at_target;      /* from then on the disks are newer than the source's copy */
	bool fenced;             /* the target was switched off for the arbiter's word */
	bool lost_with_host;     /* a reset took the host whose guest it was */
	char violation[256];     /* empty: none */
};

/* Runs one migration under what `chooser` says. `world` is zeroed before the first. */
void world_run(struct world *world, struct chooser *chooser, const struct plan *plan);
void world_fini(struct world *world);

/*
 * A worker's turn ends, until `deadline_us` or what its `ready` says comes. False: it has died in
 * the meantime.
 */
bool world_wait(struct process *process, uint64_t deadline_us,
		uint64_t (*ready_us)(const struct process *process));
/* The same for about as long as something usually takes. */
bool world_spend(struct process *process, uint64_t usual_us);

/*
 * Does a fault of those in `faults` (bits) strike here? The worker is killed already when the
 * answer is one that kills before the effect; what slows is left to the caller.
 */
enum fault world_strike(struct process *process, const char *what, enum sync_point point,
			unsigned faults);
/* A fault lasts until then: what has to happen in time may begin to. */
void world_fault_until(struct world *world, uint64_t us);
/* The worker dies here and now; `reset`: its host, too. Returns -ESHUTDOWN. */
int world_kill(struct process *process, bool reset);

/* Somebody switches a host off, which comes up again later. */
void world_fence(struct world *world, enum side side);

/* Something has happened: the invariants are looked at. */
void world_event(struct process *process, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void world_violation(struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool world_is_partitioned(const struct world *world);

#define PROCESS_OF(pointer, member) \
	((struct process *)((uintptr_t)(pointer) - offsetof(struct process, member)))

#endif

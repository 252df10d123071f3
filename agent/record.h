/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration's record: what people and programs see of it, while it runs and afterwards. Its JSON
 * form is the object of `vm-migrate --json`.
 */
#ifndef XENFERRY_RECORD_H
#define XENFERRY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "err.h"
#include "host.h"
#include "json.h"
#include "plan.h"
#include "probe.h"
#include "sync.h"

#define RECORD_STEPS_MAX (2 * PLAN_ROWS_MAX)
#define RECORD_PASSES_MAX 64 /* then the last one grows */

/* One row a status: its word. The last five are final. */
#define STATUS_TABLE(X) \
	X(PREPARING, "preparing", false) \
	X(COPYING, "copying", false) \
	X(BLACKOUT, "blackout", false) \
	X(COMPLETED, "completed", true) \
	X(FAILED, "failed", true) \
	X(CANCELLED, "cancelled", true) \
	X(REFUSED, "refused", true) \
	X(IN_DOUBT, "in-doubt", true) \
	X(LOST, "lost", true)

enum status {
#define X(status, word, final) STATUS_##status,
	STATUS_TABLE(X)
#undef X
	STATUSES
};

const char *status_word(enum status status);
bool status_is_final(enum status status);
/* How a migration stands whose worker ended with `rc` and `err`. */
enum status record_status_after(int rc, const struct err *err);

/* A step as it went, in microseconds of this host's clock. */
struct step_stamp {
	const char *name; /* a step of the registry */
	enum side side;
	enum phase phase;
	uint64_t start_us, end_us; /* end 0: it has not ended */
};

/* From when to when, on this host's clock; end 0: it has not ended; all 0: not (yet). */
struct record_span {
	uint64_t start_us, end_us;
};

/* One pass of the copy over memory. The last one goes while the guest is suspended. */
struct pass_stamp {
	struct record_span span;
	uint64_t begun_bytes, sent_bytes;
	uint64_t dirty_bytes; /* what the pass began with; 0: not known */
};

#define DRY_RUN_HOOKS_MAX 16 /* that are named */

/* What a migration that was only asked about came to. */
struct dry_run {
	bool asked;
	struct {
		enum side side;
		char name[80];     /* "vm-pre-migrate/10firewall" */
	} hooks[DRY_RUN_HOOKS_MAX]; /* the site's programs that it would run */
	size_t hook_count;
	struct reasons reasons;    /* against it; none: it could go */
	double total_ms, downtime_ms; /* predicted, for a guest that writes nothing meanwhile */
	uint64_t send_bytes_per_s; /* by which that was reckoned */
	bool measured;             /* the rate is one that there was, else assumed */
};

struct record {
	char uuid[GUEST_UUID_SIZE];
	char guest_uuid[GUEST_UUID_SIZE], guest_name[GUEST_NAME_MAX];
	char source[64], target[64]; /* host names */
	enum side side;
	const struct plan *plan;
	enum status status;
	enum phase phase;
	enum sync_point sync_point; /* the last that was met */
	struct err error;           /* ERR_NONE: none */

	double started_wall_s;
	uint64_t started_us, ended_us; /* 0: not ended */
	uint64_t suspended_us, running_us; /* 0: not (yet) */
	uint32_t downtime_limit_ms;
	uint64_t clock_uncertainty_us;

	uint64_t memory_bytes, wire_bytes, transferred_bytes, remaining_bytes;
	uint64_t zero_pages; /* that were sent as such; 0 where nobody looks */
	uint64_t verified_pages, late_pages, verify_us; /* verify: of all, in the blackout */
	uint32_t slow_channel; /* of the memory connections, from 1; 0: none */
	uint64_t dirty_bytes_per_s, send_bytes_per_s, eta_ms;
	uint32_t iterations;
	double predicted_downtime_ms;
	char policy[64];
	uint32_t throttle_percent;        /* of its time that the guest is to lose; 0: none */
	uint64_t bandwidth_bytes_per_s;   /* the limit; 0: none */
	bool awaits_continue;             /* everything fits: the operator says when */

	struct dry_run dry_run;
	bool probed;              /* the guest was pinged meanwhile, and this is what came of it */
	struct probe_tally probe;

	struct step_stamp steps[RECORD_STEPS_MAX];
	size_t step_count;
	struct record_span meetings[SYNC_POINTS][2]; /* by point and side, waiting included */
	struct record_span commit; /* in which the target made the commit durable */
	struct pass_stamp passes[RECORD_PASSES_MAX];
	size_t pass_count;
};

/* Starts a step's stamp, and ends the newest one of `side` with that name. [blackout] */
void record_step_start(struct record *record, const struct step *step, enum side side,
		       enum phase phase, uint64_t now_us);
void record_step_end(struct record *record, const struct step *step, enum side side,
		     uint64_t now_us);

/*
 * Ends the pass that is under way, if any, at `bytes` of memory sent so far; record_pass_start()
 * then begins the next, with `dirty_bytes` to send. [blackout]
 */
void record_pass_start(struct record *record, uint64_t dirty_bytes, uint64_t bytes,
		       uint64_t now_us);
void record_pass_end(struct record *record, uint64_t bytes, uint64_t now_us);
/*
 * The copy has come to `bytes`: sets the rate at which the pass under way sends, what remains
 * (first pass: of all memory), and the time to the end of the pass. [blackout]
 */
void record_progress(struct record *record, uint64_t bytes, uint64_t now_us);

/* Milliseconds from the job's start. */
static inline double record_ms(const struct record *record, uint64_t at_us)
{
	return ((double)at_us - (double)record->started_us) / 1000;
}

/* Suspended to unpaused, as far as it has come by `now_us`; 0 before it began. */
double record_downtime_ms(const struct record *record, uint64_t now_us);

/*
 * Writes "passes": for each its times, bytes and rates. A pass's dirty rate is known when the next
 * one begins: what that one has to send was dirtied since.
 */
void record_write_passes(const struct record *record, uint64_t now_us, struct json_writer *writer);

/* The record as one JSON object. */
void record_write(const struct record *record, uint64_t now_us, struct json_writer *writer);

/*
 * What `last`, the record that an earlier worker of the job wrote, tells of its hosts, guest,
 * memory, start and steps; what it does not tell stays as it is. It is not trusted.
 */
void record_read(const struct json_value *last, uint64_t now_us, double now_wall_s,
		 struct record *record);

/* Where records go: the daemon and the job's folder. */
struct record_sink;
struct record_sink_ops {
	/* `durable`: also into the job's folder. Failures are the sink's to bear. */
	void (*publish)(struct record_sink *sink, const struct record *record, bool durable);
};
struct record_sink {
	const struct record_sink_ops *ops;
};

#endif

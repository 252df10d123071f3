/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When each guest of an evacuation starts, how fast it may copy, and when it may be suspended.
 * Pure: time comes in as a number, and what happens comes in as calls; schedule_next() says what is
 * to be done, one thing at a time.
 *
 * Two limits, not one: how many guests copy, and how many are in their blackout. A guest that has
 * copied all waits at the gate. When its turn comes the link is cleared for it: the others are
 * slowed down to next to nothing, it copies at full speed what was written meanwhile, so that
 * little is left, and is suspended with the link to itself. Its neighbours lose nothing by that:
 * what they do not send now they send faster afterwards.
 */
#ifndef XENFERRY_SCHEDULE_H
#define XENFERRY_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_NEVER UINT64_MAX
#define SCHEDULE_NOWHERE UINT32_MAX

enum schedule_order { ORDER_LARGEST, ORDER_SMALLEST, ORDER_DIRTY_RATE, ORDER_PRIORITY, ORDERS };

/* "largest", and so on; *order stays untouched, and false is returned, for another word. */
bool schedule_order_from_text(const char *text, enum schedule_order *order);
const char *schedule_order_text(enum schedule_order order);
#define SCHEDULE_ORDERS "largest, smallest, dirty-rate or priority"

struct schedule_limits {
	enum schedule_order order;
	uint32_t copying_max;   /* guests that copy, those at the gate included; from 1 */
	uint32_t blackout_max;  /* guests that are suspended, or about to be; from 1 */
	uint32_t target_max;    /* guests on their way to one target, up to the last word; from 1 */
	uint32_t attempts_max;  /* of one guest; from 1 */
	uint64_t backoff_us;    /* after the first failure; doubles with each */
	uint64_t link_bytes_per_s; /* of the source, for all together; 0: no limit */
};

/* One row a state: its word. */
#define SCHEDULE_STATES(X) \
	X(WAITING, "waiting")   /* for its start */ \
	X(COPYING, "copying")   \
	X(READY, "ready")       /* all is copied: it waits at the gate */ \
	X(CLEARED, "cleared")   /* the link is its own: it copies what was written meanwhile */ \
	X(BLACKOUT, "blackout") \
	X(SETTLING, "settling") /* it runs at the target; the source is torn down */ \
	X(MOVED, "moved") \
	X(FAILED, "failed")     /* for good */ \
	X(STOPPED, "stopped")   /* it was not begun, because all is to stop */

enum schedule_state {
#define X(state, word) SCHEDULE_##state,
	SCHEDULE_STATES(X)
#undef X
	SCHEDULE_STATE_COUNT
};

const char *schedule_state_text(enum schedule_state state);

/* What is known of a guest, and how it stands. Zeroed but for what the caller fills in. */
struct schedule_guest {
	uint64_t memory_bytes, dirty_bytes_per_s;
	uint32_t priority;  /* the highest goes first */
	uint32_t target;    /* SCHEDULE_NOWHERE: it has none, and fails */

	enum schedule_state state;
	uint32_t attempts;         /* begun so far */
	bool told;                 /* CLEARED: that it may be suspended */
	uint64_t not_before_us;    /* WAITING: backs off until then */
	uint64_t share_bytes_per_s; /* as it was told last; 0: no limit */
	uint64_t started_us;       /* the last attempt */
	uint64_t ready_us, blackout_us, running_us, ended_us; /* 0: not yet */
};

struct schedule {
	struct schedule_limits limits;
	struct schedule_guest *guests; /* the caller's; may be moved and grow between calls */
	size_t guest_count;
	const uint64_t *target_bytes_per_s; /* of each target's link; 0: no limit */
	size_t target_count;
	bool stopping;                    /* what runs ends, nothing begins */
};

enum schedule_action {
	ACTION_NONE,  /* there is nothing to be done before schedule_wake_us() */
	ACTION_START, /* begin to move `guest`, at `bytes_per_s` (0: no limit) */
	ACTION_SHARE, /* it may now send `bytes_per_s` (0: no limit) */
	ACTION_GO,    /* it may catch up, and be suspended */
};

struct schedule_step {
	enum schedule_action action;
	size_t guest;
	uint64_t bytes_per_s;
};

/*
 * What is to be done now; the schedule takes it as done. Call until it says ACTION_NONE, after
 * each of the calls below and at schedule_wake_us().
 */
void schedule_next(struct schedule *schedule, uint64_t now_us, struct schedule_step *step);
/* When a guest may be tried again, or SCHEDULE_NEVER. */
uint64_t schedule_wake_us(const struct schedule *schedule, uint64_t now_us);

/* ---- what happens to a guest ---- */

void schedule_ready(struct schedule *schedule, size_t guest, uint64_t now_us); /* at the gate */
void schedule_blackout(struct schedule *schedule, size_t guest, uint64_t now_us);
void schedule_running(struct schedule *schedule, size_t guest, uint64_t now_us); /* at the target */
void schedule_moved(struct schedule *schedule, size_t guest, uint64_t now_us);
/* It could not even begin, for want of room among jobs: it is tried again at `again_us`. */
void schedule_put_off(struct schedule *schedule, size_t guest, uint64_t again_us);
/*
 * An attempt has failed, and the guest runs at the source. `again`: it may be tried elsewhere or
 * later. Returns whether it will be; the caller may then give it another target.
 */
bool schedule_failed(struct schedule *schedule, size_t guest, bool again, uint64_t now_us);

/* Nothing begins any more. */
void schedule_stop(struct schedule *schedule, uint64_t now_us);
/* Whether every guest is where it stays. */
bool schedule_is_over(const struct schedule *schedule);

#endif

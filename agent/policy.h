/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stop policy: when pre-copy ends. Pure: it knows the stream's questions and the time.
 *
 * Pre-copy ends when `dirty bytes / measured rate + fixed costs` fits the downtime limit. The rate
 * is what left on the connection: the library's own counts hold the holes of the address space, a
 * million of them for any PVH guest. The limit is the operator's as long as each iteration leaves
 * clearly less than the one before; each that does not is a stall, and the limit rises by a
 * schedule, which is data (as RHV's migration policies are), until it says abort.
 *
 * The library asks twice an iteration, and only before sending is it known what is dirty. Told to
 * stop then, it still sends that set with the guest running, and suspends it afterwards. So the
 * set that the downtime pays for is what the guest dirties meanwhile: smaller than the one
 * predicted with, as long as the guest dirties more slowly than the connection sends.
 */
#ifndef XENFERRY_POLICY_H
#define XENFERRY_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "host.h"

#define POLICY_ITERATIONS_MAX 30 /* then it must fit, or the copy is given up */

enum policy_action {
	POLICY_SCALE_LIMIT, /* the operator's limit times value / 100 */
	POLICY_SET_LIMIT,   /* value in ms */
	POLICY_ABORT,
};

/*
 * Once `stalls` iterations have stalled: do this. A schedule is sorted by `stalls`; no item lowers
 * the limit.
 */
struct policy_item {
	uint32_t stalls;
	enum policy_action action;
	uint32_t value;
};

struct policy {
	/* what was asked for */
	uint32_t downtime_limit_ms, fixed_ms;
	const struct policy_item *schedule;
	size_t schedule_count;

	/* for the record: what holds now, what was measured and predicted */
	uint32_t limit_ms;              /* the downtime limit, raised by the schedule */
	uint32_t stalls;                /* iterations that did not leave clearly less */
	uint32_t predicted_downtime_ms; /* UINT32_MAX: not known */
	uint64_t send_bytes_per_s;      /* 0: not known yet; of the last iteration long enough */
	uint64_t dirty_bytes_per_s;     /* of the last iteration */
	uint64_t remaining_bytes;       /* dirty at the last look; 0 in the first pass: not known */

	/* the iteration under way */
	uint64_t begun_us, begun_bytes;
};

/*
 * Starts with the built-in schedule. `downtime_limit_ms`: what the guest may miss; `fixed_ms`: the
 * part of it that does not depend on memory.
 */
void policy_init(struct policy *policy, uint32_t downtime_limit_ms, uint32_t fixed_ms);

/*
 * Answers a STREAM_ITERATION event that came at `now_us` (monotonic). Never blocks. On
 * STREAM_ABORT `err` is ERR_NOT_CONVERGED with both rates and the limit in words.
 */
enum stream_decision policy_decide(struct policy *policy, const struct stream_event *event,
				   uint64_t now_us, struct err *err);

#endif

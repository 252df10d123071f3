/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decision when pre-copy ends. Pure: it knows the stream's questions, the time, the policy's
 * rules and what a handover costs.
 *
 * After each pass Xen is asked what is dirty now. If the guest were suspended, that is what its
 * downtime would pay for: it ends when `dirty bytes / measured rate + measured fixed costs` fits
 * the limit. Of what the guest dirties while it is being suspended, and of how far earlier
 * predictions were off, a margin is made. The rate is what left on the connection: the library's
 * own counts hold the holes of the address space, a million of them for any PVH guest.
 *
 * What does not fit is a stall. As in RHV (vdsm's migration monitor) an item is taken in the first
 * pass after its stallingLimit, one item a pass; the last items follow pass by pass.
 *
 * The library asks before each pass, too, when the set to send has been taken already. Told to
 * stop then, it still sends that set with the guest running and suspends blindly afterwards: so
 * that question only counts where Xen could not say what is dirty.
 */
#ifndef XENFERRY_POLICY_H
#define XENFERRY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converge.h"
#include "handover_costs.h"
#include "err.h"
#include "host.h"
#include "policy_rules.h"

#define POLICY_ITERATIONS_MAX (POLICY_STALLS_MAX + 10) /* then it must fit, or it is given up */

struct policy {
	/* what was asked for */
	struct policy_rules rules;
	struct costs costs;
	uint32_t given_limit_ms;        /* the operator's own; 0: the rules' */
	bool limited;                   /* a limit slows all passes but the last */
	bool stop_at_once;              /* suspend after this pass, whatever it costs */

	/* for the record: what holds now, what was measured and predicted */
	uint32_t limit_ms;              /* the downtime limit, as the rules raised it */
	uint32_t predicted_downtime_ms; /* UINT32_MAX: not known */
	uint64_t send_bytes_per_s;      /* 0: not known yet; of the last pass long enough */
	uint64_t dirty_bytes_per_s;     /* of the last pass */
	uint64_t fresh_bytes_per_s;     /* at which still clean pages get dirty in the end of it */
	uint64_t remaining_bytes;       /* dirty at the last look; 0 in the first pass: not known */
	struct converge converge;

	/* the schedule, and the pass under way */
	size_t next_item;
	uint32_t decided;               /* the pass that was decided upon last */
	uint32_t skipped;               /* passes that are no stalls: the guest was waited for */
	uint64_t begun_us, begun_bytes, sent_bytes, took_us;
};

/*
 * Before anything is copied: can the operator's own limit be kept at all (0: none)?
 * ERR_NOT_CONVERGED when earlier handovers alone took longer.
 */
int policy_check(uint32_t limit_ms, const struct costs *costs, struct err *err);

/*
 * Starts with `rules`; `limit_ms`: what the guest may miss, in the place of all that the rules say
 * of it (0: as they say); `costs`: what a handover costs beside memory.
 */
void policy_init(struct policy *policy, const struct policy_rules *rules, uint32_t limit_ms,
		 const struct costs *costs);

/*
 * Answers a STREAM_ITERATION event that came at `now_us` (monotonic). Never blocks. On STREAM_ABORT
 * `err` is ERR_NOT_CONVERGED with both rates and the limit in words.
 */
enum stream_decision policy_decide(struct policy *policy, const struct stream_event *event,
				   uint64_t now_us, struct err *err);

/* The passes up to `iteration` were the operator's wish and no stalls: the schedule begins anew. */
void policy_forgive(struct policy *policy, uint32_t iteration);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <errno.h>

#define PAGE_BYTES 4096u

/*
 * A shorter pass goes into the socket's buffer whole and would measure the memory's speed, not the
 * connection's.
 */
#define SAMPLE_BYTES_MIN (1024u * 1024u)

#define COPY_SHARE_MIN 0.1 /* of the limit: less to copy is next to nothing */

int policy_check(uint32_t limit_ms, const struct costs *costs, struct err *err)
{
	if (limit_ms == 0 || costs->samples == 0 || costs->fixed_ms <= limit_ms)
		return 0;
	return err_set(err, ERR_NOT_CONVERGED, -ETIME,
		       "a downtime of %u ms cannot be kept: the handover alone has taken %.0f ms "
		       "between these hosts by this plan; raise downtime-limit-ms, or take "
		       "another plan", limit_ms, costs->fixed_ms);
}

void policy_init(struct policy *policy, const struct policy_rules *rules, uint32_t limit_ms,
		 const struct costs *costs)
{
	*policy = (struct policy){
		.rules = *rules,
		.costs = *costs,
		.given_limit_ms = limit_ms,
		.limit_ms = limit_ms ? limit_ms : rules->initial_ms,
		.predicted_downtime_ms = UINT32_MAX,
	};
}

static uint32_t clamp_u32(double value)
{
	return value < (double)UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* 0 when no time has passed: nothing can be said of a rate then. */
static uint64_t per_second(uint64_t bytes, uint64_t us)
{
	double rate = us ? (double)bytes * 1e6 / (double)us : 0.0;

	return rate < 1e18 ? (uint64_t)rate : (uint64_t)1e18;
}

static uint64_t since(uint64_t now, uint64_t begun)
{
	return now > begun ? now - begun : 0;
}

/* ---- measuring ---- */

static void begin_pass(struct policy *policy, const struct stream_event *event, uint64_t now_us)
{
	policy->begun_us = now_us;
	policy->begun_bytes = event->memory_bytes;
}

/* What left on the connection, and in which time, is its rate. */
static void measure_rate(struct policy *policy, const struct stream_event *event, uint64_t now_us)
{
	uint64_t bytes = since(event->memory_bytes, policy->begun_bytes);
	uint64_t rate = per_second(bytes, since(now_us, policy->begun_us));

	policy->sent_bytes = bytes;
	if (rate && (bytes >= SAMPLE_BYTES_MIN || !policy->send_bytes_per_s))
		policy->send_bytes_per_s = rate;
}

/*
 * A guest that has dirtied its working set dirties the same pages again, so the longer a pass the
 * fewer fresh ones come. Their rate at its end lies between that of all of it and, where the pass
 * before was longer, that of the difference between the two: the middle is taken.
 */
static uint64_t fresh_rate(const struct policy *policy, uint64_t before_bytes, uint64_t before_us)
{
	uint64_t more_us = since(before_us, policy->took_us);
	uint64_t rate = policy->dirty_bytes_per_s;
	uint64_t floor = per_second(since(before_bytes, policy->remaining_bytes), more_us);

	if (more_us < policy->took_us / 4 || floor > rate)
		return rate;
	return floor + (rate - floor) / 2;
}

/* What is dirty now was dirtied since the pass was begun. */
static void measure_dirt(struct policy *policy, const struct stream_event *event, uint64_t now_us)
{
	uint64_t pages = event->dirty_pages > 0 ? (uint64_t)event->dirty_pages : 0;
	uint64_t before_bytes = policy->remaining_bytes, before_us = policy->took_us;

	policy->took_us = since(now_us, policy->begun_us);
	policy->remaining_bytes = pages < UINT64_MAX / PAGE_BYTES ? pages * PAGE_BYTES : UINT64_MAX;
	policy->dirty_bytes_per_s = per_second(policy->remaining_bytes, policy->took_us);
	policy->fresh_bytes_per_s = fresh_rate(policy, before_bytes, before_us);
}

/* The rate of the last pass: that of earlier migrations, where only the others are limited. */
static double last_rate(const struct policy *policy)
{
	bool known = policy->limited && policy->costs.send_bytes_per_s > policy->send_bytes_per_s;

	return (double)(known ? policy->costs.send_bytes_per_s : policy->send_bytes_per_s);
}

/* How long what is dirty, and gets dirty before the guest stands still, takes; < 0: not known. */
static double copy_ms(const struct policy *policy)
{
	double rate = last_rate(policy), more_bytes;

	if (rate <= 0)
		return -1;
	more_bytes = (double)policy->fresh_bytes_per_s * policy->costs.suspend_ms / 1000;
	if (more_bytes > (double)policy->remaining_bytes) /* the pass was longer than that */
		more_bytes = (double)policy->remaining_bytes;
	return ((double)policy->remaining_bytes + more_bytes) * 1000 / rate;
}

/* Predicts the downtime; returns whether it fits, its margin included. */
static bool fits(struct policy *policy)
{
	double copy = copy_ms(policy);

	policy->predicted_downtime_ms = UINT32_MAX;
	if (copy < 0)
		return false;
	policy->predicted_downtime_ms = clamp_u32(copy + policy->costs.fixed_ms);
	return copy + policy->costs.fixed_ms + costs_margin_ms(&policy->costs, copy) <=
	       policy->limit_ms;
}

/* ---- the schedule ---- */

/* Takes the next item if pass `stalls` is one for it. Returns true when its word is abort. */
static bool take_item(struct policy *policy, uint32_t stalls)
{
	const struct policy_rules *rules = &policy->rules;
	const struct policy_item *item = &rules->items[policy->next_item];

	if (policy->next_item == rules->count || stalls <= item->stalls)
		return false;
	policy->next_item++;
	switch (item->action) {
	case POLICY_SET_DOWNTIME:
		if (policy->given_limit_ms == 0 && item->downtime_ms > policy->limit_ms)
			policy->limit_ms = item->downtime_ms;
		return false;
	case POLICY_POST_COPY:
		return take_item(policy, stalls);
	default:
		return true;
	}
}

/*
 * Next to nothing is left to copy, and a handover alone takes longer than the limit, of which the
 * policy could not know. No waiting helps: the limits that it would come to are taken at once.
 */
static bool fits_at_last(struct policy *policy)
{
	const struct policy_rules *rules = &policy->rules;
	double copy = copy_ms(policy);

	if (policy->given_limit_ms != 0 || copy < 0 || copy > policy->limit_ms * COPY_SHARE_MIN)
		return false;
	while (!fits(policy) && policy->next_item < rules->count &&
	       rules->items[policy->next_item].action != POLICY_ABORT)
		take_item(policy, UINT32_MAX);
	return true;
}

static enum stream_decision give_up(const struct policy *policy, uint32_t passes, struct err *err)
{
	const double mib = 1024.0 * 1024.0;

	err_set(err, ERR_NOT_CONVERGED, -ETIME,
		"the copy does not converge after %u iterations: the guest dirties %.1f MiB/s, "
		"the connection sends %.1f MiB/s, and the %.1f MiB that remain with the %.0f ms "
		"that a handover takes do not fit a downtime of %u ms; lower the guest's load, "
		"raise downtime-limit-ms, or take policy=suspend-workload-if-needed", passes,
		(double)policy->dirty_bytes_per_s / mib, (double)policy->send_bytes_per_s / mib,
		(double)policy->remaining_bytes / mib, policy->costs.fixed_ms,
		policy->limit_ms);
	return STREAM_ABORT;
}

void policy_forgive(struct policy *policy, uint32_t iteration)
{
	policy->skipped = iteration;
}

/* After pass number `iteration`, with what is dirty now. */
static enum stream_decision decide(struct policy *policy, uint32_t iteration, struct err *err)
{
	uint32_t stalls = iteration > policy->skipped ? iteration - policy->skipped : 0;
	bool over;

	policy->decided = iteration;
	if (fits(policy) || policy->stop_at_once || fits_at_last(policy) ||
	    policy->remaining_bytes == 0)
		return STREAM_STOP;
	over = take_item(policy, stalls) || stalls >= POLICY_ITERATIONS_MAX;
	if (over)
		return give_up(policy, iteration, err);
	if (fits(policy) || fits_at_last(policy))
		return STREAM_STOP;
	if (policy->rules.auto_converge && policy->remaining_bytes >= SAMPLE_BYTES_MIN)
		converge_step(&policy->converge, policy->sent_bytes, policy->remaining_bytes);
	return STREAM_CONTINUE;
}

enum stream_decision policy_decide(struct policy *policy, const struct stream_event *event,
				   uint64_t now_us, struct err *err)
{
	enum stream_decision decision = STREAM_CONTINUE;

	if (event->sent)
		measure_rate(policy, event, now_us);
	if (event->iteration > 0 && event->iteration != policy->decided &&
	    event->dirty_pages >= 0) {
		measure_dirt(policy, event, now_us);
		decision = decide(policy, event->iteration, err);
	}
	if (!event->sent)
		begin_pass(policy, event, now_us);
	return decision;
}

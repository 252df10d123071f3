/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <errno.h>

#define PAGE_BYTES 4096u
#define STALL_PERCENT 90u /* an iteration that leaves more than this of the one before stalls */

/*
 * A shorter iteration goes into the socket's buffer whole and would measure the memory's speed,
 * not the connection's.
 */
#define SAMPLE_BYTES_MIN (1024u * 1024u)

/* In the spirit of RHV's "suspend workload if needed": five seconds at last, then give up. */
static const struct policy_item builtin_schedule[] = {
	{ 1, POLICY_SCALE_LIMIT, 150 },
	{ 2, POLICY_SCALE_LIMIT, 200 },
	{ 3, POLICY_SCALE_LIMIT, 300 },
	{ 4, POLICY_SCALE_LIMIT, 400 },
	{ 5, POLICY_SET_LIMIT, 5000 },
	{ 6, POLICY_ABORT, 0 },
};

void policy_init(struct policy *policy, uint32_t downtime_limit_ms, uint32_t fixed_ms)
{
	*policy = (struct policy){
		.downtime_limit_ms = downtime_limit_ms,
		.fixed_ms = fixed_ms,
		.schedule = builtin_schedule,
		.schedule_count = sizeof(builtin_schedule) / sizeof(builtin_schedule[0]),
		.limit_ms = downtime_limit_ms,
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

/* After sending: what left on the connection, and in which time, is its rate. */
static void measure_rate(struct policy *policy, const struct stream_event *event, uint64_t now_us)
{
	uint64_t bytes = since(event->memory_bytes, policy->begun_bytes);
	uint64_t rate = per_second(bytes, since(now_us, policy->begun_us));

	if (rate && (bytes >= SAMPLE_BYTES_MIN || !policy->send_bytes_per_s))
		policy->send_bytes_per_s = rate;
}

/* Before sending: how much was dirtied since the iteration before was begun. */
static void measure_dirt(struct policy *policy, const struct stream_event *event, uint64_t now_us)
{
	uint64_t pages = event->dirty_pages > 0 ? (uint64_t)event->dirty_pages : 0;
	uint64_t before_bytes = policy->remaining_bytes;
	double stall_bytes = (double)before_bytes * STALL_PERCENT / 100;

	policy->remaining_bytes = pages < UINT64_MAX / PAGE_BYTES ? pages * PAGE_BYTES : UINT64_MAX;
	policy->dirty_bytes_per_s =
		per_second(policy->remaining_bytes, since(now_us, policy->begun_us));
	/* the first set has none before it: what was sent then was all of the address space */
	if (event->iteration > 1 && (double)policy->remaining_bytes > stall_bytes)
		policy->stalls++;
}

static void predict(struct policy *policy)
{
	double copy_ms;

	policy->predicted_downtime_ms = UINT32_MAX;
	if (!policy->send_bytes_per_s)
		return;
	copy_ms = (double)policy->remaining_bytes * 1000 / (double)policy->send_bytes_per_s;
	policy->predicted_downtime_ms = clamp_u32(copy_ms + policy->fixed_ms);
}

/* Applies the schedule as far as the stalls have come. Returns true when its word is abort. */
static bool raise_limit(struct policy *policy)
{
	uint32_t limit_ms = policy->downtime_limit_ms;
	bool over = false;

	for (size_t i = 0; i < policy->schedule_count; i++) {
		const struct policy_item *item = &policy->schedule[i];
		uint32_t value_ms = item->value;

		if (policy->stalls < item->stalls)
			break;
		if (item->action == POLICY_SCALE_LIMIT)
			value_ms = clamp_u32((double)policy->downtime_limit_ms * item->value / 100);
		if (item->action == POLICY_ABORT)
			over = true;
		else if (value_ms > limit_ms)
			limit_ms = value_ms;
	}
	policy->limit_ms = limit_ms;
	return over;
}

static enum stream_decision give_up(const struct policy *policy, const struct stream_event *event,
				    struct err *err)
{
	const double mib = 1024.0 * 1024.0;

	err_set(err, ERR_NOT_CONVERGED, -ETIME,
		"the copy does not converge after %u iterations: the guest dirties %.1f MiB/s, "
		"the connection sends %.1f MiB/s, and the %.1f MiB that remain do not fit "
		"a downtime of %u ms; lower the guest's load or raise downtime-limit-ms",
		event->iteration, (double)policy->dirty_bytes_per_s / mib,
		(double)policy->send_bytes_per_s / mib, (double)policy->remaining_bytes / mib,
		policy->limit_ms);
	return STREAM_ABORT;
}

enum stream_decision policy_decide(struct policy *policy, const struct stream_event *event,
				   uint64_t now_us, struct err *err)
{
	bool over;

	if (event->sent) {
		measure_rate(policy, event, now_us);
		return STREAM_CONTINUE;
	}
	if (event->iteration > 0)
		measure_dirt(policy, event, now_us);
	policy->begun_us = now_us;
	policy->begun_bytes = event->memory_bytes;
	if (event->iteration == 0)
		return STREAM_CONTINUE;

	over = raise_limit(policy) || event->iteration >= POLICY_ITERATIONS_MAX;
	predict(policy);
	if (event->dirty_pages == 0 || policy->predicted_downtime_ms <= policy->limit_ms)
		return STREAM_STOP;
	return over ? give_up(policy, event, err) : STREAM_CONTINUE;
}

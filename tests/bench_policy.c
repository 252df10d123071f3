/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policies against libxenguest's default stop rule, over a grid of guests, in virtual time: a
 * model of a link and of a guest that dirties its working set drives the code that decides in
 * xenferry-worker (policy.c, converge.c, costs.c). Nothing is copied, and nothing is measured but
 * decisions; tests/sim_bench.sh confirms a few points with the real programs.
 *
 *   policy-limit-kept, policy-prediction   percent of the migrations that completed
 *   policy-prediction-first                the same of those of them between new pairs of hosts
 *   policy-downtime, policy-total          ms, medians, of the points that both rules complete,
 *                                          against the default rule on the same points
 *
 * The model: distinct pages dirtied in t seconds are W * (1 - exp(-d * t / W)) of a working set W,
 * slowed with the cap; the link's rate varies by 5 % from pass to pass, a handover takes 45 ms and
 * a suspend 15 ms, each give or take 8 %. Each guest moves between two hosts of its own, whose
 * handovers take 20 % more or less than those of others; of a pair that nothing is known of, the
 * pairs before it are what there is to guess from. All of it is repeatable: the dice are seeded.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

#define MIB 1048576.0
#define PAGE 4096.0
#define LINK_BYTES_PER_S (1100 * MIB) /* some 10 Gb/s */
#define ROUNDS 6                      /* of each guest, one after another: costs are learnt */
#define POINTS_MAX 20000
#define DEFAULT_PASSES 5              /* xenguest's SPP_MAX_ITERATIONS */
#define DEFAULT_PAGES 50              /* and SPP_TARGET_DIRTY_COUNT */

/* ---- dice ---- */

static uint64_t dice = 1;

static double uniform(void)
{
	dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(dice >> 11) / 9007199254740992.0;
}

/* About 1, by `percent` either way on average. */
static double vary(double percent)
{
	double sum = uniform() + uniform() + uniform() - 1.5; /* of variance a quarter */

	return 1 + sum * 2 * percent / 100;
}

/* ---- the model ---- */

struct guest {
	double memory_bytes, working_bytes, dirty_bytes_per_s;
	double handover_ms; /* of its pair of hosts */
};

static double dirtied(const struct guest *guest, double seconds, uint32_t throttle_percent)
{
	double pace = guest->dirty_bytes_per_s * (100 - throttle_percent) / 100;

	return guest->working_bytes * (1 - exp(-pace * seconds / guest->working_bytes));
}

struct outcome {
	bool completed;
	double total_ms, downtime_ms, predicted_ms, limit_ms;
};

/* What is left goes while the guest stands still. */
static void hand_over(const struct guest *guest, double left_bytes, double suspend_s,
		      uint32_t throttle_percent, double now_s, struct outcome *outcome)
{
	double more = dirtied(guest, suspend_s, throttle_percent);
	double bytes = fmin(left_bytes + more, guest->working_bytes);
	double rate = LINK_BYTES_PER_S * vary(5);

	outcome->completed = true;
	outcome->downtime_ms = bytes / rate * 1000 + guest->handover_ms * vary(8);
	outcome->total_ms = (now_s + suspend_s) * 1000 + outcome->downtime_ms;
}

static struct stream_event question(uint32_t iteration, bool sent, double dirty, double bytes)
{
	return (struct stream_event){
		.kind = STREAM_ITERATION,
		.iteration = iteration,
		.sent = sent,
		.dirty_pages = (int64_t)(dirty / PAGE),
		.wire_bytes = (uint64_t)bytes,
		.memory_bytes = (uint64_t)bytes,
	};
}

static void remember(struct costs *costs, const struct outcome *outcome, double last_rate,
		     double left_bytes, double suspend_s)
{
	struct record record = {
		.suspended_us = 2000000,
		.passes = { { .span = { 0, 1000000 } }, { .span = { 2000000, 3000000 } } },
		.pass_count = 2,
		.steps = { { .name = "suspend-guest" } },
		.step_count = 1,
	};

	record.running_us = record.suspended_us + (uint64_t)(outcome->downtime_ms * 1000);
	record.steps[0].start_us = record.suspended_us - (uint64_t)(suspend_s * 1e6);
	record.passes[0].sent_bytes = (uint64_t)last_rate;
	record.passes[1].sent_bytes = (uint64_t)left_bytes;
	costs_learn(costs, &record, false);
}

/* One migration as the library asks, decided by the policy. */
static struct outcome migrate(const struct guest *guest, const struct policy_rules *rules,
			      struct costs *costs)
{
	struct outcome outcome = { .completed = false };
	double now_s = 1, sent = 0, to_send = guest->memory_bytes, suspend_s = 0.015 * vary(8);
	struct policy policy;
	struct err err;

	policy_init(&policy, rules, 0, costs);
	for (uint32_t i = 0;; i++) {
		double rate = LINK_BYTES_PER_S * vary(5), took_s = to_send / rate, left;
		struct stream_event event = question(i, false, to_send, sent);
		enum stream_decision decision;

		decision = policy_decide(&policy, &event, (uint64_t)(now_s * 1e6), &err);
		if (decision != STREAM_CONTINUE)
			break;
		now_s += took_s;
		sent += to_send;
		left = dirtied(guest, took_s, policy.converge.throttle_percent);
		event = question(i + 1, true, left, sent);
		decision = policy_decide(&policy, &event, (uint64_t)(now_s * 1e6), &err);
		if (decision == STREAM_ABORT)
			break;
		if (decision == STREAM_STOP) {
			hand_over(guest, left, suspend_s, policy.converge.throttle_percent, now_s,
				  &outcome);
			remember(costs, &outcome, rate, left, suspend_s);
			break;
		}
		to_send = left;
	}
	outcome.predicted_ms = policy.predicted_downtime_ms;
	outcome.limit_ms = policy.limit_ms;
	return outcome;
}

/* The same by libxenguest's own rule. It looks before a pass, which it then still sends. */
static struct outcome migrate_by_default(const struct guest *guest)
{
	struct outcome outcome = { .completed = false };
	double now_s = 1, to_send = guest->memory_bytes, suspend_s = 0.015 * vary(8);

	for (uint32_t i = 0;; i++) {
		double took_s = to_send / (LINK_BYTES_PER_S * vary(5));
		bool stop = i >= DEFAULT_PASSES || to_send < DEFAULT_PAGES * PAGE;

		now_s += took_s;
		to_send = dirtied(guest, took_s, 0);
		if (stop)
			break;
	}
	hand_over(guest, to_send, suspend_s, 0, now_s, &outcome);
	return outcome;
}

/* ---- the grid ---- */

static struct {
	double ours_ms[2][POINTS_MAX], theirs_ms[2][POINTS_MAX]; /* downtime, total */
	size_t both, runs, completed, kept, predicted, first, first_predicted;
} tally;

static void note(const struct outcome *ours, const struct outcome *theirs, bool first)
{
	double error = fabs(ours->predicted_ms - ours->downtime_ms);

	tally.runs++;
	if (!ours->completed)
		return;
	tally.completed++;
	tally.kept += ours->downtime_ms <= ours->limit_ms;
	tally.predicted += error <= ours->downtime_ms * 0.2;
	tally.first += first;
	tally.first_predicted += first && error <= ours->downtime_ms * 0.2;
	if (tally.both == POINTS_MAX)
		return;
	tally.ours_ms[0][tally.both] = ours->downtime_ms;
	tally.ours_ms[1][tally.both] = ours->total_ms;
	tally.theirs_ms[0][tally.both] = theirs->downtime_ms;
	tally.theirs_ms[1][tally.both++] = theirs->total_ms;
}

/* What was learnt of the pairs of hosts so far, as far as it is looked at. */
static struct {
	struct costs costs[COSTS_OTHERS_MAX];
	size_t count;
} known;

static void move_often(struct guest *guest, const struct policy_rules *rules)
{
	struct costs costs;

	guest->handover_ms = 45 * vary(20);
	costs_guess(&costs, known.costs, known.count);
	for (int round = 0; round < ROUNDS; round++) {
		struct outcome theirs = migrate_by_default(guest);
		struct outcome ours = migrate(guest, rules, &costs);

		note(&ours, &theirs, costs.samples <= 1);
	}
	if (costs.samples > 0 && known.count < COSTS_OTHERS_MAX)
		known.costs[known.count++] = costs;
}

/* Dirty rates from none to twice the link, sizes from 1 to 64 GiB, working sets of all shares. */
static void walk(const struct policy_rules *rules)
{
	static const double shares[] = { 0.002, 0.01, 0.05, 0.2, 1 };

	memset(&tally, 0, sizeof(tally));
	dice = 20130;
	known.count = 0;
	for (double gib = 1; gib <= 64; gib *= 4)
		for (size_t share = 0; share < sizeof(shares) / sizeof(shares[0]); share++)
			for (int tenths = 0; tenths <= 20; tenths++) {
				double bytes = gib * 1024 * MIB;
				struct guest guest = { bytes, bytes * shares[share],
						       LINK_BYTES_PER_S * tenths / 10, 0 };

				move_often(&guest, rules);
			}
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static double at(double *values, double share)
{
	qsort(values, tally.both, sizeof(*values), compare);
	return tally.both ? values[(size_t)(share * (double)(tally.both - 1))] : 0;
}

static void print_share(const char *what, const struct policy_rules *rules, size_t good, size_t all)
{
	double percent = all ? 100.0 * (double)good / (double)all : 0;

	printf("{\"bench\": \"%s-%s\", \"unit\": \"%%\", \"median\": %.2f, \"min\": %.2f, "
	       "\"max\": %.2f, \"n\": %zu, \"against\": \"all runs\", \"ratio\": %.4f}\n", what,
	       rules->name, percent, percent, percent, all, (double)all / (double)tally.runs);
	fprintf(stderr, "%-24s %-28s %6.2f %% of %zu of the %zu of %zu runs that completed\n", what,
		rules->name, percent, all, tally.completed, tally.runs);
}

static void print_times(const char *what, const struct policy_rules *rules, int which)
{
	double ours = at(tally.ours_ms[which], 0.5), theirs = at(tally.theirs_ms[which], 0.5);

	printf("{\"bench\": \"%s-%s\", \"unit\": \"ms\", \"median\": %.1f, \"min\": %.1f, "
	       "\"max\": %.1f, \"n\": %zu, \"against\": \"libxenguest's default stop rule\", "
	       "\"ratio\": %.4f}\n", what, rules->name, ours, at(tally.ours_ms[which], 0),
	       at(tally.ours_ms[which], 1), tally.both, theirs > 0 ? ours / theirs : 0);
	fprintf(stderr, "%-24s %-28s median %.0f, 99 %% %.0f, most %.0f ms; by default %.0f, %.0f, "
		"%.0f ms\n", what, rules->name, ours, at(tally.ours_ms[which], 0.99),
		at(tally.ours_ms[which], 1), theirs, at(tally.theirs_ms[which], 0.99),
		at(tally.theirs_ms[which], 1));
}

int main(void)
{
	const struct policy_rules *rules;

	for (size_t i = 0; (rules = policy_builtin_at(i)); i++) {
		walk(rules);
		print_share("policy-limit-kept", rules, tally.kept, tally.completed);
		print_share("policy-prediction", rules, tally.predicted, tally.completed);
		print_share("policy-prediction-first", rules, tally.first_predicted, tally.first);
		print_times("policy-downtime", rules, 0);
		print_times("policy-total", rules, 1);
	}
	return 0;
}

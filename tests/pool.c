/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "placement.h"

#define GIB (UINT64_C(1) << 30)
#define PREPARE_S 1.0   /* domain, devices, connections */
#define FIXED_S 0.13    /* of the downtime: reference/prototype */
#define SETTLE_S 1.0    /* the source is torn down */
#define READY_S 0.3     /* at the gate when what is dirty fits into this, at the link's rate */
#define PASSES_MAX 8    /* or after so many */
#define PASS_LEAST 4e6  /* bytes */
#define FAILS_AFTER 0.5 /* of its first pass */
#define ALL_AT_ONCE 64

enum leg { LEG_PREPARE, LEG_COPY, LEG_GATE, LEG_CATCH_UP, LEG_BLACKOUT, LEG_FIXED, LEG_SETTLE };

/* One guest on its way. */
struct mover {
	size_t guest; /* in the schedule */
	struct pool_guest *about;
	enum leg leg;
	double left;  /* of the leg: bytes or seconds */
	double rate;  /* bytes/s, now */
	double begun_s, suspended_s; /* the pass; the guest */
	unsigned passes;
};

struct run {
	struct schedule schedule;
	struct mover movers[ALL_AT_ONCE];
	size_t count;
	double now_s;
	bool gives_up;
};

static uint64_t now_us(const struct run *run)
{
	return (uint64_t)(run->now_s * 1e6);
}

static bool sends(const struct mover *mover)
{
	return mover->leg == LEG_COPY || mover->leg == LEG_CATCH_UP || mover->leg == LEG_BLACKOUT;
}

/* Each has an equal share; what one may not use, the others do. */
static void share_link(struct run *run)
{
	double left = POOL_LINK_BYTES_PER_S;
	size_t open = 0;
	bool changed = true;

	for (size_t i = 0; i < run->count; i++) {
		run->movers[i].rate = sends(&run->movers[i]) ? -1 : 0;
		open += sends(&run->movers[i]);
	}
	while (changed) {
		changed = false;
		for (size_t i = 0; i < run->count; i++) {
			struct mover *mover = &run->movers[i];
			uint64_t limit = run->schedule.guests[mover->guest].share_bytes_per_s;

			if (mover->rate >= 0 || mover->leg != LEG_COPY || limit == 0 ||
			    (double)limit > left / (double)open)
				continue;
			mover->rate = (double)limit;
			left -= mover->rate;
			open--;
			changed = true;
		}
	}
	for (size_t i = 0; i < run->count; i++)
		if (run->movers[i].rate < 0)
			run->movers[i].rate = left / (double)open;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* What the pass under way leaves behind. */
static double dirtied(const struct run *run, const struct mover *mover)
{
	return least(mover->about->working_bytes,
		     mover->about->dirty_bytes_per_s * (run->now_s - mover->begun_s));
}

static void begin_pass(struct run *run, struct mover *mover, double bytes)
{
	mover->left = bytes > PASS_LEAST ? bytes : PASS_LEAST;
	mover->begun_s = run->now_s;
}

/* All that was written since the last pass began is to be sent. */
static void begin_catching_up(struct run *run, struct mover *mover)
{
	double dirty = mover->left + dirtied(run, mover);

	mover->leg = LEG_CATCH_UP;
	begin_pass(run, mover, least(dirty, mover->about->working_bytes));
}

static void remove_mover(struct run *run, struct mover *mover)
{
	*mover = run->movers[--run->count];
}

static void suspend(struct run *run, struct mover *mover, double bytes)
{
	schedule_blackout(&run->schedule, mover->guest, now_us(run));
	mover->leg = LEG_BLACKOUT;
	mover->left = bytes;
	mover->suspended_s = run->now_s;
}

static void end_pass(struct run *run, struct mover *mover)
{
	double dirty = dirtied(run, mover);

	mover->passes++;
	if (dirty / POOL_LINK_BYTES_PER_S >= READY_S && mover->passes < PASSES_MAX) {
		begin_pass(run, mover, dirty);
		return;
	}
	mover->leg = LEG_GATE;
	mover->left = dirty;
	mover->passes = 0;
	schedule_ready(&run->schedule, mover->guest, now_us(run));
}

/* As steps_copy.c: two passes, and until what is left fits. */
static void end_catching_up(struct run *run, struct mover *mover)
{
	double dirty = dirtied(run, mover);

	mover->passes++;
	if (mover->passes < 2 ||
	    (dirty / POOL_LINK_BYTES_PER_S >= READY_S && mover->passes < PASSES_MAX))
		begin_pass(run, mover, dirty);
	else
		suspend(run, mover, dirty);
}

static void note_downtime(const struct run *run, struct mover *mover)
{
	struct pool_guest *about = mover->about;
	double stretch;

	about->downtime_s = run->now_s - mover->suspended_s;
	stretch = about->alone_s > 0 ? about->downtime_s / about->alone_s - 1 : 0;
	about->stretch_most = stretch > about->stretch_most ? stretch : about->stretch_most;
}

static void end_leg(struct run *run, struct mover *mover)
{
	switch (mover->leg) {
	case LEG_PREPARE:
		mover->leg = LEG_COPY;
		begin_pass(run, mover, (double)mover->about->memory_bytes);
		break;
	case LEG_COPY:
		end_pass(run, mover);
		break;
	case LEG_GATE:
		break;
	case LEG_CATCH_UP:
		end_catching_up(run, mover);
		break;
	case LEG_BLACKOUT:
		mover->leg = LEG_FIXED;
		mover->left = FIXED_S;
		break;
	case LEG_FIXED:
		note_downtime(run, mover);
		schedule_running(&run->schedule, mover->guest, now_us(run));
		mover->leg = LEG_SETTLE;
		mover->left = SETTLE_S;
		break;
	case LEG_SETTLE:
		mover->about->host = run->schedule.guests[mover->guest].target;
		schedule_moved(&run->schedule, mover->guest, now_us(run));
		remove_mover(run, mover);
		break;
	}
}

static bool breaks(const struct mover *mover)
{
	return mover->about->fails && mover->leg == LEG_COPY && mover->passes == 0 &&
	       mover->left < (double)mover->about->memory_bytes * FAILS_AFTER;
}

static void fail(struct run *run, struct mover *mover)
{
	(void)schedule_failed(&run->schedule, mover->guest, true, now_us(run));
	if (run->gives_up)
		schedule_stop(&run->schedule, now_us(run));
	remove_mover(run, mover);
}

static struct mover *find(struct run *run, size_t guest)
{
	for (size_t i = 0; i < run->count; i++)
		if (run->movers[i].guest == guest)
			return &run->movers[i];
	return NULL;
}

static void act(struct run *run, struct pool_guest *const *guests,
		const struct schedule_step *step)
{
	struct mover *mover;

	if (step->action == ACTION_START) {
		assert(run->count < ALL_AT_ONCE);
		run->movers[run->count++] = (struct mover){ .guest = step->guest,
							    .about = guests[step->guest],
							    .leg = LEG_PREPARE,
							    .left = PREPARE_S };
	} else if (step->action == ACTION_GO) {
		mover = find(run, step->guest);
		begin_catching_up(run, mover);
	}
}

/* As far as the next end of a leg, or the next attempt. */
static void advance(struct run *run)
{
	uint64_t wake_us = schedule_wake_us(&run->schedule, now_us(run));
	double step_s = wake_us == SCHEDULE_NEVER ? 1e9 : (double)wake_us / 1e6 - run->now_s;

	share_link(run);
	for (size_t i = 0; i < run->count; i++) {
		const struct mover *mover = &run->movers[i];
		double left = mover->left;

		if (mover->leg == LEG_GATE)
			continue;
		if (mover->about->fails && mover->leg == LEG_COPY && mover->passes == 0)
			left -= (double)mover->about->memory_bytes * FAILS_AFTER - 1;
		step_s = least(step_s, sends(mover) ? left / mover->rate : left);
	}
	step_s = step_s > 1e-6 ? step_s : 1e-6;
	run->now_s += step_s;
	for (size_t i = run->count; i-- > 0;) {
		struct mover *mover = &run->movers[i];

		if (mover->leg == LEG_GATE)
			continue;
		mover->left -= sends(mover) ? mover->rate * step_s : step_s;
		if (breaks(mover))
			fail(run, mover);
		else if (mover->left <= 1e-9)
			end_leg(run, mover);
	}
}

static void run_schedule(struct run *run, struct pool_guest *const *guests)
{
	struct schedule_step step;

	do {
		for (schedule_next(&run->schedule, now_us(run), &step);
		     step.action != ACTION_NONE;
		     schedule_next(&run->schedule, now_us(run), &step))
			act(run, guests, &step);
		if (run->count > 0 ||
		    schedule_wake_us(&run->schedule, now_us(run)) != SCHEDULE_NEVER)
			advance(run);
	} while (run->count > 0 || !schedule_is_over(&run->schedule));
}

/* ---- one host ---- */

static bool is_elsewhere(const void *context, size_t guest, size_t host)
{
	(void)guest;
	return host != *(const uint32_t *)context;
}

/* Returns how long it took. */
static double empty_host(struct pool *pool, uint32_t host, const struct schedule_limits *limits,
			 bool gives_up)
{
	CLEANUP_FREE struct pool_guest **here = calloc(pool->guest_count, sizeof(*here));
	CLEANUP_FREE struct placement_guest *wanted = calloc(pool->guest_count, sizeof(*wanted));
	CLEANUP_FREE struct schedule_guest *guests = calloc(pool->guest_count, sizeof(*guests));
	CLEANUP_FREE uint32_t *places = calloc(pool->guest_count, sizeof(*places));
	CLEANUP_FREE uint64_t *room = calloc(pool->host_count, sizeof(*room));
	CLEANUP_FREE uint64_t *links = calloc(pool->host_count, sizeof(*links));
	struct run run = { .gives_up = gives_up };
	struct placement problem = { room, pool->host_count, wanted, 0, is_elsewhere, &host };

	assert(here && wanted && guests && places && room && links);
	for (size_t i = 0; i < pool->host_count; i++)
		room[i] = pool->host_bytes;
	for (size_t i = 0; i < pool->guest_count; i++) {
		struct pool_guest *guest = &pool->guests[i];

		room[guest->host] -= guest->memory_bytes;
		if (guest->host != host)
			continue;
		here[problem.guest_count] = guest;
		wanted[problem.guest_count++].memory_bytes = guest->memory_bytes;
	}
	(void)placement_solve(&problem, places);
	for (size_t i = 0; i < problem.guest_count; i++)
		guests[i] = (struct schedule_guest){
			.memory_bytes = here[i]->memory_bytes,
			.dirty_bytes_per_s = (uint64_t)here[i]->dirty_bytes_per_s,
			.target = places[i],
		};
	run.schedule = (struct schedule){ *limits, guests, problem.guest_count, links,
					  pool->host_count, false };
	run_schedule(&run, here);
	return run.now_s;
}

/* ---- the pool ---- */

static double uniform(double from, double to)
{
	return from + (to - from) * (double)rand() / RAND_MAX;
}

/* Alone in a pool of two. */
static double measure_alone(const struct pool *pool, const struct pool_guest *guest,
			    const struct schedule_limits *limits)
{
	struct pool_guest copy = *guest;
	struct pool two = { 2, 1, pool->host_bytes, &copy };

	copy.host = 0;
	copy.fails = false;
	(void)empty_host(&two, 0, limits, false);
	return copy.downtime_s;
}

void pool_make(struct pool *pool, size_t hosts, size_t guests, bool one_fails)
{
	static const uint64_t sizes[] = { 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 32, 64 };

	*pool = (struct pool){ .host_count = hosts, .guest_count = guests,
			       .host_bytes = 384 * GIB };
	pool->guests = calloc(guests, sizeof(*pool->guests));
	assert(pool->guests);
	srand(42);
	for (size_t i = 0; i < guests; i++) {
		struct pool_guest *guest = &pool->guests[i];

		guest->memory_bytes =
			sizes[(size_t)rand() % (sizeof(sizes) / sizeof(sizes[0]))] * GIB;
		guest->working_bytes = (double)guest->memory_bytes * uniform(0.01, 0.06);
		guest->dirty_bytes_per_s = uniform(1e6, 60e6);
		guest->host = (uint32_t)(i % hosts);
	}
	pool->guests[0].memory_bytes = 4 * GIB; /* an ordinary one */
	pool->guests[0].fails = one_fails;
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void tell_downtimes(const struct pool *pool, struct pool_result *result)
{
	CLEANUP_FREE double *times = calloc(pool->guest_count, sizeof(*times));
	size_t count = 0;

	assert(times);
	for (size_t i = 0; i < pool->guest_count; i++) {
		const struct pool_guest *guest = &pool->guests[i];

		if (guest->downtime_s > 0)
			times[count++] = guest->downtime_s;
		if (guest->stretch_most > result->stretch_most)
			result->stretch_most = guest->stretch_most;
	}
	qsort(times, count, sizeof(*times), by_size);
	result->median_s = count ? times[count / 2] : 0;
	result->worst_s = count ? times[count - 1] : 0;
}

void pool_roll(struct pool *pool, const struct schedule_limits *limits, size_t hosts,
	       bool gives_up, struct pool_result *result)
{
	*result = (struct pool_result){ .moves = 0 };
	for (size_t i = 0; i < pool->guest_count; i++)
		pool->guests[i].alone_s = measure_alone(pool, &pool->guests[i], limits);
	for (uint32_t host = 0; host < hosts; host++) {
		size_t before = 0, after = 0;

		for (size_t i = 0; i < pool->guest_count; i++)
			if (pool->guests[i].host == host) {
				before++;
				result->bound_s += (double)pool->guests[i].memory_bytes /
						   POOL_LINK_BYTES_PER_S;
			}
		result->makespan_s += empty_host(pool, host, limits, gives_up);
		for (size_t i = 0; i < pool->guest_count; i++)
			after += pool->guests[i].host == host;
		result->moves += before - after;
		result->left += after;
	}
	tell_downtimes(pool, result);
}

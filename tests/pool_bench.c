/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool of 64 hosts and 1000 guests, whose hosts are emptied one after another: our schedule
 * against XAPI's way (ten at once in no order, each when it likes, up to the first failure), both
 * in the same virtual time. JSON lines on stdout, a report on stderr.
 */
#include <stdio.h>
#include <stdlib.h>

#include "pool.h"

#define HOSTS 64
#define GUESTS 1000

static const struct schedule_limits ours = {
	.order = ORDER_LARGEST,
	.copying_max = 3,
	.blackout_max = 1,
	.target_max = 3,
	.attempts_max = 3,
	.backoff_us = 5000000,
	.link_bytes_per_s = POOL_LINK_BYTES_PER_S,
};

/* No budget: nothing tells the copies how fast to go, and nobody waits at a gate. */
static const struct schedule_limits xapi = {
	.order = ORDER_PRIORITY, /* all the same: as they come */
	.copying_max = 10,
	.blackout_max = 10,
	.target_max = 10,
	.attempts_max = 1,
};

static void line(const char *what, const char *unit, double value, size_t count, double against)
{
	printf("{\"bench\": \"%s\", \"unit\": \"%s\", \"median\": %.4f, \"min\": %.4f, "
	       "\"max\": %.4f, \"n\": %zu, \"against\": \"XAPI's way\", \"ratio\": %.4f}\n", what,
	       unit, value, value, value, count, against > 0 ? value / against : 0);
}

static void roll(const struct schedule_limits *limits, bool fails, bool gives_up,
		 struct pool_result *result)
{
	struct pool pool;

	pool_make(&pool, HOSTS, GUESTS, fails);
	pool_roll(&pool, limits, HOSTS, gives_up, result);
	free(pool.guests);
}

static void report(const char *whose, const struct pool_result *result)
{
	fprintf(stderr, "%-10s %4zu moves, %2zu left; %.0f s, %.3f of the lower bound; downtime "
		"median %.0f, worst %.0f ms, longer than alone by at most %.1f %%\n", whose,
		result->moves, result->left, result->makespan_s,
		result->makespan_s / result->bound_s, result->median_s * 1000,
		result->worst_s * 1000, result->stretch_most * 100);
}

int main(void)
{
	struct pool_result us, them;

	roll(&ours, false, false, &us);
	roll(&xapi, false, true, &them);
	report("ours", &us);
	report("XAPI's way", &them);
	line("pool-makespan", "s", us.makespan_s, us.moves, them.makespan_s);
	line("pool-makespan-over-bound", "x", us.makespan_s / us.bound_s, us.moves,
	     them.makespan_s / them.bound_s);
	line("pool-downtime-median", "ms", us.median_s * 1000, us.moves, them.median_s * 1000);
	line("pool-downtime-worst", "ms", us.worst_s * 1000, us.moves, them.worst_s * 1000);
	line("pool-downtime-stretch", "%", us.stretch_most * 100, us.moves,
	     them.stretch_most * 100);
	roll(&ours, true, false, &us);
	roll(&xapi, true, true, &them);
	report("ours", &us);
	report("XAPI's way", &them);
	line("pool-left-after-one-failure", "guests", (double)us.left, us.moves,
	     (double)them.left);
	return 0;
}

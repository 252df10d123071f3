/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handover costs a guest beside its memory, as earlier migrations of the same pair of hosts
 * by the same plan showed: the prediction of a downtime begins with it. Kept in the state folder,
 * one small file a pair and plan.
 */
#ifndef XENFERRY_HANDOVER_COSTS_H
#define XENFERRY_HANDOVER_COSTS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "record.h"

struct costs {
	double fixed_ms;      /* of the downtime, what no faster copy can save; a mean */
	double deviation_ms;  /* how far a prediction is off, on average */
	double suspend_ms;    /* from the decision until the guest stands still */
	uint64_t send_bytes_per_s; /* of unlimited passes; 0: not known */
	uint32_t samples;
};

/* Before anything is known: what the handover plan takes on an idle host. */
void costs_init(struct costs *costs);
/*
 * A first guess at a pair that nothing is known of: the mean of what `others` took by the same
 * plan. It is no sample, and nothing is said of the connection's rate. `count` 0: as costs_init().
 */
void costs_guess(struct costs *costs, const struct costs *others, size_t count);
/*
 * What is kept in <folder>/costs for that pair; where there is nothing, a guess from those of other
 * targets, COSTS_OTHERS_MAX at most. Never fails: what cannot be read is not known.
 */
#define COSTS_OTHERS_MAX 32
void costs_read(const char *folder, const char *target, const char *plan, struct costs *costs);
/* Replaces it. */
int costs_write(const char *folder, const char *target, const char *plan,
		const struct costs *costs, struct err *err);

/* How much a prediction with `copy_ms` of copying must leave free below the limit. */
double costs_margin_ms(const struct costs *costs, double copy_ms);

/*
 * Learns from a migration that has gone well: its downtime, the pass inside it, the time to
 * suspend. `limited`: its passes tell nothing of the connection's rate.
 */
void costs_learn(struct costs *costs, const struct record *record, bool limited);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who decides where a fault strikes. A run asks at each place where one may; the chooser goes
 * through all the answers in turn, or rolls dice, or repeats the answers of an earlier run.
 *
 * Answers are numbered in the order of the questions. 0 is "no fault", so that a run is told by the
 * few answers that are not.
 */
#ifndef XENFERRY_SIM_CHOOSER_H
#define XENFERRY_SIM_CHOOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICES_MAX 4096 /* of one run; later ones are all 0 */
#define TRACE_MAX 256

struct chooser {
	enum { CHOOSE_ALL, CHOOSE_RANDOM, CHOOSE_REPLAY } mode;
	unsigned faults;     /* ALL: at most, in one run; RANDOM: the same */
	uint64_t runs;       /* how many are left; ALL: 1 before the first */
	uint64_t seeds;      /* RANDOM: dice for the runs' seeds */

	/* this run */
	uint64_t seed;       /* 0: everything takes its usual time */
	uint64_t dice, time_dice;
	unsigned left;       /* faults that may still strike */
	size_t used, top;    /* answers given; the last that is not 0, plus one */
	struct { uint8_t answer, max; } choices[CHOICES_MAX];
};

void chooser_all(struct chooser *chooser, unsigned faults);
void chooser_random(struct chooser *chooser, uint64_t seed, uint64_t runs, unsigned faults);
/* "SEED:3=2,17=1", as chooser_trace() wrote it. False when it is malformed. */
bool chooser_replay(struct chooser *chooser, const char *trace);

/* Begins the next run; false when there is none. */
bool chooser_next(struct chooser *chooser);
/* 0: no fault here; else which of `count` faults. */
unsigned chooser_fault(struct chooser *chooser, unsigned count);
/* Which of `count` things happens; none of them is a fault. */
unsigned chooser_either(struct chooser *chooser, unsigned count);
/* `usual_us`, or, in a run with a seed, some time around it. */
uint64_t chooser_time_us(struct chooser *chooser, uint64_t usual_us);

/* This run so far, for chooser_replay(). Returns `text`. */
const char *chooser_trace(const struct chooser *chooser, char text[TRACE_MAX]);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chooser.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ONE_IN 48 /* RANDOM: the chance of a fault, where one may strike */

/* splitmix64 (Vigna), as good as it is short. */
static uint64_t roll(uint64_t *dice)
{
	uint64_t value = *dice += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

void chooser_all(struct chooser *chooser, unsigned faults)
{
	*chooser = (struct chooser){ .mode = CHOOSE_ALL, .faults = faults, .runs = 1 };
}

void chooser_random(struct chooser *chooser, uint64_t seed, uint64_t runs, unsigned faults)
{
	*chooser = (struct chooser){
		.mode = CHOOSE_RANDOM,
		.faults = faults,
		.runs = runs,
		.seeds = seed,
	};
}

bool chooser_replay(struct chooser *chooser, const char *trace)
{
	int read = 0;

	*chooser = (struct chooser){ .mode = CHOOSE_REPLAY, .runs = 1 };
	if (sscanf(trace, "%" SCNu64 ":%n", &chooser->seed, &read) != 1 || read == 0)
		return false;
	for (trace += read; *trace; trace += read) {
		unsigned index, answer;

		if (sscanf(trace, "%u=%u%n", &index, &answer, &read) != 2 || index >= CHOICES_MAX ||
		    answer > UINT8_MAX)
			return false;
		chooser->choices[index].answer = (uint8_t)answer;
		if (chooser->top <= index)
			chooser->top = index + 1;
		read += trace[read] == ',';
	}
	return true;
}

/* Counts up: the last answer that can be another becomes it, and all after it begin anew. */
static bool count_up(struct chooser *chooser)
{
	for (size_t i = chooser->used; i-- > 0;) {
		if (chooser->choices[i].answer == chooser->choices[i].max)
			continue;
		chooser->choices[i].answer++;
		chooser->top = i + 1;
		return true;
	}
	return false;
}

bool chooser_next(struct chooser *chooser)
{
	bool begun = chooser->runs == 0;

	if (begun && !(chooser->mode == CHOOSE_ALL && count_up(chooser)))
		return false;
	chooser->runs -= !begun;
	if (chooser->mode == CHOOSE_RANDOM) {
		chooser->seed = roll(&chooser->seeds) | 1; /* 0 has a meaning */
		chooser->top = 0;
	}
	chooser->dice = chooser->seed;
	chooser->time_dice = ~chooser->seed;
	chooser->used = 0;
	chooser->left = chooser->mode == CHOOSE_REPLAY ? UINT8_MAX : chooser->faults;
	if (chooser->mode == CHOOSE_RANDOM)
		chooser->left = (unsigned)(roll(&chooser->dice) % (chooser->faults + 1));
	return true;
}

static uint8_t answer_now(struct chooser *chooser, unsigned max, bool fault)
{
	if (chooser->used < chooser->top)
		return chooser->choices[chooser->used].answer;
	if (chooser->mode != CHOOSE_RANDOM || max == 0)
		return 0;
	if (fault && roll(&chooser->dice) % ONE_IN != 0)
		return 0;
	return (uint8_t)(fault ? 1 + roll(&chooser->dice) % max : roll(&chooser->dice) % (max + 1));
}

static unsigned choose(struct chooser *chooser, unsigned max, bool fault)
{
	uint8_t answer;

	assert(max <= UINT8_MAX);
	if (chooser->used == CHOICES_MAX)
		return 0;
	answer = answer_now(chooser, max, fault);
	if (answer > max)
		answer = (uint8_t)max; /* a trace of another version */
	chooser->choices[chooser->used].answer = answer;
	chooser->choices[chooser->used].max = (uint8_t)max;
	chooser->used++;
	return answer;
}

unsigned chooser_fault(struct chooser *chooser, unsigned count)
{
	unsigned answer = choose(chooser, chooser->left > 0 ? count : 0, true);

	chooser->left -= answer > 0;
	return answer;
}

unsigned chooser_either(struct chooser *chooser, unsigned count)
{
	return choose(chooser, count - 1, false);
}

uint64_t chooser_time_us(struct chooser *chooser, uint64_t usual_us)
{
	uint64_t value;

	if (!chooser->seed)
		return usual_us;
	value = roll(&chooser->time_dice);
	return usual_us / 8 + (value & 0xffff) * usual_us / ((value >> 16 & 7) ? 0x8000 : 0x800);
}

const char *chooser_trace(const struct chooser *chooser, char text[TRACE_MAX])
{
	int used = snprintf(text, TRACE_MAX, "%" PRIu64 ":", chooser->seed);
	const char *comma = "";

	for (size_t i = 0; i < chooser->used; i++) {
		if (chooser->choices[i].answer == 0 || used >= TRACE_MAX)
			continue;
		used += snprintf(text + used, TRACE_MAX - (size_t)used, "%s%zu=%u", comma, i,
				 chooser->choices[i].answer);
		comma = ",";
	}
	return text;
}

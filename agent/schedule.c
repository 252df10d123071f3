/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schedule.h"

#include <string.h>

#define CLEARED_PERCENT 95    /* of a link, for whom it was cleared */
#define SHARE_STEP_PERCENT 10 /* a smaller change is not worth a word */
#define SHARE_LEAST (1u << 20) /* bytes/s: nothing is stopped altogether */
#define BACKOFF_DOUBLINGS_MAX 6

static const char *const order_words[ORDERS] = {
	[ORDER_LARGEST] = "largest",
	[ORDER_SMALLEST] = "smallest",
	[ORDER_DIRTY_RATE] = "dirty-rate",
	[ORDER_PRIORITY] = "priority",
};

bool schedule_order_from_text(const char *text, enum schedule_order *order)
{
	for (enum schedule_order i = 0; i < ORDERS; i++)
		if (strcmp(text, order_words[i]) == 0) {
			*order = i;
			return true;
		}
	return false;
}

const char *schedule_order_text(enum schedule_order order)
{
	return order_words[order];
}

const char *schedule_state_text(enum schedule_state state)
{
	static const char *const words[] = {
#define X(state, word) [SCHEDULE_##state] = word,
		SCHEDULE_STATES(X)
#undef X
	};

	return words[state];
}

/* ---- who is where ---- */

static bool copies(const struct schedule_guest *guest)
{
	return guest->state == SCHEDULE_COPYING || guest->state == SCHEDULE_READY;
}

static bool sends(const struct schedule_guest *guest)
{
	return guest->state == SCHEDULE_COPYING;
}

static bool has_the_link(const struct schedule_guest *guest)
{
	return guest->state == SCHEDULE_CLEARED || guest->state == SCHEDULE_BLACKOUT;
}

static uint32_t count(const struct schedule *schedule, bool (*is)(const struct schedule_guest *))
{
	uint32_t found = 0;

	for (size_t i = 0; i < schedule->guest_count; i++)
		found += is(&schedule->guests[i]);
	return found;
}

static uint32_t count_senders_to(const struct schedule *schedule, uint32_t target)
{
	uint32_t found = 0;

	for (size_t i = 0; i < schedule->guest_count; i++)
		found += schedule->guests[i].target == target && sends(&schedule->guests[i]);
	return found;
}

static uint32_t count_to(const struct schedule *schedule, uint32_t target)
{
	uint32_t found = 0;

	for (size_t i = 0; i < schedule->guest_count; i++) {
		const struct schedule_guest *guest = &schedule->guests[i];

		found += guest->target == target && guest->state > SCHEDULE_WAITING &&
			 guest->state < SCHEDULE_MOVED;
	}
	return found;
}

static bool link_is_limited(const struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->target_count; i++)
		if (schedule->target_bytes_per_s[i] > 0)
			return true;
	return schedule->limits.link_bytes_per_s > 0;
}

/* ---- shares of the links ---- */

/* What one of `count` guests gets of a link; 0: no limit. */
static uint64_t share_of(uint64_t link_bytes_per_s, uint32_t copying, bool cleared)
{
	uint64_t bytes = cleared ? link_bytes_per_s / 100 * (100 - CLEARED_PERCENT)
				 : link_bytes_per_s;

	if (link_bytes_per_s == 0)
		return 0;
	bytes /= copying > 0 ? copying : 1;
	return bytes > SHARE_LEAST ? bytes : SHARE_LEAST;
}

/*
 * An equal share of the source's link and of the target's, whichever is less. Who has the link
 * cleared has no limit: the others leave it to it.
 */
static uint64_t share(const struct schedule *schedule, const struct schedule_guest *guest)
{
	bool cleared = count(schedule, has_the_link) > 0;
	uint64_t source, target;

	if (has_the_link(guest))
		return 0;
	source = share_of(schedule->limits.link_bytes_per_s, count(schedule, sends), cleared);
	target = share_of(schedule->target_bytes_per_s[guest->target],
			  count_senders_to(schedule, guest->target), cleared);
	if (source == 0 || target == 0)
		return source + target;
	return source < target ? source : target;
}

static bool is_worth_a_word(uint64_t told, uint64_t now)
{
	uint64_t change = told > now ? told - now : now - told;

	if (told == 0 || now == 0)
		return told != now;
	return change > now / 100 * SHARE_STEP_PERCENT;
}

static bool next_share(struct schedule *schedule, struct schedule_step *step)
{
	for (size_t i = 0; link_is_limited(schedule) && i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];
		uint64_t now;

		if (!sends(guest) && guest->state != SCHEDULE_CLEARED)
			continue;
		now = share(schedule, guest);
		if (!is_worth_a_word(guest->share_bytes_per_s, now))
			continue;
		guest->share_bytes_per_s = now;
		*step = (struct schedule_step){ ACTION_SHARE, i, now };
		return true;
	}
	return false;
}

/* ---- the gate ---- */

/* Lets the one that waits longest have the link. */
static void open_gate(struct schedule *schedule)
{
	struct schedule_guest *first = NULL;

	if (count(schedule, has_the_link) >= schedule->limits.blackout_max)
		return;
	for (size_t i = 0; i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state == SCHEDULE_READY &&
		    (!first || guest->ready_us < first->ready_us))
			first = guest;
	}
	if (!first)
		return;
	first->state = SCHEDULE_CLEARED;
	first->told = false;
}

/* After the others were slowed down. */
static bool next_go(struct schedule *schedule, struct schedule_step *step)
{
	for (size_t i = 0; i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state != SCHEDULE_CLEARED || guest->told)
			continue;
		guest->told = true;
		*step = (struct schedule_step){ ACTION_GO, i, 0 };
		return true;
	}
	return false;
}

/* ---- starts ---- */

/* Whether `a` goes before `b`; in doubt the one that stands first. */
static bool goes_before(enum schedule_order order, const struct schedule_guest *a,
			const struct schedule_guest *b)
{
	switch (order) {
	case ORDER_SMALLEST:
		return a->memory_bytes < b->memory_bytes;
	case ORDER_DIRTY_RATE:
		return a->dirty_bytes_per_s < b->dirty_bytes_per_s;
	case ORDER_PRIORITY:
		return a->priority > b->priority;
	default:
		return a->memory_bytes > b->memory_bytes;
	}
}

static bool next_start(struct schedule *schedule, uint64_t now_us, struct schedule_step *step)
{
	struct schedule_guest *first = NULL;

	if (schedule->stopping || count(schedule, copies) >= schedule->limits.copying_max)
		return false;
	for (size_t i = 0; i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state == SCHEDULE_WAITING && guest->not_before_us <= now_us &&
		    (!first || goes_before(schedule->limits.order, guest, first)) &&
		    count_to(schedule, guest->target) < schedule->limits.target_max)
			first = guest;
	}
	if (!first)
		return false;
	first->state = SCHEDULE_COPYING;
	first->attempts++;
	first->started_us = now_us;
	first->ready_us = first->blackout_us = first->running_us = 0;
	first->share_bytes_per_s = share(schedule, first);
	*step = (struct schedule_step){ ACTION_START, (size_t)(first - schedule->guests),
					first->share_bytes_per_s };
	return true;
}

/* Who has nowhere to go has failed. */
static void fail_homeless(struct schedule *schedule, uint64_t now_us)
{
	for (size_t i = 0; i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state == SCHEDULE_WAITING && guest->target == SCHEDULE_NOWHERE) {
			guest->state = SCHEDULE_FAILED;
			guest->ended_us = now_us;
		}
	}
}

void schedule_next(struct schedule *schedule, uint64_t now_us, struct schedule_step *step)
{
	*step = (struct schedule_step){ .action = ACTION_NONE };
	fail_homeless(schedule, now_us);
	open_gate(schedule);
	if (next_share(schedule, step) || next_go(schedule, step))
		return;
	(void)next_start(schedule, now_us, step);
}

uint64_t schedule_wake_us(const struct schedule *schedule, uint64_t now_us)
{
	uint64_t wake_us = SCHEDULE_NEVER;

	for (size_t i = 0; !schedule->stopping && i < schedule->guest_count; i++) {
		const struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state == SCHEDULE_WAITING && guest->not_before_us > now_us &&
		    guest->not_before_us < wake_us)
			wake_us = guest->not_before_us;
	}
	return wake_us;
}

/* ---- what happens to a guest ---- */

void schedule_ready(struct schedule *schedule, size_t guest, uint64_t now_us)
{
	struct schedule_guest *about = &schedule->guests[guest];

	if (about->state != SCHEDULE_COPYING)
		return;
	about->state = SCHEDULE_READY;
	about->ready_us = now_us;
}

void schedule_blackout(struct schedule *schedule, size_t guest, uint64_t now_us)
{
	struct schedule_guest *about = &schedule->guests[guest];

	if (about->state == SCHEDULE_WAITING || about->state > SCHEDULE_BLACKOUT)
		return;
	about->state = SCHEDULE_BLACKOUT;
	about->blackout_us = now_us;
}

void schedule_running(struct schedule *schedule, size_t guest, uint64_t now_us)
{
	struct schedule_guest *about = &schedule->guests[guest];

	if (about->state == SCHEDULE_WAITING || about->state > SCHEDULE_BLACKOUT)
		return;
	about->state = SCHEDULE_SETTLING;
	about->running_us = now_us;
}

void schedule_moved(struct schedule *schedule, size_t guest, uint64_t now_us)
{
	schedule_running(schedule, guest, now_us);
	schedule->guests[guest].state = SCHEDULE_MOVED;
	schedule->guests[guest].ended_us = now_us;
}

void schedule_put_off(struct schedule *schedule, size_t guest, uint64_t again_us)
{
	struct schedule_guest *about = &schedule->guests[guest];

	about->attempts -= about->attempts > 0;
	about->state = schedule->stopping ? SCHEDULE_STOPPED : SCHEDULE_WAITING;
	about->not_before_us = again_us;
}

bool schedule_failed(struct schedule *schedule, size_t guest, bool again, uint64_t now_us)
{
	struct schedule_guest *about = &schedule->guests[guest];
	uint32_t doublings = about->attempts > 0 ? about->attempts - 1 : 0;

	about->state = SCHEDULE_FAILED;
	about->ended_us = now_us;
	if (!again || schedule->stopping || about->attempts >= schedule->limits.attempts_max)
		return false;
	if (doublings > BACKOFF_DOUBLINGS_MAX)
		doublings = BACKOFF_DOUBLINGS_MAX;
	about->state = SCHEDULE_WAITING;
	about->not_before_us = now_us + (schedule->limits.backoff_us << doublings);
	return true;
}

void schedule_stop(struct schedule *schedule, uint64_t now_us)
{
	schedule->stopping = true;
	for (size_t i = 0; i < schedule->guest_count; i++) {
		struct schedule_guest *guest = &schedule->guests[i];

		if (guest->state != SCHEDULE_WAITING)
			continue;
		/* one that waits for its next attempt has failed already */
		guest->state = guest->attempts > 0 ? SCHEDULE_FAILED : SCHEDULE_STOPPED;
		guest->ended_us = now_us;
	}
}

bool schedule_is_over(const struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->guest_count; i++)
		if (schedule->guests[i].state < SCHEDULE_MOVED)
			return false;
	return true;
}

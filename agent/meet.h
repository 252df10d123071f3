/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two sides tell each other at each synchronisation point.
 */
#ifndef XENFERRY_MEET_H
#define XENFERRY_MEET_H

#include "migration.h"

/* The most that is told at one point, bytes. */
#define MEET_PAYLOAD_MAX (DESCRIPTION_MAX + 32 * 1024)

/* Says or hears `point` and its answer, as this side has to. [blackout] */
int meet(struct migration *migration, enum sync_point point, uint64_t deadline_us,
	 struct err *err);

/*
 * Target: the plan of an offer that was just heard, held against the rules. ERR_INCOMPATIBLE with
 * the reason when there is none, or none that this host can follow.
 */
int meet_read_plan(const struct message *offer, struct plan *plan, struct err *err);

/* Target: where the source's agent is asked in doubt, by the same offer; 0 when it does not say. */
uint16_t meet_read_port(const struct message *offer);

/*
 * The peer spoke while memory was copied, when nothing is due but that it gives up. Never returns
 * 0: -ECONNABORTED with the peer's words, or what else is wrong.
 */
int meet_hear_abort(struct migration *migration, struct err *err);

/*
 * Tells the peer that this side has undone everything, with its timeline, and waits until the peer
 * has too. Best effort: both sides are settled already.
 */
void meet_after_abort(struct migration *migration);

/* The peer's connection, to be watched while something else is waited for; -1: there is none. */
static inline int meet_fd(const struct migration *m)
{
	return m->link ? m->link->ops->fd(m->link) : -1;
}

#endif

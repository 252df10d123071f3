/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest was given away, and nobody says whether it was taken. A doubt ends with what the peer
 * says, with what an operator or another arbiter says in its place, and never by itself.
 */
#ifndef XENFERRY_DOUBT_H
#define XENFERRY_DOUBT_H

#include "migration.h"

/*
 * Source, after SP3 and without an answer: asks until somebody says taken (0: go forward) or never
 * (-ECONNABORTED: undo), or until `deadline_us` (-ETIMEDOUT, ERR_IN_DOUBT). What an arbiter says is
 * durable in the journal before it is followed.
 */
int doubt_settle(struct migration *migration, uint64_t deadline_us, struct err *err);

/*
 * Target, of a guest that it has taken and that does not run yet: was it resolved elsewhere while
 * this host was away? Asks once, and on until `deadline_us` or an answer. 1: yes, and it is durable
 * that the guest never runs here, with `err` saying who decided; 0: no, or nobody says so.
 */
int doubt_disowned(struct migration *migration, uint64_t deadline_us, struct err *err);

/*
 * Tells people, once, that the job is in doubt and why, or that it is not any more. `sentence` and
 * `why` are joined.
 */
void doubt_show(struct migration *migration, const char *sentence, const struct err *why);
void doubt_end(struct migration *migration);

/*
 * This host has decided, durably: an arbiter that the other host can read is told, if there is
 * one. Best effort.
 */
void doubt_tell(struct migration *migration, enum outcome outcome);

/*
 * Source, after an arbiter's word was followed and all is published: asks the target for some
 * minutes more whether it says the same. When it does not, the record names the conflict.
 */
void doubt_confirm(struct migration *migration);

#endif

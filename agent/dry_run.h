/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration that is only asked about: the guest is described and offered at SP0, the target
 * answers with every reason against it, and both sides end there. Nothing is created anywhere. The
 * target's part is SP0 alone, and what is said there is at the end of this page.
 */
#ifndef XENFERRY_DRY_RUN_H
#define XENFERRY_DRY_RUN_H

#include "migration.h"
#include "tlv.h"

/* Of SP0 and of its answer; handshake/PROTOCOL.md. */
enum dry_run_field {
	DRY_RUN_FIELD_ASKED = 15,  /* only the verdict is wanted */
	DRY_RUN_FIELD_REASON = 16, /* each: a reason against it */
	DRY_RUN_FIELD_HOOK = 17,   /* each: a program of the target's that it would run */
};

/*
 * Source: describes and offers the guest; the record gets all reasons and, when there is none, how
 * long it is going to take. `connect` reaches the target, and failing to is a reason, too. 0 when
 * the guest could go; -EPERM with all reasons in `err`. Blocks as the steps that it stands for.
 */
int dry_run_ask(struct migration *m, int (*connect)(void *context, struct err *err),
		void *context, struct err *err);

/*
 * What a migration of `memory_bytes` takes when the guest writes nothing meanwhile, into
 * `dry_run`: at the rate that earlier migrations between the two hosts had, else at an assumed
 * one. Pure.
 */
void dry_run_predict(struct dry_run *dry_run, uint64_t memory_bytes, const struct costs *costs);

/*
 * Names the hooks of this side that it would run, in the record; one that could not be run, and
 * might have said no, is a reason against it. Reads a few folders.
 */
void dry_run_look_for_hooks(struct migration *m);

/* What meet() says and hears of it; -EBADMSG for what has not the form it must have. */
void dry_run_say_offer(const struct migration *m, struct tlv_writer *writer);
int dry_run_hear_offer(struct migration *m, const struct tlv_field *field);
void dry_run_say_verdict(const struct migration *m, struct tlv_writer *writer);
int dry_run_hear_verdict(struct migration *m, const struct tlv_field *field);
/* Whether an offer that was just heard only asks: both sides end after SP0. */
bool dry_run_is_asked(const struct message *offer);

#endif

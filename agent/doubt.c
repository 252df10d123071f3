/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doubt_settle: the source's. doubt_disowned: the target's. Both ask the peer first, then the
 * arbiter. doubt_confirm: is what an arbiter said true?
 */
#include "doubt.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define TRIES 3 /* of a line that has to be written */
#define TRY_AGAIN_US 1000000
#define ASK_TIMEOUT_MS 5000 /* one question to the peer's agent */
#define ASK_PAUSE_MIN_MS 200
#define ASK_PAUSE_MAX_MS 10000
#define SHOWN_AFTER_MS 10000    /* an answer that comes sooner is no news for people */
#define DECIDE_TIMEOUT_MS 600000 /* one question to an arbiter: its own limit is below that */
#define TELL_TIMEOUT_MS 10000
#define CONFIRM_MS 600000
#define CONFLICT_AFTER_MS 60000 /* a host that comes back has that long to give its copy up */

static const char source_doubts[] =
	"the guest was given away and the target does not say whether it took it: it stays "
	"suspended here while the target is asked again and again; once the target is fenced, "
	"migration-resolve answers in its place";
static const char target_doubts[] =
	"this host had taken the guest and was reset, and the source does not say whether the "
	"guest was resolved there: it is asked again and again; do not start the guest before it "
	"answers, or migration-resolve does";

/* What the peer says; UNDECIDED with `err` when it cannot be asked. */
static int ask_peer(struct migration *m, enum outcome *outcome, struct err *err)
{
	*outcome = OUTCOME_UNDECIDED;
	return m->peer->ops->ask(m->peer, clock_after_ms(m->clock, ASK_TIMEOUT_MS), outcome, err);
}

static int note_verdict(struct migration *m, const struct verdict *verdict, struct err *err)
{
	struct journal_entry entry = { .event = verdict->outcome == OUTCOME_TAKEN ?
							JOURNAL_RESOLVED_TARGET :
							JOURNAL_RESOLVED_SOURCE,
				       .row = (uint32_t)m->row };
	int rc = -EAGAIN;

	snprintf(entry.text, sizeof(entry.text), "%s", verdict->by);
	for (unsigned tries = 0; rc < 0 && tries < TRIES; tries++) {
		if (tries > 0)
			clock_sleep_us(m->clock, TRY_AGAIN_US);
		rc = m->journal->ops->append(m->journal, &entry, err);
	}
	return rc;
}

/* What the arbiter says; UNDECIDED when there is none, or it does not know, or cannot be asked. */
static struct verdict ask_arbiter(struct migration *m)
{
	struct verdict verdict = { .outcome = OUTCOME_UNDECIDED };
	struct err err = { ERR_NONE, "" };

	if (!m->arbiter ||
	    m->arbiter->ops->decide(m->arbiter, clock_after_ms(m->clock, DECIDE_TIMEOUT_MS),
				    &verdict, &err) == 0)
		return verdict;
	log_warning("job %s: %s", m->record->uuid, err.message);
	verdict.outcome = OUTCOME_UNDECIDED;
	return verdict;
}

/* Asked less and less often. */
static void pause_before_asking(const struct migration *m, uint64_t *pause_ms)
{
	clock_sleep_us(m->clock, *pause_ms * 1000);
	*pause_ms = *pause_ms * 2 < ASK_PAUSE_MAX_MS ? *pause_ms * 2 : ASK_PAUSE_MAX_MS;
}

void doubt_show(struct migration *m, const char *sentence, const struct err *why)
{
	if (m->record->status == STATUS_IN_DOUBT)
		return;
	m->record->status = STATUS_IN_DOUBT;
	m->record->ended_us = clock_now_us(m->clock);
	err_set(&m->record->error, ERR_IN_DOUBT, -ETIMEDOUT, "%s (%s)", sentence, why->message);
	log_error("job %s: %s", m->record->uuid, m->record->error.message);
	migration_publish(m, true);
}

void doubt_end(struct migration *m)
{
	m->record->error = (struct err){ ERR_NONE, "" };
	m->record->ended_us = 0;
}

/* ---- the source ---- */

static int follow(struct migration *m, const struct verdict *verdict, struct err *err)
{
	m->taken = verdict->outcome == OUTCOME_TAKEN;
	doubt_end(m);
	if (m->taken)
		return 0;
	m->released = false;
	if (m->resolved == OUTCOME_UNDECIDED)
		return err_set(err, ERR_FAILED, -ECONNABORTED,
			       "the target gave the guest up before it took it");
	return err_set(err, ERR_FAILED, -ECONNABORTED,
		       "%s says that the guest stays at the source, in the target's place",
		       verdict->by);
}

/* The copy here is older than the guest's disks: nobody may have it resumed. */
static int refuse_verdict(struct migration *m, const struct verdict *verdict, struct err *err)
{
	err_set(err, ERR_IN_DOUBT, -EPERM,
		"%s says that the guest stays at the source, but the target has said that it took "
		"it, and its disks may have been written to since: answer outcome=target, then "
		"start the guest again from its disks", verdict->by);
	if (strcmp(m->record->error.message, err->message) == 0)
		return -EPERM;
	m->record->error = *err;
	log_error("job %s: %s", m->record->uuid, err->message);
	migration_publish(m, true);
	return -EPERM;
}

/* An arbiter has decided: it is durable here, and told, before it is followed. */
static int take_verdict(struct migration *m, const struct verdict *verdict, struct err *err)
{
	int rc;

	if (m->taken && verdict->outcome == OUTCOME_NEVER)
		return refuse_verdict(m, verdict, err);
	rc = note_verdict(m, verdict, err);
	if (rc < 0)
		return rc;
	log_warning("job %s: %s says that the guest is the %s's; the other host has to be fenced",
		    m->record->uuid, verdict->by, outcome_side(verdict->outcome));
	m->resolved = verdict->outcome;
	doubt_tell(m, verdict->outcome);
	return 0;
}

int doubt_settle(struct migration *m, uint64_t deadline_us, struct err *err)
{
	uint64_t shown_us = clock_after_ms(m->clock, SHOWN_AFTER_MS);
	uint64_t pause_ms = ASK_PAUSE_MIN_MS;

	assert(m->side == SIDE_SOURCE);
	while (clock_now_us(m->clock) < deadline_us) {
		struct verdict verdict = { .by = "the target" };
		int rc = ask_peer(m, &verdict.outcome, err);

		if (rc == 0 && verdict.outcome != OUTCOME_UNDECIDED)
			return follow(m, &verdict, err);
		if (clock_now_us(m->clock) >= shown_us) {
			if (rc == 0)
				err_set(err, ERR_IN_DOUBT, -EAGAIN, "it has not decided");
			doubt_show(m, source_doubts, err);
			verdict = ask_arbiter(m);
		}
		if (verdict.outcome != OUTCOME_UNDECIDED && take_verdict(m, &verdict, err) == 0)
			return follow(m, &verdict, err);
		pause_before_asking(m, &pause_ms);
	}
	return err_set(err, ERR_IN_DOUBT, -ETIMEDOUT, "the target does not answer");
}

/* ---- the target ---- */

static int disown(struct migration *m, const struct verdict *verdict, struct err *err)
{
	int rc = note_verdict(m, verdict, err);

	if (rc < 0)
		return rc;
	m->taken = false;
	doubt_end(m);
	(void)err_set(err, ERR_FAILED, -ECANCELED,
		      "while this host was away %s decided that the guest is the source's: it "
		      "never runs here", verdict->by);
	return 1;
}

int doubt_disowned(struct migration *m, uint64_t deadline_us, struct err *err)
{
	uint64_t shown_us = clock_after_ms(m->clock, SHOWN_AFTER_MS);
	uint64_t pause_ms = ASK_PAUSE_MIN_MS;

	assert(m->side == SIDE_TARGET);
	do {
		struct verdict verdict = { .by = "the source" };
		int rc = ask_peer(m, &verdict.outcome, err);
		bool answered = rc == 0 || err->code == ERR_REFUSED;

		if (!answered)
			verdict = ask_arbiter(m);
		if (verdict.outcome == OUTCOME_NEVER)
			return disown(m, &verdict, err);
		if (answered || verdict.outcome == OUTCOME_TAKEN)
			break;
		if (clock_now_us(m->clock) >= shown_us)
			doubt_show(m, target_doubts, err);
		if (clock_now_us(m->clock) < deadline_us)
			pause_before_asking(m, &pause_ms);
	} while (clock_now_us(m->clock) < deadline_us);
	doubt_end(m);
	return 0;
}

/* ---- either ---- */

void doubt_tell(struct migration *m, enum outcome outcome)
{
	struct err err = { ERR_NONE, "" };

	if (m->arbiter &&
	    m->arbiter->ops->tell(m->arbiter, outcome,
				  clock_after_ms(m->clock, TELL_TIMEOUT_MS), &err) < 0)
		log_warning("job %s: %s", m->record->uuid, err.message);
}

static void name_conflict(struct migration *m)
{
	bool kept = m->resolved == OUTCOME_NEVER;

	err_set(&m->record->error, ERR_FAILED, -EEXIST,
		kept ? "CONFLICT: the guest was resolved to the source and runs here, and the "
		       "target says that it took it: make sure at once that it does not run there, "
		       "then check its disks" :
		       "CONFLICT: the guest was resolved to the target and torn down here, and the "
		       "target says that it never runs it: start it again from its disks");
	log_error("job %s: %s", m->record->uuid, m->record->error.message);
	migration_publish(m, true);
}

void doubt_confirm(struct migration *m)
{
	uint64_t deadline_us = clock_after_ms(m->clock, CONFIRM_MS);
	uint64_t pause_ms = ASK_PAUSE_MIN_MS, conflict_us = 0;
	struct err err;

	if (m->resolved == OUTCOME_UNDECIDED)
		return;
	while (clock_now_us(m->clock) < deadline_us) {
		enum outcome outcome;
		int rc = ask_peer(m, &outcome, &err);

		if (rc == 0 && outcome == m->resolved)
			return;
		if (rc == 0 && outcome != OUTCOME_UNDECIDED && conflict_us == 0)
			conflict_us = clock_after_ms(m->clock, CONFLICT_AFTER_MS);
		if (conflict_us != 0 && clock_now_us(m->clock) >= conflict_us) {
			name_conflict(m);
			return;
		}
		pause_before_asking(m, &pause_ms);
	}
}

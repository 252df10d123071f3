/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan_run: row by row to the end. Before commit a failure leads to give_up(), which undoes; after
 * it everything goes forward only: go_forward() on either side, doubt_settle() at a source that
 * does not know.
 */
#include "runner.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "doubt.h"
#include "log.h"
#include "meet.h"

#define MEET_MARGIN_MS 10000       /* beyond the time that the peer's steps may take */
#define TRIES 3                    /* of what has to be done: an undo, a step after commit */
#define TRY_AGAIN_US 1000000
#define LATER_ROUNDS 5             /* of what could not be done, or undone, at the end */
#define LATER_PAUSE_MS 10000       /* before the first; twice as long before each other */
#define UNDO_MS 60000              /* at least, for one undo */

static int note(struct migration *m, enum journal_event event, const char *text, struct err *err)
{
	struct journal_entry entry = { .event = event, .row = (uint32_t)m->row };

	strncpy(entry.text, text, sizeof(entry.text) - 1);
	return m->journal->ops->append(m->journal, &entry, err);
}

int plan_note_never(struct migration *m, struct err *err)
{
	int rc = -EAGAIN;

	for (unsigned tries = 0; rc < 0 && tries < TRIES; tries++) {
		if (tries > 0)
			clock_sleep_us(m->clock, TRY_AGAIN_US);
		rc = note(m, JOURNAL_NEVER, "", err);
	}
	return rc;
}

static enum status status_in(enum phase phase)
{
	return phase == PHASE_PREPARE ? STATUS_PREPARING :
	       phase == PHASE_COPY    ? STATUS_COPYING :
					STATUS_BLACKOUT;
}

/*
 * Tells people which row starts. From the suspend until the guest is back on the network nobody is
 * told, for it would cost the guest time; only the source tells of its suspending, while the guest
 * still runs.
 */
static void announce_row(struct migration *m, const struct step *step, enum phase phase)
{
	bool suspends = m->side == SIDE_SOURCE && step->traits & STEP_SUSPENDS;
	bool quiet = phase >= PHASE_BLACKOUT && phase <= PHASE_RUN && !suspends;
	bool moved = phase == PHASE_CLEAN && m->record->phase != PHASE_CLEAN;
	bool news = moved || (phase < PHASE_BLACKOUT && m->record->status != status_in(phase));

	m->record->phase = phase;
	m->record->status = status_in(phase);
	if (!quiet)
		migration_publish(m, news);
}

/* A refusal speaks for itself, and the peer has said where it was. */
static int say_where(int rc, const char *where, struct err *err)
{
	bool refusal = err_exit_status(err->code) == err_exit_status(ERR_REFUSED);

	return refusal || rc == -ECONNABORTED ? rc : err_prefix(err, rc, "%s", where);
}

/* The source may take its guest back until it says SP3; the target is not to keep it waiting. */
static bool can_cancel(const struct migration *m, enum phase phase)
{
	if (m->side == SIDE_TARGET)
		return phase < PHASE_BLACKOUT;
	return !m->released && m->row <= plan_row_at(m->plan, SYNC_SP3);
}

static int run_step(struct migration *m, struct err *err)
{
	const struct step *step = m->plan->rows[m->row].step;
	enum phase phase = plan_phase(m->plan, m->row);
	bool durable = phase < PHASE_BLACKOUT || step->traits & STEP_SUSPENDS;
	int rc;

	m->cancellable = can_cancel(m, phase);
	announce_row(m, step, phase);
	if (!step->run[m->side])
		return 0;
	rc = note(m, durable ? JOURNAL_STEP : JOURNAL_STEP_BLACKOUT, step->name, err);
	if (rc < 0 && !m->taken) /* then the line only spares recovery a step that is repeatable */
		return rc;
	m->deadline_us = clock_after_ms(m->clock, step->timeout_ms);
	record_step_start(m->record, step, m->side, phase, clock_now_us(m->clock));
	rc = step->run[m->side](m, err);
	record_step_end(m->record, step, m->side, clock_now_us(m->clock));
	return rc < 0 ? say_where(rc, step->name, err) : 0;
}

/* Who only says a point and hears no answer does not know how far the other has come. */
static bool speaks_at(enum side peer, enum sync_point point)
{
	return point != SYNC_NONE && (sync_speaker(point) == peer || sync_answered(point));
}

/*
 * The peer's steps since it last spoke, but for the copy, in which both take part, and what is over
 * when the image has come.
 */
static uint64_t meet_deadline_us(const struct migration *m)
{
	enum side peer = m->side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
	uint64_t allowed_ms = MEET_MARGIN_MS;
	size_t row = m->row;

	do {
		const struct step *step = m->plan->rows[row].step;

		if (step->traits & STEP_COPIES)
			break;
		if (step->run[peer] && !(step->traits & (STEP_SUSPENDS | STEP_FINISHES_COPY)))
			allowed_ms += step->timeout_ms;
	} while (row > 0 && !speaks_at(peer, m->plan->rows[--row].sync));
	return clock_after_ms(m->clock, allowed_ms);
}

static int meet_after_row(struct migration *m, struct err *err)
{
	enum sync_point point = m->plan->rows[m->row].sync;
	int rc;

	if (point == SYNC_NONE || !m->link)
		return 0;
	rc = meet(m, point, meet_deadline_us(m), err);
	return rc < 0 ? say_where(rc, sync_label(point), err) : 0;
}

/*
 * A guest without its devices must not go on, and has no other place to be: what plugs them again
 * is tried until it works, or they have gone for good. The operator is told why it does not.
 */
static int undo_step(struct migration *m, const struct step *step, struct err *err)
{
	uint32_t timeout_ms = step->timeout_ms < UNDO_MS ? UNDO_MS : step->timeout_ms;
	bool vital = m->side == SIDE_SOURCE && step->traits & STEP_CLOSES;
	uint64_t until_us = vital ? UINT64_MAX : 0;
	int rc = -EAGAIN;

	for (unsigned tries = 0; rc < 0 && rc != -ENODEV; tries++) {
		if (tries >= TRIES && clock_now_us(m->clock) >= until_us)
			break;
		if (tries == TRIES)
			doubt_show(m, "the guest stays suspended here until its devices can be "
				      "plugged again, which is tried on and on", err);
		if (tries > 0)
			clock_sleep_us(m->clock, TRY_AGAIN_US * (tries < 10 ? tries : 10));
		m->deadline_us = clock_after_ms(m->clock, timeout_ms);
		rc = step->undo[m->side](m, err);
	}
	if (rc == 0 && m->record->status == STATUS_IN_DOUBT)
		doubt_end(m);
	return rc;
}

int plan_undo(struct migration *m, size_t last, struct err *err)
{
	int first_rc = 0;

	m->cancellable = false;
	for (size_t row = last + 1; row-- > 0;) {
		const struct step *step = m->plan->rows[row].step;
		struct err why = { ERR_NONE, "" };
		int rc = step->undo[m->side] ? undo_step(m, step, &why) : 0;

		if (rc == 0)
			continue;
		log_error("job %s: undo of %s: %s", m->record->uuid, step->name, why.message);
		if (rc != -ENODEV) /* what has gone is gone */
			m->later |= UINT64_C(1) << row;
		if (first_rc == 0) {
			first_rc = err_prefix(&why, rc, "undo of %s", step->name);
			*err = why;
		}
	}
	return first_rc;
}

static void wait_for_round(struct migration *m, unsigned round)
{
	migration_publish(m, true); /* what it waits for */
	clock_sleep_us(m->clock, ((uint64_t)LATER_PAUSE_MS << round) * 1000);
}

/*
 * What could not be undone: this process alone still knows which domain it is about. 0 when it is
 * done at last; else the first of what is left, which the operator has to look after.
 */
static int undo_what_is_left(struct migration *m, struct err *err)
{
	for (unsigned round = 0; m->later != 0 && round < LATER_ROUNDS; round++) {
		wait_for_round(m, round);
		for (size_t row = m->row + 1; row-- > 0;) {
			const struct step *step = m->plan->rows[row].step;
			uint64_t bit = UINT64_C(1) << row;
			int rc = m->later & bit ? undo_step(m, step, err) : 0;

			if (rc < 0)
				(void)err_prefix(err, rc, "undo of %s", step->name);
			else
				m->later &= ~bit;
		}
	}
	return m->later == 0 ? 0 : -EIO;
}

/* "Refused" says that nothing was touched: true only as long as SP0 was not passed. */
static void settle_code(const struct migration *m, int rc, struct err *err)
{
	if (rc == -ECANCELED)
		err_set(err, ERR_CANCELLED, rc, "cancelled by the operator");
	else if (err_exit_status(err->code) == err_exit_status(ERR_REFUSED) &&
		 m->record->sync_point >= SYNC_SP0)
		err->code = ERR_FAILED;
}

/* Whose journal says where the guest is: the target's; with a file, ours from the commit on. */
static bool decides(const struct migration *m)
{
	return m->side == SIDE_TARGET || m->committing;
}

/*
 * The target gives its copy up, and says so: the source may be waiting with a suspended guest.
 * False when that cannot be made durable. What stands in the journal may then say that it took the
 * guest, if it has begun to: nobody is told anything, and nothing is undone.
 */
static bool renounce(struct migration *m, bool peer_knows, const struct err *why)
{
	bool durable = plan_note_never(m, NULL) == 0;

	if (!peer_knows && (durable || !m->committing))
		link_send_abort(m->link, m->clock, why);
	if (durable)
		doubt_tell(m, OUTCOME_NEVER);
	return durable;
}

/* Takes all back, then says so where the other side may hear it. */
static int undo_all(struct migration *m, bool peer_knows, const struct err *why,
		    struct err *undo_err)
{
	int rc;

	m->later = 0;
	rc = plan_undo(m, m->row, undo_err);
	if (m->side == SIDE_SOURCE && !peer_knows)
		link_send_abort(m->link, m->clock, why);
	if (rc == 0)
		(void)note(m, JOURNAL_UNDONE, "", NULL);
	meet_after_abort(m);
	if (m->later == 0)
		return rc;
	rc = undo_what_is_left(m, undo_err);
	if (rc == 0)
		(void)note(m, JOURNAL_UNDONE, "", NULL);
	return rc;
}

/*
 * A failure before commit. The source lets its guest go on first, then speaks. A target that could
 * not write down that it never will is not done: the source may ask, and has to be answered.
 */
static int give_up(struct migration *m, int rc, struct err *err)
{
	bool peer_knows = rc == -ECONNABORTED || !m->link;
	struct err undo_err = { ERR_NONE, "" };
	bool durable;
	int undo_rc = 0;

	settle_code(m, rc, err);
	durable = !decides(m) || renounce(m, peer_knows, err);
	if (durable || !m->committing)
		undo_rc = undo_all(m, peer_knows, err, &undo_err);
	if (undo_rc < 0) {
		struct err first = *err;

		*err = undo_err;
		err_prefix(err, rc, "%s; and then", first.message);
	}
	if (!durable) {
		err->code = ERR_IN_DOUBT;
		err_prefix(err, rc, "that the guest was not taken cannot be written down");
	}
	return rc;
}

static void drop_link(struct migration *m, const struct err *why)
{
	log_warning("job %s: going on alone: %s", m->record->uuid, why->message);
	m->link->ops->close(m->link);
	m->link = NULL;
}

/* After commit: steps are repeatable, and what fails is said but stops nothing else. */
static int go_forward(struct migration *m, struct err *err)
{
	struct err why = { ERR_NONE, "" };
	int rc = -EAGAIN;

	for (unsigned tries = 0; rc < 0 && tries < TRIES; tries++) {
		if (tries > 0)
			clock_sleep_us(m->clock, TRY_AGAIN_US);
		rc = run_step(m, &why);
	}
	if (rc < 0 && m->side == SIDE_TARGET &&
	    m->plan->rows[m->row].step->traits & STEP_UNPAUSES) {
		*err = why;
		err->code = ERR_LOST;
		return rc;
	}
	if (rc < 0) {
		log_warning("job %s: %s", m->record->uuid, why.message);
		m->record->error = why;
		m->later |= UINT64_C(1) << m->row;
	}
	return 0;
}

/*
 * What could not be done after commit is tried again when all else is done: what was in its way, a
 * device in use, a disk that was full, may have gone. Then it is only said.
 */
static void do_what_is_left(struct migration *m)
{
	for (unsigned round = 0; m->later != 0 && round < LATER_ROUNDS; round++) {
		struct err why = { ERR_NONE, "" };

		wait_for_round(m, round);
		for (m->row = 0; m->plan->rows[m->row].step; m->row++) {
			uint64_t bit = UINT64_C(1) << m->row;

			if (m->later & bit && run_step(m, &why) == 0)
				m->later &= ~bit;
		}
		m->record->error = why;
	}
}

/* SP3 was said and not answered, or SP4 did not come: only the target knows who has the guest. */
static int settle_doubt(struct migration *m, struct err *err)
{
	int rc;

	drop_link(m, err);
	rc = doubt_settle(m, UINT64_MAX, err);
	return rc == -ECONNABORTED ? give_up(m, rc, err) : rc;
}

static int run_row(struct migration *m, struct err *err)
{
	bool committed = m->taken;
	int rc = committed ? go_forward(m, err) : run_step(m, err);

	if (rc < 0)
		return committed ? rc : give_up(m, rc, err);
	rc = meet_after_row(m, err);
	if (rc == 0)
		return 0;
	if (m->side == SIDE_SOURCE && m->released &&
	    m->row <= plan_row_at(m->plan, SYNC_SP4) && !(rc == -ECONNABORTED && !m->taken))
		return settle_doubt(m, err);
	if (m->taken) {
		drop_link(m, err);
		return 0;
	}
	return give_up(m, rc, err); /* an ABORT in answer to SP3: the target never will */
}

int plan_run(struct migration *m, size_t first, struct err *err)
{
	struct err why = { ERR_NONE, "" };
	int rc = 0;

	for (m->row = first; rc == 0 && m->plan->rows[m->row].step; m->row++)
		rc = run_row(m, err);
	if (rc == 0 && m->side == SIDE_TARGET && !m->link) /* the source may be in doubt */
		doubt_tell(m, OUTCOME_TAKEN);
	if (rc == 0)
		do_what_is_left(m);
	if (rc == 0 && note(m, JOURNAL_DONE, "", &why) < 0) /* it is done all the same */
		log_warning("job %s: %s", m->record->uuid, why.message);
	return rc;
}

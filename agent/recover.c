/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doubt.h"
#include "runner.h"
#include "steps.h"

#define GIVE_UP_MS 60000 /* to unplug the devices of a copy that never runs */

/* The guest as it was described, with the domid that it has on this host now (0: none). */
static int find_guest(struct migration *m, const void *bytes, size_t size, struct err *err)
{
	int rc = description_decode(&m->guest, bytes, size, err);

	if (rc < 0)
		return rc;
	m->guest.domid = 0;
	rc = m->host->ops->find(m->host, m->guest.uuid, &m->guest.domid, &m->found_running, err);
	snprintf(m->record->guest_uuid, sizeof(m->record->guest_uuid), "%s", m->guest.uuid);
	snprintf(m->record->guest_name, sizeof(m->record->guest_name), "%s", m->guest.name);
	return rc;
}

/*
 * In the blackout the journal may lag: undo all of it, for undos accept what was not begun. For a
 * target it begins unannounced, in the midst of the copy. But a source need not take back a release
 * that its journal does not come to, for that is durable: its guest does not wait for the disk.
 */
static size_t last_row_to_undo(const struct migration *m, const struct journal_state *state)
{
	size_t released = plan_row_at(m->plan, SYNC_SP3);
	size_t releases = plan_row_with(m->plan, STEP_RELEASES);

	if (m->side == SIDE_SOURCE && state->row < releases && releases <= released)
		released = releases - 1;
	if (m->side == SIDE_TARGET && state->row >= plan_row_with(m->plan, STEP_COPIES))
		return released;
	return plan_phase(m->plan, state->row) >= PHASE_BLACKOUT ? released : state->row;
}

/* What has to be done and was not: nobody may take the job for settled. */
static int unsettled(int rc, struct err *err)
{
	if (err->code != ERR_LOST)
		err->code = ERR_IN_DOUBT;
	return err_prefix(err, rc, "the job has to be recovered again");
}

static int gone(const struct migration *m, struct err *err)
{
	return err_set(err, ERR_LOST, -ENOENT,
		       "guest %s is not on this host any more: the host was reset, or something "
		       "else destroyed it; start it again", m->guest.name);
}

static int undo(struct migration *m, const struct journal_state *state, struct err *err)
{
	const struct journal_entry undone = { .event = JOURNAL_UNDONE };
	bool lost = m->side == SIDE_SOURCE && m->guest.domid == 0;
	bool commits = m->side == SIDE_TARGET || m->file.path[0]; /* in this very journal */
	int rc = 0;

	if (commits && !state->never)
		rc = plan_note_never(m, err);
	if (rc == 0 && m->side == SIDE_TARGET)
		doubt_tell(m, OUTCOME_NEVER);
	if (rc == 0 && !lost)
		rc = plan_undo(m, last_row_to_undo(m, state), err);
	if (rc < 0)
		return unsettled(rc, err);
	if (lost && m->file.path[0]) /* all that it left on this host */
		m->file.ops->drop(&m->file);
	(void)m->journal->ops->append(m->journal, &undone, err);
	if (lost)
		return gone(m, err);
	if (m->resolved != OUTCOME_UNDECIDED)
		return -ECANCELED; /* `err` says who decided */
	return err_set(err, ERR_FAILED, -ECANCELED,
		       "the worker died in %s and everything was taken back",
		       m->plan->rows[state->row].step->name);
}

/* The target's copy of a guest that was resolved to the source goes, however far it had come. */
static int give_copy_up(struct migration *m, struct err *err)
{
	const struct journal_entry undone = { .event = JOURNAL_UNDONE };
	struct err why = *err;
	int rc;

	doubt_tell(m, OUTCOME_NEVER);
	m->deadline_us = clock_after_ms(m->clock, GIVE_UP_MS);
	rc = target_unplug(m, err);
	if (rc == 0)
		rc = plan_undo(m, plan_count(m->plan) - 1, err);
	if (rc < 0)
		return unsettled(rc, err);
	(void)m->journal->ops->append(m->journal, &undone, NULL);
	*err = why;
	return err_prefix(err, -ECANCELED, "guest %s%s", m->guest.name,
			  m->found_running ? " RAN HERE MEANWHILE, check its disks" : "");
}

static int go_on(struct migration *m, const struct journal_state *state, struct err *err)
{
	size_t committed = plan_row_at(m->plan, SYNC_SP3);
	size_t first = state->row > committed ? state->row : committed + 1;

	if (m->guest.domid == 0 && m->side == SIDE_TARGET)
		return gone(m, err);
	if (m->guest.domid == 0 && m->side == SIDE_SOURCE &&
	    plan_row_with(m->plan, STEP_PUBLISHES) == plan_count(m->plan)) /* torn down */
		first = plan_row_with(m->plan, STEP_DESTROYS) + 1;
	m->taken = true;
	m->record->sync_point = SYNC_SP3;
	return plan_run(m, first, err);
}

/*
 * The guest was taken, and may have been resolved to the source since. A host that was reset waits
 * for the answer, for it has nothing to run; else the guest would wait with it.
 */
static int settle_target(struct migration *m, const struct journal_state *state, struct err *err)
{
	int rc;

	if (!state->taken)
		return undo(m, state, err);
	if (state->never) { /* the line says by whom; whoever died then had begun to give it up */
		(void)err_set(err, ERR_FAILED, -ECANCELED, "it was resolved to the source");
		return give_copy_up(m, err);
	}
	rc = doubt_disowned(m, m->guest.domid == 0 ? UINT64_MAX : 0, err);
	if (rc < 0)
		return unsettled(rc, err);
	return rc > 0 ? give_copy_up(m, err) : go_on(m, state, err);
}

static int settle_source(struct migration *m, const struct journal_state *state, struct err *err)
{
	int rc;

	if (!state->released)
		return undo(m, state, err);
	if (state->never || state->taken) { /* the line says by whom */
		m->resolved = state->never ? OUTCOME_NEVER : OUTCOME_TAKEN;
		(void)err_set(err, ERR_FAILED, -ECANCELED, "it was resolved to the source");
		return state->never ? undo(m, state, err) : go_on(m, state, err);
	}
	m->taken = state->row > plan_row_at(m->plan, SYNC_SP3); /* the target has said so */
	rc = doubt_settle(m, UINT64_MAX, err);
	return rc == 0 ? go_on(m, state, err) : rc == -ECONNABORTED ? undo(m, state, err) : rc;
}

int recover_run(struct migration *m, const struct journal_state *state, const void *guest_bytes,
		size_t guest_size, struct err *err)
{
	int rc;

	if (state->done || state->undone)
		return state->done ? 0 : err_set(err, ERR_FAILED, -ECANCELED,
						 "the migration failed and was taken back");
	if (!guest_bytes) /* the journal's next line was to describe it */
		return err_set(err, ERR_FAILED, -ECANCELED,
			       "the worker died before anything was touched");
	rc = find_guest(m, guest_bytes, guest_size, err);
	if (rc < 0)
		return unsettled(rc, err);
	if (m->file.path[0]) /* nobody else can have it */
		return state->taken && !state->never ? go_on(m, state, err) : undo(m, state, err);
	return m->side == SIDE_TARGET ? settle_target(m, state, err) : settle_source(m, state, err);
}

enum outcome recover_outcome(const struct journal_state *state)
{
	if (state->never) /* also of a guest that had been taken, and was resolved elsewhere */
		return OUTCOME_NEVER;
	return state->taken ? OUTCOME_TAKEN : OUTCOME_UNDECIDED;
}

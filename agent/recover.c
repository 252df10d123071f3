/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "journal.h"
#include "log.h"
#include "peer.h"
#include "runner.h"

struct search {
	const char *uuid;
	uint32_t domid;
};

static int match_uuid(const struct guest_summary *guest, void *data)
{
	struct search *search = data;

	if (strcmp(guest->uuid, search->uuid) == 0)
		search->domid = guest->domid;
	return 0;
}

/* The guest as it was described, with the domid that it has on this host now (0: none). */
static int read_guest(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	struct search search = { .domid = 0 };
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t size = 0;
	int rc = journal_read_guest(work->job.folder, &bytes, &size, err);

	if (rc == 0)
		rc = description_decode(&m->guest, bytes, size, err);
	if (rc < 0)
		return rc;
	search.uuid = m->guest.uuid;
	rc = m->host->ops->list(m->host, match_uuid, &search, err);
	m->guest.domid = search.domid;
	snprintf(work->record.guest_uuid, sizeof(work->record.guest_uuid), "%s",
		 m->guest.uuid);
	snprintf(work->record.guest_name, sizeof(work->record.guest_name), "%s",
		 m->guest.name);
	return rc;
}

static int prepare(struct work *work, struct journal_state *state, struct err *err)
{
	struct migration *m = &work->migration;
	int rc = job_read_note(&work->job, &work->note, err);

	if (rc == 0)
		rc = journal_read(work->job.folder, state, err);
	if (rc < 0)
		return rc;
	m->side = work->note.side;
	work->record.side = m->side;
	m->plan = plan_find(state->plan);
	if (!m->plan || state->row >= plan_count(m->plan))
		return err_set(err, ERR_FAILED, -EINVAL, "the journal's plan '%s' is not known",
			       state->plan);
	work->record.plan = m->plan;
	return worker_open_host(work, err);
}

/* In the blackout the journal may lag: undo all of it, for undos accept what was not begun. */
static size_t last_row_to_undo(const struct migration *m, const struct journal_state *state)
{
	size_t released = plan_row_at(m->plan, SYNC_SP3);

	return plan_phase(m->plan, state->row) >= PHASE_BLACKOUT ? released : state->row;
}

static int undo(struct work *work, const struct journal_state *state, struct err *err)
{
	struct migration *m = &work->migration;
	const struct journal_entry never = { .event = JOURNAL_NEVER };
	const struct journal_entry undone = { .event = JOURNAL_UNDONE };
	int rc = 0;

	if (m->side == SIDE_TARGET)
		rc = m->journal->ops->append(m->journal, &never, err);
	if (rc == 0)
		rc = plan_undo(m, last_row_to_undo(m, state), err);
	if (rc == 0)
		rc = m->journal->ops->append(m->journal, &undone, err);
	if (rc < 0)
		return rc;
	return err_set(err, ERR_FAILED, -ECANCELED,
		       "the worker died in %s and everything was taken back",
		       m->plan->rows[state->row].step->name);
}

static int go_on(struct work *work, const struct journal_state *state, struct err *err)
{
	struct migration *m = &work->migration;
	size_t committed = plan_row_at(m->plan, SYNC_SP3);

	m->taken = true;
	work->record.sync_point = SYNC_SP3;
	return plan_run(m, state->row > committed ? state->row : committed + 1, err);
}

int recover_job(struct work *work, struct err *err)
{
	struct migration *m = &work->migration;
	struct journal_state state;
	struct peer_tcp peer;
	int rc = prepare(work, &state, err);

	if (rc < 0)
		return rc;
	if (state.done || state.undone)
		return state.done ? 0 : err_set(err, ERR_FAILED, -ECANCELED,
						"the migration failed and was taken back");
	rc = read_guest(work, err);
	if (rc == -ENOENT) /* the journal's next line was to describe it: nothing was touched */
		return err_set(err, ERR_FAILED, -ECANCELED,
			       "the worker died before anything was touched");
	if (rc < 0)
		return rc;
	peer_source_init(&peer, &clock_system, &work->job, &work->note);
	m->peer = &peer.peer;
	if (m->side == SIDE_TARGET)
		return state.taken ? go_on(work, &state, err) : undo(work, &state, err);
	if (!state.released)
		return undo(work, &state, err);
	rc = plan_resolve_doubt(m, UINT64_MAX, err);
	return rc == 0 ? go_on(work, &state, err) :
	       rc == -ECONNABORTED ? undo(work, &state, err) : rc;
}

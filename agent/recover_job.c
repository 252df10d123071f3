/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode of xenferry-worker that settles a job whose worker died: reads its folder, for
 * recover.c.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "journal.h"
#include "json.h"
#include "peer.h"
#include "recover.h"

#define RECORD_FILE_MAX (256 * 1024)

static int read_plan(struct work *work, const struct journal_state *state, struct err *err)
{
	const struct plan *of_files =
		work->migration.file.path[0] ? plan_find_file(state->plan) : NULL;
	int rc;

	if (of_files) {
		work->plan = *of_files;
		return 0;
	}
	rc = job_read_plan(&work->job, &work->plan, err);

	if (rc != -ENOENT)
		return rc;
	if (!plan_find(state->plan))
		return err_set(err, ERR_FAILED, rc, "the journal's plan '%s' is not known",
			       state->plan);
	work->plan = *plan_find(state->plan);
	return 0;
}

/* Who moves whom, from the request: the job's record may not have been written yet. */
static void name_all(struct work *work, const struct json_value *request)
{
	bool leaves = work->note.side == SIDE_SOURCE;
	const char *here = work->migration.settings.host_name;
	const char *guest = json_get_string(request, "vm");
	const char *there = json_get_string(request, "host");
	struct record *record = &work->record;

	there = there ? there : json_get_string(request, "from"); /* no more is known of it */
	there = there ? there : "";
	snprintf(record->source, sizeof(record->source), "%s", leaves ? here : there);
	snprintf(record->target, sizeof(record->target), "%s", leaves ? there : here);
	snprintf(record->guest_name, sizeof(record->guest_name), "%s", guest ? guest : "");
}

static int read_job(struct work *work, struct journal_state *state, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *request = worker_request(work, err);
	struct migration *m = &work->migration;
	int rc = request ? worker_name_file(work, request, err) : -EINVAL;

	if (rc == 0)
		rc = job_read_note(&work->job, &work->note, err);
	if (rc == 0)
		rc = journal_read(work->job.folder, state, err);
	if (rc < 0)
		return rc;
	m->side = work->note.side;
	work->record.side = m->side;
	name_all(work, request);
	rc = read_plan(work, state, err);
	if (rc < 0)
		return rc;
	m->plan = &work->plan;
	if (state->row >= plan_count(m->plan))
		return err_set(err, ERR_FAILED, -EINVAL,
			       "the journal has a row that its plan '%s' has not", state->plan);
	work->record.plan = m->plan;
	return 0;
}

/* A time of the journal's on this process's clock; 0: none, or it was before that began. */
static uint64_t on_this_clock(double at_s)
{
	uint64_t now_us = clock_now_us(&clock_system);
	double ago_us = (clock_wall_s(&clock_system) - at_s) * 1e6;

	return at_s > 0 && ago_us > 0 && ago_us < (double)now_us ? now_us - (uint64_t)ago_us : 0;
}

/*
 * What people were told goes on from where it was. From when to when the guest stood still the
 * record may not say, for nobody writes it meanwhile: the journal's rows do.
 */
static void restore_record(struct work *work, const struct journal_state *state)
{
	CLEANUP_JSON_VALUE struct json_value *last = NULL;
	size_t unpaused = plan_row_with(&work->plan, STEP_UNPAUSES);
	struct record *record = &work->record;
	char path[JOB_FOLDER_MAX + 16];

	snprintf(path, sizeof(path), "%s/record.json", work->job.folder);
	last = json_parse_file(path, RECORD_FILE_MAX, NULL);
	record_read(last, clock_now_us(&clock_system), clock_wall_s(&clock_system), record);
	if (record->suspended_us == 0)
		record->suspended_us = on_this_clock(state->blackout_s);
	if (record->running_us == 0 && record->side == SIDE_TARGET && state->taken)
		record->running_us = on_this_clock(journal_time_after(state, unpaused));
}

/* All that the folder says; changes nothing there. `guest` stays NULL when it was not described. */
static int read_folder(struct work *work, struct journal_state *state, uint8_t **guest,
		       size_t *size, struct err *err)
{
	int rc = read_job(work, state, err);

	if (rc < 0)
		return rc;
	restore_record(work, state);
	rc = journal_read_guest(work->job.folder, guest, size, err);
	return rc == -ENOENT ? 0 : rc;
}

int recover_rehearse(struct work *work, struct err *err)
{
	CLEANUP_FREE uint8_t *guest = NULL;
	struct migration *m = &work->migration;
	struct journal_state state;
	size_t size = 0;
	int rc = read_folder(work, &state, &guest, &size, err);

	if (rc < 0 || !guest)
		return rc;
	description_init(&m->guest);
	rc = description_decode(&m->guest, guest, size, err);
	description_fini(&m->guest);
	return rc;
}

int recover_job(struct work *work, struct err *err)
{
	const struct tls_files *tls = config_tls(work->config, &work->tls);
	CLEANUP_FREE uint8_t *guest = NULL;
	struct journal_state state;
	size_t size = 0;
	int rc = read_folder(work, &state, &guest, &size, err);

	if (rc == 0)
		rc = worker_open_host(work, err);
	if (rc < 0)
		return rc;
	if (work->note.side == SIDE_SOURCE)
		peer_source_init(&work->peer, &clock_system, &work->job, &work->note, tls);
	else
		peer_target_init(&work->peer, &clock_system, &work->job, &work->note, tls, -1,
				 NULL);
	work->migration.peer = &work->peer.peer;
	return recover_run(&work->migration, &state, guest, size, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The modes of xenferry-worker that move a guest into a file, or out of one. */
#include "worker.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "codec_choice.h"
#include "peer.h"
#include "runner.h"

int worker_name_file(struct work *work, const struct json_value *request, struct err *err)
{
	const char *path = json_get_string(request, "file");
	const char *compress = json_get_string(request, "compress");
	struct migration *m = &work->migration;
	int rc;

	if (!path) /* the job is a migration */
		return 0;
	if (compress)
		(void)compress_from_text(compress, &m->settings.memory.compress);
	rc = saved_file_name(&m->file, path, work->job.uuid, err);
	m->file.framed = m->settings.memory.compress != CODEC_NONE;
	return rc;
}

static int read_request(struct work *work, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *request = NULL;
	struct migration *m = &work->migration;
	const struct plan *plan;
	const char *vm, *name;
	int rc;

	request = worker_request(work, err);
	if (!request)
		return -EINVAL;
	vm = json_get_string(request, "vm");
	name = json_get_string(request, "plan");
	plan = name ? plan_find_file(name) : NULL;
	if (!plan || !vm || !json_get_string(request, "file"))
		return err_set(err, ERR_USAGE, -EINVAL, "the request lacks plan, vm or file");
	work->plan = *plan;
	m->plan = &work->plan;
	snprintf(m->settings.vm, sizeof(m->settings.vm), "%s", vm);
	snprintf(work->record.guest_name, sizeof(work->record.guest_name), "%s", vm);
	rc = steering_read(request, work->config, &m->settings.steering, err);
	if (rc < 0)
		return rc;
	orders_init(&work->orders, &work->job);
	m->orders = &work->orders.orders;
	return worker_name_file(work, request, err);
}

static int run(struct work *work, enum side side, struct err *err)
{
	struct migration *m = &work->migration;
	struct peer_file peer;
	int rc = read_request(work, err);

	snprintf(work->record.source, sizeof(work->record.source), "%s",
		 side == SIDE_SOURCE ? m->settings.host_name : "a file");
	snprintf(work->record.target, sizeof(work->record.target), "%s",
		 side == SIDE_TARGET ? m->settings.host_name : "a file");
	if (rc == 0)
		rc = worker_begin(work, side, err);
	if (rc == 0)
		rc = worker_open_host(work, err);
	if (rc < 0)
		return rc;
	peer_file_init(&peer, &m->file);
	m->peer = &peer.peer;
	rc = plan_run(m, 0, err);
	saved_file_close(&m->file);
	return rc;
}

int worker_save(struct work *work, struct err *err)
{
	return run(work, SIDE_SOURCE, err);
}

int worker_load(struct work *work, struct err *err)
{
	return run(work, SIDE_TARGET, err);
}

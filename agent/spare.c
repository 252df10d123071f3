/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode of xenferry-worker that stands by while another one moves a guest, and settles the job
 * when that dies: what a recovery's start takes (programs loaded, handles opened, configuration
 * read) is done before, while nobody waits for it. What it has seen of the job by then does not
 * count: it reads all anew.
 */
#include "worker.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "log.h"
#include "precedence.h"

/* What ps shows: who looks for the worker of a job does not mean this one. At most 15 bytes. */
#define NAME_WAITING "xenferry-spare"
#define NAME_WORKING "xenferry-worker"

/* The daemon's word; false when we are not needed. Waits for as long as there is a daemon. */
static bool is_needed(void)
{
	struct pollfd channel = { .fd = WORKER_CHANNEL_FD, .events = POLLIN };
	char word = '\0';

	(void)clock_wait(&clock_system, &channel, 1, UINT64_MAX, true);
	return recv(WORKER_CHANNEL_FD, &word, 1, MSG_DONTWAIT) == 1 && word == WORKER_GO;
}

static int pass_over(const struct guest_summary *guest, void *data)
{
	(void)guest;
	(void)data;
	return 0;
}

/*
 * Goes the way of a recovery as far as it changes nothing, so that it is a known one; and all that
 * is loaded stays in memory. Any of it may fail: then it only takes longer later.
 */
static void warm_up(struct work *work, const char *uuid)
{
	struct host *host = work->migration.host;
	struct err err;

	(void)host->ops->list(host, pass_over, NULL, &err);
	if (job_find(work->config, uuid, false, &work->job, &err) == 0)
		(void)recover_rehearse(work, &err);
	(void)mlockall(MCL_CURRENT);
}

int run_spare(const struct config *config, char **arguments)
{
	struct work rehearsal = { .config = config };
	struct err err;
	struct host *host;

	(void)prctl(PR_SET_NAME, NAME_WAITING);
	if (worker_open_host(&rehearsal, &err) < 0) {
		log_warning("job %s: no spare worker: %s", arguments[0], err.message);
		return err_exit_status(err.code);
	}
	host = rehearsal.migration.host;
	warm_up(&rehearsal, arguments[0]);
	(void)precedence_take();
	if (!is_needed()) {
		host->ops->close(host);
		return 0;
	}
	(void)prctl(PR_SET_NAME, NAME_WORKING);
	return worker_run_mode(recover_job, config, arguments, host);
}

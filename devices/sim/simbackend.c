/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backends of a simulated host, in one process; and its storage: every file in the folder of
 * disks is a disk of the host, from when it is there.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "cleanup.h"
#include "log.h"
#include "options.h"
#include "watcher.h"

#define WAKE_US 1000000 /* at the latest */

struct machine {
	const char *folder, *rundir;
	const char *disks_folder; /* NULL: beside the host's own, if there is one */
	struct disk_costs costs;
	struct sim_host *host;
	struct store *store;
	struct watcher *watcher;
	struct disks *disks;
	struct backends *backends;
	int notify_fd; /* -1: nobody attaches disks by putting files somewhere */
	struct pollfd fds[BACKENDS_MAX + 3];
};

/* ---- storage ---- */

static void attach(struct machine *machine, const char *name)
{
	char path[PATH_MAX];
	struct stat status;
	uint32_t minor;
	int rc;

	if (name[0] == '.' ||
	    snprintf(path, sizeof(path), "%s/%s", machine->disks_folder, name) >=
		    (int)sizeof(path) ||
	    stat(path, &status) < 0 || !S_ISREG(status.st_mode))
		return;
	rc = sim_disk_add(machine->host, path, &minor);
	if (rc)
		log_warning("%s cannot be a disk: %s", path, strerror(-rc));
}

static void attach_all(struct machine *machine)
{
	CLEANUP_DIR DIR *folder = opendir(machine->disks_folder);
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)))
		attach(machine, entry->d_name);
}

/* Files are moved in when they are whole, or written there. */
static int watch_disks(struct machine *machine, struct err *err)
{
	static char beside[PATH_MAX];

	if (!machine->disks_folder) {
		snprintf(beside, sizeof(beside), "%s/../disks", machine->folder);
		if (access(beside, F_OK) < 0)
			return 0;
		machine->disks_folder = beside;
	}
	machine->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (machine->notify_fd < 0 ||
	    inotify_add_watch(machine->notify_fd, machine->disks_folder,
			      IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0)
		return err_errno(err, "watch the folder of disks %s", machine->disks_folder);
	attach_all(machine);
	return 0;
}

static void attach_new(struct machine *machine)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t size = read(machine->notify_fd, events, sizeof(events));
	const struct inotify_event *event;

	for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(events + at);
		if (event->mask & IN_Q_OVERFLOW)
			attach_all(machine);
		else if (event->len > 0)
			attach(machine, event->name);
	}
}

/* ---- running ---- */

static int start(struct machine *machine, struct err *err)
{
	int rc = sim_host_open(machine->folder, &machine->host, err);

	if (!rc && setenv("XENSTORED_RUNDIR", machine->rundir, 1) < 0)
		rc = err_errno(err, "XENSTORED_RUNDIR");
	if (!rc)
		rc = store_open(&machine->store, err);
	if (!rc)
		rc = watcher_open(&machine->watcher, err);
	if (rc)
		return rc;
	machine->disks = disks_new(machine->host, &machine->costs);
	if (!machine->disks)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	rc = watch_disks(machine, err);
	return rc ? rc : backends_new(machine->host, machine->store, machine->watcher,
				      machine->disks, &clock_system, &machine->backends, err);
}

static void stop(struct machine *machine)
{
	backends_free(machine->backends);
	disks_free(machine->disks);
	if (machine->notify_fd >= 0)
		close(machine->notify_fd);
	if (machine->watcher)
		machine->watcher->ops->close(machine->watcher);
	if (machine->store)
		machine->store->ops->close(machine->store);
	sim_host_close(machine->host);
}

static int run(struct machine *machine)
{
	const struct watcher *watcher = machine->watcher;
	struct pollfd *fds = machine->fds;
	int rc;

	do {
		size_t count = backends_poll(machine->backends, fds);
		uint64_t due_us = backends_due_us(machine->backends);
		uint64_t wake_us = clock_now_us(&clock_system) + WAKE_US;

		fds[count] = (struct pollfd){ .fd = watcher->ops->fd(watcher), .events = POLLIN };
		fds[count + 1] = (struct pollfd){ .fd = machine->notify_fd, .events = POLLIN };
		rc = clock_wait(&clock_system, fds, count + 2, due_us < wake_us ? due_us : wake_us,
				true);
		if (rc >= 0 && fds[count + 1].revents)
			attach_new(machine);
		if (rc >= 0)
			backends_work(machine->backends, fds, count);
	} while (rc >= 0);
	return rc;
}

int main(int argc, char **argv)
{
	struct machine machine = {
		.notify_fd = -1,
		.costs = { .latency_us = 500 },
	};
	const struct option_row table[] = {
		{ "folder", "DIR", "the host's folder", true, .text = &machine.folder },
		{ "store", "RUNDIR", "its xenstored's", true, .text = &machine.rundir },
		{ "disks", "DIR", "whose files are disks of the host [FOLDER/../disks]",
		  .text = &machine.disks_folder },
		{ "disk-latency-us", "N", "what every request takes [500]",
		  .number = &machine.costs.latency_us, .max = 600000000 },
		{ "disk-bytes-per-s", "N", "what a disk transfers; 0: without limit [0]",
		  .number = &machine.costs.bytes_per_s, .max = UINT64_C(1) << 40 },
		{ 0 },
	};
	struct err err = { .code = ERR_NONE };
	int rc = options_parse(table, "simbackend", argc, argv, NULL, &err);

	log_init("simbackend", false);
	if (rc > 0)
		return 0;
	if (rc == 0)
		rc = clock_catch_cancel();
	if (rc == 0)
		rc = start(&machine, &err);
	if (rc < 0)
		log_error("%s", err.message);
	else
		rc = run(&machine);
	stop(&machine);
	return rc == -ECANCELED ? 0 : err_exit_status(err.code ? err.code : ERR_FAILED);
}

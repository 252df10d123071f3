/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode of xenferry-worker that measures how fast a guest dirties its memory. It is a process of
 * its own, whose end, on a signal too, ends the tracking.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"
#include "tracking.h"

#define PAGE_BYTES 4096u

/* Who started us may be a shell: its Ctrl-C is a cancel request, as SIGTERM is. */
static void pass_on(int signal_number)
{
	(void)signal_number;
	raise(SIGTERM);
}

static void print(const struct description *guest, uint64_t pages, uint64_t took_us)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	uint64_t bytes = pages * PAGE_BYTES;

	if (!writer)
		return;
	json_object_begin(writer);
	json_put_string(writer, "uuid", guest->uuid);
	json_put_string(writer, "name-label", guest->name);
	json_put_double(writer, "seconds", (double)took_us / 1e6);
	json_put_integer(writer, "dirty_pages", (int64_t)pages);
	json_put_integer(writer, "dirty_bytes", (int64_t)bytes);
	json_put_integer(writer, "dirty_bytes_per_s",
			 took_us ? (int64_t)((double)bytes * 1e6 / (double)took_us) : 0);
	json_put_integer(writer, "memory_bytes", (int64_t)(guest->pages_now * PAGE_BYTES));
	json_object_end(writer);
	puts(json_text(writer, NULL));
}

static int measure(struct host *host, struct tracking *tracking, const char *vm,
		   uint64_t duration_us, struct err *err)
{
	struct reasons reasons = { .count = 0 };
	struct description guest;
	uint64_t pages = 0, took_us = 0;
	int rc;

	description_init(&guest);
	rc = host->ops->describe(host, vm, &guest, &reasons);
	if (rc < 0)
		reasons_join(&reasons, err);
	else
		rc = tracking->ops->claim(tracking, guest.uuid, err);
	if (rc == 0)
		rc = host->ops->measure_dirt(host, &guest, duration_us, &pages, &took_us, err);
	if (rc == 0)
		print(&guest, pages, took_us);
	description_fini(&guest);
	return rc;
}

int run_dirty_rate(const struct config *config, char **arguments)
{
	const struct sigaction action = { .sa_handler = pass_on };
	unsigned long seconds = strtoul(arguments[1], NULL, 10);
	struct tracking_lock lock;
	struct host *host = NULL;
	struct err err = { ERR_NONE, "" };
	int rc = 0;

	if (seconds < 1 || seconds > MEASURE_SECONDS_MAX)
		rc = err_set(&err, ERR_USAGE, -EINVAL, "seconds= is 1 to %d", MEASURE_SECONDS_MAX);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	tracking_init(&lock, config);
	if (rc == 0)
		rc = host_xen_open(&clock_system, "", &host, &err);
	if (rc == 0)
		rc = measure(host, &lock.tracking, arguments[0], seconds * UINT64_C(1000000),
			     &err);
	if (host)
		host->ops->close(host);
	tracking_fini(&lock);
	if (rc == 0)
		return 0;
	fprintf(stderr, "xenferry: %s\n", err.message);
	return err_exit_status(err.code);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* event-wait: what happens to this host's migrations, as it happens, one line each. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "cli_print.h"
#include "cli_progress.h"
#include "clock.h"

#define WAIT_S 30 /* asked for again and again: so a daemon that hangs is noticed */
#define WAIT_MARGIN_MS 10000

static void print_text(const struct json_value *event)
{
	const struct json_value *record = json_get(event, "record");
	const char *kind = json_get_string(event, "event");
	CLEANUP_FREE char *uuid = cli_value(record, "uuid");
	CLEANUP_FREE char *guest = cli_value(record, "vm.name-label");
	CLEANUP_FREE char *source = cli_value(record, "source");
	CLEANUP_FREE char *target = cli_value(record, "target");
	char line[PROGRESS_LINE_MAX];

	printf("%s %s %s %s %s: %s\n", kind ? kind : "", uuid ? uuid : "", guest ? guest : "",
	       source ? source : "", target ? target : "", progress_line(record, 0, line));
}

static void print_events(const struct json_value *answer, bool json)
{
	const struct json_value *events = json_get(answer, "events");
	int64_t lost = json_get_integer(answer, "lost", 0);

	if (lost > 0)
		fprintf(stderr, "xenferry: %lld events came too fast and are not kept any more\n",
			(long long)lost);
	for (size_t i = 0; i < json_size(events); i++) {
		if (json)
			cli_print_json(stdout, json_at(events, i));
		else
			print_text(json_at(events, i));
	}
	fflush(stdout);
}

/* One question; *next is the number to ask with, and is moved on. Negative: from now on. */
static int ask_once(const struct cli_args *args, struct caller *caller, int64_t *next, long wait_s,
		    struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *result;
	struct json_writer *params = caller_begin(caller, "event.wait");
	int rc;

	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (*next >= 0)
		json_put_integer(params, "since", *next);
	json_put_integer(params, "timeout_s", *next >= 0 ? wait_s : 0);
	rc = caller_finish(caller, (uint64_t)wait_s * 1000 + WAIT_MARGIN_MS, NULL, NULL, &answer,
			   &result, err);
	if (rc < 0)
		return rc;
	print_events(result, args->json);
	*next = json_get_integer(result, "next", 0);
	return 0;
}

int cli_event_wait(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	long timeout_s = cli_number(args, "timeout", 0);
	uint64_t deadline_us = clock_after_ms(&clock_system, (uint64_t)timeout_s * 1000);
	int64_t next = -1;
	int rc = caller_open(args, &caller, err);

	while (rc == 0 && !ferror(stdout)) {
		uint64_t now_us = clock_now_us(&clock_system);
		uint64_t left_s = now_us < deadline_us ? (deadline_us - now_us + 999999) / 1000000
						       : 0;

		if (timeout_s > 0 && left_s == 0)
			break;
		rc = ask_once(args, caller, &next,
			      timeout_s > 0 && left_s < WAIT_S ? (long)left_s : WAIT_S, err);
	}
	return rc;
}

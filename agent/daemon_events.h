/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened to the jobs of this host, for those who want to hear of it: the last events in a
 * ring, each with its number. A client asks for what came after the last number that it knows, and
 * is answered at once or when there is something. So nothing is lost between two questions, and a
 * client that is too slow hears how much it has missed.
 */
#ifndef XENFERRY_DAEMON_EVENTS_H
#define XENFERRY_DAEMON_EVENTS_H

#include <stdint.h>
#include <uv.h>

#include "daemon_clients.h"
#include "err.h"
#include "json.h"
#include "uuid.h"

#define EVENTS_KEPT 256
#define EVENT_WAITS_MAX 64
#define EVENT_JOBS_MAX 256 /* jobs that are followed from their creation to their end */

enum event_kind { EVENT_CREATED, EVENT_CHANGED, EVENT_FINISHED };

struct event {
	enum event_kind kind;
	char *record; /* JSON, without the steps; owned */
};

struct event_wait;

struct events {
	uv_loop_t *loop;
	struct event ring[EVENTS_KEPT]; /* number N at N modulo EVENTS_KEPT */
	uint64_t count;                 /* events so far: the next one's number */
	char known[EVENT_JOBS_MAX][UUID_TEXT]; /* created and not finished; "": free */
	struct event_wait *waits;
	unsigned wait_count;
};

/* A zeroed `events`; `loop` is for the deadlines of who waits. */
void events_init(struct events *events, uv_loop_t *loop);
void events_fini(struct events *events); /* nobody is answered any more; idempotent */

/* A job has this record now. Answers all who wait. */
void events_note(struct events *events, const struct json_value *record);
#define EVENT_WAIT_DEFAULT_S 3600
#define EVENT_WAIT_MAX_S 86400

/*
 * Answers `client`'s request with the events from number "since" on (absent: from now on), or with
 * none after "timeout_s": {"next": the number to ask with next, "lost": how many are not kept any
 * more, "events": [{"event": "created", "record": {...}}]}. -EUSERS when too many wait, -EINVAL
 * for a longer wait than there may be.
 */
int events_wait(struct events *events, struct client *client, const struct rpc_request *request,
		struct err *err);
/* The client has gone. */
void events_gone(struct events *events, const struct client *client);

/* The answer's value, as events_wait() gives it. */
void events_write(const struct events *events, uint64_t since, struct json_writer *writer);

#endif

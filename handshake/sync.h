/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The synchronisation points: where the two workers of a job meet.
 */
#ifndef XENFERRY_SYNC_H
#define XENFERRY_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "link.h"

enum side { SIDE_SOURCE, SIDE_TARGET };

/*
 * One row a point: who says it, whether the other side answers, and what it means.
 *   X(point, "name", speaker, answered, "meaning")
 */
#define SYNC_TABLE(X) \
	X(SP0, "offered", SIDE_SOURCE, true, \
	  "the guest is described; the target says whether it can take it") \
	X(SP1, "prepared", SIDE_TARGET, false, \
	  "domain created, memory claimed, devices plugged; copying may start") \
	X(SP2, "restored", SIDE_TARGET, false, \
	  "the whole image is in place; the target lacks nothing but permission") \
	X(SP3, "released", SIDE_SOURCE, true, \
	  "it is yours; the target makes that durable and answers taken") \
	X(SP4, "running", SIDE_TARGET, false, \
	  "the guest runs at the target and has been announced") \
	X(SP5, "done", SIDE_SOURCE, true, "the source is torn down; both may forget the job")

enum sync_point {
	SYNC_NONE,
#define X(point, name, speaker, answered, meaning) SYNC_##point,
	SYNC_TABLE(X)
#undef X
	SYNC_POINTS
};

const char *sync_label(enum sync_point point);   /* "SP3"; "" for SYNC_NONE */
const char *sync_name(enum sync_point point);    /* "released" */
const char *sync_meaning(enum sync_point point);
enum side sync_speaker(enum sync_point point);
bool sync_answered(enum sync_point point);
const char *side_name(enum side side);           /* "source", "target" */

/* Says or answers `point`, with the fields in `payload` (NULL: none). [blackout] */
int sync_say(struct link *link, enum sync_point point, const void *payload, size_t size,
	     uint64_t deadline_us, struct err *err);
int sync_answer(struct link *link, enum sync_point point, const void *payload, size_t size,
		uint64_t deadline_us, struct err *err);
/*
 * Waits until the peer says, or answers, exactly `point`. Anything else is a protocol error
 * (-EPROTO) that names what came and what was due. Errors otherwise as link_ops.receive. [blackout]
 */
int sync_hear(struct link *link, enum sync_point point, uint64_t deadline_us, bool cancellable,
	      struct message *message, struct err *err);
int sync_hear_answer(struct link *link, enum sync_point point, uint64_t deadline_us,
		     bool cancellable, struct message *message, struct err *err);

#endif

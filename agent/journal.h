/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job's journal: what a crash of the worker, the daemon or the host must not make us forget.
 *
 * Append-only JSON lines, one event each. A line that must be durable is on the disk before the
 * call returns; a torn last line is ignored when it is read again.
 */
#ifndef XENFERRY_JOURNAL_H
#define XENFERRY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

/*
 * One row an event: the word in the file, whether it is durable before its effect, its meaning.
 * Rows within the blackout need no disk of their own: the first of them is durable, and recovery
 * undoes the whole blackout, for undos accept what was not begun.
 */
#define JOURNAL_TABLE(X) \
	X(BEGIN, "begin", true, "the job, its side, plan and peer") \
	X(STEP, "step", true, "this row starts") \
	X(STEP_BLACKOUT, "step-blackout", false, "this row starts, the guest is suspended") \
	X(RELEASED, "released", true, "source: SP3 may be said from now on") \
	X(TAKEN_BACK, "taken-back", true, "source: SP3 was not said and will not be") \
	X(TAKEN, "taken", true, "target: the guest is ours; the commit record") \
	X(NEVER, "never", true, "target: the guest will never run here") \
	X(RESOLVED_SOURCE, "resolved-source", true, \
	  "text decided in doubt that the guest is the source's: the target never will run it") \
	X(RESOLVED_TARGET, "resolved-target", true, \
	  "text decided in doubt that the guest is the target's") \
	X(UNDONE, "undone", true, "everything is taken back") \
	X(DONE, "done", true, "nothing is left to do")

enum journal_event {
#define X(event, word, durable, meaning) JOURNAL_##event,
	JOURNAL_TABLE(X)
#undef X
	JOURNAL_EVENTS
};

/* What a journal line can say; absent text is "", absent numbers are 0. */
struct journal_entry {
	enum journal_event event;
	uint32_t row;
	char text[128]; /* STEP: the step's name; BEGIN: the plan's; RESOLVED: who decided */
};

struct journal;

struct journal_ops {
	/*
	 * 0, or -errno with `err`, and then the line is not there; durable when its row says so.
	 * [blackout]
	 */
	int (*append)(struct journal *journal, const struct journal_entry *entry,
		      struct err *err);
	/* Keeps `bytes` beside the journal as the guest's encoded description; durable. */
	int (*keep_guest)(struct journal *journal, const void *bytes, size_t size,
			  struct err *err);
	void (*close)(struct journal *journal);
};

struct journal {
	const struct journal_ops *ops;
};

/* Opens `<folder>/journal` for appending, making it when it is not there. */
int journal_open(const char *folder, const struct clock *clock, struct journal **journal,
		 struct err *err);

#define JOURNAL_ROWS 64 /* whose times are kept; more than a plan has */

/* What a journal amounts to, for recovery and for those who ask. */
struct journal_state {
	bool begun, released, taken, never, undone, done;
	uint32_t row;    /* the last that was started */
	double blackout_s; /* since 1970, when the first row in the blackout started; 0: none */
	double rows_s[JOURNAL_ROWS]; /* the same of each row, whenever it started last */
	char plan[128]; /* as the BEGIN line's text */
};

/* What one more line changes. */
void journal_note(struct journal_state *state, const struct journal_entry *entry);
/* When the first row behind `row` was started, since 1970; 0: none was. */
double journal_time_after(const struct journal_state *state, size_t row);
/* Reads `<folder>/journal`; -ENOENT when there is none. */
int journal_read(const char *folder, struct journal_state *state, struct err *err);
/* The description that keep_guest() kept; -ENOENT when there is none. Free *bytes. */
int journal_read_guest(const char *folder, uint8_t **bytes, size_t *size, struct err *err);

#endif

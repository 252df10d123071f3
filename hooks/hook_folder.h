/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks as they lie on this host: /etc/xapi.d/<hook>/ *.
 */
#ifndef XENFERRY_HOOK_FOLDER_H
#define XENFERRY_HOOK_FOLDER_H

#include "hook.h"

#define HOOK_SCRIPTS_MAX 64 /* programs of one hook */

/* Told of what a program said that did not fail: one sentence, for the log. */
typedef void hook_note_fn(void *context, const char *sentence);

struct hook_folder {
	struct hooks hooks;
	const struct clock *clock;
	const char *root;    /* borrowed: "/etc/xapi.d" */
	uint32_t timeout_ms; /* for one program */
	hook_note_fn *note;
	void *context;
};

/* Hooks below `root`, which may be missing; `note` is called with `context`. */
void hook_folder_init(struct hook_folder *folder, const struct clock *clock, const char *root,
		      uint32_t timeout_ms, hook_note_fn *note, void *context);

#endif

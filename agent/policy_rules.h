/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a migration policy says, as data: RHV's form, so that its JSON files load unchanged.
 * policy_table.c has those that are built in, policy_file.c reads an operator's own; policy.h is
 * the decision that follows them.
 */
#ifndef XENFERRY_POLICY_RULES_H
#define XENFERRY_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "json.h"

#define POLICY_NAME_MAX 64
#define POLICY_DESCRIPTION_MAX 512
#define POLICY_ITEMS_MAX 32
#define POLICY_STALLS_MAX 50      /* a stallingLimit; a copy has no more passes than some more */
#define POLICY_DOWNTIME_MAX_MS 600000
#define POLICY_FILE_MAX 65536     /* bytes */

enum policy_action {
	POLICY_SET_DOWNTIME, /* value in ms */
	POLICY_POST_COPY,    /* stock Xen has none: the next item is taken instead */
	POLICY_ABORT,
	POLICY_ACTIONS
};

/* Taken in the first pass after `stalls`; 0: a last item, in the pass after the one before. */
struct policy_item {
	uint32_t stalls;
	enum policy_action action;
	uint32_t downtime_ms;
};

struct policy_rules {
	char name[POLICY_NAME_MAX]; /* as policy= has it: "minimal-downtime" */
	char description[POLICY_DESCRIPTION_MAX];
	uint32_t migrations_max;    /* guests that leave this host at once; 0: not said */
	bool auto_converge;         /* slow the guest down when it dirties too fast */
	bool compress;              /* unless the operator says otherwise */
	uint32_t initial_ms;        /* the downtime limit to begin with */
	struct policy_item items[POLICY_ITEMS_MAX];
	size_t count;
	bool built_in;
};

/* The built-in policies by number, from 0, and by name; NULL where there is none. The first is the
 * default. */
const struct policy_rules *policy_builtin_at(size_t index);
const struct policy_rules *policy_builtin(const char *name);

/* "setDowntime" */
const char *policy_action_word(enum policy_action action);

/*
 * Reads a policy from a JSON value. -EINVAL with a sentence that names line and key of the first
 * mistake: `origin` (a path) stands before the line.
 */
int policy_parse(const struct json_value *json, const char *origin, struct policy_rules *rules,
		 struct err *err);
/* The same from a file, whose name, less ".json", is the policy's. */
int policy_read(const char *path, struct policy_rules *rules, struct err *err);
/*
 * The policy of that name: `<folder>/<name>.json` if there is one, else the built-in. NULL: the
 * default. -ENOENT when there is none.
 */
int policy_find(const char *folder, const char *name, struct policy_rules *rules,
		struct err *err);

/* Writes the policy in RHV's form. */
void policy_write(const struct policy_rules *rules, struct json_writer *writer);
/*
 * What an operator has to know before it starts, one sentence: that it names what stock Xen cannot
 * do, and what is done instead. NULL: nothing.
 */
const char *policy_caution(const struct policy_rules *rules);

#endif

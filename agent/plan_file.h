/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans outside the program: an operator's own, one JSON file each, and the copy that a job keeps
 * of the plan that it follows, so that recovery finds it whatever became of the file.
 *
 *   {"name": "mine", "summary": "…", "rows": [{"step": "describe-guest", "sync": "SP0"}, …]}
 *
 * A row names a step of the registry (plan_table.c) and, where both sides meet after it, the point.
 */
#ifndef XENFERRY_PLAN_FILE_H
#define XENFERRY_PLAN_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "json.h"
#include "plan.h"

#define PLAN_FILE_MAX 65536
#define PLAN_FOLDER_MAX 256 /* plans of an operator's own */

/* Small letters, digits, '.', '-' and '_', the first a letter or a digit; < PLAN_NAME_MAX. */
bool plan_name_is_valid(const char *name);

/*
 * Reads one file. -ENOENT when there is none; -EINVAL (ERR_USAGE) names the file, and the row and
 * key that are wrong. The rules are the caller's to ask, see plan_check().
 */
int plan_read_file(const char *path, struct plan *plan, struct err *err);
/* Writes `plan` as one value, for plan_read_file(). */
void plan_write(const struct plan *plan, struct json_writer *writer);

/*
 * The plan of that name: built in, else <folder>/<name>.json, whose name must be the file's, and
 * which must pass the rules. -ENOENT when there is neither, -EINVAL with the mistake.
 */
int plan_load(const char *folder, const char *name, struct plan *plan, struct err *err);

/*
 * The names of the folder's plans, sorted, without looking into them: at most PLAN_FOLDER_MAX. An
 * absent folder has none. Returns how many; they are in `names`, free each.
 */
size_t plan_folder_names(const char *folder, char *names[PLAN_FOLDER_MAX]);

#endif

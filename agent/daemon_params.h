/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a method of the daemon takes, as a table.
 */
#ifndef XENFERRY_DAEMON_PARAMS_H
#define XENFERRY_DAEMON_PARAMS_H

#include <stdbool.h>

#include "err.h"
#include "json.h"

enum param_kind { PARAM_TEXT, PARAM_NUMBER, PARAM_BOOLEAN };

#define PARAMS_MAX 24

/* A table of at most PARAMS_MAX ends with one without a name. */
struct param {
	const char *name;
	enum param_kind kind;
	bool required;
};

/* -EINVAL, ERR_USAGE when `given` is not what `method` takes: unknown, missing, of another kind. */
int params_check(const char *method, const struct param params[PARAMS_MAX],
		 const struct json_value *given, struct err *err);

#endif

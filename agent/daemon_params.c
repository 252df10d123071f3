/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_params.h"

#include <errno.h>
#include <string.h>

static const struct param *find_param(const struct param *params, const char *name)
{
	for (size_t i = 0; i < PARAMS_MAX && params[i].name; i++)
		if (strcmp(params[i].name, name) == 0)
			return &params[i];
	return NULL;
}

static bool has_kind(const struct json_value *value, enum param_kind kind)
{
	if (kind == PARAM_TEXT)
		return json_string_of(value) != NULL;
	if (kind == PARAM_NUMBER)
		return json_integer_of(value, -1) >= 0; /* none of ours may be negative */
	return json_boolean_of(value, true) == json_boolean_of(value, false);
}

int params_check(const char *method, const struct param params[PARAMS_MAX],
		 const struct json_value *given, struct err *err)
{
	static const char *const wanted[] = { "a text", "a whole number from 0", "true or false" };

	for (size_t i = 0; i < json_size(given); i++) {
		const char *name = json_key_at(given, i);
		const struct param *param = find_param(params, name);

		if (!param)
			return err_set(err, ERR_USAGE, -EINVAL, "%s has no parameter '%s'", method,
				       name);
		if (!has_kind(json_value_at(given, i), param->kind))
			return err_set(err, ERR_USAGE, -EINVAL, "%s: %s wants %s", method, name,
				       wanted[param->kind]);
	}
	for (size_t i = 0; i < PARAMS_MAX && params[i].name; i++)
		if (params[i].required && !json_get(given, params[i].name))
			return err_set(err, ERR_USAGE, -EINVAL, "%s wants %s", method,
				       params[i].name);
	return 0;
}

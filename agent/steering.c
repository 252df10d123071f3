/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "steering.h"

#include <errno.h>
#include <string.h>

#define MIB (1024u * 1024u)

int steering_bandwidth(int64_t mibps, struct stream_limit *limit, struct err *err)
{
	if (mibps < 0 || mibps > STEERING_BANDWIDTH_MAX_MIBPS)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "bandwidth_mibps is 1 to %d MiB/s (of 1048576 bytes), or 0 for no "
			       "limit", STEERING_BANDWIDTH_MAX_MIBPS);
	limit->bytes_per_s = (uint64_t)mibps * MIB;
	return 0;
}

static int read_policy(const struct json_value *params, const struct config *config,
		       struct steering *steering, struct err *err)
{
	const char *name = json_get_string(params, "policy");

	return policy_find(config->policies_dir, name ? name : config->policy, &steering->policy,
			   err);
}

static int read_downtime(const struct json_value *params, const struct config *config,
			 struct steering *steering, struct err *err)
{
	bool said = json_get(params, "downtime_limit_ms") != NULL;
	int64_t ms = said ? json_get_integer(params, "downtime_limit_ms", -1) :
			    (int64_t)config->downtime_limit_ms;

	if (ms < (said ? 1 : 0) || ms > POLICY_DOWNTIME_MAX_MS)
		return err_set(err, ERR_USAGE, -EINVAL, "downtime_limit_ms is 1 to %d ms",
			       POLICY_DOWNTIME_MAX_MS);
	steering->downtime_limit_ms = (uint32_t)ms;
	return 0;
}

static int read_bandwidth(const struct json_value *params, const struct config *config,
			  struct steering *steering, struct err *err)
{
	steering->limit.last_pass_too = json_get_boolean(params, "limit_last_pass", false);
	return steering_bandwidth(json_get_integer(params, "bandwidth_mibps",
						   config->bandwidth_mibps),
				  &steering->limit, err);
}

static int read_pause(const struct json_value *params, const struct config *config,
		      struct steering *steering, struct err *err)
{
	(void)config;
	(void)err;
	steering->pause_before_switchover =
		json_get_boolean(params, "pause_before_switchover", false);
	return 0;
}

static int read_timeout(const struct json_value *params, const struct config *config,
			struct steering *steering, struct err *err)
{
	const char *action = json_get_string(params, "timeout_action");
	int64_t seconds = json_get_integer(params, "timeout_s", 0);

	(void)config;
	if (seconds < 0 || seconds > STEERING_TIMEOUT_MAX_S)
		return err_set(err, ERR_USAGE, -EINVAL, "timeout_s is 0 to %d s",
			       STEERING_TIMEOUT_MAX_S);
	if (action && strcmp(action, "abort") != 0 && strcmp(action, "suspend") != 0)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "timeout_action is abort (give up) or suspend (hand over all the "
			       "same), not '%.40s'", action);
	if (action && seconds == 0)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "timeout_action means nothing without timeout_s");
	steering->timeout_s = (uint32_t)seconds;
	steering->timeout_suspends = action && strcmp(action, "suspend") == 0;
	return 0;
}

int steering_read(const struct json_value *params, const struct config *config,
		  struct steering *steering, struct err *err)
{
	static int (*const readers[])(const struct json_value *params,
				      const struct config *config, struct steering *steering,
				      struct err *err) = {
		read_policy, read_downtime, read_bandwidth, read_pause, read_timeout,
	};
	struct steering fresh = { .timeout_s = 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(readers) / sizeof(readers[0]); i++)
		rc = readers[i](params, config, &fresh, err);
	if (rc == 0)
		*steering = fresh;
	return rc;
}

void steering_copy(const struct json_value *params, struct json_writer *writer)
{
	static const char *const keys[] = {
		"policy", "downtime_limit_ms", "bandwidth_mibps", "limit_last_pass",
		"pause_before_switchover", "timeout_s", "timeout_action",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct json_value *value = json_get(params, keys[i]);

		if (!value)
			continue;
		json_key(writer, keys[i]);
		json_copy(writer, value);
	}
}

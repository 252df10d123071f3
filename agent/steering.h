/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How an operator steers a copy: the policy, the downtime limit, the bandwidth, when to stop and
 * wait, how long it may take. The same keys in vm.migrate's parameters, which the daemon checks
 * with this before anything begins, and in the job's request, which the worker reads.
 */
#ifndef XENFERRY_STEERING_H
#define XENFERRY_STEERING_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "err.h"
#include "host.h"
#include "json.h"
#include "policy_rules.h"

#define STEERING_TIMEOUT_MAX_S (24 * 60 * 60)
#define STEERING_BANDWIDTH_MAX_MIBPS (1024 * 1024)

struct steering {
	struct policy_rules policy;
	uint32_t downtime_limit_ms;   /* 0: as the policy says */
	struct stream_limit limit;
	bool pause_before_switchover; /* copy on until the operator says go on */
	uint32_t timeout_s;           /* of the copy; 0: none */
	bool timeout_suspends;        /* then hand over, whatever it costs; else give up */
};

/*
 * Reads the keys of `params`; what it does not say comes from `config` and from the default policy.
 * Other keys are left alone. -EINVAL, -ENOENT name the key and what it wants.
 */
int steering_read(const struct json_value *params, const struct config *config,
		  struct steering *steering, struct err *err);
/* Writes the keys that stand in `params`, as they are, as members of an object. */
void steering_copy(const struct json_value *params, struct json_writer *writer);

/* From MiB/s (2^20 bytes); 0: no limit. -EINVAL out of bounds. */
int steering_bandwidth(int64_t mibps, struct stream_limit *limit, struct err *err);

#endif

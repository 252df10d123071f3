/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The built-in policies: the first three are RHV's files, the fourth its "Very large VMs" (oVirt
 * 4.5), each with RHV's numbers.
 */
#include "policy_rules.h"

#include <string.h>

#define DOWNTIME(stalls, ms) { stalls, POLICY_SET_DOWNTIME, ms }
#define LAST_DOWNTIME(ms) { 0, POLICY_SET_DOWNTIME, ms }
#define LAST_POST_COPY { 0, POLICY_POST_COPY, 0 }
#define LAST_ABORT { 0, POLICY_ABORT, 0 }

/* clang-format off */
static const struct policy_rules builtin[] = {
	{
		.name = "minimal-downtime",
		.description = "the guest misses half a second at most; a copy that does not converge is given up",
		.migrations_max = 2, .auto_converge = true, .compress = false, .built_in = true,
		.initial_ms = 100,
		.items = { DOWNTIME(1, 150), DOWNTIME(2, 200), DOWNTIME(3, 300), DOWNTIME(4, 400), DOWNTIME(6, 500),
			   LAST_ABORT },
		.count = 6,
	}, {
		.name = "suspend-workload-if-needed",
		.description = "in the end the guest may miss five seconds, so that also one under load moves",
		.migrations_max = 1, .auto_converge = true, .compress = true, .built_in = true,
		.initial_ms = 100,
		.items = { DOWNTIME(1, 150), DOWNTIME(2, 200), DOWNTIME(3, 300), DOWNTIME(4, 400), DOWNTIME(6, 500),
			   LAST_DOWNTIME(5000), LAST_ABORT },
		.count = 7,
	}, {
		.name = "post-copy",
		.description = "would switch to post-copy where Xen has it; gives up where it has not",
		.migrations_max = 2, .auto_converge = true, .compress = false, .built_in = true,
		.initial_ms = 100,
		.items = { DOWNTIME(1, 150), DOWNTIME(2, 200), LAST_POST_COPY, LAST_ABORT },
		.count = 4,
	}, {
		.name = "very-large-vms",
		.description = "longer steps, for guests with much memory; in the end five seconds, then it is given up",
		.migrations_max = 1, .auto_converge = true, .compress = false, .built_in = true,
		.initial_ms = 300,
		.items = { DOWNTIME(1, 400), DOWNTIME(2, 500), DOWNTIME(3, 700), DOWNTIME(4, 1000), DOWNTIME(6, 1500),
			   LAST_DOWNTIME(5000), LAST_ABORT },
		.count = 7,
	},
};
/* clang-format on */

#define BUILTIN (sizeof(builtin) / sizeof(builtin[0]))

const struct policy_rules *policy_builtin_at(size_t index)
{
	return index < BUILTIN ? &builtin[index] : NULL;
}

const struct policy_rules *policy_builtin(const char *name)
{
	for (size_t i = 0; i < BUILTIN; i++)
		if (strcmp(builtin[i].name, name) == 0)
			return &builtin[i];
	return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "numa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

int numa_from_text(const char *text, unsigned *numa)
{
	unsigned long node;
	char *end;

	if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0) {
		*numa = *text == 'a' ? NUMA_AUTO : NUMA_OFF;
		return 0;
	}
	node = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || node >= NUMA_NODES_MAX)
		return -EINVAL;
	*numa = NUMA_NODE + (unsigned)node;
	return 0;
}

/* ---- the choice ---- */

static bool has_cpu(const struct numa_view *view, unsigned node)
{
	for (unsigned i = 0; i < view->cpus; i++)
		if (view->cpu_node[i] == (int)node)
			return true;
	return false;
}

int numa_choose(const struct numa_view *view, unsigned numa)
{
	uint64_t all = view->nodes >= NUMA_NODES_MAX ? UINT64_MAX :
						       (UINT64_C(1) << view->nodes) - 1;
	uint64_t memory = view->memory_nodes & all;
	bool alone = memory && (memory & (memory - 1)) == 0;
	int best = -1;

	if (numa == NUMA_OFF || view->nodes < 2)
		return -1;
	if (numa >= NUMA_NODE)
		return has_cpu(view, numa - NUMA_NODE) ? (int)(numa - NUMA_NODE) : -1;
	for (unsigned node = 0; node < view->nodes && node < NUMA_NODES_MAX; node++) {
		if (!(memory >> node & 1) || (!alone && view->guest_cpus[node] == 0))
			continue;
		if (best < 0 || view->guest_cpus[node] > view->guest_cpus[best])
			best = (int)node;
	}
	return best >= 0 && has_cpu(view, (unsigned)best) ? best : -1;
}

/* ---- settling ---- */

int numa_settle(const struct numa_view *view, unsigned numa, struct err *err)
{
	int node = numa_choose(view, numa);
	cpu_set_t cpus;

	if (node < 0 && numa >= NUMA_NODE)
		return err_set(err, ERR_REFUSED, -ENODEV,
			       "no processor of domain 0 is bound to NUMA node %u: pin some there "
			       "(xl vcpu-pin 0), or leave numa-node= away", numa - NUMA_NODE);
	if (node < 0)
		return 0;
	CPU_ZERO(&cpus);
	for (unsigned i = 0; i < view->cpus; i++)
		if (view->cpu_node[i] == node)
			CPU_SET(i, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		return err_errno(err, "run on NUMA node %d", node);
	log_debug("the guest's memory is copied on NUMA node %d", node);
	return 0;
}

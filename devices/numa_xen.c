/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "numa.h"

#include <errno.h>
#include <stdlib.h>
#include <xenctrl.h>

#include "cleanup.h"

/* The machine's processors. */
struct machine {
	unsigned cpus;
	xc_cputopo_t *cpu; /* freed by the caller */
};

static int read_machine(xc_interface *xch, struct machine *machine)
{
	unsigned count = 0;

	if (xc_cputopoinfo(xch, &count, NULL) < 0)
		return -errno;
	machine->cpu = calloc(count, sizeof(*machine->cpu));
	if (!machine->cpu)
		return -ENOMEM;
	machine->cpus = count;
	if (xc_cputopoinfo(xch, &machine->cpus, machine->cpu) < 0)
		return -errno;
	if (machine->cpus > count)
		machine->cpus = count;
	return 0;
}

/* The only node that has processors of `map`; -1 when there are several, or none. */
static int only_node(const struct machine *machine, xc_cpumap_t map)
{
	int node = -1;

	for (unsigned i = 0; i < machine->cpus; i++) {
		uint32_t here = machine->cpu[i].node;

		if (!(map[i / 8] >> i % 8 & 1) || here >= NUMA_NODES_MAX)
			continue;
		if (node >= 0 && node != (int)here)
			return -1;
		node = (int)here;
	}
	return node;
}

/* Where the vcpu has to run, or else would rather run. */
static int node_of_vcpu(xc_interface *xch, const struct machine *machine, uint32_t domid, int vcpu,
			unsigned which)
{
	CLEANUP_FREE xc_cpumap_t hard = xc_cpumap_alloc(xch);
	CLEANUP_FREE xc_cpumap_t soft = xc_cpumap_alloc(xch);
	int node;

	if (!hard || !soft || xc_vcpu_getaffinity(xch, domid, vcpu, hard, soft, which) < 0)
		return -1;
	node = only_node(machine, hard);
	return node < 0 && which & XEN_VCPUAFFINITY_SOFT ? only_node(machine, soft) : node;
}

static int count_vcpus(xc_interface *xch, uint32_t domid)
{
	xc_domaininfo_t info;

	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
		return 0;
	return info.max_vcpu_id < NUMA_CPUS_MAX ? (int)info.max_vcpu_id + 1 : 0;
}

static int read_memory(xc_interface *xch, uint32_t domid, struct numa_view *view)
{
	CLEANUP_FREE xc_nodemap_t map = xc_nodemap_alloc(xch);
	int count = xc_get_max_nodes(xch);

	if (!map || count < 1 || xc_domain_node_getaffinity(xch, domid, map) < 0)
		return -EIO;
	view->nodes = count < NUMA_NODES_MAX ? (unsigned)count : NUMA_NODES_MAX;
	for (unsigned node = 0; node < view->nodes; node++)
		view->memory_nodes |= (uint64_t)(map[node / 8] >> node % 8 & 1) << node;
	return 0;
}

int numa_read(xc_interface *xch, uint32_t domid, struct numa_view *view)
{
	const unsigned both = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
	struct machine machine = { 0 };
	int rc;

	*view = (struct numa_view){ .nodes = 0 };
	rc = read_memory(xch, domid, view);
	if (rc == 0 && view->nodes > 1)
		rc = read_machine(xch, &machine);
	for (int vcpu = 0; rc == 0 && view->nodes > 1 && vcpu < count_vcpus(xch, domid); vcpu++) {
		int node = node_of_vcpu(xch, &machine, domid, vcpu, both);

		if (node >= 0)
			view->guest_cpus[node]++;
	}
	if (rc == 0 && view->nodes > 1)
		view->cpus = (unsigned)count_vcpus(xch, 0);
	for (unsigned i = 0; i < view->cpus; i++)
		view->cpu_node[i] = node_of_vcpu(xch, &machine, 0, (int)i, XEN_VCPUAFFINITY_HARD);
	free(machine.cpu);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

#include <errno.h>
#include <unistd.h>
#include <xenctrl.h>

#define CPU_KHZ 2000000
#define CPUS_MAX 64
/* What libxenguest has room for at least when it writes a processor's policy out. */
#define POLICY_LEAVES_MAX 256
#define POLICY_MSRS_MAX 16

/* As many processors as this machine has: domain 0's are bound to them one by one. */
uint32_t preload_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > CPUS_MAX ? CPUS_MAX : (uint32_t)cpus;
}

static long physinfo(struct sim_host *host, struct xen_sysctl *op)
{
	struct sim_machine machine;

	sim_host_machine(host, &machine);
	op->u.physinfo = (struct xen_sysctl_physinfo){
		.threads_per_core = 1,
		.cores_per_socket = 1,
		.nr_cpus = preload_cpus(),
		.max_cpu_id = preload_cpus() - 1,
		.nr_nodes = machine.nodes,
		.max_node_id = machine.nodes - 1,
		.cpu_khz = CPU_KHZ,
		.capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap,
		.total_pages = machine.pages_total,
		.free_pages = machine.pages_free,
		.outstanding_pages = machine.pages_claimed,
	};
	return 0;
}

static long list(struct sim_host *host, struct xen_sysctl *op)
{
	struct xen_sysctl_getdomaininfolist *asked = &op->u.getdomaininfolist;
	struct sim_domain domain;
	uint32_t next = asked->first_domain, count = 0;

	while (count < asked->max_domains && sim_domain_next(host, next, &domain) == 0) {
		preload_describe(&domain, &asked->buffer.p[count++]);
		next = domain.domid + 1;
	}
	asked->num_domains = count;
	return 0;
}

static long scheduler(struct sim_host *host, struct xen_sysctl *op)
{
	(void)host;
	op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
	return 0;
}

static long topology(struct sim_host *host, struct xen_sysctl *op)
{
	struct xen_sysctl_cputopoinfo *asked = &op->u.cputopoinfo;
	uint32_t cpus = preload_cpus();
	struct sim_machine machine;

	sim_host_machine(host, &machine);
	for (uint32_t i = 0; asked->cputopo.p && i < cpus && i < asked->num_cpus; i++)
		asked->cputopo.p[i] = (xen_sysctl_cputopo_t){ .core = i,
							      .node = i % machine.nodes };
	if (!asked->cputopo.p || asked->num_cpus > cpus)
		asked->num_cpus = cpus;
	return 0;
}

/* The most that a guest may see here; without buffers how much room any policy may take. */
static long policy(struct sim_host *host, struct xen_sysctl *op)
{
	struct sim_machine machine;

	if (!op->u.cpu_policy.leaves.p && !op->u.cpu_policy.msrs.p) {
		op->u.cpu_policy.nr_leaves = POLICY_LEAVES_MAX;
		op->u.cpu_policy.nr_msrs = POLICY_MSRS_MAX;
		return 0;
	}
	if (op->u.cpu_policy.nr_leaves < 1)
		return -ENOBUFS;
	sim_host_machine(host, &machine);
	preload_cpu(machine.cpu_leaf_max, op->u.cpu_policy.leaves.p);
	op->u.cpu_policy.nr_leaves = 1;
	op->u.cpu_policy.nr_msrs = 0;
	return 0;
}

static long (*const commands[])(struct sim_host *host, struct xen_sysctl *op) = {
	[XEN_SYSCTL_physinfo] = physinfo,
	[XEN_SYSCTL_getdomaininfolist] = list,
	[XEN_SYSCTL_sched_id] = scheduler,
	[XEN_SYSCTL_cputopoinfo] = topology,
	[XEN_SYSCTL_get_cpu_policy] = policy,
};

long preload_sysctl(struct sim_host *host, void *argument)
{
	struct xen_sysctl *op = argument;

	if (op->interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op->cmd >= sizeof(commands) / sizeof(commands[0]) || !commands[op->cmd])
		return -ENOSYS;
	return commands[op->cmd](host, op);
}

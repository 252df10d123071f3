/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

#include <errno.h>
#include <string.h>
#include <xenctrl.h>

/* ---- creating, ending ---- */

static long create(struct sim_host *host, struct xen_domctl *op)
{
	const struct xen_domctl_createdomain *wanted = &op->u.createdomain;
	struct sim_domain_config config = {
		.create_flags = wanted->flags,
		.emulation_flags = wanted->arch.emulation_flags,
		.ssidref = wanted->ssidref,
		.vcpus_max = wanted->max_vcpus,
	};
	uint32_t domid = op->domain;
	int rc;

	memcpy(config.uuid, wanted->handle, sizeof(config.uuid));
	rc = sim_domain_create(host, &config, &domid);
	if (!rc)
		op->domain = (domid_t)domid;
	return rc;
}

static long destroy(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_destroy(host, op->domain);
}

/* ---- looking ---- */

void preload_describe(const struct sim_domain *domain, struct xen_domctl_getdomaininfo *info)
{
	*info = (struct xen_domctl_getdomaininfo){
		.domain = (domid_t)domain->domid,
		.tot_pages = domain->pages_now,
		.max_pages = domain->pages_max,
		.outstanding_pages = domain->pages_claimed,
		.nr_online_vcpus = domain->vcpus,
		.max_vcpu_id = domain->vcpus ? domain->vcpus - 1 : XEN_INVALID_MAX_VCPU_ID,
		.ssidref = domain->config.ssidref,
		.arch_config.emulation_flags = domain->config.emulation_flags,
	};
	memcpy(info->handle, domain->config.uuid, sizeof(info->handle));
	if (domain->config.create_flags & XEN_DOMCTL_CDF_hvm)
		info->flags |= XEN_DOMINF_hvm_guest;
	if (domain->config.create_flags & XEN_DOMCTL_CDF_hap)
		info->flags |= XEN_DOMINF_hap;
	if (domain->domid == 0)
		info->max_vcpu_id = preload_cpus() - 1;
	if (domain->pauses)
		info->flags |= XEN_DOMINF_paused;
	if (domain->shut_down)
		info->flags |= XEN_DOMINF_shutdown |
			       (uint32_t)domain->reason << XEN_DOMINF_shutdownshift;
	if (sim_domain_runs(domain))
		info->flags |= XEN_DOMINF_running;
}

/* The next one, when there is none of that number: callers compare. */
static long get_info(struct sim_host *host, struct xen_domctl *op)
{
	struct sim_domain domain;
	int rc = sim_domain_next(host, op->domain, &domain);

	if (rc)
		return rc;
	op->domain = (domid_t)domain.domid;
	preload_describe(&domain, &op->u.getdomaininfo);
	return 0;
}

static long address_size(struct sim_host *host, struct xen_domctl *op)
{
	struct sim_domain domain;

	op->u.address_size.size = 64;
	return sim_domain_get(host, op->domain, &domain);
}

/* ---- running ---- */

static long pause_domain(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_pause(host, op->domain);
}

static long unpause_domain(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_unpause(host, op->domain);
}

static long resume_domain(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_resume(host, op->domain);
}

/* ---- limits ---- */

static long max_vcpus(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_set_vcpus(host, op->domain, op->u.max_vcpus.max);
}

static long max_mem(struct sim_host *host, struct xen_domctl *op)
{
	return sim_domain_set_pages_max(host, op->domain, op->u.max_mem.max_memkb / 4);
}

static long get_paging_pool(struct sim_host *host, struct xen_domctl *op)
{
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	if (!rc)
		op->u.paging_mempool.size = domain.paging_pool_bytes;
	return rc;
}

static long set_paging_pool(struct sim_host *host, struct xen_domctl *op)
{
	if (op->u.paging_mempool.size % SIM_PAGE_BYTES)
		return -EINVAL;
	return sim_domain_set_paging_pool(host, op->domain, op->u.paging_mempool.size);
}

static long scheduling(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_scheduler_op *schedule = &op->u.scheduler_op;
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	if (rc)
		return rc;
	if (schedule->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	switch (schedule->cmd) {
	case XEN_DOMCTL_SCHEDOP_getinfo:
		schedule->u.credit2.weight = (uint16_t)domain.weight;
		schedule->u.credit2.cap = (uint16_t)domain.cap_percent;
		return 0;
	case XEN_DOMCTL_SCHEDOP_putinfo:
		return sim_domain_set_scheduling(host, op->domain, schedule->u.credit2.weight,
						 schedule->u.credit2.cap);
	}
	return -EINVAL;
}

/* ---- NUMA: domains are of the nodes by turns; domain 0 is bound to every processor ---- */

static long node_affinity(struct sim_host *host, struct xen_domctl *op)
{
	struct xenctl_bitmap *nodes = &op->u.nodeaffinity.nodemap;
	struct sim_machine machine;
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	if (rc)
		return rc;
	sim_host_machine(host, &machine);
	if (nodes->nr_bits < machine.nodes)
		return -EINVAL;
	memset(nodes->bitmap.p, 0, (nodes->nr_bits + 7) / 8);
	nodes->bitmap.p[0] = (uint8_t)(1u << op->domain % machine.nodes);
	return 0;
}

static void fill_affinity(const struct xenctl_bitmap *cpus, bool bound, uint32_t cpu)
{
	memset(cpus->bitmap.p, bound ? 0 : 0xff, (cpus->nr_bits + 7) / 8);
	if (bound && cpu < cpus->nr_bits)
		cpus->bitmap.p[cpu / 8] = (uint8_t)(1u << cpu % 8);
}

static long vcpu_affinity(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_vcpuaffinity *asked = &op->u.vcpuaffinity;
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	if (!rc && asked->flags & XEN_VCPUAFFINITY_HARD)
		fill_affinity(&asked->cpumap_hard, op->domain == 0, asked->vcpu);
	if (!rc && asked->flags & XEN_VCPUAFFINITY_SOFT)
		fill_affinity(&asked->cpumap_soft, false, 0);
	return rc;
}

/* ---- memory ---- */

static long logdirty_read(struct sim_host *host, struct xen_domctl *op, bool clean)
{
	struct xen_domctl_shadow_op *shadow = &op->u.shadow_op;

	return sim_logdirty_read(host, op->domain, clean, shadow->dirty_bitmap.p, shadow->pages,
				 &shadow->stats.dirty_count);
}

static long logdirty_off(struct sim_host *host, uint32_t domid)
{
	int rc = sim_logdirty_disable(host, domid);

	return rc == -EINVAL ? 0 : rc; /* it was off */
}

static long shadow(struct sim_host *host, struct xen_domctl *op)
{
	switch (op->u.shadow_op.op) {
	case XEN_DOMCTL_SHADOW_OP_OFF:
		return logdirty_off(host, op->domain);
	case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
		return sim_logdirty_enable(host, op->domain);
	case XEN_DOMCTL_SHADOW_OP_CLEAN:
		return logdirty_read(host, op, true);
	case XEN_DOMCTL_SHADOW_OP_PEEK:
		return logdirty_read(host, op, false);
	}
	return -EINVAL;
}

static long page_types(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_getpageframeinfo3 *asked = &op->u.getpageframeinfo3;
	struct sim_memory *memory = preload_memory(op->domain);

	(void)host;
	if (!memory)
		return -errno;
	for (uint64_t i = 0; i < asked->num; i++)
		asked->array.p[i] = sim_memory_populated(memory, asked->array.p[i])
					    ? XEN_DOMCTL_PFINFO_NOTAB : XEN_DOMCTL_PFINFO_XTAB;
	return 0;
}

/* ---- the processor ---- */

#define CONTEXT_MAGIC UINT64_C(0x47524546524e4558)

/* The HVM context, opaque to everybody between two hypervisors. */
struct context {
	uint64_t magic, bytes;
	uint8_t guest[SIM_CONTEXT_MAX];
};

static long get_context(struct sim_host *host, struct xen_domctl *op)
{
	struct context context = { .magic = CONTEXT_MAGIC };
	int bytes = sim_context_get(host, op->domain, context.guest, sizeof(context.guest));
	uint32_t size;

	if (bytes < 0)
		return bytes;
	context.bytes = (uint64_t)bytes;
	size = (uint32_t)offsetof(struct context, guest) + (uint32_t)bytes;
	if (op->u.hvmcontext.buffer.p && op->u.hvmcontext.size < size)
		return -ENOSPC;
	if (op->u.hvmcontext.buffer.p)
		memcpy(op->u.hvmcontext.buffer.p, &context, size);
	op->u.hvmcontext.size = size;
	return 0;
}

static long set_context(struct sim_host *host, struct xen_domctl *op)
{
	const uint32_t header = offsetof(struct context, guest), size = op->u.hvmcontext.size;
	struct context context;

	if (size < header || size > sizeof(context))
		return -EINVAL;
	memcpy(&context, op->u.hvmcontext.buffer.p, size);
	if (context.magic != CONTEXT_MAGIC || context.bytes != size - header)
		return -EINVAL;
	preload_pay(PRELOAD_CONTEXT, 1);
	return sim_context_set(host, op->domain, context.guest, size - header);
}

/* Of the registers, the one that a suspend hypercall returns in. */
static long get_vcpu(struct sim_host *host, struct xen_domctl *op)
{
	vcpu_guest_context_t *registers = op->u.vcpucontext.ctxt.p;
	int cancelled = sim_domain_resumed(host, op->domain);

	if (cancelled < 0)
		return cancelled;
	memset(registers, 0, sizeof(*registers));
	registers->user_regs.rax = (uint64_t)cancelled;
	return 0;
}

static long set_vcpu(struct sim_host *host, struct xen_domctl *op)
{
	const vcpu_guest_context_t *registers = op->u.vcpucontext.ctxt.p;

	return sim_domain_set_resumed(host, op->domain, (uint32_t)registers->user_regs.rax == 1);
}

static long get_tsc(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_tsc_info *info = &op->u.tsc_info;
	struct sim_tsc tsc;
	int rc = sim_tsc_get(host, op->domain, &tsc);

	if (rc)
		return rc;
	info->tsc_mode = tsc.mode;
	info->gtsc_khz = tsc.khz;
	info->incarnation = tsc.incarnation;
	info->elapsed_nsec = tsc.elapsed_ns;
	return 0;
}

static long set_tsc(struct sim_host *host, struct xen_domctl *op)
{
	const struct xen_domctl_tsc_info *info = &op->u.tsc_info;
	const struct sim_tsc tsc = {
		.mode = info->tsc_mode,
		.khz = info->gtsc_khz,
		.incarnation = info->incarnation,
		.elapsed_ns = info->elapsed_nsec,
	};

	return sim_tsc_set(host, op->domain, &tsc);
}

void preload_cpu(uint32_t leaf_max, struct xen_cpuid_leaf *leaf)
{
	*leaf = (xen_cpuid_leaf_t){ .leaf = 0, .subleaf = XEN_CPUID_NO_SUBLEAF, .a = leaf_max };
}

static long get_policy(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy *policy = &op->u.cpu_policy;
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	if (rc)
		return rc;
	if (policy->nr_leaves < 1)
		return -ENOBUFS;
	preload_cpu(domain.cpu_leaf_max, policy->leaves.p);
	policy->nr_leaves = 1;
	policy->nr_msrs = 0;
	return 0;
}

/* As Xen: a guest sees no more than the host has. */
static long set_policy(struct sim_host *host, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy *policy = &op->u.cpu_policy;
	struct sim_domain domain;
	int rc = sim_domain_get(host, op->domain, &domain);

	for (uint32_t i = 0; !rc && i < policy->nr_leaves; i++)
		if (policy->leaves.p[i].leaf == 0)
			rc = sim_cpu_set(host, op->domain, policy->leaves.p[i].a);
	policy->err_leaf = rc == -EINVAL ? 0 : UINT32_MAX;
	policy->err_subleaf = policy->err_msr = UINT32_MAX;
	return rc;
}

/* ---- the table ---- */

static long (*const commands[])(struct sim_host *host, struct xen_domctl *op) = {
	[XEN_DOMCTL_createdomain] = create,
	[XEN_DOMCTL_destroydomain] = destroy,
	[XEN_DOMCTL_getdomaininfo] = get_info,
	[XEN_DOMCTL_get_address_size] = address_size,
	[XEN_DOMCTL_pausedomain] = pause_domain,
	[XEN_DOMCTL_unpausedomain] = unpause_domain,
	[XEN_DOMCTL_resumedomain] = resume_domain,
	[XEN_DOMCTL_max_vcpus] = max_vcpus,
	[XEN_DOMCTL_max_mem] = max_mem,
	[XEN_DOMCTL_get_paging_mempool_size] = get_paging_pool,
	[XEN_DOMCTL_set_paging_mempool_size] = set_paging_pool,
	[XEN_DOMCTL_scheduler_op] = scheduling,
	[XEN_DOMCTL_getnodeaffinity] = node_affinity,
	[XEN_DOMCTL_getvcpuaffinity] = vcpu_affinity,
	[XEN_DOMCTL_shadow_op] = shadow,
	[XEN_DOMCTL_getpageframeinfo3] = page_types,
	[XEN_DOMCTL_gethvmcontext] = get_context,
	[XEN_DOMCTL_sethvmcontext] = set_context,
	[XEN_DOMCTL_getvcpucontext] = get_vcpu,
	[XEN_DOMCTL_setvcpucontext] = set_vcpu,
	[XEN_DOMCTL_gettscinfo] = get_tsc,
	[XEN_DOMCTL_settscinfo] = set_tsc,
	[XEN_DOMCTL_get_cpu_policy] = get_policy,
	[XEN_DOMCTL_set_cpu_policy] = set_policy,
};

long preload_domctl(struct sim_host *host, void *argument)
{
	struct xen_domctl *op = argument;

	if (op->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op->cmd >= sizeof(commands) / sizeof(commands[0]) || !commands[op->cmd])
		return -ENOSYS;
	return commands[op->cmd](host, op);
}

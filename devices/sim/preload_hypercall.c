/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxencall: hypercalls, in the order from the library's functions down to one table for each
 * number. Arguments lie in the caller's memory, so its pointers are good here.
 */
#include "preload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xencall.h>

/* ---- XENVER ---- */

#define XEN_VERSION (4 << 16 | 17)
#define XEN_CAPABILITIES "xen-3.0-x86_64 hvm-3.0-x86_64"

static long version(struct sim_host *host, unsigned int command, void *argument)
{
	(void)host;
	switch (command) {
	case XENVER_version:
		return XEN_VERSION;
	case XENVER_capabilities: /* by which libxenguest tells 32 bits from 64 */
		snprintf(argument, sizeof(xen_capabilities_info_t), "%s", XEN_CAPABILITIES);
		return 0;
	}
	return -ENOSYS;
}

/* ---- XENMEM ---- */

static long maximum_gpfn(struct sim_host *host, void *argument)
{
	const domid_t *domid = argument;
	struct sim_memory *memory = preload_memory(*domid);
	uint64_t end;

	(void)host;
	if (!memory)
		return -errno;
	end = sim_memory_end(memory);
	return end > 0 ? (long)end - 1 : 0;
}

/* One extent of 2^order frames; whether the domain got it all. */
static int populate_extent(struct sim_host *host, uint32_t domid, uint64_t first,
			   unsigned int order)
{
	return order < 20 ? sim_populate_range(host, domid, first, UINT64_C(1) << order) : -EINVAL;
}

static long populate_physmap(struct sim_host *host, void *argument)
{
	struct xen_memory_reservation *reservation = argument;
	const xen_pfn_t *gfns = reservation->extent_start.p;

	if (reservation->extent_order == 0)
		return sim_populate(host, reservation->domid, gfns, reservation->nr_extents);
	for (unsigned long i = 0; i < reservation->nr_extents; i++) {
		int rc = populate_extent(host, reservation->domid, gfns[i],
					 reservation->extent_order);

		if (rc)
			return rc == -ENOMEM ? (long)i : rc;
	}
	return (long)reservation->nr_extents;
}

static long claim_pages(struct sim_host *host, void *argument)
{
	const struct xen_memory_reservation *reservation = argument;

	return sim_domain_claim(host, reservation->domid, reservation->nr_extents);
}

static long memory(struct sim_host *host, unsigned int command, void *argument)
{
	switch (command) {
	case XENMEM_maximum_gpfn:
		return maximum_gpfn(host, argument);
	case XENMEM_populate_physmap:
		return populate_physmap(host, argument);
	case XENMEM_claim_pages:
		return claim_pages(host, argument);
	}
	return -ENOSYS;
}

/* ---- HVMOP, EVTCHNOP, SCHEDOP ---- */

static long hvm(struct sim_host *host, unsigned int command, void *argument)
{
	struct xen_hvm_param *param = argument;

	switch (command) {
	case HVMOP_get_param:
		return sim_param_get(host, param->domid, param->index, &param->value);
	case HVMOP_set_param:
		return sim_param_set(host, param->domid, param->index, param->value);
	}
	return -ENOSYS;
}

static long event_channel(struct sim_host *host, unsigned int command, void *argument)
{
	struct evtchn_alloc_unbound *channel = argument;
	int port;

	if (command != EVTCHNOP_alloc_unbound)
		return -ENOSYS;
	port = sim_port_allocate(host, channel->dom, channel->remote_dom);
	if (port < 0)
		return port;
	channel->port = (evtchn_port_t)port;
	return 0;
}

static long scheduler(struct sim_host *host, unsigned int command, void *argument)
{
	const struct sched_remote_shutdown *shutdown = argument;

	if (command != SCHEDOP_remote_shutdown)
		return -ENOSYS;
	return sim_domain_shutdown(host, shutdown->domain_id, (enum sim_shutdown)shutdown->reason);
}

/* ---- the table ---- */

/* Those of one argument have their command in it; the others have two. */
static const struct hypercall {
	unsigned int number;
	long (*one)(struct sim_host *host, void *argument);
	long (*two)(struct sim_host *host, unsigned int command, void *argument);
} hypercalls[] = {
	{ __HYPERVISOR_domctl, preload_domctl, NULL },
	{ __HYPERVISOR_sysctl, preload_sysctl, NULL },
	{ __HYPERVISOR_xen_version, NULL, version },
	{ __HYPERVISOR_memory_op, NULL, memory },
	{ __HYPERVISOR_hvm_op, NULL, hvm },
	{ __HYPERVISOR_event_channel_op, NULL, event_channel },
	{ __HYPERVISOR_sched_op, NULL, scheduler },
};

static const struct hypercall *find(unsigned int number)
{
	for (size_t i = 0; i < sizeof(hypercalls) / sizeof(hypercalls[0]); i++)
		if (hypercalls[i].number == number)
			return &hypercalls[i];
	return NULL;
}

static long call_one(struct sim_host *host, unsigned int number, uint64_t argument)
{
	const struct hypercall *call = find(number);

	return call && call->one ? call->one(host, (void *)argument) : -ENOSYS;
}

static long call_two(struct sim_host *host, unsigned int number, uint64_t command,
		     uint64_t argument)
{
	const struct hypercall *call = find(number);

	if (!call || !call->two)
		return -ENOSYS;
	return call->two(host, (unsigned int)command, (void *)argument);
}

/* How libxenctrl calls XENMEM, whose results may not fit an int: they come back in the entries. */
static long multicall(struct sim_host *host, struct multicall_entry *entries, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		entries[i].result = (unsigned long)call_two(host, (unsigned int)entries[i].op,
							    entries[i].args[0], entries[i].args[1]);
	return 0;
}

/* ---- libxencall ---- */

struct xencall_handle {
	char none; /* the process has one host: there is nothing to remember */
};

PRELOADED xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	return preload_host() ? calloc(1, sizeof(struct xencall_handle)) : NULL;
}

PRELOADED int xencall_close(xencall_handle *xcall)
{
	free(xcall);
	return 0;
}

PRELOADED int xencall_fd(xencall_handle *xcall)
{
	(void)xcall;
	return preload_result(-ENOSYS);
}

PRELOADED int xencall0(xencall_handle *xcall, unsigned int op)
{
	(void)xcall;
	(void)op;
	return preload_result(-ENOSYS);
}

PRELOADED int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
	struct sim_host *host = preload_host();

	(void)xcall;
	preload_pay(PRELOAD_HYPERCALL, 1);
	return host ? preload_result(call_one(host, op, arg1)) : -1;
}

PRELOADED int xencall2(xencall_handle *xcall, unsigned int op, uint64_t arg1, uint64_t arg2)
{
	struct sim_host *host = preload_host();

	(void)xcall;
	if (!host)
		return -1;
	preload_pay(PRELOAD_HYPERCALL, 1);
	if (op == __HYPERVISOR_multicall)
		return preload_result(multicall(host, (void *)arg1, arg2));
	return preload_result(call_two(host, op, arg1, arg2));
}

PRELOADED long xencall2L(xencall_handle *xcall, unsigned int op, uint64_t arg1, uint64_t arg2)
{
	return xencall2(xcall, op, arg1, arg2);
}

PRELOADED int xencall3(xencall_handle *xcall, unsigned int op, uint64_t arg1, uint64_t arg2,
		       uint64_t arg3)
{
	(void)arg1;
	(void)arg2;
	(void)arg3;
	return xencall0(xcall, op);
}

PRELOADED int xencall4(xencall_handle *xcall, unsigned int op, uint64_t arg1, uint64_t arg2,
		       uint64_t arg3, uint64_t arg4)
{
	(void)arg4;
	return xencall3(xcall, op, arg1, arg2, arg3);
}

PRELOADED int xencall5(xencall_handle *xcall, unsigned int op, uint64_t arg1, uint64_t arg2,
		       uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	(void)arg5;
	return xencall4(xcall, op, arg1, arg2, arg3, arg4);
}

PRELOADED void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t nr_pages)
{
	void *buffer = mmap(NULL, nr_pages * SIM_PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)xcall;
	return buffer == MAP_FAILED ? NULL : buffer;
}

PRELOADED void xencall_free_buffer_pages(xencall_handle *xcall, void *p, size_t nr_pages)
{
	(void)xcall;
	if (p)
		munmap(p, nr_pages * SIM_PAGE_BYTES);
}

PRELOADED void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
	(void)xcall;
	return malloc(size);
}

PRELOADED void xencall_free_buffer(xencall_handle *xcall, void *p)
{
	(void)xcall;
	free(p);
}

PRELOADED int xencall_buffers_never_fault(xencall_handle *xcall)
{
	(void)xcall;
	return 1;
}

/* ---- libxendevicemodel: libxenctrl opens it always, and uses it for device models alone ---- */

struct xendevicemodel_handle {
	char none;
};

PRELOADED xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger,
						     unsigned int flags)
{
	(void)logger;
	(void)flags;
	return calloc(1, sizeof(struct xendevicemodel_handle));
}

PRELOADED int xendevicemodel_close(xendevicemodel_handle *dmod)
{
	free(dmod);
	return 0;
}

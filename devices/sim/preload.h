/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxenferry-sim.so: preloaded, it puts a simulated host under unmodified programs. It replaces
 * the libraries that talk to the kernel's Xen drivers (libxencall, libxenforeignmemory,
 * libxenevtchn, libxengnttab), and a few calls of the C library for the paths that only a Xen dom0
 * has. libxenctrl and libxenguest stay as they are: what reaches us are their hypercalls.
 *
 * It prints nothing, and fails as Xen and its drivers fail: with errno. Where no host is named, as
 * on a machine without Xen.
 */
#ifndef XENFERRY_SIM_PRELOAD_H
#define XENFERRY_SIM_PRELOAD_H

#include "hypervisor.h"

/* Everything else in the library is hidden: a program's own functions must not take its place. */
#define PRELOADED __attribute__((visibility("default")))

/* ---- preload.c ---- */

/* The host that the environment names, for as long as the process lives; NULL with errno. */
struct sim_host *preload_host(void);
/* A domain's memory, kept for the next time; NULL with errno. */
struct sim_memory *preload_memory(uint32_t domid);
/* As a library's function says it: `rc`, or -1 with errno when that is -errno. */
int preload_result(long rc);

/* ---- preload_costs.c ---- */

/* The costs of a host (costs.h) that the library pays. */
enum preload_cost {
	PRELOAD_HYPERCALL,
	PRELOAD_PAGE_READ,
	PRELOAD_PAGE_WRITTEN,
	PRELOAD_CONTEXT,
	PRELOAD_SYNC,
	PRELOAD_WAKE,
	PRELOAD_COSTS,
};

/* Takes as long as that costs on this host, so many times. Nothing where no host is named. */
void preload_pay(enum preload_cost cost, size_t times);

/* ---- hypercalls: 0 or more, or -errno ---- */

/* preload_domctl.c: `argument` is a struct xen_domctl */
long preload_domctl(struct sim_host *host, void *argument);
/* preload_sysctl.c: a struct xen_sysctl */
long preload_sysctl(struct sim_host *host, void *argument);
/* preload_domctl.c: what a toolstack is told of a domain */
struct xen_domctl_getdomaininfo;
void preload_describe(const struct sim_domain *domain, struct xen_domctl_getdomaininfo *info);
/* preload_sysctl.c: how many processors the machine has */
uint32_t preload_cpus(void);
/* preload_domctl.c: a processor of which nothing is known but its last leaf */
struct xen_cpuid_leaf;
void preload_cpu(uint32_t leaf_max, struct xen_cpuid_leaf *leaf);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * On which NUMA node the processes run that copy a guest's memory: reading it from another node may
 * cost most of a fast connection's rate.
 *
 * Xen tells nobody where a guest's pages lie. It tells from which nodes it takes them (the domain's
 * node affinity, which xl sets when it places a guest), and on which its processors may run. And a
 * process of domain 0 is near a node only where a processor of domain 0 is bound to it
 * (dom0_vcpus_pin, xl vcpu-pin).
 */
#ifndef XENFERRY_NUMA_H
#define XENFERRY_NUMA_H

#include <sched.h>
#include <stdint.h>

#include "err.h"

#define NUMA_NODES_MAX 64
#define NUMA_CPUS_MAX 512 /* of domain 0 */
#define NUMA_WORDS "auto, off or a node's number"

/* A wish: one of these, or NUMA_NODE + a node's number. */
enum numa { NUMA_AUTO, NUMA_OFF, NUMA_NODE };

/* -EINVAL: not one of NUMA_WORDS. */
int numa_from_text(const char *text, unsigned *numa);

/* What Xen says. */
struct numa_view {
	unsigned nodes;                       /* of the machine */
	uint64_t memory_nodes;                /* a bit for each that the guest's memory is of */
	uint32_t guest_cpus[NUMA_NODES_MAX];  /* how many of the guest's processors stay there */
	unsigned cpus;                        /* of domain 0 */
	int cpu_node[NUMA_CPUS_MAX];          /* the node that each is bound to; -1: to none */
};

/*
 * The node to be near to, by `numa`: the one that the guest's memory is of; of several the one with
 * most of its processors. -1: there is none to choose, or nobody can be nearer to it.
 */
int numa_choose(const struct numa_view *view, unsigned numa);

/* Reads the view of `domid` (numa_xen.c). -errno. Does not block. */
struct xc_interface_core;
int numa_read(struct xc_interface_core *xch, uint32_t domid, struct numa_view *view);

/*
 * Has this process, and those that it starts from now on, run near the node. -ENODEV, ERR_REFUSED,
 * when `numa` names a node that no processor of domain 0 is bound to.
 */
int numa_settle(const struct numa_view *view, unsigned numa, struct err *err);

#endif

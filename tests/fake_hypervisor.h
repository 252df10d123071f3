/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Xen in memory: domains that are created, change their state when a test says so, and go.
 */
#ifndef XENFERRY_FAKE_HYPERVISOR_H
#define XENFERRY_FAKE_HYPERVISOR_H

#include "hypervisor.h"

#define FAKE_DOMAINS_MAX 100
#define FAKE_STORE_PFN 0xfeffc
#define FAKE_CONSOLE_PFN 0xfeffe
#define FAKE_PAGING_POOL_BYTES 1441792

struct fake_hypervisor {
	struct hypervisor hypervisor;
	struct hypervisor_facts facts;
	xc_domaininfo_t domains[FAKE_DOMAINS_MAX]; /* in order of domid */
	size_t count;
	struct xen_domctl_createdomain config; /* of the last domain created */
	uint32_t weight, cap_percent; /* of every domain; weight 0: no scheduler with caps */
	uint32_t cpu_leaf_max;        /* of this host's processor, and of every guest's */
	bool vnuma;                   /* of every domain */
	bool tracked, tracks_by_another;
	uint64_t dirty_pages;
	uint64_t claimed_pages;
	uint32_t next_port;
	unsigned unpauses, resumes, destroys;
	int calls_left; /* after so many more calls that change something all fail; -1: never */
};

/* 4.17 with 1 GiB free and every capability; no domain but 0. */
void fake_hypervisor_init(struct fake_hypervisor *fake);
/* Adds a running PVH guest of 96 MiB; the pointer is valid until the next one comes or goes. */
xc_domaininfo_t *fake_hypervisor_add(struct fake_hypervisor *fake, uint32_t domid,
				     const char *uuid);
xc_domaininfo_t *fake_hypervisor_find(struct fake_hypervisor *fake, uint32_t domid);
/* Makes a domain shut down; `reason`: SHUTDOWN_*. */
void fake_hypervisor_shut_down(struct fake_hypervisor *fake, uint32_t domid, unsigned reason);

#endif

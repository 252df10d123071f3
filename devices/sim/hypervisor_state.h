/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shared state behind hypervisor.h, for hypervisor_*.c alone: what is in the file `hypervisor`,
 * and in a domain's file `pages.D`.
 */
#ifndef XENFERRY_SIM_HYPERVISOR_STATE_H
#define XENFERRY_SIM_HYPERVISOR_STATE_H

#include <pthread.h>

#include "hypervisor.h"

#define SIM_MAGIC UINT64_C(0x32726566696d7353) /* changes with the layout below */
#define SIM_FOLDER_MAX 80
#define SIM_ENDPOINTS_MAX 512

enum port_state { PORT_FREE, PORT_UNBOUND, PORT_INTERDOMAIN, PORT_VIRQ };

struct port {
	uint8_t state;        /* enum port_state */
	bool masked, pending; /* told and not yet unmasked; and something happened since */
	uint8_t virq;
	uint16_t endpoint;    /* its endpoint's index plus 1; 0: its domain's */
	uint32_t remote, remote_port;
};

struct domain {
	bool used;
	struct sim_domain seen;
	uint16_t endpoint;    /* a guest's, index plus 1; 0: none */
	bool logdirty;
	bool cancelled;       /* what the suspend hypercall returns */
	uint64_t gfn_end;
	struct sim_tsc tsc;
	uint64_t params[SIM_PARAMS_MAX];
	uint32_t context_bytes;
	uint8_t context[SIM_CONTEXT_MAX];
	struct port ports[SIM_PORTS_MAX];
};

/* Who is told of events, through the pipe events/<index>; alive as long as someone reads it. */
struct endpoint {
	bool used;
	uint32_t domid;
};

struct disk {
	bool used;
	dev_t device;
	ino_t inode;
};

struct sim_state {
	uint64_t magic;
	pthread_mutex_t lock;
	uint32_t changes;     /* a futex */
	uint32_t next_domid;
	uint64_t pages_total;
	uint32_t cpu_leaf_max, nodes;
	struct domain domains[SIM_DOMAINS_MAX]; /* the first is domain 0 */
	struct endpoint endpoints[SIM_ENDPOINTS_MAX];
	struct disk disks[SIM_DISKS_MAX];
};

/* A domain's frames and grants; bits are set with atomic operations. */
struct sim_pages {
	uint64_t populated[SIM_GFNS_MAX / 64];
	uint64_t dirty[SIM_GFNS_MAX / 64];
	uint64_t grants[SIM_GRANTS_MAX]; /* grant_entry_v1_t each: xen/grant_table.h */
};

struct sim_host {
	struct sim_state *state;
	int folder_fd;
	char folder[SIM_FOLDER_MAX + 1];
};

struct sim_memory {
	struct sim_host *host;
	uint32_t domid;
	int ram_fd;
	struct sim_pages *pages;
	uint32_t next_grant; /* where to look for a free one */
};

/* ---- hypervisor_host.c ---- */

/* After a holder's death the state is put right first. */
void sim_lock(struct sim_host *host);
void sim_unlock(struct sim_host *host);
struct domain *sim_find(struct sim_host *host, uint32_t domid);        /* locked; or NULL */
struct domain *sim_lock_domain(struct sim_host *host, uint32_t domid); /* locks unless NULL */
/* A domain's state changed: counts it, wakes who waits, tells the guest. Locked. */
void sim_changed(struct sim_host *host, struct domain *domain);
void sim_machine(struct sim_host *host, struct sim_machine *machine); /* locked */

/* ---- hypervisor_memory.c ---- */

int sim_pages_create(struct sim_host *host, uint32_t domid);
void sim_pages_remove(struct sim_host *host, uint32_t domid);
/* The frames that a domain has, counted anew; for when a holder of the lock died. */
uint64_t sim_pages_count(struct sim_host *host, uint32_t domid);

/* ---- hypervisor_events.c ---- */

int sim_allocate(struct sim_host *host, struct domain *domain, uint32_t remote);
void sim_tell(struct sim_host *host, uint16_t endpoint, uint32_t port);
void sim_raise_virq(struct sim_host *host, uint32_t virq);
void sim_close_ports(struct sim_host *host, struct domain *domain);

static inline bool sim_bit(const uint64_t *bits, uint64_t index)
{
	return __atomic_load_n(&bits[index / 64], __ATOMIC_ACQUIRE) >> index % 64 & 1;
}

static inline void sim_set_bit(uint64_t *bits, uint64_t index)
{
	__atomic_or_fetch(&bits[index / 64], UINT64_C(1) << index % 64, __ATOMIC_SEQ_CST);
}

#endif

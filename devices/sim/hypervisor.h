/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hypervisor in shared memory: one simulated host, as every process on it sees it.
 *
 * A host is a folder. It holds the file `hypervisor` (domains, event channels, disks: mapped by
 * all), `ram.D` and `pages.D` of each domain (its memory; which frames there are, which are dirty,
 * its grant table), the named pipes of `events/`, and `sys/` and `proc/`, which programs under
 * the preload library see as /sys/... and /proc/xen. Nothing of a host lives elsewhere. What
 * is done to the state is done under one robust lock, and in an order that leaves it sound wherever
 * a process dies: the next one goes on.
 *
 * Who calls what:
 *   the host's keeper   sim_host_create, sim_domain_create, sim_populate, sim_param_set,
 *                       sim_context_set, sim_grant_at, sim_port_allocate, sim_domain_unpause
 *   a guest             sim_memory_open, sim_events_open, sim_memory_mark_dirty, sim_grant,
 *                       sim_domain_shutdown, sim_domain_resumed, sim_context_get
 *   a backend           sim_memory_open, sim_events_open (domain 0), sim_grants_map,
 *                       sim_grant_copy, sim_disk_add, sim_sys_write
 *   the programs        nothing: the preload library translates their calls into these
 *
 * Functions return 0 (or a count, a port, a reference, as said) or a negative errno: -ESRCH means
 * that there is no such domain. None blocks, but for those that take a deadline and for the lock,
 * which is held for microseconds. Handles belong to one process and, but for sim_host, one thread;
 * after fork() the child opens its own.
 */
#ifndef XENFERRY_SIM_HYPERVISOR_H
#define XENFERRY_SIM_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "err.h"

#define SIM_FOLDER_VARIABLE "XENFERRY_SIM" /* names the host's folder to the preload library */

#define SIM_PAGE_BYTES 4096u
#define SIM_CPU_LEAF_MAX 13 /* the last leaf of CPUID, if nobody says otherwise: XSAVE's */
#define SIM_DOMAINS_MAX 64
#define SIM_PORTS_MAX 1024             /* of one domain; port 0 is none */
#define SIM_PARAMS_MAX 64              /* HVM_PARAM_*: xen/hvm/params.h */
#define SIM_GFNS_MAX (UINT64_C(1) << 24) /* a domain's address space, in frames: 64 GiB */
#define SIM_CONTEXT_MAX 4096           /* a guest's processor state, bytes */
#define SIM_GRANTS_MAX 32768           /* entries of a grant table */
#define SIM_DISKS_MAX 256
#define SIM_DISK_MAJOR 240             /* Linux leaves it to experiments: admin-guide/devices.txt */

/* Where libxl puts a PVH guest's special pages, above RAM: 1,044,480 frames, most of them holes. */
#define SIM_SPECIAL_GFN UINT64_C(0xfeff8) /* eight frames: xenguest's X86_HVM_NR_SPECIAL_PAGES */
#define SIM_CONSOLE_GFN UINT64_C(0xfefff) /* SPECIALPAGE_CONSOLE, 7 */
#define SIM_STORE_GFN UINT64_C(0xfeffc)   /* SPECIALPAGE_XENSTORE, 4 */

/* Reserved grants: xen/grant_table.h */
#define SIM_GRANT_CONSOLE 0u
#define SIM_GRANT_STORE 1u
#define SIM_GRANT_FIRST 8u /* the first that a guest may use */

/* Why a domain shut down: xen/sched.h, SHUTDOWN_* */
enum sim_shutdown { SIM_POWEROFF, SIM_REBOOT, SIM_SUSPEND, SIM_CRASH };

struct sim_host;   /* this process's hold on a host */
struct sim_memory; /* ... on a domain's memory and grant table */
struct sim_events; /* ... on some of a domain's event channels */

/* ---- the host ---- */

struct sim_host_config {
	uint64_t memory_pages;
	uint32_t cpu_leaf_max; /* 0: SIM_CPU_LEAF_MAX */
	uint32_t nodes;        /* of NUMA; 0: one */
};

/*
 * Makes such a host in the existing, empty `folder`, whose name may have at most 80 bytes, as a
 * socket has to fit below it. Domain 0 is there, and its store ring. -EEXIST when the folder holds
 * a host.
 */
int sim_host_create(const char *folder, const struct sim_host_config *config, struct err *err);

int sim_host_open(const char *folder, struct sim_host **host, struct err *err);
void sim_host_close(struct sim_host *host); /* accepts NULL */
const char *sim_host_folder(const struct sim_host *host);

struct sim_machine {
	uint64_t pages_total;
	uint64_t pages_free;    /* no domain has them yet, though some are claimed */
	uint64_t pages_claimed; /* by domains that did not get them yet */
	uint32_t nodes;         /* processors and domains are of them by turns */
	uint32_t cpu_leaf_max;  /* the last leaf of its processor, all that tells two apart */
};

void sim_host_machine(struct sim_host *host, struct sim_machine *machine);

/*
 * Every change of a domain's state (created, paused, unpaused, shut down, resumed, destroyed)
 * counts. Read the count, look, and wait for the next: no change is missed.
 */
uint32_t sim_host_changes(struct sim_host *host);
/* Waits until the count is not `seen`. -ETIMEDOUT at `deadline_us`. Blocks. */
int sim_host_wait(struct sim_host *host, uint32_t seen, const struct clock *clock,
		  uint64_t deadline_us);

/* ---- domains ---- */

struct sim_domain_config {
	uint8_t uuid[16];
	uint32_t create_flags;    /* XEN_DOMCTL_CDF_* */
	uint32_t emulation_flags; /* XEN_X86_EMU_* */
	uint32_t ssidref;
	uint32_t vcpus_max;
};


struct sim_domain {
	uint32_t domid;
	struct sim_domain_config config;
	uint32_t vcpus;           /* 0 until sim_domain_set_vcpus() */
	uint64_t pages_max, pages_now, pages_claimed;
	uint64_t paging_pool_bytes;
	uint32_t pauses;          /* runs when 0, and when it is not shut down */
	bool shut_down;
	enum sim_shutdown reason;
	uint32_t cpu_leaf_max;    /* of the processor that it sees */
	uint32_t weight, cap_percent; /* the scheduler's; cap 0: none, 100: one whole processor */
};

static inline bool sim_domain_runs(const struct sim_domain *domain)
{
	return domain->pauses == 0 && !domain->shut_down;
}

/*
 * A new domain, paused once, without memory. `domid` 0: the host chooses, and says; it never gives
 * a number twice. -EEXIST when taken, -ENOSPC when there are SIM_DOMAINS_MAX.
 */
int sim_domain_create(struct sim_host *host, const struct sim_domain_config *config,
		      uint32_t *domid);
/* Everything of it is gone at once; who has its memory mapped keeps that, and nothing more. */
int sim_domain_destroy(struct sim_host *host, uint32_t domid);
int sim_domain_get(struct sim_host *host, uint32_t domid, struct sim_domain *domain);
/* The domain with the smallest number from `first` on (domain 0 is one); -ESRCH after the last. */
int sim_domain_next(struct sim_host *host, uint32_t first, struct sim_domain *domain);

int sim_domain_pause(struct sim_host *host, uint32_t domid);
int sim_domain_unpause(struct sim_host *host, uint32_t domid); /* -EINVAL: was not paused */
/*
 * The guest stops itself. It must do nothing more until it runs again, and reads then from
 * sim_domain_resumed() where it is. Raises VIRQ_DOM_EXC, on which xenstored says @releaseDomain.
 */
int sim_domain_shutdown(struct sim_host *host, uint32_t domid, enum sim_shutdown reason);
/* The toolstack lets a domain that shut down go on. */
int sim_domain_resume(struct sim_host *host, uint32_t domid);
/*
 * What the suspend hypercall returns to the guest: 1, it was cancelled and nothing changed (the
 * toolstack's fast resume); 0, it is in a new domain, or must take this one for new. libxenguest
 * cancels for a guest alone that has set HVM_PARAM_CALLBACK_IRQ, which no stream carries: a guest
 * sets it whenever it finds itself in a new domain.
 */
int sim_domain_resumed(struct sim_host *host, uint32_t domid);
int sim_domain_set_resumed(struct sim_host *host, uint32_t domid, bool cancelled);

int sim_domain_set_vcpus(struct sim_host *host, uint32_t domid, uint32_t vcpus);
int sim_domain_set_pages_max(struct sim_host *host, uint32_t domid, uint64_t pages);
/*
 * Sets frames aside, so that the domain can get `pages` in all; 0 ends it. -ENOMEM; -EINVAL when it
 * has a claim, or `pages` is less than it has or more than it may.
 */
int sim_domain_claim(struct sim_host *host, uint32_t domid, uint64_t pages);
int sim_domain_set_paging_pool(struct sim_host *host, uint32_t domid, uint64_t bytes);
int sim_domain_set_scheduling(struct sim_host *host, uint32_t domid, uint32_t weight,
			      uint32_t cap_percent);

/* HVM_PARAM_* `which`; -EINVAL from SIM_PARAMS_MAX on. */
int sim_param_get(struct sim_host *host, uint32_t domid, uint32_t which, uint64_t *value);
int sim_param_set(struct sim_host *host, uint32_t domid, uint32_t which, uint64_t value);

/*
 * The guest's processor state: bytes that mean something to the guest alone. It sets them before
 * sim_domain_shutdown(); they travel in the stream as the HVM context. get() returns the size,
 * 0 when none was set, -ENOBUFS when there is more than `size`; set() -EINVAL over SIM_CONTEXT_MAX.
 */
int sim_context_get(struct sim_host *host, uint32_t domid, void *bytes, size_t size);
int sim_context_set(struct sim_host *host, uint32_t domid, const void *bytes, size_t size);

/* The clock's mode and offset, which Xen keeps for a domain and a stream carries. */
struct sim_tsc {
	uint32_t mode, khz, incarnation;
	uint64_t elapsed_ns;
};

int sim_tsc_get(struct sim_host *host, uint32_t domid, struct sim_tsc *tsc);
int sim_tsc_set(struct sim_host *host, uint32_t domid, const struct sim_tsc *tsc);
/* The last leaf of the processor that it sees; -EINVAL: the machine's has fewer. */
int sim_cpu_set(struct sim_host *host, uint32_t domid, uint32_t leaf_max);

/* ---- memory ---- */

/*
 * Gives the domain `count` frames, zeroed; those that it has already count as given. Returns how
 * many it got: fewer when the machine or the domain's limit has no more; -EINVAL beyond the
 * address space.
 */
ssize_t sim_populate(struct sim_host *host, uint32_t domid, const uint64_t *gfns, size_t count);
/* The frames from `first` on: for a guest's RAM. 0, or -ENOMEM. */
int sim_populate_range(struct sim_host *host, uint32_t domid, uint64_t first, uint64_t count);

/*
 * Log-dirty. Enabling and reading with `clean` start anew; -EINVAL when on (or, to read, off).
 * read() fills `bitmap` with the first `pages` frames, all that the domain has (frame 0 is bit 0 of
 * byte 0; a bit each, rounded up to bytes), and says how many bits it set.
 */
int sim_logdirty_enable(struct sim_host *host, uint32_t domid);
int sim_logdirty_disable(struct sim_host *host, uint32_t domid);
int sim_logdirty_read(struct sim_host *host, uint32_t domid, bool clean, uint8_t *bitmap,
		      uint64_t pages, uint32_t *dirty);

int sim_memory_open(struct sim_host *host, uint32_t domid, struct sim_memory **memory);
void sim_memory_close(struct sim_memory *memory); /* accepts NULL; what is mapped stays mapped */
uint32_t sim_memory_domid(const struct sim_memory *memory);
bool sim_memory_populated(const struct sim_memory *memory, uint64_t gfn);
uint64_t sim_memory_end(const struct sim_memory *memory); /* the highest frame there is, plus 1 */

/*
 * Maps `count` frames in a row at *address, with PROT_*. A frame that the domain has not is left
 * inaccessible and has -EINVAL in `errors` (an int each, the others 0); without `errors` the call
 * fails with -EINVAL. Writing through a mapping marks nothing dirty: see below.
 */
int sim_memory_map(struct sim_memory *memory, const uint64_t *gfns, size_t count, int prot,
		   int *errors, void **address);
/* Maps the frames from `first` on, holes included: a guest its RAM. */
int sim_memory_map_range(struct sim_memory *memory, uint64_t first, uint64_t count, int prot,
			 void **address);
void sim_memory_unmap(void *address, size_t count);

/*
 * After each write, and before anything that tells of it: a page copied in between is copied again.
 * Costs one atomic operation. Must be called whether log-dirty is on or not.
 */
void sim_memory_mark_dirty(struct sim_memory *memory, uint64_t gfn);

/* ---- grants ---- */

/* The guest's side: a reference from SIM_GRANT_FIRST on for domain 0, or -ENOSPC. */
int sim_grant(struct sim_memory *memory, uint64_t gfn, bool writable);
/* The same with a reference of the caller's choice: SIM_GRANT_CONSOLE, SIM_GRANT_STORE. */
int sim_grant_at(struct sim_memory *memory, uint32_t reference, uint64_t gfn, bool writable);
void sim_grant_end(struct sim_memory *memory, uint32_t reference);
/* The frame behind a grant. -EINVAL: there is none; -EACCES: it is read-only. */
int sim_grant_frame(struct sim_memory *memory, uint32_t reference, bool writable, uint64_t *gfn);

/* The table itself, as Xen gives it to a toolstack: `count` frames of it, 512 entries in each. */
int sim_grant_table_map(struct sim_host *host, uint32_t domid, uint64_t first, uint64_t count,
			int prot, void **address);

/* Domain 0's side: maps granted frames in a row. */
int sim_grants_map(struct sim_memory *memory, const uint32_t *references, size_t count,
		   bool writable, void **address);
/*
 * Ends it, with the arguments of the mapping. As Xen does, marks what could be written dirty: for
 * a grant that the guest has ended meanwhile the backend itself must, before it says that it is
 * done.
 */
void sim_grants_unmap(struct sim_memory *memory, const uint32_t *references, size_t count,
		      bool writable, void *address);

enum sim_copy { SIM_COPY_FROM_GUEST, SIM_COPY_TO_GUEST };

/* Copies within one granted frame, as GNTTABOP_copy; marks what it writes dirty. */
int sim_grant_copy(struct sim_memory *memory, enum sim_copy direction, uint32_t reference,
		   size_t offset, void *bytes, size_t size);

/* ---- event channels ---- */

#define SIM_VIRQ_DOM_EXC 3 /* xen/xen.h */

/* A new port of `domid` that `remote` may bind: what a toolstack does for store and console. */
int sim_port_allocate(struct sim_host *host, uint32_t domid, uint32_t remote);

/*
 * A hold on event channels of `domid`. A guest has one, for all its ports, also for those that
 * were there before: -EBUSY when another process has it. Domain 0 has many, each for the ports
 * that it bound itself.
 */
int sim_events_open(struct sim_host *host, uint32_t domid, struct sim_events **events);
/* Closes its ports if it is domain 0's; a guest's stay. Accepts NULL. A process's death does it. */
void sim_events_close(struct sim_events *events);
int sim_events_fd(const struct sim_events *events); /* readable: call sim_events_next() */

/* All three return the local port. */
int sim_events_allocate(struct sim_events *events, uint32_t remote);
int sim_events_bind(struct sim_events *events, uint32_t remote, uint32_t remote_port);
int sim_events_bind_virq(struct sim_events *events, uint32_t virq); /* domain 0; -EEXIST */
int sim_events_unbind(struct sim_events *events, uint32_t port);

/* -EINVAL when the port is not ours; nobody at the other end is no error. */
int sim_events_notify(struct sim_events *events, uint32_t port);
/*
 * The next port on which something happened, -EAGAIN when there is none. The port is then silent
 * until sim_events_unmask(). 0 is no port: the guest's domain changed, look at it. A port may be
 * told of without a cause.
 */
int sim_events_next(struct sim_events *events);
int sim_events_unmask(struct sim_events *events, uint32_t port);

/* ---- what Linux would say of disks and backends ---- */

/*
 * Lets the regular file at `path` pass for a block device under the preload library: number
 * SIM_DISK_MAJOR:*minor, the same each time for the same file, with size, inflight and stat below
 * /sys/dev/block, as of a disk that has done nothing. -ENOSPC, or stat()'s errno.
 */
int sim_disk_add(struct sim_host *host, const char *path, uint32_t *minor);
/* Whether a file is one of the host's disks. */
bool sim_disk_find(struct sim_host *host, dev_t device, ino_t inode, uint32_t *minor);
/* What /sys/dev/block/.../{inflight,stat} say: requests under way, and completed. */
int sim_disk_report(struct sim_host *host, uint32_t minor, uint32_t reading, uint32_t writing,
		    uint64_t reads, uint64_t writes);

/*
 * Writes a node of the simulated sysfs (`path` as below /sys, "dev/block/..." or
 * "bus/xen-backend/devices/vbd-1-51712/statistics/rd_req"), with the folders above it. Readers see
 * the old or the new text, whole.
 */
int sim_sys_write(struct sim_host *host, const char *path, const char *text);
/* Removes a node, or a folder with all that is in it; none is no error. */
int sim_sys_remove(struct sim_host *host, const char *path);

#endif

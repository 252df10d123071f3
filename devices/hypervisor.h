/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen, as far as a migration needs it, behind a table: the real one over libxenctrl, or one in
 * memory for unit tests.
 *
 * All return 0 or -errno with `err` saying what was tried, errno's text and the library's own
 * words. None waits for anything but Xen; those that may run between suspend and unpause say so.
 */
#ifndef XENFERRY_HYPERVISOR_H
#define XENFERRY_HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "description.h"
#include "err.h"
#include "numa.h"

struct hypervisor;

/* What the machine has to give. */
struct hypervisor_facts {
	uint64_t pages_free;       /* less what others have claimed; 4 KiB each */
	uint32_t capabilities;     /* XEN_SYSCTL_PHYSCAP_* */
	char version[32];          /* "4.17" */
};

struct hypervisor_ops {
	int (*facts)(struct hypervisor *hypervisor, struct hypervisor_facts *facts,
		     struct err *err);
	/* Up to `max` domains, from `first` on in order of domid; returns how many. [blackout] */
	int (*domains)(struct hypervisor *hypervisor, uint32_t first, unsigned int max,
		       xc_domaininfo_t *infos, struct err *err);
	/* HVM_PARAM_* `which` of a domain. [blackout] */
	int (*parameter)(struct hypervisor *hypervisor, uint32_t domid, uint32_t which,
			 uint64_t *value, struct err *err);
	int (*paging_pool)(struct hypervisor *hypervisor, uint32_t domid, uint64_t *bytes,
			   struct err *err);

	/* Whether the domain has a virtual NUMA layout. */
	bool (*has_vnuma)(struct hypervisor *hypervisor, uint32_t domid);
	/* What is known of the machine's NUMA nodes and of the domain's; harmless when it fails. */
	int (*numa)(struct hypervisor *hypervisor, uint32_t domid, struct numa_view *view,
		    struct err *err);
	/* Which processor the domain sees. */
	int (*cpu_policy)(struct hypervisor *hypervisor, uint32_t domid, struct cpu_policy *policy,
			  struct err *err);
	/*
	 * Whether this host can show a guest of that type such a processor, as libxenguest compares
	 * them. ERR_INCOMPATIBLE, -EOPNOTSUPP with the leaf or MSR in the library's words; -EBADMSG
	 * when it is no processor at all.
	 */
	int (*judge_cpu)(struct hypervisor *hypervisor, enum guest_type type,
			 const struct cpu_policy *policy, struct err *err);

	/*
	 * The scheduler's weight of a domain, and its cap in percent of one CPU (0: none).
	 * -EOPNOTSUPP where the scheduler knows neither: only credit and credit2 do.
	 */
	int (*scheduling)(struct hypervisor *hypervisor, uint32_t domid, uint32_t *weight,
			  uint32_t *cap_percent, struct err *err);
	/* Sets the cap, and the weight unless it is 0. -EOPNOTSUPP as above. */
	int (*schedule)(struct hypervisor *hypervisor, uint32_t domid, uint32_t weight,
			uint32_t cap_percent, struct err *err);

	/*
	 * Begins (`on`) or ends to track which pages the domain dirties. -EINVAL when it is
	 * tracked already; ending is harmless when it is not.
	 */
	int (*track)(struct hypervisor *hypervisor, uint32_t domid, bool on, struct err *err);
	/* How many different pages were dirtied since then. */
	int (*dirty_pages)(struct hypervisor *hypervisor, uint32_t domid, uint64_t *pages,
			   struct err *err);

	/* A new domain, paused, without vcpus or memory. */
	int (*create)(struct hypervisor *hypervisor, struct xen_domctl_createdomain *config,
		      uint32_t *domid, struct err *err);
	/* Gives guest->domid its vcpus, memory limit, paging pool and timers. */
	int (*configure)(struct hypervisor *hypervisor, const struct description *guest,
			 struct err *err);
	/* A new event channel of the domain that domain 0 may bind. */
	int (*allocate_port)(struct hypervisor *hypervisor, uint32_t domid, uint32_t *port,
			     struct err *err);
	/* Sets `pages` aside until the domain has them; 0 gives back what is left of them. */
	int (*claim)(struct hypervisor *hypervisor, uint32_t domid, uint64_t pages,
		     struct err *err);

	int (*unpause)(struct hypervisor *hypervisor, uint32_t domid, struct err *err);
	/* The guest sees a cancelled suspend and keeps its devices. */
	int (*resume)(struct hypervisor *hypervisor, uint32_t domid, struct err *err);
	/* Blocks while Xen takes the memory back: seconds for a large guest. */
	int (*destroy)(struct hypervisor *hypervisor, uint32_t domid, struct err *err);

	void (*close)(struct hypervisor *hypervisor);
};

struct hypervisor {
	const struct hypervisor_ops *ops;
};

/* Over libxenctrl. Fails with the remedy in `err` when this is no dom0 or Xen does not match. */
int hypervisor_open(struct hypervisor **hypervisor, struct err *err);

/* What Xen knows about `domid`. -ESRCH, with `err`, when there is no such domain. [blackout] */
int hypervisor_domain(struct hypervisor *hypervisor, uint32_t domid, xc_domaininfo_t *info,
		      struct err *err);

#endif

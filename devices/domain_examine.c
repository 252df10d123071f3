/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What Xen keeps of its own for a domain: its structures, grant tables, and each vcpu's state. */
#define OVERHEAD_PAGES 512
#define OVERHEAD_PAGES_A_VCPU 32

#define CREATE_FLAGS_KNOWN (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off)

uint64_t domain_pages_claimed(const struct description *guest)
{
	uint64_t pages = guest->target_kib / 4; /* it may balloon up to this while it is copied */

	if (pages < guest->pages_now)
		pages = guest->pages_now;
	return pages < guest->pages_max ? pages : guest->pages_max;
}

uint64_t host_bytes_needed(const struct description *guest)
{
	return (domain_pages_claimed(guest) + guest->paging_pool_bytes / XC_PAGE_SIZE +
		OVERHEAD_PAGES + OVERHEAD_PAGES_A_VCPU * (uint64_t)guest->vcpus) *
	       XC_PAGE_SIZE;
}

static void judge_memory(const struct hypervisor_facts *facts, const struct description *guest,
			 struct reasons *reasons)
{
	uint64_t needed = host_bytes_needed(guest) / XC_PAGE_SIZE;

	if (needed <= facts->pages_free)
		return;
	err_set(reasons_next(reasons), ERR_NO_MEMORY, -ENOMEM,
		"guest %s needs %llu MiB and Xen has %llu MiB free; shut a guest down, or give "
		"domain 0 less (xl mem-set 0)", guest->name,
		(unsigned long long)((needed + 255) / 256),
		(unsigned long long)(facts->pages_free / 256));
}

/* "4.17" as two numbers; false when it is anything else. */
static bool parse_version(const char *text, unsigned long version[2])
{
	char *end;

	version[0] = strtoul(text, &end, 10);
	if (end == text || *end != '.')
		return false;
	text = end + 1;
	version[1] = strtoul(text, &end, 10);
	return end != text && *end == '\0';
}

/* A stream of an older Xen can be restored by a newer one; never the other way round. */
static void judge_version(const struct hypervisor_facts *facts, const struct description *guest,
			  struct reasons *reasons)
{
	unsigned long here[2], there[2];

	if (parse_version(facts->version, here) && parse_version(guest->xen_version, there) &&
	    (here[0] > there[0] || (here[0] == there[0] && here[1] >= there[1])))
		return;
	err_set(reasons_next(reasons), ERR_INCOMPATIBLE, -EOPNOTSUPP,
		"this host runs Xen %s and the source Xen %s: a guest can go to the same version "
		"or to a newer one", facts->version, guest->xen_version);
}

static void judge_type(const struct hypervisor_facts *facts, const struct description *guest,
		       struct reasons *reasons)
{
	if (guest->type != GUEST_PVH || guest->emulation_flags & ~XEN_X86_EMU_LAPIC ||
	    !(guest->create_flags & XEN_DOMCTL_CDF_hvm)) {
		err_set(reasons_next(reasons), ERR_INCOMPATIBLE, -EOPNOTSUPP,
			"guest %s is not PVH, the one type that this version takes", guest->name);
		return;
	}
	if (guest->create_flags & ~CREATE_FLAGS_KNOWN)
		err_set(reasons_next(reasons), ERR_INCOMPATIBLE, -EOPNOTSUPP,
			"guest %s needs features of Xen (creation flags %#x) that this version "
			"does not know", guest->name, guest->create_flags & ~CREATE_FLAGS_KNOWN);
	if (!(facts->capabilities & XEN_SYSCTL_PHYSCAP_hvm))
		err_set(reasons_next(reasons), ERR_INCOMPATIBLE, -EOPNOTSUPP,
			"Xen on this host cannot run PVH guests: does the processor have VT-x or "
			"SVM, and is it switched on in the firmware?");
	else if (guest->create_flags & XEN_DOMCTL_CDF_hap &&
		 !(facts->capabilities & XEN_SYSCTL_PHYSCAP_hap))
		err_set(reasons_next(reasons), ERR_INCOMPATIBLE, -EOPNOTSUPP,
			"guest %s uses hardware-assisted paging, which Xen on this host does not "
			"have", guest->name);
}

/* Xen itself would say so only when the guest exists here and its memory is about to come. */
static void judge_cpu(struct hypervisor *hypervisor, const struct description *guest,
		      struct reasons *reasons)
{
	struct err why;
	int rc;

	if (guest->cpu_policy.leaf_count == 0) /* an older source does not say */
		return;
	rc = hypervisor->ops->judge_cpu(hypervisor, guest->type, &guest->cpu_policy, &why);
	if (rc == -EOPNOTSUPP)
		err_set(reasons_next(reasons), ERR_INCOMPATIBLE, rc,
			"guest %s sees a processor that can do what this host's cannot (%s); move "
			"it to a host with the same processor or a newer one, or start it anew "
			"with what all hosts have (cpuid= in its configuration)", guest->name,
			why.message);
	else if (rc < 0)
		*reasons_next(reasons) = why;
}

/* `same`: the domain with the guest's UUID, which was spoken of already. */
static void judge_name(const struct domain_list *list, const char *name,
		       const struct guest_summary *same, struct reasons *reasons)
{
	const struct guest_summary *namesake = domain_with_name(list, name);

	if (namesake && namesake != same)
		err_set(reasons_next(reasons), ERR_REFUSED, -EEXIST,
			"the name %s is taken here by domain %u; rename one of the two (xl rename)",
			name, namesake->domid);
}

static void judge_names(const struct domain_list *list, const struct description *guest,
			struct reasons *reasons)
{
	const struct guest_summary *same = domain_with_uuid(list, guest->uuid);
	char incoming[GUEST_NAME_MAX + sizeof(DOMAIN_INCOMING)];

	if (same && strcmp(same->name, guest->name) == 0) {
		err_set(reasons_next(reasons), ERR_REFUSED, -EEXIST,
			"guest %s is on this host already, as domain %u: is the source the same "
			"host, or did the guest go on when it was saved?", guest->name,
			same->domid);
		return;
	}
	if (same)
		err_set(reasons_next(reasons), ERR_REFUSED, -EEXIST,
			"the UUID %s is taken here by domain %u (%s); if it is left over from an "
			"earlier migration, destroy it (xl destroy %u)", guest->uuid, same->domid,
			same->name, same->domid);
	snprintf(incoming, sizeof(incoming), "%s%s", guest->name, DOMAIN_INCOMING);
	judge_name(list, guest->name, same, reasons);
	judge_name(list, incoming, same, reasons);
}

void domain_judge(const struct hypervisor_facts *facts, const struct domain_list *list,
		  const struct description *guest, struct reasons *reasons)
{
	judge_type(facts, guest, reasons);
	judge_version(facts, guest, reasons);
	judge_names(list, guest, reasons);
	judge_memory(facts, guest, reasons);
}

void domain_examine(struct hypervisor *hypervisor, struct store *store,
		    const struct description *guest, struct reasons *reasons)
{
	struct hypervisor_facts facts;
	struct domain_list list = { 0 };
	struct err err;
	int rc = hypervisor->ops->facts(hypervisor, &facts, &err);

	if (rc == 0)
		rc = domain_list_read(hypervisor, store, &list, &err);
	if (rc == 0)
		domain_judge(&facts, &list, guest, reasons);
	else
		*reasons_next(reasons) = err;
	judge_cpu(hypervisor, guest, reasons);
	domain_list_fini(&list);
}

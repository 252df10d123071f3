/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real Xen, through libxenctrl. The library's own messages go to the debug log and, the last
 * one, into the `struct err` of the call that failed: nothing of it reaches stderr by itself.
 */
#include "hypervisor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/hvm/params.h>
#include <xen/version.h>
#include <xenguest.h>
#include <xentoollog.h>

#include "log.h"

/* Ticks that a guest missed while it was not running are not delivered: libxl's default. */
#define TIMER_NO_DELAY_FOR_MISSED_TICKS 1

struct hypervisor_xen {
	struct hypervisor hypervisor;
	xentoollog_logger logger;
	xc_interface *xch;
	char words[256]; /* the library's last complaint, "" when there is none */
};

static struct hypervisor_xen *xen(struct hypervisor *hypervisor)
{
	return (struct hypervisor_xen *)hypervisor;
}

/* ---- what the library says ---- */

__attribute__((format(printf, 5, 0)))
static void note_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
			 const char *context, const char *format, va_list args)
{
	char *self = (char *)logger - offsetof(struct hypervisor_xen, logger);
	char text[sizeof(((struct hypervisor_xen *)NULL)->words)];

	(void)errnoval;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("%s: %s", context ? context : "xen", text);
	if (level >= XTL_ERROR)
		memcpy(((struct hypervisor_xen *)self)->words, text, sizeof(text));
}

static void forget_logger(xentoollog_logger *logger)
{
	(void)logger; /* a part of struct hypervisor_xen, freed with it */
}

/* Fills `err` from errno and the library's words, which are then used up. Returns -errno. */
__attribute__((format(printf, 3, 4)))
static int failed(struct hypervisor *hypervisor, struct err *err, const char *format, ...)
{
	char *words = xen(hypervisor)->words;
	int saved = errno ? errno : EIO;
	char what[ERR_MESSAGE_MAX / 2];
	va_list args;
	int rc;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	rc = err_set(err, saved == ENOMEM ? ERR_NO_MEMORY : ERR_FAILED, -saved, "%s: %s%s%s%s",
		     what, strerror(saved), *words ? " (" : "", words, *words ? ")" : "");
	*words = '\0';
	return rc;
}

/* ---- looking ---- */

static int xen_facts(struct hypervisor *hypervisor, struct hypervisor_facts *facts,
		     struct err *err)
{
	int version = xc_version(xen(hypervisor)->xch, XENVER_version, NULL);
	xc_physinfo_t info = { 0 };

	if (version < 0)
		return failed(hypervisor, err, "ask Xen for its version");
	if (xc_physinfo(xen(hypervisor)->xch, &info) < 0)
		return failed(hypervisor, err, "ask Xen for its free memory");
	facts->pages_free = info.free_pages > info.outstanding_pages
				    ? info.free_pages - info.outstanding_pages : 0;
	facts->capabilities = info.capabilities;
	snprintf(facts->version, sizeof(facts->version), "%d.%d", version >> 16, version & 0xffff);
	return 0;
}

static int xen_domains(struct hypervisor *hypervisor, uint32_t first, unsigned int max,
		       xc_domaininfo_t *infos, struct err *err)
{
	int count = xc_domain_getinfolist(xen(hypervisor)->xch, first, max, infos);

	return count < 0 ? failed(hypervisor, err, "ask Xen for its domains") : count;
}

static int xen_parameter(struct hypervisor *hypervisor, uint32_t domid, uint32_t which,
			 uint64_t *value, struct err *err)
{
	if (xc_hvm_param_get(xen(hypervisor)->xch, domid, which, value) < 0)
		return failed(hypervisor, err, "read HVM parameter %u of domain %u", which, domid);
	return 0;
}

static int xen_paging_pool(struct hypervisor *hypervisor, uint32_t domid, uint64_t *bytes,
			   struct err *err)
{
	if (xc_get_paging_mempool_size(xen(hypervisor)->xch, domid, bytes) < 0)
		return failed(hypervisor, err, "read the size of domain %u's paging pool", domid);
	return 0;
}

static bool xen_has_vnuma(struct hypervisor *hypervisor, uint32_t domid)
{
	uint32_t nodes = 0, ranges = 0, vcpus = 0;
	int r = xc_domain_getvnuma(xen(hypervisor)->xch, domid, &nodes, &ranges, &vcpus, NULL, NULL,
				   NULL);

	return r == 0 || errno == ENOBUFS; /* without room for it, Xen says how much there is */
}

static int xen_numa(struct hypervisor *hypervisor, uint32_t domid, struct numa_view *view,
		    struct err *err)
{
	int rc = numa_read(xen(hypervisor)->xch, domid, view);

	return rc < 0 ? failed(hypervisor, err, "read domain %u's NUMA nodes", domid) : 0;
}

/* ---- the processor ---- */

_Static_assert(sizeof(struct cpu_leaf) == sizeof(xen_cpuid_leaf_t), "leaves are Xen's");
_Static_assert(sizeof(struct cpu_msr) == sizeof(xen_msr_entry_t), "MSRs are Xen's");

static int serialise(xc_interface *xch, uint32_t domid, xc_cpu_policy_t *library,
		     struct cpu_policy *policy)
{
	xen_cpuid_leaf_t leaves[CPU_LEAVES_MAX];
	xen_msr_entry_t msrs[CPU_MSRS_MAX];
	uint32_t leaf_count = CPU_LEAVES_MAX, msr_count = CPU_MSRS_MAX;

	if (xc_cpu_policy_get_domain(xch, domid, library) < 0 ||
	    xc_cpu_policy_serialise(xch, library, leaves, &leaf_count, msrs, &msr_count) < 0)
		return -1;
	memcpy(policy->leaves, leaves, leaf_count * sizeof(leaves[0]));
	memcpy(policy->msrs, msrs, msr_count * sizeof(msrs[0]));
	policy->leaf_count = leaf_count;
	policy->msr_count = msr_count;
	return 0;
}

static int xen_cpu_policy(struct hypervisor *hypervisor, uint32_t domid,
			  struct cpu_policy *policy, struct err *err)
{
	xc_cpu_policy_t *library = xc_cpu_policy_init();
	int r = library ? serialise(xen(hypervisor)->xch, domid, library, policy) : -1;
	int rc = r < 0 ? failed(hypervisor, err, "read which processor domain %u sees", domid) : 0;

	xc_cpu_policy_destroy(library);
	return rc;
}

static int deserialise(xc_interface *xch, const struct cpu_policy *policy,
		       xc_cpu_policy_t *library)
{
	xen_cpuid_leaf_t leaves[CPU_LEAVES_MAX];
	xen_msr_entry_t msrs[CPU_MSRS_MAX];

	memcpy(leaves, policy->leaves, policy->leaf_count * sizeof(leaves[0]));
	memcpy(msrs, policy->msrs, policy->msr_count * sizeof(msrs[0]));
	if (xc_cpu_policy_update_cpuid(xch, library, leaves, (uint32_t)policy->leaf_count) < 0)
		return -1;
	return xc_cpu_policy_update_msrs(xch, library, msrs, (uint32_t)policy->msr_count);
}

/* As Xen itself does when the policy is set: against the most that a guest may have here. */
static int compare_cpu(struct hypervisor *hypervisor, enum guest_type type,
		       const struct cpu_policy *policy, xc_cpu_policy_t *here,
		       xc_cpu_policy_t *guest, struct err *err)
{
	char *words = xen(hypervisor)->words;
	xc_interface *xch = xen(hypervisor)->xch;
	unsigned int most = type == GUEST_PV ? XEN_SYSCTL_cpu_policy_pv_max :
					       XEN_SYSCTL_cpu_policy_hvm_max;

	if (xc_cpu_policy_get_system(xch, most, here) < 0)
		return failed(hypervisor, err, "read what this host's processor can do");
	if (deserialise(xch, policy, guest) < 0)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "which processor the guest sees cannot be understood here");
	*words = '\0';
	if (xc_cpu_policy_is_compatible(xch, here, guest))
		return 0;
	return err_set(err, ERR_INCOMPATIBLE, -EOPNOTSUPP, "%s", words);
}

static int xen_judge_cpu(struct hypervisor *hypervisor, enum guest_type type,
			 const struct cpu_policy *policy, struct err *err)
{
	xc_cpu_policy_t *here = xc_cpu_policy_init(), *guest = xc_cpu_policy_init();
	int rc = here && guest ? compare_cpu(hypervisor, type, policy, here, guest, err) :
				 err_set(err, ERR_FAILED, -ENOMEM, "out of memory");

	xc_cpu_policy_destroy(here);
	xc_cpu_policy_destroy(guest);
	return rc;
}

/* ---- scheduling ---- */

/* credit and credit2 say the same in structures of their own. */
struct scheduling {
	uint16_t weight, cap;
};

static int get_scheduling(xc_interface *xch, int scheduler, uint32_t domid,
			  struct scheduling *scheduling)
{
	struct xen_domctl_sched_credit2 credit2 = { 0 };
	struct xen_domctl_sched_credit credit = { 0 };
	bool second = scheduler == XEN_SCHEDULER_CREDIT2;
	int r = second ? xc_sched_credit2_domain_get(xch, domid, &credit2)
		       : xc_sched_credit_domain_get(xch, domid, &credit);

	scheduling->weight = second ? credit2.weight : credit.weight;
	scheduling->cap = second ? credit2.cap : credit.cap;
	return r;
}

static int set_scheduling(xc_interface *xch, int scheduler, uint32_t domid,
			  const struct scheduling *scheduling)
{
	struct xen_domctl_sched_credit2 credit2 = { scheduling->weight, scheduling->cap };
	struct xen_domctl_sched_credit credit = { scheduling->weight, scheduling->cap };

	return scheduler == XEN_SCHEDULER_CREDIT2 ?
		       xc_sched_credit2_domain_set(xch, domid, &credit2) :
		       xc_sched_credit_domain_set(xch, domid, &credit);
}

/* Returns the scheduler's number, or -EOPNOTSUPP. A cpupool's own is taken for the system's. */
static int find_scheduler(struct hypervisor *hypervisor, struct err *err)
{
	int scheduler = -1;

	if (xc_sched_id(xen(hypervisor)->xch, &scheduler) < 0)
		return failed(hypervisor, err, "ask for Xen's scheduler");
	if (scheduler == XEN_SCHEDULER_CREDIT || scheduler == XEN_SCHEDULER_CREDIT2)
		return scheduler;
	return err_set(err, ERR_REFUSED, -EOPNOTSUPP,
		       "Xen's scheduler here has no caps: only credit and credit2 have");
}

static int xen_scheduling(struct hypervisor *hypervisor, uint32_t domid, uint32_t *weight,
			  uint32_t *cap_percent, struct err *err)
{
	struct scheduling scheduling;
	int scheduler = find_scheduler(hypervisor, err);

	if (scheduler < 0)
		return scheduler;
	if (get_scheduling(xen(hypervisor)->xch, scheduler, domid, &scheduling) < 0)
		return failed(hypervisor, err, "read domain %u's scheduling", domid);
	*weight = scheduling.weight;
	*cap_percent = scheduling.cap;
	return 0;
}

static int xen_schedule(struct hypervisor *hypervisor, uint32_t domid, uint32_t weight,
			uint32_t cap_percent, struct err *err)
{
	struct scheduling scheduling = { (uint16_t)weight, (uint16_t)cap_percent }, now;
	int scheduler = find_scheduler(hypervisor, err);

	if (scheduler < 0)
		return scheduler;
	if (get_scheduling(xen(hypervisor)->xch, scheduler, domid, &now) < 0)
		return failed(hypervisor, err, "read domain %u's scheduling", domid);
	if (weight == 0)
		scheduling.weight = now.weight;
	if (now.weight == scheduling.weight && now.cap == scheduling.cap)
		return 0;
	if (set_scheduling(xen(hypervisor)->xch, scheduler, domid, &scheduling) < 0)
		return failed(hypervisor, err, "cap domain %u at %u %%", domid, cap_percent);
	return 0;
}

/* ---- dirty pages ---- */

static int xen_track(struct hypervisor *hypervisor, uint32_t domid, bool on, struct err *err)
{
	unsigned int op = on ? XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY : XEN_DOMCTL_SHADOW_OP_OFF;

	if (xc_shadow_control(xen(hypervisor)->xch, domid, op, NULL, 0) < 0)
		return failed(hypervisor, err, "%s tracking domain %u's dirty pages",
			      on ? "begin" : "end", domid);
	return 0;
}

static int xen_dirty_pages(struct hypervisor *hypervisor, uint32_t domid, uint64_t *pages,
			   struct err *err)
{
	xc_shadow_op_stats_t stats = { 0 };

	if (xc_logdirty_control(xen(hypervisor)->xch, domid, XEN_DOMCTL_SHADOW_OP_PEEK,
				HYPERCALL_BUFFER(HYPERCALL_BUFFER_NULL), 0, 0, &stats) < 0)
		return failed(hypervisor, err, "count domain %u's dirty pages", domid);
	*pages = stats.dirty_count;
	return 0;
}

/* ---- making ---- */

static int xen_create(struct hypervisor *hypervisor, struct xen_domctl_createdomain *config,
		      uint32_t *domid, struct err *err)
{
	uint32_t made = 0; /* 0: Xen chooses */

	if (xc_domain_create(xen(hypervisor)->xch, &made, config) < 0)
		return failed(hypervisor, err, "create a domain");
	*domid = made;
	return 0;
}

static int xen_configure(struct hypervisor *hypervisor, const struct description *guest,
			 struct err *err)
{
	xc_interface *xch = xen(hypervisor)->xch;
	uint32_t domid = guest->domid;

	if (xc_domain_max_vcpus(xch, domid, guest->vcpus) < 0)
		return failed(hypervisor, err, "give domain %u %u vcpus", domid, guest->vcpus);
	if (xc_domain_setmaxmem(xch, domid, guest->pages_max * 4) < 0)
		return failed(hypervisor, err, "limit domain %u's memory", domid);
	if (xc_hvm_param_set(xch, domid, HVM_PARAM_TIMER_MODE, TIMER_NO_DELAY_FOR_MISSED_TICKS) < 0)
		return failed(hypervisor, err, "set domain %u's timer mode", domid);
	if (guest->paging_pool_bytes > 0 &&
	    xc_set_paging_mempool_size(xch, domid, guest->paging_pool_bytes) < 0)
		return failed(hypervisor, err, "set the size of domain %u's paging pool", domid);
	if (guest->cpu_weight > 0 || guest->cpu_cap_percent > 0) {
		int rc = xen_schedule(hypervisor, domid, guest->cpu_weight, guest->cpu_cap_percent,
				      err);

		if (rc < 0 && rc != -EOPNOTSUPP)
			return rc;
	}
	/* The stream brings the source's; until then Xen's default. */
	if (xc_domain_set_tsc_info(xch, domid, 0, 0, 0, 0) < 0)
		return failed(hypervisor, err, "set domain %u's TSC mode", domid);
	return 0;
}

static int xen_allocate_port(struct hypervisor *hypervisor, uint32_t domid, uint32_t *port,
			     struct err *err)
{
	int made = xc_evtchn_alloc_unbound(xen(hypervisor)->xch, domid, 0);

	if (made < 0)
		return failed(hypervisor, err, "allocate an event channel of domain %u", domid);
	*port = (uint32_t)made;
	return 0;
}

static int xen_claim(struct hypervisor *hypervisor, uint32_t domid, uint64_t pages,
		     struct err *err)
{
	if (xc_domain_claim_pages(xen(hypervisor)->xch, domid, pages) < 0)
		return failed(hypervisor, err, "claim %llu MiB for domain %u",
			      (unsigned long long)(pages >> 8), domid);
	return 0;
}

/* ---- running and ending ---- */

static int xen_unpause(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	if (xc_domain_unpause(xen(hypervisor)->xch, domid) < 0)
		return failed(hypervisor, err, "unpause domain %u", domid);
	return 0;
}

static int xen_resume(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	if (xc_domain_resume(xen(hypervisor)->xch, domid, 1) < 0)
		return failed(hypervisor, err, "resume domain %u", domid);
	return 0;
}

static int xen_destroy(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	if (xc_domain_destroy(xen(hypervisor)->xch, domid) < 0)
		return failed(hypervisor, err, "destroy domain %u", domid);
	return 0;
}

static void xen_close(struct hypervisor *hypervisor)
{
	if (xen(hypervisor)->xch)
		xc_interface_close(xen(hypervisor)->xch);
	free(xen(hypervisor));
}

static const struct hypervisor_ops xen_ops = {
	.facts = xen_facts,
	.domains = xen_domains,
	.parameter = xen_parameter,
	.paging_pool = xen_paging_pool,
	.has_vnuma = xen_has_vnuma,
	.numa = xen_numa,
	.cpu_policy = xen_cpu_policy,
	.judge_cpu = xen_judge_cpu,
	.scheduling = xen_scheduling,
	.schedule = xen_schedule,
	.track = xen_track,
	.dirty_pages = xen_dirty_pages,
	.create = xen_create,
	.configure = xen_configure,
	.allocate_port = xen_allocate_port,
	.claim = xen_claim,
	.unpause = xen_unpause,
	.resume = xen_resume,
	.destroy = xen_destroy,
	.close = xen_close,
};

/* The first call that Xen has to answer: is this its dom0, and do library and Xen match? */
static int check_access(struct hypervisor *hypervisor, struct err *err)
{
	xc_domaininfo_t info;
	int rc = xen_domains(hypervisor, 0, 1, &info, err);

	if (rc == -EACCES)
		return err_prefix(err, rc, "libxenctrl is not of the running Xen's version; "
					   "install the packages that match it");
	return rc < 0 ? rc : 0;
}

int hypervisor_open(struct hypervisor **hypervisor, struct err *err)
{
	struct hypervisor_xen *self = calloc(1, sizeof(*self));
	int rc;

	if (!self)
		return err_errno(err, "Xen");
	self->hypervisor.ops = &xen_ops;
	self->logger.vmessage = note_message;
	self->logger.destroy = forget_logger;
	self->xch = xc_interface_open(&self->logger, &self->logger, 0);
	if (self->xch)
		rc = check_access(&self->hypervisor, err);
	else
		rc = failed(&self->hypervisor, err,
			    "open Xen's control interface: only root in dom0 of a machine that "
			    "was booted under Xen can");
	if (rc < 0) {
		xen_close(&self->hypervisor);
		return rc;
	}
	*hypervisor = &self->hypervisor;
	return 0;
}

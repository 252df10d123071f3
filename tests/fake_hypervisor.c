/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_hypervisor.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <xen/hvm/params.h>

#include "domain.h"

static struct fake_hypervisor *fake(struct hypervisor *hypervisor)
{
	return (struct fake_hypervisor *)hypervisor;
}

xc_domaininfo_t *fake_hypervisor_find(struct fake_hypervisor *self, uint32_t domid)
{
	for (size_t i = 0; i < self->count; i++)
		if (self->domains[i].domain == domid)
			return &self->domains[i];
	return NULL;
}

/* Room for `domid`, in order. */
static xc_domaininfo_t *insert(struct fake_hypervisor *self, uint32_t domid)
{
	size_t at = 0;

	assert(self->count < FAKE_DOMAINS_MAX);
	while (at < self->count && self->domains[at].domain < domid)
		at++;
	memmove(&self->domains[at + 1], &self->domains[at],
		(self->count - at) * sizeof(self->domains[0]));
	self->count++;
	self->domains[at] = (xc_domaininfo_t){
		.domain = (domid_t)domid,
		.max_vcpu_id = XEN_INVALID_MAX_VCPU_ID,
	};
	return &self->domains[at];
}

/* Whether one more change succeeds, of a domain that must exist. */
static int spend_call(struct fake_hypervisor *self, uint32_t domid, struct err *err)
{
	if (self->calls_left == 0)
		return err_set(err, ERR_FAILED, -EIO, "Xen: injected failure");
	if (self->calls_left > 0)
		self->calls_left--;
	if (!fake_hypervisor_find(self, domid))
		return err_set(err, ERR_FAILED, -ESRCH, "Xen: no domain %u", domid);
	return 0;
}

static int fake_facts(struct hypervisor *hypervisor, struct hypervisor_facts *facts,
		      struct err *err)
{
	(void)err;
	*facts = fake(hypervisor)->facts;
	return 0;
}

static int fake_domains(struct hypervisor *hypervisor, uint32_t first, unsigned int max,
			xc_domaininfo_t *infos, struct err *err)
{
	int count = 0;

	(void)err;
	for (size_t i = 0; i < fake(hypervisor)->count && (unsigned int)count < max; i++)
		if (fake(hypervisor)->domains[i].domain >= first)
			infos[count++] = fake(hypervisor)->domains[i];
	return count;
}

static int fake_parameter(struct hypervisor *hypervisor, uint32_t domid, uint32_t which,
			  uint64_t *value, struct err *err)
{
	if (!fake_hypervisor_find(fake(hypervisor), domid))
		return err_set(err, ERR_FAILED, -ESRCH, "Xen: no domain %u", domid);
	*value = which == HVM_PARAM_STORE_PFN ? FAKE_STORE_PFN : FAKE_CONSOLE_PFN;
	return 0;
}

static int fake_paging_pool(struct hypervisor *hypervisor, uint32_t domid, uint64_t *bytes,
			    struct err *err)
{
	(void)hypervisor, (void)domid, (void)err;
	*bytes = FAKE_PAGING_POOL_BYTES;
	return 0;
}

static bool fake_has_vnuma(struct hypervisor *hypervisor, uint32_t domid)
{
	(void)domid;
	return fake(hypervisor)->vnuma;
}

static int fake_numa(struct hypervisor *hypervisor, uint32_t domid, struct numa_view *view,
		     struct err *err)
{
	(void)hypervisor, (void)domid, (void)err;
	*view = (struct numa_view){ .nodes = 1 };
	return 0;
}

static int fake_cpu_policy(struct hypervisor *hypervisor, uint32_t domid,
			   struct cpu_policy *policy, struct err *err)
{
	(void)domid, (void)err;
	policy->leaf_count = 1;
	policy->leaves[0] = (struct cpu_leaf){ .subleaf = UINT32_MAX,
					       .eax = fake(hypervisor)->cpu_leaf_max };
	return 0;
}

static int fake_judge_cpu(struct hypervisor *hypervisor, enum guest_type type,
			  const struct cpu_policy *policy, struct err *err)
{
	(void)type;
	if (policy->leaves[0].eax <= fake(hypervisor)->cpu_leaf_max)
		return 0;
	return err_set(err, ERR_INCOMPATIBLE, -EOPNOTSUPP, "Leaf 00000000 is not compatible");
}

static int check_scheduler(const struct fake_hypervisor *self, struct err *err)
{
	return self->weight ? 0 : err_set(err, ERR_REFUSED, -EOPNOTSUPP, "Xen: no caps");
}

static int fake_scheduling(struct hypervisor *hypervisor, uint32_t domid, uint32_t *weight,
			   uint32_t *cap_percent, struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);
	int rc = check_scheduler(self, err);

	(void)domid;
	*weight = self->weight;
	*cap_percent = self->cap_percent;
	return rc;
}

static int fake_schedule(struct hypervisor *hypervisor, uint32_t domid, uint32_t weight,
			 uint32_t cap_percent, struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);
	int rc = check_scheduler(self, err);

	if (rc == 0)
		rc = spend_call(self, domid, err);
	if (rc < 0)
		return rc;
	self->weight = weight ? weight : self->weight;
	self->cap_percent = cap_percent;
	return 0;
}

static int fake_track(struct hypervisor *hypervisor, uint32_t domid, bool on, struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);
	int rc = spend_call(self, domid, err);

	if (rc == 0 && on && (self->tracked || self->tracks_by_another))
		rc = err_set(err, ERR_FAILED, -EINVAL, "Xen: it is tracked already");
	if (rc == 0)
		self->tracked = on;
	return rc;
}

static int fake_dirty_pages(struct hypervisor *hypervisor, uint32_t domid, uint64_t *pages,
			    struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);

	if (!self->tracked)
		return err_set(err, ERR_FAILED, -EINVAL, "Xen: domain %u is not tracked", domid);
	if (self->dirty_pages == UINT64_MAX)
		return err_set(err, ERR_FAILED, -EIO, "Xen: no count");
	*pages = self->dirty_pages;
	return 0;
}

static int fake_create(struct hypervisor *hypervisor, struct xen_domctl_createdomain *config,
		       uint32_t *domid, struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);
	xc_domaininfo_t *info;
	int rc = spend_call(self, 0, err);

	if (rc < 0)
		return rc;
	self->config = *config;
	*domid = self->domains[self->count - 1].domain + 1u;
	info = insert(self, *domid);
	memcpy(info->handle, config->handle, sizeof(info->handle));
	info->flags = XEN_DOMINF_hvm_guest | XEN_DOMINF_paused;
	info->arch_config.emulation_flags = config->arch.emulation_flags;
	return 0;
}

static int fake_configure(struct hypervisor *hypervisor, const struct description *guest,
			  struct err *err)
{
	xc_domaininfo_t *info = fake_hypervisor_find(fake(hypervisor), guest->domid);
	int rc = spend_call(fake(hypervisor), guest->domid, err);

	if (rc < 0)
		return rc;
	info->max_vcpu_id = guest->vcpus - 1;
	info->max_pages = guest->pages_max;
	return 0;
}

static int fake_allocate_port(struct hypervisor *hypervisor, uint32_t domid, uint32_t *port,
			      struct err *err)
{
	int rc = spend_call(fake(hypervisor), domid, err);

	if (rc == 0)
		*port = fake(hypervisor)->next_port++;
	return rc;
}

static int fake_claim(struct hypervisor *hypervisor, uint32_t domid, uint64_t pages,
		      struct err *err)
{
	int rc = spend_call(fake(hypervisor), domid, err);

	if (rc == 0)
		fake(hypervisor)->claimed_pages = pages;
	return rc;
}

static int fake_unpause(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	xc_domaininfo_t *info = fake_hypervisor_find(fake(hypervisor), domid);
	int rc = spend_call(fake(hypervisor), domid, err);

	if (rc < 0)
		return rc;
	if (!(info->flags & XEN_DOMINF_paused))
		return err_set(err, ERR_FAILED, -EINVAL, "Xen: domain %u is not paused", domid);
	info->flags &= ~XEN_DOMINF_paused;
	fake(hypervisor)->unpauses++;
	return 0;
}

static int fake_resume(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	xc_domaininfo_t *info = fake_hypervisor_find(fake(hypervisor), domid);
	int rc = spend_call(fake(hypervisor), domid, err);

	if (rc < 0)
		return rc;
	if (!domain_is_suspended(info))
		return err_set(err, ERR_FAILED, -EINVAL, "Xen: domain %u is not suspended", domid);
	info->flags &= ~(XEN_DOMINF_shutdown |
			 (uint32_t)XEN_DOMINF_shutdownmask << XEN_DOMINF_shutdownshift);
	fake(hypervisor)->resumes++;
	return 0;
}

static int fake_destroy(struct hypervisor *hypervisor, uint32_t domid, struct err *err)
{
	struct fake_hypervisor *self = fake(hypervisor);
	xc_domaininfo_t *info = fake_hypervisor_find(self, domid);
	int rc = spend_call(self, domid, err);

	if (rc < 0)
		return rc;
	self->count--;
	memmove(info, info + 1, (size_t)(&self->domains[self->count] - info) * sizeof(*info));
	self->destroys++;
	return 0;
}

static void fake_close(struct hypervisor *hypervisor)
{
	(void)hypervisor;
}

static const struct hypervisor_ops fake_ops = {
	.facts = fake_facts,
	.domains = fake_domains,
	.parameter = fake_parameter,
	.paging_pool = fake_paging_pool,
	.has_vnuma = fake_has_vnuma,
	.numa = fake_numa,
	.cpu_policy = fake_cpu_policy,
	.judge_cpu = fake_judge_cpu,
	.scheduling = fake_scheduling,
	.schedule = fake_schedule,
	.track = fake_track,
	.dirty_pages = fake_dirty_pages,
	.create = fake_create,
	.configure = fake_configure,
	.allocate_port = fake_allocate_port,
	.claim = fake_claim,
	.unpause = fake_unpause,
	.resume = fake_resume,
	.destroy = fake_destroy,
	.close = fake_close,
};

void fake_hypervisor_init(struct fake_hypervisor *self)
{
	*self = (struct fake_hypervisor){
		.hypervisor.ops = &fake_ops,
		.facts = {
			.pages_free = 262144,
			.capabilities = XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap |
					XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_shadow,
			.version = "4.17",
		},
		.weight = 256,
		.next_port = 1,
		.calls_left = -1,
	};
	insert(self, 0);
}

xc_domaininfo_t *fake_hypervisor_add(struct fake_hypervisor *self, uint32_t domid,
				     const char *uuid)
{
	xc_domaininfo_t *info = insert(self, domid);

	domain_uuid_bytes(uuid, info->handle);
	info->flags = XEN_DOMINF_hvm_guest | XEN_DOMINF_hap | XEN_DOMINF_running;
	info->arch_config.emulation_flags = XEN_X86_EMU_LAPIC;
	info->max_vcpu_id = 0;
	info->tot_pages = 24592;
	info->max_pages = 24832;
	return info;
}

void fake_hypervisor_shut_down(struct fake_hypervisor *self, uint32_t domid, unsigned reason)
{
	fake_hypervisor_find(self, domid)->flags |=
		XEN_DOMINF_shutdown | reason << XEN_DOMINF_shutdownshift;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xen/hvm/params.h>

#include "cleanup.h"
#include "xl_config.h"

/* ---- may it be moved? ---- */

static void check_state(const xc_domaininfo_t *info, const char *name, struct reasons *reasons)
{
	if (info->flags & XEN_DOMINF_dying)
		err_set(reasons_next(reasons), ERR_REFUSED, -EPERM, "guest %s is being destroyed",
			name);
	else if (domain_is_suspended(info))
		err_set(reasons_next(reasons), ERR_REFUSED, -EBUSY,
			"guest %s is suspended already, perhaps by another migration; end that one "
			"first", name);
	else if (info->flags & XEN_DOMINF_shutdown)
		err_set(reasons_next(reasons), ERR_REFUSED, -EPERM,
			"guest %s does not run: it shut down (%s)", name,
			domain_shutdown_reason(info));
	else if (info->flags & XEN_DOMINF_paused)
		err_set(reasons_next(reasons), ERR_REFUSED, -EPERM,
			"guest %s is paused and so cannot suspend itself; unpause it first (xl "
			"unpause %s)", name, name);
}

static int check_type(const xc_domaininfo_t *info, uint32_t capabilities, const char *name,
		      struct reasons *reasons)
{
	switch (domain_type(info)) {
	case GUEST_PVH:
		return 0;
	case GUEST_HVM:
		return err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
			       "guest %s is HVM: the state of its device model (QEMU) is not "
			       "moved by this version; only PVH guests are", name);
	case GUEST_PV:
		break;
	}
	if (!(capabilities & XEN_SYSCTL_PHYSCAP_shadow))
		return err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
			       "guest %s is PV: Xen on this host was built without shadow paging, "
			       "so it cannot track the guest's dirty pages; make it PVH", name);
	return err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
		       "guest %s is PV: this version moves PVH guests only", name);
}

int domain_check_movable(const xc_domaininfo_t *info, uint32_t capabilities, const char *name,
			 struct reasons *reasons)
{
	int rc = check_type(info, capabilities, name, reasons);

	check_state(info, name, reasons);
	if (info->max_vcpu_id >= GUEST_VCPUS_MAX)
		rc = err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
			     "guest %s has no vcpus, or more than %d", name, GUEST_VCPUS_MAX);
	return rc;
}

/*
 * What the guest says of itself: it may lie, and then the suspend is not acknowledged. Linux says
 * it when it boots, and not again: of a guest that has moved before, silence means nothing.
 */
static void check_suspends(struct store *store, uint32_t domid, const char *name,
			   struct reasons *reasons)
{
	CLEANUP_FREE char *says =
		store_read(store, "/local/domain/%u/control/feature-suspend", domid);

	if (says && *says && strcmp(says, "1") != 0)
		err_set(reasons_next(reasons), ERR_REFUSED, -EPERM,
			"guest %s says that it cannot suspend (control/feature-suspend); Linux "
			"needs CONFIG_HIBERNATE_CALLBACKS", name);
}

/* libxenguest moves no virtual NUMA, which libxl therefore refuses to save, too. */
static void check_vnuma(struct hypervisor *hypervisor, uint32_t domid, const char *name,
			struct reasons *reasons)
{
	if (hypervisor->ops->has_vnuma(hypervisor, domid))
		err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
			"guest %s has a virtual NUMA layout, which Xen cannot move; start it "
			"without vnuma= in its configuration", name);
}

/* ---- what it is ---- */

static uint32_t create_flags(const xc_domaininfo_t *info)
{
	uint32_t flags = 0;

	if (info->flags & XEN_DOMINF_hvm_guest)
		flags |= XEN_DOMCTL_CDF_hvm;
	/* Shadow paging alone has out-of-sync tables; libxl turns them off with HAP as well. */
	if (info->flags & XEN_DOMINF_hap)
		flags |= XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off;
	return flags;
}

static int describe_hypervisor(struct hypervisor *hypervisor, const xc_domaininfo_t *info,
			       struct description *guest, struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor->ops;
	int rc;

	domain_uuid_text(info->handle, guest->uuid);
	guest->type = domain_type(info);
	guest->domid = info->domain;
	guest->vcpus = info->max_vcpu_id + 1;
	guest->create_flags = create_flags(info);
	guest->emulation_flags = info->arch_config.emulation_flags;
	guest->pages_max = info->max_pages;
	guest->pages_now = info->tot_pages;
	rc = ops->parameter(hypervisor, guest->domid, HVM_PARAM_STORE_PFN, &guest->store_pfn, err);
	if (rc == 0)
		rc = ops->parameter(hypervisor, guest->domid, HVM_PARAM_CONSOLE_PFN,
				    &guest->console_pfn, err);
	if (rc == 0)
		rc = ops->paging_pool(hypervisor, guest->domid, &guest->paging_pool_bytes, err);
	if (rc == 0)
		rc = ops->cpu_policy(hypervisor, guest->domid, &guest->cpu_policy, err);
	if (rc < 0)
		return rc;
	rc = ops->scheduling(hypervisor, guest->domid, &guest->cpu_weight, &guest->cpu_cap_percent,
			     err);
	return rc == -EOPNOTSUPP ? 0 : rc;
}

/* Copies a node's value where there is one; a value that does not fit is left out. */
static void copy_node(char *to, size_t size, struct store *store, const char *path)
{
	CLEANUP_FREE char *value = store->ops->read(store, path);

	if (value && strlen(value) < size)
		memcpy(to, value, strlen(value) + 1);
}

static bool vcpu_is_online(struct store *store, uint32_t domid, uint32_t vcpu)
{
	CLEANUP_FREE char *state = store_read(store, "/local/domain/%u/cpu/%u/availability", domid,
					      vcpu);

	return !state || strcmp(state, "offline") != 0;
}

/* Only nodes that the guest cannot write. */
static void describe_store(struct store *store, struct description *guest)
{
	char path[STORE_PATH_MAX];
	int64_t kib_now = (int64_t)(guest->pages_now * 4);
	uint32_t domid = guest->domid;

	guest->static_max_kib = (uint64_t)store_read_integer(
		store, kib_now, "/local/domain/%u/memory/static-max", domid);
	guest->target_kib = (uint64_t)store_read_integer(
		store, kib_now, "/local/domain/%u/memory/target", domid);
	guest->videoram_kib = store_read_integer(store, -1, "/local/domain/%u/memory/videoram",
						 domid);
	snprintf(path, sizeof(path), "/vm/%s/start_time", guest->uuid);
	copy_node(guest->start_time, sizeof(guest->start_time), store, path);
	snprintf(path, sizeof(path), "/libxl/%u/dm-version", domid);
	copy_node(guest->dm_version, sizeof(guest->dm_version), store, path);
	for (uint32_t vcpu = 0; vcpu < guest->vcpus; vcpu++)
		if (vcpu_is_online(store, domid, vcpu))
			guest->vcpus_online[vcpu / 8] |= (uint8_t)(1u << vcpu % 8);
}

static int describe_name(struct store *store, uint32_t domid, struct description *guest,
			 struct err *err)
{
	CLEANUP_FREE char *name = store_read(store, "/local/domain/%u/name", domid);

	if (!name || !*name)
		return err_set(err, ERR_REFUSED, -EPERM,
			       "domain %u has no name yet; is another tool creating it?", domid);
	if (strlen(name) >= sizeof(guest->name) - strlen(DOMAIN_INCOMING) || strchr(name, '/'))
		return err_set(err, ERR_REFUSED, -EPERM,
			       "domain %u's name is longer than %zu bytes or has a slash; rename "
			       "it first (xl rename)", domid,
			       sizeof(guest->name) - strlen(DOMAIN_INCOMING) - 1);
	memcpy(guest->name, name, strlen(name) + 1);
	return 0;
}

static int find_domid(struct hypervisor *hypervisor, struct store *store, const char *vm,
		      uint32_t *domid, struct err *err)
{
	const struct guest_summary *found;
	struct domain_list list = { 0 };
	int rc = domain_list_read(hypervisor, store, &list, err);

	if (rc == 0)
		rc = domain_select(&list, vm, &found, err);
	if (rc == 0)
		*domid = found->domid;
	domain_list_fini(&list);
	return rc;
}

/* All that can be said against moving it; negative when it cannot be described. */
static int check(struct hypervisor *hypervisor, struct store *store, const xc_domaininfo_t *info,
		 uint32_t capabilities, const char *name, struct reasons *reasons)
{
	int rc = domain_check_movable(info, capabilities, name, reasons);

	check_suspends(store, info->domain, name, reasons);
	check_vnuma(hypervisor, info->domain, name, reasons);
	return rc;
}

static int describe(struct hypervisor *hypervisor, struct store *store,
		    const xc_domaininfo_t *info, struct description *guest, struct err *err)
{
	char path[XL_CONFIG_PATH_MAX];
	int rc = describe_hypervisor(hypervisor, info, guest, err);

	if (rc < 0)
		return rc;
	describe_store(store, guest);
	return xl_config_read(xl_config_path(guest->domid, guest->uuid, path), &guest->config,
			      &guest->config_bytes, err);
}

int domain_describe(struct hypervisor *hypervisor, struct store *store, const char *vm,
		    struct description *guest, struct reasons *reasons)
{
	struct hypervisor_facts facts;
	xc_domaininfo_t info;
	struct err why;
	int rc;

	rc = find_domid(hypervisor, store, vm, &guest->domid, &why);
	if (rc == 0)
		rc = hypervisor_domain(hypervisor, guest->domid, &info, &why);
	if (rc == 0)
		rc = hypervisor->ops->facts(hypervisor, &facts, &why);
	if (rc == 0)
		rc = describe_name(store, guest->domid, guest, &why);
	if (rc < 0) {
		*reasons_next(reasons) = why;
		return rc;
	}
	memcpy(guest->xen_version, facts.version, sizeof(guest->xen_version));
	rc = check(hypervisor, store, &info, facts.capabilities, guest->name, reasons);
	if (rc < 0)
		return rc;
	rc = describe(hypervisor, store, &info, guest, &why);
	if (rc < 0)
		*reasons_next(reasons) = why;
	return rc;
}

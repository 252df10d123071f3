/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <errno.h>
#include <string.h>

#include "hypervisor_state.h"

#define DOMID_END 0x7ff0u /* xen/xen.h, DOMID_FIRST_RESERVED */
#define WEIGHT_DEFAULT 256

/* ---- creating and looking ---- */

static struct domain *find_room(struct sim_host *host)
{
	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++)
		if (!host->state->domains[i].used)
			return &host->state->domains[i];
	return NULL;
}

static int choose_domid(struct sim_host *host, uint32_t *domid)
{
	struct sim_state *state = host->state;

	if (*domid == 0 || *domid >= DOMID_END)
		*domid = state->next_domid;
	if (*domid >= DOMID_END)
		return -ENOSPC;
	return sim_find(host, *domid) ? -EEXIST : 0;
}

static int create(struct sim_host *host, const struct sim_domain_config *config, uint32_t *domid)
{
	struct domain *domain = find_room(host);
	uint32_t chosen = *domid;
	int rc = domain ? choose_domid(host, &chosen) : -ENOSPC;

	if (!rc)
		rc = sim_pages_create(host, chosen);
	if (rc)
		return rc;
	memset(domain, 0, sizeof(*domain));
	domain->seen.domid = chosen;
	domain->seen.config = *config;
	domain->seen.pauses = 1;
	domain->seen.weight = WEIGHT_DEFAULT;
	domain->seen.cpu_leaf_max = host->state->cpu_leaf_max;
	if (host->state->next_domid <= chosen)
		host->state->next_domid = chosen + 1;
	domain->used = true; /* from here on there is one */
	sim_changed(host, domain);
	*domid = chosen;
	return 0;
}

int sim_domain_create(struct sim_host *host, const struct sim_domain_config *config,
		      uint32_t *domid)
{
	int rc;

	if (config->vcpus_max == 0)
		return -EINVAL;
	sim_lock(host);
	rc = create(host, config, domid);
	sim_unlock(host);
	return rc;
}

int sim_domain_destroy(struct sim_host *host, uint32_t domid)
{
	struct domain *domain;

	if (domid == 0)
		return -EINVAL;
	domain = sim_lock_domain(host, domid);
	if (!domain)
		return -ESRCH;
	sim_close_ports(host, domain);
	domain->used = false;
	sim_pages_remove(host, domid);
	sim_changed(host, domain);
	sim_raise_virq(host, SIM_VIRQ_DOM_EXC);
	sim_unlock(host);
	return 0;
}

int sim_domain_get(struct sim_host *host, uint32_t domid, struct sim_domain *seen)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	*seen = domain->seen;
	sim_unlock(host);
	return 0;
}

int sim_domain_next(struct sim_host *host, uint32_t first, struct sim_domain *seen)
{
	const struct domain *next = NULL;

	sim_lock(host);
	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		const struct domain *domain = &host->state->domains[i];

		if (domain->used && domain->seen.domid >= first &&
		    (!next || domain->seen.domid < next->seen.domid))
			next = domain;
	}
	if (next)
		*seen = next->seen;
	sim_unlock(host);
	return next ? 0 : -ESRCH;
}

/* ---- running ---- */

int sim_domain_pause(struct sim_host *host, uint32_t domid)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->seen.pauses++;
	sim_changed(host, domain);
	sim_unlock(host);
	return 0;
}

int sim_domain_unpause(struct sim_host *host, uint32_t domid)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc = -EINVAL;

	if (!domain)
		return -ESRCH;
	if (domain->seen.pauses > 0) {
		domain->seen.pauses--;
		sim_changed(host, domain);
		rc = 0;
	}
	sim_unlock(host);
	return rc;
}

int sim_domain_shutdown(struct sim_host *host, uint32_t domid, enum sim_shutdown reason)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	if (!domain->seen.shut_down) {
		domain->cancelled = false;
		domain->seen.reason = reason;
		domain->seen.shut_down = true;
		sim_changed(host, domain);
		sim_raise_virq(host, SIM_VIRQ_DOM_EXC);
	}
	sim_unlock(host);
	return 0;
}

int sim_domain_resume(struct sim_host *host, uint32_t domid)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	if (domain->seen.shut_down) {
		domain->seen.shut_down = false;
		sim_changed(host, domain);
	}
	sim_unlock(host);
	return 0;
}

int sim_domain_resumed(struct sim_host *host, uint32_t domid)
{
	struct domain *domain = sim_lock_domain(host, domid);
	bool cancelled;

	if (!domain)
		return -ESRCH;
	cancelled = domain->cancelled;
	sim_unlock(host);
	return cancelled;
}

int sim_domain_set_resumed(struct sim_host *host, uint32_t domid, bool cancelled)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->cancelled = cancelled;
	sim_unlock(host);
	return 0;
}

/* ---- limits ---- */

int sim_domain_set_vcpus(struct sim_host *host, uint32_t domid, uint32_t vcpus)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc = -EINVAL;

	if (!domain)
		return -ESRCH;
	if (vcpus > 0 && vcpus <= domain->seen.config.vcpus_max) {
		domain->seen.vcpus = vcpus;
		rc = 0;
	}
	sim_unlock(host);
	return rc;
}

int sim_domain_set_pages_max(struct sim_host *host, uint32_t domid, uint64_t pages)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->seen.pages_max = pages;
	sim_unlock(host);
	return 0;
}

/* xen/common/page_alloc.c, domain_set_outstanding_pages() */
static int claim(struct sim_host *host, struct sim_domain *seen, uint64_t pages)
{
	struct sim_machine machine;

	if (pages == 0) {
		seen->pages_claimed = 0;
		return 0;
	}
	if (seen->pages_claimed || pages < seen->pages_now || pages > seen->pages_max)
		return -EINVAL;
	sim_machine(host, &machine);
	if (pages - seen->pages_now > machine.pages_free - machine.pages_claimed)
		return -ENOMEM;
	seen->pages_claimed = pages - seen->pages_now;
	return 0;
}

int sim_domain_claim(struct sim_host *host, uint32_t domid, uint64_t pages)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc;

	if (!domain)
		return -ESRCH;
	rc = claim(host, &domain->seen, pages);
	sim_unlock(host);
	return rc;
}

int sim_domain_set_paging_pool(struct sim_host *host, uint32_t domid, uint64_t bytes)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->seen.paging_pool_bytes = bytes;
	sim_unlock(host);
	return 0;
}

int sim_domain_set_scheduling(struct sim_host *host, uint32_t domid, uint32_t weight,
			      uint32_t cap_percent)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->seen.weight = weight;
	domain->seen.cap_percent = cap_percent;
	sim_changed(host, domain);
	sim_unlock(host);
	return 0;
}

/* ---- what Xen keeps for a guest ---- */

int sim_param_get(struct sim_host *host, uint32_t domid, uint32_t which, uint64_t *value)
{
	struct domain *domain = which < SIM_PARAMS_MAX ? sim_lock_domain(host, domid) : NULL;

	if (!domain)
		return which < SIM_PARAMS_MAX ? -ESRCH : -EINVAL;
	*value = domain->params[which];
	sim_unlock(host);
	return 0;
}

int sim_param_set(struct sim_host *host, uint32_t domid, uint32_t which, uint64_t value)
{
	struct domain *domain = which < SIM_PARAMS_MAX ? sim_lock_domain(host, domid) : NULL;

	if (!domain)
		return which < SIM_PARAMS_MAX ? -ESRCH : -EINVAL;
	domain->params[which] = value;
	sim_unlock(host);
	return 0;
}

int sim_context_get(struct sim_host *host, uint32_t domid, void *bytes, size_t size)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc = -ENOBUFS;

	if (!domain)
		return -ESRCH;
	if (domain->context_bytes <= size) {
		memcpy(bytes, domain->context, domain->context_bytes);
		rc = (int)domain->context_bytes;
	}
	sim_unlock(host);
	return rc;
}

int sim_context_set(struct sim_host *host, uint32_t domid, const void *bytes, size_t size)
{
	struct domain *domain = size <= SIM_CONTEXT_MAX ? sim_lock_domain(host, domid) : NULL;

	if (!domain)
		return size <= SIM_CONTEXT_MAX ? -ESRCH : -EINVAL;
	memcpy(domain->context, bytes, size);
	domain->context_bytes = (uint32_t)size;
	sim_unlock(host);
	return 0;
}

int sim_tsc_get(struct sim_host *host, uint32_t domid, struct sim_tsc *tsc)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	*tsc = domain->tsc;
	sim_unlock(host);
	return 0;
}

int sim_tsc_set(struct sim_host *host, uint32_t domid, const struct sim_tsc *tsc)
{
	struct domain *domain = sim_lock_domain(host, domid);

	if (!domain)
		return -ESRCH;
	domain->tsc = *tsc;
	sim_unlock(host);
	return 0;
}

int sim_cpu_set(struct sim_host *host, uint32_t domid, uint32_t leaf_max)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc = 0;

	if (!domain)
		return -ESRCH;
	if (leaf_max > host->state->cpu_leaf_max)
		rc = -EINVAL;
	else
		domain->seen.cpu_leaf_max = leaf_max;
	sim_unlock(host);
	return rc;
}

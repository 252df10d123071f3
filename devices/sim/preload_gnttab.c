/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxengnttab: what domains have granted to domain 0. */
#include "preload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>

struct grants {
	struct grants *next;
	void *address;
	uint32_t domid, count;
	bool writable;
	uint32_t references[];
};

struct xengntdev_handle {
	struct grants *mapped;
};

PRELOADED xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	return preload_host() ? calloc(1, sizeof(struct xengntdev_handle)) : NULL;
}

/* What is left is unmapped, as the kernel does when the device's last descriptor is closed. */
PRELOADED int xengnttab_close(xengnttab_handle *xgt)
{
	while (xgt && xgt->mapped)
		xengnttab_unmap(xgt, xgt->mapped->address, xgt->mapped->count);
	free(xgt);
	return 0;
}

PRELOADED int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
	(void)xgt;
	(void)count;
	return 0;
}

/* ---- mapping ---- */

PRELOADED void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
						uint32_t domid, uint32_t *refs, int prot)
{
	struct sim_memory *memory = preload_memory(domid);
	struct grants *grants;

	if (!memory || count > SIM_GRANTS_MAX) {
		errno = EINVAL; /* as gntdev says, whatever Xen found */
		return NULL;
	}
	grants = malloc(sizeof(*grants) + count * sizeof(*refs));
	if (!grants)
		return NULL;
	*grants = (struct grants){
		.next = xgt->mapped,
		.domid = domid,
		.count = count,
		.writable = prot & PROT_WRITE,
	};
	memcpy(grants->references, refs, count * sizeof(*refs));
	if (preload_result(sim_grants_map(memory, refs, count, grants->writable,
					  &grants->address)) < 0) {
		free(grants);
		return NULL;
	}
	xgt->mapped = grants;
	return grants->address;
}

PRELOADED void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref,
					int prot)
{
	return xengnttab_map_domain_grant_refs(xgt, 1, domid, &ref, prot);
}

PRELOADED int xengnttab_unmap(xengnttab_handle *xgt, void *address, uint32_t count)
{
	struct grants **link = &xgt->mapped, *grants;
	struct sim_memory *memory;

	while (*link && ((*link)->address != address || (*link)->count != count))
		link = &(*link)->next;
	grants = *link;
	if (!grants)
		return preload_result(-EINVAL);
	*link = grants->next;
	memory = preload_memory(grants->domid);
	if (memory)
		sim_grants_unmap(memory, grants->references, count, grants->writable, address);
	else /* the domain went first */
		sim_memory_unmap(address, count);
	free(grants);
	return 0;
}

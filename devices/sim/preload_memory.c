/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxenforeignmemory: a domain's frames, and its grant table, in the caller's address space. */
#include "preload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

struct xenforeignmemory_handle {
	char none;
};

PRELOADED xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
							 unsigned int flags)
{
	(void)logger;
	(void)flags;
	return preload_host() ? calloc(1, sizeof(struct xenforeignmemory_handle)) : NULL;
}

PRELOADED int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
	free(fmem);
	return 0;
}

/* ---- frames ---- */

_Static_assert(sizeof(xen_pfn_t) == sizeof(uint64_t), "a frame's number is 64 bits wide");

PRELOADED void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t domid, void *address,
				      int prot, int flags, size_t count,
				      const xen_pfn_t gfns[], int errors[])
{
	struct sim_memory *memory = preload_memory(domid);
	void *mapped;

	(void)fmem;
	(void)flags;
	if (!memory)
		return NULL;
	if (address) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	preload_pay(prot & PROT_WRITE ? PRELOAD_PAGE_WRITTEN : PRELOAD_PAGE_READ, count);
	if (preload_result(sim_memory_map(memory, (const uint64_t *)gfns, count, prot, errors,
					  &mapped)) < 0)
		return NULL;
	return mapped;
}

PRELOADED void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t domid, int prot,
				     size_t count, const xen_pfn_t gfns[], int errors[])
{
	return xenforeignmemory_map2(fmem, domid, NULL, prot, 0, count, gfns, errors);
}

PRELOADED int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *address, size_t count)
{
	(void)fmem;
	return munmap(address, count * SIM_PAGE_BYTES);
}

/* ---- the grant table ---- */

struct xenforeignmemory_resource_handle {
	void *address;
	size_t bytes;
};

PRELOADED xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *fmem, domid_t domid, unsigned int type,
			      unsigned int id, unsigned long frame, unsigned long frames,
			      void **address, int prot, int flags)
{
	xenforeignmemory_resource_handle *resource;
	int rc = -EOPNOTSUPP;

	(void)fmem;
	(void)flags;
	resource = calloc(1, sizeof(*resource));
	if (!resource)
		return NULL;
	resource->bytes = frames * SIM_PAGE_BYTES;
	if (type == XENMEM_resource_grant_table && id == XENMEM_resource_grant_table_id_shared)
		rc = sim_grant_table_map(preload_host(), domid, frame, frames, prot,
					 &resource->address);
	if (rc) {
		free(resource);
		errno = -rc;
		return NULL;
	}
	*address = resource->address;
	return resource;
}

PRELOADED int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
					      xenforeignmemory_resource_handle *resource)
{
	int r = munmap(resource->address, resource->bytes);

	(void)fmem;
	free(resource);
	return r;
}

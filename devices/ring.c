/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xengnttab.h>

struct xen_mapper {
	struct ring_mapper base;
	xengnttab_handle *grants; /* NULL: this machine has no grant device */
};

static const uint32_t *xen_map(struct ring_mapper *mapper, uint32_t domid, uint32_t reference)
{
	struct xen_mapper *xen = (struct xen_mapper *)mapper;

	if (!xen->grants) {
		errno = ENODEV;
		return NULL;
	}
	return xengnttab_map_grant_ref(xen->grants, domid, reference, PROT_READ);
}

static void xen_unmap(struct ring_mapper *mapper, const uint32_t *ring)
{
	struct xen_mapper *xen = (struct xen_mapper *)mapper;

	/* the library takes no const, and does not write */
	(void)xengnttab_unmap(xen->grants, (void *)ring, 1);
}

static void xen_close(struct ring_mapper *mapper)
{
	struct xen_mapper *xen = (struct xen_mapper *)mapper;

	if (xen->grants)
		xengnttab_close(xen->grants);
	free(xen);
}

static const struct ring_mapper_ops xen_ops = {
	.map = xen_map,
	.unmap = xen_unmap,
	.close = xen_close,
};

struct ring_mapper *ring_mapper_open(void)
{
	struct xen_mapper *xen = calloc(1, sizeof(*xen));

	if (!xen)
		return NULL;
	xen->base.ops = &xen_ops;
	xen->grants = xengnttab_open(NULL, 0);
	return &xen->base;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain_fixture.h"

#include <stdio.h>
#include <stdlib.h>

/* The guest that the source described, before it has a domain here. */
static void fill(struct description *guest)
{
	struct device *vif = &guest->devices[0];

	snprintf(guest->name, sizeof(guest->name), "g1");
	snprintf(guest->uuid, sizeof(guest->uuid), UUID_1);
	snprintf(guest->xen_version, sizeof(guest->xen_version), "4.17");
	snprintf(guest->start_time, sizeof(guest->start_time), "1700000000.5");
	guest->type = GUEST_PVH;
	guest->vcpus = 2;
	guest->vcpus_online[0] = 0x1;
	guest->create_flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off;
	guest->emulation_flags = XEN_X86_EMU_LAPIC;
	guest->pages_max = 24832;
	guest->pages_now = 24592;
	guest->paging_pool_bytes = FAKE_PAGING_POOL_BYTES;
	guest->static_max_kib = guest->target_kib = 98304;
	guest->store_pfn = FAKE_STORE_PFN;
	guest->console_pfn = FAKE_CONSOLE_PFN;
	vif->kind = DEVICE_VIF;
	device_add_backend_node(vif, "mac", "00:16:3e:00:00:01");
	device_add_backend_node(vif, "handle", "0");
	guest->device_count = 1;
}

int domain_fixture_set_up(void **state)
{
	struct domain_fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_hypervisor_init(&f->xen);
	f->hypervisor = &f->xen.hypervisor;
	f->store = fake_store_new();
	fake_clock_init(&f->clock);
	store_write(f->store, "Domain-0", "/local/domain/0/name");
	store_mkdir(f->store, 0, STORE_PRIVATE, "/vm");
	store_mkdir(f->store, 0, STORE_PRIVATE, "/libxl");
	store_mkdir(f->store, 0, STORE_PRIVATE, "/local/domain/0/backend/vbd");
	store_mkdir(f->store, 0, STORE_PRIVATE, "/local/domain/0/backend/vif");
	store_mkdir(f->store, 0, STORE_PRIVATE, "/local/domain/0/backend/console");
	description_init(&f->guest);
	fill(&f->guest);
	*state = f;
	return 0;
}

int domain_fixture_tear_down(void **state)
{
	struct domain_fixture *f = *state;

	description_fini(&f->guest);
	fake_store_free(f->store);
	free(f);
	return 0;
}

void domain_fixture_add(struct domain_fixture *f, uint32_t domid, const char *uuid,
			const char *name)
{
	fake_hypervisor_add(&f->xen, domid, uuid);
	store_write(f->store, name, "/local/domain/%u/name", domid);
	store_write(f->store, "1", "/local/domain/%u/control/feature-suspend", domid);
}

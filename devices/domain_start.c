/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int domain_introduce(struct store *store, const struct description *guest, uint64_t store_pfn,
		     uint64_t console_pfn, struct err *err)
{
	struct domain_ports ports;
	int rc;

	/* The nodes were written from the description, before the memory came. */
	if (store_pfn != guest->store_pfn || console_pfn != guest->console_pfn)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the restored rings are at frames %#" PRIx64 " and %#" PRIx64
			       ", where the source said %#" PRIx64 " and %#" PRIx64, store_pfn,
			       console_pfn, guest->store_pfn, guest->console_pfn);
	rc = domain_read_ports(store, guest->domid, &ports, err);
	if (rc < 0)
		return rc;
	rc = store->ops->introduce(store, guest->domid, store_pfn, ports.store);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "introduce domain %u to xenstored: %s",
			       guest->domid, strerror(-rc));
	return 0;
}

int domain_unpause(struct hypervisor *hypervisor, const struct description *guest,
		   struct err *err)
{
	xc_domaininfo_t info;
	int rc = hypervisor_domain(hypervisor, guest->domid, &info, err);

	if (rc < 0)
		return rc;
	if (!(info.flags & XEN_DOMINF_paused)) /* done before a crash: Xen would say EINVAL */
		return 0;
	return hypervisor->ops->unpause(hypervisor, guest->domid, err);
}

struct settling {
	const struct description *guest;
	uint32_t console_port;
};

static int write_settled(struct store *store, void *data, struct err *err)
{
	const struct settling *settling = data;
	const struct description *guest = settling->guest;
	char port[16], ring[24];
	int rc;

	snprintf(port, sizeof(port), "%" PRIu32, settling->console_port);
	snprintf(ring, sizeof(ring), "%" PRIu64, guest->console_pfn);
	rc = store_write(store, port, "/local/domain/%u/console/port", guest->domid);
	if (rc == 0)
		rc = store_write(store, ring, "/local/domain/%u/console/ring-ref", guest->domid);
	if (rc == 0)
		rc = store_write(store, guest->name, "/local/domain/%u/name", guest->domid);
	if (rc == 0)
		rc = store_write(store, guest->name, "/vm/%s/name", guest->uuid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "xenstore: name guest %s: %s", guest->name,
			       strerror(-rc));
	return 0;
}

int domain_settle(struct hypervisor *hypervisor, struct store *store,
		  const struct description *guest, struct err *err)
{
	struct settling settling = { .guest = guest };
	struct domain_ports ports;
	int rc = domain_read_ports(store, guest->domid, &ports, err);

	if (rc < 0)
		return rc;
	settling.console_port = ports.console;
	rc = store_transaction(store, write_settled, &settling, err);
	if (rc < 0)
		return rc;
	return hypervisor->ops->claim(hypervisor, guest->domid, 0, err);
}

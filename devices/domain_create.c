/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>

#include "plug.h"
#include "xl_config.h"

#define EVENT_CHANNELS_MAX 1023 /* libxl's default; what the source had cannot be read back */
#define GRANT_TABLE_VERSION 2

static int create_domain(struct hypervisor *hypervisor, struct description *guest,
			 struct err *err)
{
	struct xen_domctl_createdomain config = {
		.flags = guest->create_flags,
		.max_vcpus = guest->vcpus,
		.max_evtchn_port = EVENT_CHANNELS_MAX,
		.max_grant_frames = -1, /* Xen's default */
		.max_maptrack_frames = -1,
		.grant_opts = XEN_DOMCTL_GRANT_version(GRANT_TABLE_VERSION),
		.arch.emulation_flags = guest->emulation_flags,
	};

	domain_uuid_bytes(guest->uuid, config.handle);
	return hypervisor->ops->create(hypervisor, &config, &guest->domid, err);
}

/* domain_examine() looked as well, but that may be long ago. */
static int check_uuid(struct hypervisor *hypervisor, struct store *store,
		      const struct description *guest, struct err *err)
{
	const struct guest_summary *same;
	struct domain_list list = { 0 };
	int rc = domain_list_read(hypervisor, store, &list, err);

	same = rc == 0 ? domain_with_uuid(&list, guest->uuid) : NULL;
	if (same)
		rc = err_set(err, ERR_REFUSED, -EEXIST, "the UUID %s is taken here by domain %u",
			     guest->uuid, same->domid);
	domain_list_fini(&list);
	return rc;
}

struct nodes {
	const struct description *guest;
	struct domain_ports ports;
};

static int write_nodes(struct store *store, void *data, struct err *err)
{
	const struct nodes *nodes = data;
	int rc = domain_write_nodes(store, nodes->guest, &nodes->ports, err);

	return rc < 0 ? rc : devices_write_nodes(store, nodes->guest, err);
}

static int write_config(const struct description *guest, struct err *err)
{
	char path[XL_CONFIG_PATH_MAX];

	if (!guest->config)
		return 0;
	return xl_config_write(xl_config_path(guest->domid, guest->uuid, path), guest->config,
			       guest->config_bytes, err);
}

int domain_create(struct hypervisor *hypervisor, struct store *store, struct description *guest,
		  struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor->ops;
	struct nodes nodes = { .guest = guest };
	int rc = check_uuid(hypervisor, store, guest, err);

	if (rc == 0)
		rc = create_domain(hypervisor, guest, err);
	if (rc == 0)
		rc = ops->configure(hypervisor, guest, err);
	if (rc == 0)
		rc = ops->claim(hypervisor, guest->domid, domain_pages_claimed(guest), err);
	if (rc == 0)
		rc = ops->allocate_port(hypervisor, guest->domid, &nodes.ports.store, err);
	if (rc == 0)
		rc = ops->allocate_port(hypervisor, guest->domid, &nodes.ports.console, err);
	if (rc == 0)
		rc = store_transaction(store, write_nodes, &nodes, err);
	if (rc == 0)
		rc = write_config(guest, err);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <string.h>

#include "xl_config.h"

static bool belongs_to(const xc_domaininfo_t *info, const struct description *guest)
{
	char uuid[GUEST_UUID_SIZE];

	domain_uuid_text(info->handle, uuid);
	return strcmp(uuid, guest->uuid) == 0;
}

static int remove_nodes(struct store *store, void *data, struct err *err)
{
	const struct description *const *guest = data;

	return domain_remove_nodes(store, *guest, err);
}

/* The nodes first: as long as the domain exists nobody else can be given its domid. */
int domain_destroy(struct hypervisor *hypervisor, struct store *store,
		   const struct description *guest, struct err *err)
{
	char path[XL_CONFIG_PATH_MAX];
	xc_domaininfo_t info;
	bool exists;
	int rc;

	if (guest->domid == 0) /* never created */
		return 0;
	rc = hypervisor_domain(hypervisor, guest->domid, &info, err);
	if (rc < 0 && rc != -ESRCH)
		return rc;
	exists = rc == 0;
	rc = xl_config_remove(xl_config_path(guest->domid, guest->uuid, path), err);
	if (rc < 0 || (exists && !belongs_to(&info, guest)))
		return rc;
	rc = store_transaction(store, remove_nodes, &guest, err);
	if (rc < 0 || !exists)
		return rc;
	return hypervisor->ops->destroy(hypervisor, guest->domid, err);
}

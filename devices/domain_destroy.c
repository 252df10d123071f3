/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <string.h>

#include "plug.h"
#include "xl_config.h"

#define STALE_MAX 64 /* of one guest's; what is beyond goes the next time */

static bool belongs_to(const xc_domaininfo_t *info, const struct description *guest)
{
	char uuid[GUEST_UUID_SIZE];

	domain_uuid_text(info->handle, uuid);
	return strcmp(uuid, guest->uuid) == 0;
}

/* Of domains that the guest had before this host was reset: their files are all there is. */
static int remove_stale_configs(struct hypervisor *hypervisor, const struct description *guest,
				struct err *err)
{
	uint32_t domids[STALE_MAX];
	size_t count = xl_config_find(XL_CONFIG_FOLDER, guest->uuid, domids, STALE_MAX);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++) {
		char path[XL_CONFIG_PATH_MAX];
		xc_domaininfo_t info;
		int found = hypervisor_domain(hypervisor, domids[i], &info, err);

		if (found < 0 && found != -ESRCH)
			return found;
		if (found < 0 || !belongs_to(&info, guest))
			rc = xl_config_remove(xl_config_path(domids[i], guest->uuid, path), err);
	}
	return rc;
}

static int remove_nodes(struct store *store, void *data, struct err *err)
{
	const struct description *const *guest = data;

	return domain_remove_nodes(store, *guest, err);
}

/* The nodes first: as long as the domain exists nobody else can be given its domid. */
int domain_destroy(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		   const struct description *guest, struct err *err)
{
	char path[XL_CONFIG_PATH_MAX];
	xc_domaininfo_t info;
	bool exists;
	int rc;

	if (guest->domid == 0) /* never created, or gone with a reset of the host */
		return remove_stale_configs(hypervisor, guest, err);
	rc = hypervisor_domain(hypervisor, guest->domid, &info, err);
	if (rc < 0 && rc != -ESRCH)
		return rc;
	exists = rc == 0;
	rc = xl_config_remove(xl_config_path(guest->domid, guest->uuid, path), err);
	if (rc < 0 || (exists && !belongs_to(&info, guest)))
		return rc;
	devices_await_noticed(store, clock, guest); /* not every plan has plugged them by now */
	rc = store_transaction(store, remove_nodes, &guest, err);
	if (rc < 0 || !exists)
		return rc;
	return hypervisor->ops->destroy(hypervisor, guest->domid, err);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <errno.h>

int hypervisor_domain(struct hypervisor *hypervisor, uint32_t domid, xc_domaininfo_t *info,
		      struct err *err)
{
	xc_domaininfo_t found;
	int rc = hypervisor->ops->domains(hypervisor, domid, 1, &found, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || found.domain != domid) /* Xen answers with the next one that exists */
		return err_set(err, ERR_NO_GUEST, -ESRCH, "there is no domain %u", domid);
	*info = found;
	return 0;
}

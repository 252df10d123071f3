/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>

int domain_cap(struct hypervisor *hypervisor, const struct description *guest,
	       uint32_t cap_percent, struct err *err)
{
	int rc = hypervisor->ops->schedule(hypervisor, guest->domid, 0, cap_percent, err);

	if (rc == -ESRCH) /* it is gone, and has no pace any more */
		return 0;
	return rc < 0 && rc != -EOPNOTSUPP ? err_prefix(err, rc, "guest %s", guest->name) : rc;
}

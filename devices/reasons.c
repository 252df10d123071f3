/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <errno.h>
#include <stdio.h>

int reasons_join(const struct reasons *reasons, struct err *err)
{
	size_t used = 0;

	err_set(err, reasons->list[0].code, -EPERM, "%s", "");
	for (size_t i = 0; i < reasons->count && used < sizeof(err->message); i++) {
		int wrote = snprintf(err->message + used, sizeof(err->message) - used, "%s%s",
				     i > 0 ? "; " : "", reasons->list[i].message);

		used += wrote > 0 ? (size_t)wrote : 0;
	}
	return -EPERM;
}

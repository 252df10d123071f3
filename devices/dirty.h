/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast a guest dirties its memory: log-dirty mode for a while, and nothing is moved. */
#ifndef XENFERRY_DIRTY_H
#define XENFERRY_DIRTY_H

#include "clock.h"
#include "hypervisor.h"

/* As host_ops.measure_dirt. */
int dirty_measure(struct hypervisor *hypervisor, const struct clock *clock,
		  const struct description *guest, uint64_t duration_us, uint64_t *pages,
		  uint64_t *took_us, struct err *err);

#endif

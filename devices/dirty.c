/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dirty.h"

#include <errno.h>

/* The time is that between Xen's beginning to track and its count. */
static int count(struct hypervisor *hypervisor, const struct clock *clock, uint32_t domid,
		 uint64_t duration_us, uint64_t *pages, uint64_t *took_us, struct err *err)
{
	uint64_t begun_us = clock_now_us(clock);
	int rc = clock_wait(clock, NULL, 0, begun_us + duration_us, true);

	if (rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, rc, "cancelled while dirty pages were counted");
	rc = hypervisor->ops->dirty_pages(hypervisor, domid, pages, err);
	*took_us = clock_now_us(clock) - begun_us;
	return rc;
}

int dirty_measure(struct hypervisor *hypervisor, const struct clock *clock,
		  const struct description *guest, uint64_t duration_us, uint64_t *pages,
		  uint64_t *took_us, struct err *err)
{
	struct err off_err;
	int rc = hypervisor->ops->track(hypervisor, guest->domid, true, err), off_rc;

	if (rc == -EINVAL || rc == -EBUSY)
		return err_set(err, ERR_REFUSED, -EBUSY,
			       "guest %s's dirty pages are being tracked by another tool, or were "
			       "when it was killed; end that, or migrate the guest once",
			       guest->name);
	if (rc < 0)
		return rc;
	rc = count(hypervisor, clock, guest->domid, duration_us, pages, took_us, err);
	off_rc = hypervisor->ops->track(hypervisor, guest->domid, false, &off_err);
	if (rc == 0 && off_rc < 0) {
		rc = off_rc;
		*err = off_err;
	}
	return rc;
}

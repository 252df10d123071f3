/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest suspends itself: it is asked by a node, acknowledges by emptying it, and some time later
 * Xen says that it has shut down to suspend. Only Xen is asked whether it has: the node matters
 * when it has not in time, and until then xenstored's time is the guest's. Polled, not watched: for
 * a watch the library starts a thread, and @releaseDomain does not come when an earlier resume was
 * not told to xenstored.
 */
#include "domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define LOOK_EVERY_US 2000 /* a hypercall, some microseconds */
#define GRACE_MS 5000      /* for a guest that acknowledged, and so will suspend all the same */
#define LATE_MS 2000       /* when nobody knows whether it has acknowledged: a worker died */

#define REQUEST "/local/domain/%u/control/shutdown"

/* ---- the request ---- */

static bool is_requested(struct store *store, uint32_t domid)
{
	CLEANUP_FREE char *value = store_read(store, REQUEST, domid);

	return value && strcmp(value, "suspend") == 0;
}

static int request(struct store *store, const struct description *guest, struct err *err)
{
	CLEANUP_FREE char *pending = store_read(store, REQUEST, guest->domid);
	int rc;

	if (pending && *pending) /* not quoted: the guest may write it */
		return err_set(err, ERR_REFUSED, -EBUSY,
			       "guest %s has been asked to shut down, reboot or suspend by "
			       "another tool; wait for that, or withdraw it", guest->name);
	rc = store_write(store, "suspend", REQUEST, guest->domid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "ask guest %s to suspend: xenstore: %s",
			       guest->name, strerror(-rc));
	return 0;
}

struct withdrawal {
	uint32_t domid;
	bool done; /* false: there was nothing to withdraw, or the guest acknowledged it first */
};

static int write_withdrawal(struct store *store, void *data, struct err *err)
{
	struct withdrawal *withdrawal = data;
	int rc;

	withdrawal->done = is_requested(store, withdrawal->domid);
	if (!withdrawal->done)
		return 0;
	rc = store_write(store, "", REQUEST, withdrawal->domid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "take the suspend request back: xenstore: %s",
			       strerror(-rc));
	return 0;
}

static int withdraw(struct store *store, uint32_t domid, bool *withdrawn, struct err *err)
{
	struct withdrawal withdrawal = { .domid = domid };
	int rc = 0;

	if (is_requested(store, domid)) /* or else the guest is kept waiting for nothing */
		rc = store_transaction(store, write_withdrawal, &withdrawal, err);
	if (rc == 0)
		*withdrawn = withdrawal.done;
	return rc;
}

/* ---- waiting ---- */

struct waiting {
	struct hypervisor *hypervisor;
	struct store *store;
	const struct clock *clock;
	const struct description *guest;
};

/* Returns 1 when the guest is suspended, 0 when not yet, -ESHUTDOWN when it went another way. */
static int look(const struct waiting *waiting, struct err *err)
{
	const struct description *guest = waiting->guest;
	xc_domaininfo_t info;
	int rc = hypervisor_domain(waiting->hypervisor, guest->domid, &info, err);

	if (rc < 0)
		return err_prefix(err, rc, "guest %s", guest->name);
	if (info.flags & XEN_DOMINF_dying)
		return err_set(err, ERR_FAILED, -ESHUTDOWN,
			       "guest %s was destroyed while it was asked to suspend", guest->name);
	if (domain_is_suspended(&info))
		return 1;
	if (info.flags & XEN_DOMINF_shutdown)
		return err_set(err, ERR_FAILED, -ESHUTDOWN,
			       "guest %s shut down (%s) when it was asked to suspend", guest->name,
			       domain_shutdown_reason(&info));
	return 0;
}

/* As look(), until `deadline_us`; -ECANCELED when `cancellable` and a cancel request is pending. */
static int wait_suspended(const struct waiting *waiting, uint64_t deadline_us, bool cancellable,
			  struct err *err)
{
	for (;;) {
		uint64_t now_us = clock_now_us(waiting->clock);
		int rc = look(waiting, err);

		if (rc != 0 || now_us >= deadline_us)
			return rc;
		if (clock_wait(waiting->clock, NULL, 0, now_us + LOOK_EVERY_US, cancellable) < 0)
			return err_set(err, ERR_CANCELLED, -ECANCELED,
				       "cancelled while guest %s was asked to suspend",
				       waiting->guest->name);
	}
}

/* Past the deadline: takes the request back, or waits for what can no longer be taken back. */
static int give_up(const struct waiting *waiting, struct err *err)
{
	const char *name = waiting->guest->name;
	bool withdrawn = false;
	int rc = withdraw(waiting->store, waiting->guest->domid, &withdrawn, err);

	if (rc < 0)
		return rc;
	if (withdrawn)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       "guest %s did not answer the request to suspend in time; it was "
			       "taken back. Is the guest too busy, or hung?", name);
	rc = wait_suspended(waiting, clock_after_ms(waiting->clock, GRACE_MS), false,
			    err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "guest %s suspended, but too late",
			       name);
	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
		       "guest %s acknowledged the request to suspend, but did not do it in time; "
		       "its console may say why", name);
}

int domain_suspend(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		   const struct description *guest, uint64_t deadline_us,
		   uint64_t *suspended_at_us, struct err *err)
{
	struct waiting waiting = {
		.hypervisor = hypervisor,
		.store = store,
		.clock = clock,
		.guest = guest,
	};
	int rc = request(store, guest, err);

	if (rc < 0)
		return rc;
	rc = wait_suspended(&waiting, deadline_us, true, err);
	if (rc == 0)
		return give_up(&waiting, err);
	if (rc < 0)
		return rc;
	*suspended_at_us = clock_now_us(clock);
	return 0;
}

/* ---- resuming ---- */

/*
 * As look(), of a guest that may yet suspend: a request that cannot be taken back may be answered
 * already.
 */
static int settle_request(const struct waiting *waiting, struct err *err)
{
	bool withdrawn = false;
	int rc = withdraw(waiting->store, waiting->guest->domid, &withdrawn, err);

	if (rc < 0 || withdrawn)
		return rc;
	return wait_suspended(waiting, clock_after_ms(waiting->clock, LATE_MS), false, err);
}

int domain_resume(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		  const struct description *guest, struct err *err)
{
	const struct waiting waiting = { hypervisor, store, clock, guest };
	bool withdrawn;
	int rc = look(&waiting, err);

	/* A suspended guest is away: xenstored, whose answers take time, is asked afterwards. */
	if (rc == 0)
		rc = settle_request(&waiting, err);
	if (rc == 1)
		rc = hypervisor->ops->resume(hypervisor, guest->domid, err);
	if (rc == -ESHUTDOWN) /* it went another way, and stays there */
		return 0;
	if (rc < 0)
		return rc;
	/* Always, also when a crash came between the two: or nobody hears of the next suspend. */
	rc = store->ops->resume(store, guest->domid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "tell xenstored that guest %s goes on: %s",
			       guest->name, strerror(-rc));
	/* One that suspended without an acknowledgement would else be asked again. */
	return withdraw(store, guest->domid, &withdrawn, err);
}

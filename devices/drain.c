/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points in the order in which a migration comes here: drain_open() before the copy,
 * drain_check() just before the suspend, drain_wait() after it, drain_close().
 */
#include "drain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "disk.h"
#include "plug.h"
#include "xenbus.h"

#define QUEUES_MAX 64 /* rings of one VBD; blkback's default is one a CPU, four at most */
#define PAGE_ORDER_MAX 4 /* XENBUS_MAX_RING_GRANT_ORDER, Linux 6.1 */
#define RING_POLL_US 200 /* between two looks into rings */
#define COUNTERS_POLL_US 2000 /* between two looks at counters */
#define QUIET_LOOKS 3 /* as many without a change, and a queue counts as drained */
#define SAMPLE_US 20000 /* the shortest time to measure a rate over */

/* One VBD: by its rings when there are any, else by its block device. */
struct queue {
	const struct device *device;
	const uint32_t *rings[QUEUES_MAX];
	unsigned ring_count;
	unsigned major, minor;
	uint64_t started; /* the backend's counters at the last look */
	unsigned quiet; /* looks without a change */
};

struct drain {
	struct site site;
	uint32_t domid;
	struct ring_mapper *mapper;
	struct queue queues[GUEST_DEVICES_MAX];
	size_t count;
};

/* ---- finding the rings ---- */

static void unmap_rings(struct drain *drain, struct queue *queue)
{
	while (queue->ring_count > 0)
		drain->mapper->ops->unmap(drain->mapper, queue->rings[--queue->ring_count]);
}

/* Maps the first page of one ring, which has the indices; `folder`: "", or "/queue-N". */
static bool map_ring(struct drain *drain, struct queue *queue, const char *folder)
{
	const struct xenbus bus = xenbus_of(drain->domid, queue->device);
	struct store *store = drain->site.store;
	int64_t order = store_read_integer(store, 0, "%s/ring-page-order", bus.frontend);
	int64_t reference;

	if (order < 0 || order > PAGE_ORDER_MAX)
		return false;
	reference = store_read_integer(store, -1, "%s%s/ring-ref%s", bus.frontend, folder,
				       order > 0 ? "0" : "");
	if (reference < 0 || reference > UINT32_MAX)
		return false;
	queue->rings[queue->ring_count] =
		drain->mapper->ops->map(drain->mapper, drain->domid, (uint32_t)reference);
	if (!queue->rings[queue->ring_count])
		return false;
	queue->ring_count++;
	return true;
}

/*
 * Maps all rings of a VBD, or none. The numbers are the guest's own: it can only lead itself
 * astray, since Xen maps no page but what it granted, and only its own disks are looked at.
 */
static void map_rings(struct drain *drain, struct queue *queue)
{
	const struct xenbus bus = xenbus_of(drain->domid, queue->device);
	int64_t queues =
		store_read_integer(drain->site.store, 1, "%s/multi-queue-num-queues", bus.frontend);
	char folder[32] = "";

	if (queues < 1 || queues > QUEUES_MAX)
		return;
	for (int64_t i = 0; i < queues; i++) {
		if (queues > 1)
			snprintf(folder, sizeof(folder), "/queue-%" PRId64, i);
		if (!map_ring(drain, queue, folder)) {
			unmap_rings(drain, queue);
			return;
		}
	}
}

/* Finds the rings, or else the block device, of every VBD. */
static int find_queues(struct drain *drain, struct err *err)
{
	for (size_t i = 0; i < drain->count; i++) {
		struct queue *queue = &drain->queues[i];
		struct disk_counters counters;
		char label[64];

		unmap_rings(drain, queue);
		map_rings(drain, queue);
		if (queue->ring_count > 0)
			continue;
		if (disk_number(drain->site.store, drain->domid, queue->device, &queue->major,
				&queue->minor) ||
		    disk_read_counters(drain->site.sys_dir, queue->major, queue->minor, &counters))
			return err_set(err, ERR_REFUSED, -EOPNOTSUPP,
				       "%s: neither its ring nor its block device can be "
				       "watched: is it connected?",
				       device_label(queue->device, label, sizeof(label)));
	}
	return 0;
}

int site_drain_open(const struct site *site, const struct description *guest,
		    struct ring_mapper *mapper, struct drain **drain, struct err *err)
{
	const struct devices vbds = devices_of(guest, 1u << DEVICE_VBD);
	struct drain *opened = mapper ? calloc(1, sizeof(*opened)) : NULL;
	int rc;

	if (!opened) {
		if (mapper)
			mapper->ops->close(mapper);
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	}
	opened->site = *site;
	opened->domid = guest->domid;
	opened->mapper = mapper;
	for (; opened->count < vbds.count; opened->count++)
		opened->queues[opened->count].device = vbds.list[opened->count];
	rc = find_queues(opened, err);
	if (rc) {
		drain_close(opened);
		return rc;
	}
	*drain = opened;
	return 0;
}

int drain_open(struct store *store, const struct clock *clock, const struct description *guest,
	       struct drain **drain, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_drain_open(&site, guest, ring_mapper_open(), drain, err);
}

void drain_close(struct drain *drain)
{
	if (!drain)
		return;
	for (size_t i = 0; i < drain->count; i++)
		unmap_rings(drain, &drain->queues[i]);
	drain->mapper->ops->close(drain->mapper);
	free(drain);
}

/* ---- looking ---- */

/* `completed` wraps: only the difference of two of them means something. */
struct sample {
	uint64_t outstanding;
	uint32_t completed;
};

static struct sample look_at_rings(const struct queue *queue)
{
	struct sample sample = { 0 };

	for (unsigned i = 0; i < queue->ring_count; i++) {
		/* responses first: never fewer outstanding than there are */
		uint32_t responses = ring_read(queue->rings[i], RING_RSP_PROD);
		uint32_t requests = ring_read(queue->rings[i], RING_REQ_PROD);

		sample.outstanding += requests - responses;
		sample.completed += responses;
	}
	return sample;
}

static struct sample look(const struct drain *drain, const struct queue *queue)
{
	struct disk_counters counters;

	if (queue->ring_count > 0)
		return look_at_rings(queue);
	/* what cannot be read is not drained */
	if (disk_read_counters(drain->site.sys_dir, queue->major, queue->minor, &counters))
		return (struct sample){ .outstanding = 1 };
	return (struct sample){ .outstanding = counters.outstanding,
				.completed = (uint32_t)counters.completed };
}

static bool is_drained(const struct drain *drain, struct queue *queue)
{
	struct sample sample = look(drain, queue);
	uint64_t started;

	if (queue->ring_count > 0)
		return sample.outstanding == 0;
	if (queue->quiet >= QUIET_LOOKS)
		return true;
	started = disk_requests_started(drain->site.sys_dir, drain->domid, queue->device);
	queue->quiet = sample.outstanding == 0 && started == queue->started ? queue->quiet + 1 : 0;
	queue->started = started;
	return queue->quiet >= QUIET_LOOKS;
}

static int not_drained(const struct drain *drain, const struct queue *queue, const char *sentence,
		       struct err *err)
{
	char label[64];

	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "%s: %" PRIu64 " requests outstanding, %s",
		       device_label(queue->device, label, sizeof(label)),
		       look(drain, queue).outstanding, sentence);
}

/* ---- waiting ---- */

static int pause_until(const struct drain *drain, uint64_t us, uint64_t deadline_us,
		       struct err *err)
{
	uint64_t until_us = clock_now_us(drain->site.clock) + us;

	if (until_us > deadline_us)
		until_us = deadline_us;
	if (clock_wait(drain->site.clock, NULL, 0, until_us, true) < 0)
		return err_set(err, ERR_CANCELLED, -ECANCELED,
			       "cancelled while the disks were waited for");
	return 0;
}

/* Whether what is outstanding fits `drain_ms` at the rate since `start`, `elapsed_us` ago. */
static bool fits(const struct drain *drain, const struct queue *queue, const struct sample *start,
		 uint64_t elapsed_us, uint32_t drain_ms)
{
	const struct sample now = look(drain, queue);
	uint32_t completed = now.completed - start->completed;

	if (now.outstanding == 0)
		return true;
	/* divided as real numbers: the guest may have made the indices anything */
	return completed > 0 && (double)now.outstanding * (double)elapsed_us / completed <=
					(double)drain_ms * 1000.0;
}

int drain_check(struct drain *drain, uint32_t drain_ms, uint64_t deadline_us, struct err *err)
{
	struct sample start[GUEST_DEVICES_MAX];
	uint64_t start_us = clock_now_us(drain->site.clock);
	/* a guest may have connected its disks anew since drain_open() */
	int rc = find_queues(drain, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < drain->count; i++)
		start[i] = look(drain, &drain->queues[i]);
	for (;;) {
		uint64_t now_us = clock_now_us(drain->site.clock);
		size_t i = 0;

		while (i < drain->count &&
		       fits(drain, &drain->queues[i], &start[i], now_us - start_us, drain_ms))
			i++;
		if (i == drain->count)
			return 0;
		if (now_us >= deadline_us)
			return not_drained(drain, &drain->queues[i],
					   "too many to suspend the guest now: try again when its "
					   "disk is less busy, or with a larger drain-ms",
					   err);
		rc = pause_until(drain, SAMPLE_US, deadline_us, err);
		if (rc < 0)
			return rc;
	}
}

int drain_wait(struct drain *drain, uint64_t deadline_us, struct err *err)
{
	int rc;

	for (size_t i = 0; i < drain->count; i++)
		drain->queues[i].quiet = 0;
	for (;;) {
		const struct queue *busy = NULL;
		uint64_t poll_us = RING_POLL_US;

		for (size_t i = 0; i < drain->count; i++) {
			if (is_drained(drain, &drain->queues[i]))
				continue;
			busy = busy ? busy : &drain->queues[i];
			if (drain->queues[i].ring_count == 0)
				poll_us = COUNTERS_POLL_US;
		}
		if (!busy)
			return 0;
		if (clock_now_us(drain->site.clock) >= deadline_us)
			return not_drained(drain, busy,
					   "its disk is too slow to hand over: try again when it "
					   "is less busy, or with a larger drain-ms",
					   err);
		rc = pause_until(drain, poll_us, deadline_us, err);
		if (rc < 0)
			return rc;
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every host has an area of its own, by its host-id, and is the only one that writes there: shared
 * storage knows no compare-and-swap.
 */
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file_lock.h"
#include "lease_area.h"

#define TURN_MS 3000 /* less than a worker waits for its child, so that the reason is heard */

/* Past the page cache: what another host wrote, and what is still there when this one is not. */
static int open_storage(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_DSYNC | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint8_t *new_area(void)
{
	void *area = NULL;

	if (posix_memalign(&area, LEASE_SECTOR_BYTES, LEASE_AREA_BYTES) != 0)
		return NULL;
	memset(area, 0, LEASE_AREA_BYTES);
	return area;
}

static int read_area(int fd, uint32_t host_id, uint8_t *area)
{
	ssize_t got = pread(fd, area, LEASE_AREA_BYTES, (off_t)((host_id - 1) * LEASE_AREA_BYTES));

	if (got < 0)
		return -errno;
	/* a file that has not grown to there */
	memset(area + got, 0, LEASE_AREA_BYTES - (size_t)got);
	return 0;
}

static bool is_of_peer(const struct lease_fact *fact, const struct arbiter_setup *setup)
{
	return memcmp(fact->job, setup->job->id, sizeof(fact->job)) == 0 &&
	       fact->side != setup->record->side;
}

static void find_in(const uint8_t *area, uint32_t host_id, const struct arbiter_setup *setup,
		    uint64_t *newest, struct lease_entry *found)
{
	for (size_t i = 0; i < LEASE_AREA_ENTRIES; i++) {
		struct lease_fact fact;

		if (!lease_area_read(area, i, &fact) || !is_of_peer(&fact, setup) ||
		    fact.number < *newest)
			continue;
		*newest = fact.number;
		*found = (struct lease_entry){ host_id, fact.outcome };
	}
}

static int find(const struct arbiter_setup *setup, struct lease_entry *found)
{
	const struct config *config = setup->config;
	CLEANUP_FD int fd = open_storage(config->arbiter_lease, O_RDONLY);
	CLEANUP_FREE uint8_t *area = new_area();
	uint64_t newest = 0;

	if (fd < 0 || !area)
		return fd < 0 ? fd : -ENOMEM;
	for (uint32_t id = 1; id <= CONFIG_HOST_ID_MAX; id++) {
		int rc = id == config->host_id ? 0 : read_area(fd, id, area);

		if (rc < 0)
			return rc;
		if (id != config->host_id)
			find_in(area, id, setup, &newest, found);
	}
	return 0;
}

static int put(const struct arbiter_setup *setup, enum outcome outcome)
{
	const struct config *config = setup->config;
	CLEANUP_FD int fd = open_storage(config->arbiter_lease, O_RDWR);
	CLEANUP_FREE uint8_t *area = new_area();
	struct lease_fact fact = { .side = setup->record->side, .outcome = outcome };
	size_t index;
	off_t at;
	int rc;

	if (fd < 0 || !area)
		return fd < 0 ? fd : -ENOMEM;
	rc = read_area(fd, config->host_id, area);
	if (rc < 0)
		return rc;
	memcpy(fact.job, setup->job->id, sizeof(fact.job));
	index = lease_area_put(area, &fact);
	at = (off_t)((config->host_id - 1) * LEASE_AREA_BYTES + index * LEASE_SECTOR_BYTES);
	errno = EIO; /* of a part */
	return pwrite(fd, area + index * LEASE_SECTOR_BYTES, LEASE_SECTOR_BYTES, at) ==
	       LEASE_SECTOR_BYTES ? 0 : -errno;
}

/* ---- either, with the reason ---- */

static int say_why(const struct arbiter_setup *setup, int rc, struct err *err)
{
	const char *path = setup->config->arbiter_lease;

	if (rc == -EINVAL)
		return err_set(err, ERR_FAILED, rc,
			       "the lease %s is on storage without O_DIRECT: hosts would read what "
			       "they remember and not what is there", path);
	return err_set(err, ERR_FAILED, rc, "the lease %s: %s", path, strerror(-rc));
}

/* Workers of this host take turns; it is ours until *turn is closed. */
static int take_turn(const struct arbiter_setup *setup, int *turn, struct err *err)
{
	char path[CONFIG_PATH_MAX + 16];
	CLEANUP_FD int fd = -1;
	int rc;

	snprintf(path, sizeof(path), "%s/lease.lock", setup->config->state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	rc = file_lock_until(fd, setup->clock, clock_after_ms(setup->clock, TURN_MS));
	if (rc == -EBUSY)
		return err_set(err, ERR_FAILED, -EBUSY,
			       "the lease %s: another worker of this host has been at it for %d s; "
			       "see whether that storage answers, and who has %s open",
			       setup->config->arbiter_lease, TURN_MS / 1000, path);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "lock %s: %s", path, strerror(-rc));
	*turn = steal_fd(&fd);
	return 0;
}

int lease_find(const struct arbiter_setup *setup, struct lease_entry *entry, struct err *err)
{
	struct lease_entry found = { .outcome = OUTCOME_UNDECIDED };
	int rc = find(setup, &found);

	if (rc < 0)
		return say_why(setup, rc, err);
	*entry = found;
	return 0;
}

int lease_put(const struct arbiter_setup *setup, enum outcome outcome, struct err *err)
{
	CLEANUP_FD int turn = -1;
	int rc = take_turn(setup, &turn, err);

	if (rc < 0)
		return rc;
	rc = put(setup, outcome);
	return rc < 0 ? say_why(setup, rc, err) : 0;
}

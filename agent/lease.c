/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every host has an area of its own, by its host-id, and is the only one that writes there: shared
 * storage knows no compare-and-swap. An area has a few entries, one a sector, each of one job; the
 * oldest is written over. Numbers are big-endian.
 */
#include "lease.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cleanup.h"

#define SECTOR_BYTES 4096 /* what any disk writes at once; an entry is within its first 512 */
#define AREA_ENTRIES 16
#define AREA_BYTES ((size_t)SECTOR_BYTES * AREA_ENTRIES)

struct entry {
	char magic[8];
	uint8_t job[WIRE_ID_BYTES];
	uint64_t number;    /* grows with every entry of this host */
	uint64_t side;      /* enum side, of this host in that job */
	uint64_t outcome;   /* enum outcome */
	uint64_t checksum;  /* of all above */
};

static const char entry_magic[8] = { 'X', 'F', 'L', 'E', 'A', 'S', 'E', '1' };

/* FNV-1a: against a torn sector, not against an enemy, who could write the guest's disk as well. */
static uint64_t checksum(const struct entry *entry)
{
	const uint8_t *bytes = (const uint8_t *)entry;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(struct entry, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static bool is_whole(const struct entry *entry)
{
	return memcmp(entry->magic, entry_magic, sizeof(entry_magic)) == 0 &&
	       be64toh(entry->checksum) == checksum(entry) && be64toh(entry->side) <= SIDE_TARGET &&
	       be64toh(entry->outcome) <= OUTCOME_NEVER;
}

static struct entry entry_at(const uint8_t *area, size_t index)
{
	struct entry entry;

	memcpy(&entry, area + index * SECTOR_BYTES, sizeof(entry));
	return entry;
}

/* Past the page cache: what another host wrote, and what is still there when this one is not. */
static int open_storage(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_DSYNC | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint8_t *new_area(void)
{
	void *area = NULL;

	if (posix_memalign(&area, SECTOR_BYTES, AREA_BYTES) != 0)
		return NULL;
	memset(area, 0, AREA_BYTES);
	return area;
}

static int read_area(int fd, uint32_t host_id, uint8_t *area)
{
	ssize_t got = pread(fd, area, AREA_BYTES, (off_t)((host_id - 1) * AREA_BYTES));

	if (got < 0)
		return -errno;
	memset(area + got, 0, AREA_BYTES - (size_t)got); /* a file that has not grown to there */
	return 0;
}

static bool is_of_peer(const struct entry *entry, const struct arbiter_setup *setup)
{
	return is_whole(entry) &&
	       memcmp(entry->job, setup->job->id, sizeof(entry->job)) == 0 &&
	       be64toh(entry->side) != setup->record->side;
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

		for (size_t i = 0; rc == 0 && id != config->host_id && i < AREA_ENTRIES; i++) {
			struct entry entry = entry_at(area, i);

			if (!is_of_peer(&entry, setup) || be64toh(entry.number) < newest)
				continue;
			newest = be64toh(entry.number);
			found->host_id = id;
			found->outcome = (enum outcome)be64toh(entry.outcome);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The job's entry, or the oldest; *number is the next. */
static size_t choose(const uint8_t *area, const uint8_t *job, uint64_t *number)
{
	uint64_t oldest = UINT64_MAX;
	size_t chosen = 0;
	bool own = false;

	*number = 1;
	for (size_t i = 0; i < AREA_ENTRIES; i++) {
		struct entry entry = entry_at(area, i);
		uint64_t its = is_whole(&entry) ? be64toh(entry.number) : 0;
		bool same = its > 0 && memcmp(entry.job, job, sizeof(entry.job)) == 0;

		if (its >= *number)
			*number = its + 1;
		if (same || (!own && its < oldest))
			chosen = i;
		oldest = its < oldest ? its : oldest;
		own |= same;
	}
	return chosen;
}

static int put(const struct arbiter_setup *setup, enum outcome outcome)
{
	const struct config *config = setup->config;
	CLEANUP_FD int fd = open_storage(config->arbiter_lease, O_RDWR);
	CLEANUP_FREE uint8_t *area = new_area();
	struct entry entry = { .side = htobe64(setup->record->side),
			       .outcome = htobe64(outcome) };
	uint64_t number;
	size_t index;
	off_t at;
	int rc;

	if (fd < 0 || !area)
		return fd < 0 ? fd : -ENOMEM;
	rc = read_area(fd, config->host_id, area);
	if (rc < 0)
		return rc;
	index = choose(area, setup->job->id, &number);
	memcpy(entry.magic, entry_magic, sizeof(entry.magic));
	memcpy(entry.job, setup->job->id, sizeof(entry.job));
	entry.number = htobe64(number);
	entry.checksum = htobe64(checksum(&entry));
	memset(area, 0, SECTOR_BYTES);
	memcpy(area, &entry, sizeof(entry));
	at = (off_t)((config->host_id - 1) * AREA_BYTES + index * SECTOR_BYTES);
	errno = EIO; /* of a part */
	return pwrite(fd, area, SECTOR_BYTES, at) == SECTOR_BYTES ? 0 : -errno;
}

/* Workers of this host take turns. */
static int put_in_turn(const struct arbiter_setup *setup, enum outcome outcome)
{
	char path[CONFIG_PATH_MAX + 16];
	CLEANUP_FD int lock = -1;

	snprintf(path, sizeof(path), "%s/lease.lock", setup->config->state_dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return -errno;
	return put(setup, outcome);
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
	int rc = put_in_turn(setup, outcome);

	return rc < 0 ? say_why(setup, rc, err) : 0;
}

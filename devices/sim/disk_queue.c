/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define SECTOR_BYTES 512

struct disk {
	struct disks *all;
	uint32_t minor;
	int fd; /* -1: nobody has it */
	unsigned users;
	uint64_t sectors;
	uint64_t idle_us;           /* when the last request will have passed through */
	struct disk_request *first; /* in the order in which they are due */
	size_t count;
	uint32_t reading, writing;
	uint64_t reads, writes;
	bool changed; /* since sysfs was told */
};

struct disks {
	struct sim_host *host;
	struct disk_costs costs;
	struct disk list[SIM_DISKS_MAX]; /* by minor */
};

struct disks *disks_new(struct sim_host *host, const struct disk_costs *costs)
{
	struct disks *disks = calloc(1, sizeof(*disks));

	if (!disks)
		return NULL;
	disks->host = host;
	disks->costs = *costs;
	for (uint32_t i = 0; i < SIM_DISKS_MAX; i++) {
		disks->list[i].all = disks;
		disks->list[i].minor = i;
		disks->list[i].fd = -1;
	}
	return disks;
}

/* ---- getting one ---- */

int disk_get(struct disks *disks, const char *path, struct disk **disk, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	struct disk *found;
	uint32_t minor;

	if (fd < 0 || fstat(fd, &status) < 0)
		return err_errno(err, "open the disk %s", path);
	if (!sim_disk_find(disks->host, status.st_dev, status.st_ino, &minor) ||
	    minor >= SIM_DISKS_MAX)
		return err_set(err, ERR_FAILED, -ENODEV,
			       "%s is no disk of this host: put it into the folder of disks", path);
	found = &disks->list[minor];
	if (found->fd < 0) {
		found->fd = steal_fd(&fd);
		found->sectors = (uint64_t)status.st_size / SECTOR_BYTES;
	}
	found->users++;
	*disk = found;
	return 0;
}

static void close_unused(struct disk *disk)
{
	if (disk->users > 0 || disk->first || disk->fd < 0)
		return;
	close(disk->fd);
	disk->fd = -1;
}

void disk_put(struct disk *disk)
{
	disk->users--;
	close_unused(disk);
}

uint32_t disk_minor(const struct disk *disk)
{
	return disk->minor;
}

uint64_t disk_sectors(const struct disk *disk)
{
	return disk->sectors;
}

/* ---- requests ---- */

static uint32_t *counter_of(struct disk *disk, const struct disk_request *request)
{
	return request->operation == DISK_READ ? &disk->reading : &disk->writing;
}

int disk_submit(struct disk *disk, struct disk_request *request, uint64_t now_us)
{
	const struct disk_costs *costs = &disk->all->costs;
	struct disk_request **place = &disk->first;

	if (disk->count >= DISK_REQUESTS_MAX)
		return -EBUSY;
	/* one after another through what is narrow, all at once through what is only long */
	if (disk->idle_us < now_us)
		disk->idle_us = now_us;
	if (costs->bytes_per_s)
		disk->idle_us += request->bytes * 1000000 / costs->bytes_per_s;
	request->due_us = disk->idle_us + costs->latency_us;
	while (*place && (*place)->due_us <= request->due_us)
		place = &(*place)->next;
	request->next = *place;
	*place = request;
	disk->count++;
	++*counter_of(disk, request);
	disk->changed = true;
	return 0;
}

void disk_silence(struct disk *disk, const void *owner)
{
	for (struct disk_request *request = disk->first; request; request = request->next)
		if (request->owner == owner)
			request->done = NULL;
}

size_t disk_under_way(const struct disk *disk, const void *owner)
{
	size_t count = 0;

	for (const struct disk_request *request = disk->first; request; request = request->next)
		count += request->owner == owner;
	return count;
}

void disk_disown(struct disk *disk, const void *owner)
{
	disk_silence(disk, owner);
	for (struct disk_request *request = disk->first; request; request = request->next)
		if (request->owner == owner)
			request->owner = NULL;
}

static int perform(const struct disk *disk, struct disk_request *request)
{
	uint64_t size = disk->sectors * SECTOR_BYTES;
	ssize_t done = 0;

	if (request->offset > size || request->bytes > size - request->offset)
		return -EINVAL;
	if (request->operation == DISK_READ)
		done = pread(disk->fd, request->data, request->bytes, (off_t)request->offset);
	else if (request->operation == DISK_WRITE)
		done = pwrite(disk->fd, request->data, request->bytes, (off_t)request->offset);
	if (done < 0)
		return -errno;
	return (size_t)done == request->bytes ? 0 : -EIO;
}

static void complete_first(struct disk *disk)
{
	struct disk_request *request = disk->first;
	int rc = perform(disk, request);

	disk->first = request->next;
	disk->count--;
	--*counter_of(disk, request);
	if (request->operation == DISK_READ)
		disk->reads++;
	else
		disk->writes++;
	disk->changed = true;
	if (request->done)
		request->done(request, rc);
	free(request);
}

static void report(struct disk *disk)
{
	if (!disk->changed)
		return;
	disk->changed = false;
	(void)sim_disk_report(disk->all->host, disk->minor, disk->reading, disk->writing,
			      disk->reads, disk->writes);
}

void disks_work(struct disks *disks, uint64_t now_us)
{
	for (uint32_t i = 0; i < SIM_DISKS_MAX; i++) {
		struct disk *disk = &disks->list[i];

		while (disk->first && disk->first->due_us <= now_us)
			complete_first(disk);
		report(disk);
		close_unused(disk);
	}
}

uint64_t disks_due_us(const struct disks *disks)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < SIM_DISKS_MAX; i++)
		if (disks->list[i].first && disks->list[i].first->due_us < first)
			first = disks->list[i].first->due_us;
	return first;
}

void disks_free(struct disks *disks)
{
	if (!disks)
		return;
	for (uint32_t i = 0; i < SIM_DISKS_MAX; i++) {
		struct disk *disk = &disks->list[i];

		for (struct disk_request *request = disk->first; request; request = request->next)
			request->done = NULL;
		while (disk->first)
			complete_first(disk);
		if (disk->fd >= 0)
			close(disk->fd);
	}
	free(disks);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disks of a host: files that take their time. A request is under way from when it is put
 * until it is due, and only then does anything to the file, as on a disk behind a queue: whoever
 * asked may be gone by then.
 *
 * None of the functions blocks, but for reading and writing the file.
 */
#ifndef XENFERRY_SIM_DISK_QUEUE_H
#define XENFERRY_SIM_DISK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "hypervisor.h"

struct disk;
struct disks;

/* What every disk of the host costs. */
struct disk_costs {
	uint64_t latency_us;
	uint64_t bytes_per_s; /* 0: as many as there are */
};

enum disk_operation { DISK_READ, DISK_WRITE, DISK_FLUSH };

#define DISK_REQUEST_BYTES (11 * SIM_PAGE_BYTES) /* BLKIF_MAX_SEGMENTS_PER_REQUEST */
#define DISK_REQUESTS_MAX 4096 /* under way on a disk */

struct disk_request {
	enum disk_operation operation;
	uint64_t offset;
	size_t bytes; /* at most DISK_REQUEST_BYTES */
	void *owner;  /* who asked */
	/* Called when it is done, with 0 or -errno; NULL when nobody wants to know any more. */
	void (*done)(struct disk_request *request, int rc);
	uint64_t tag; /* the owner's own */
	struct disk_request *next;
	uint64_t due_us;
	uint8_t data[DISK_REQUEST_BYTES];
};

struct disks *disks_new(struct sim_host *host, const struct disk_costs *costs); /* or NULL */
/* What is under way is performed at once, answered to nobody. Accepts NULL. */
void disks_free(struct disks *disks);

/*
 * The disk that is the file at `path`, one of sim_disk_add()'s, for as long as disk_put() does not
 * give it back. -ENODEV when it is none of the host's.
 */
int disk_get(struct disks *disks, const char *path, struct disk **disk, struct err *err);
void disk_put(struct disk *disk); /* what is under way stays so */
uint32_t disk_minor(const struct disk *disk);
uint64_t disk_sectors(const struct disk *disk);

/* Takes the request over (from malloc()). -EBUSY over DISK_REQUESTS_MAX: it is then still yours. */
int disk_submit(struct disk *disk, struct disk_request *request, uint64_t now_us);
/* `owner` is told of none of its requests any more; they stay its own. */
void disk_silence(struct disk *disk, const void *owner);
size_t disk_under_way(const struct disk *disk, const void *owner);
/* Silences, and forgets whose they were: `owner` goes away. */
void disk_disown(struct disk *disk, const void *owner);

/* Performs what is due, and says in sysfs what is under way. */
void disks_work(struct disks *disks, uint64_t now_us);
uint64_t disks_due_us(const struct disks *disks); /* UINT64_MAX: nothing is under way */

#endif

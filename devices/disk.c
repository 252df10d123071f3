/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cleanup.h"
#include "disk_identity.h"
#include "xenbus.h"

#define SECTOR_BYTES 512 /* of sysfs, whatever the device's own is */
#define LINE_MAX_BYTES 512

/* Reads the one line of a file of sysfs. */
static int read_line(const char *path, char line[LINE_MAX_BYTES])
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return -errno;
	size = read(fd, line, LINE_MAX_BYTES - 1);
	if (size < 0)
		return -errno;
	line[size] = '\0';
	return 0;
}

/* Takes the next number off a line; false when there is none, or it has too many digits. */
static bool take_number(const char **cursor, int base, uint64_t *value)
{
	unsigned long long taken;
	char *end;

	errno = 0;
	taken = strtoull(*cursor, &end, base);
	if (end == *cursor || errno)
		return false;
	*cursor = end;
	*value = taken;
	return true;
}

int disk_number(struct store *store, uint32_t domid, const struct device *device, unsigned *major,
		unsigned *minor)
{
	const struct xenbus bus = xenbus_of(domid, device);
	CLEANUP_FREE char *number = store_read(store, "%s/physical-device", bus.backend);
	const char *cursor = number;
	uint64_t found_major, found_minor;

	/* "major:minor", hexadecimal: block-common.sh, write_dev() */
	if (!number || !take_number(&cursor, 16, &found_major) || *cursor++ != ':' ||
	    !take_number(&cursor, 16, &found_minor))
		return -ENOENT;
	*major = (unsigned)found_major;
	*minor = (unsigned)found_minor;
	return 0;
}

/* Reads the first `count` numbers of one of a block device's files in sysfs. */
static int read_numbers(const char *sys_dir, unsigned major, unsigned minor, const char *name,
			uint64_t *numbers, size_t count)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES];
	const char *cursor = line;
	int rc;

	snprintf(path, sizeof(path), "%s/dev/block/%u:%u/%s", sys_dir, major, minor, name);
	rc = read_line(path, line);
	for (size_t i = 0; !rc && i < count; i++)
		rc = take_number(&cursor, 10, &numbers[i]) ? 0 : -EIO;
	return rc;
}

static int block_size(const struct site *site, unsigned major, unsigned minor, uint64_t *size_bytes)
{
	uint64_t sectors;
	int rc = read_numbers(site->sys_dir, major, minor, "size", &sectors, 1);

	if (rc)
		return rc;
	if (sectors > UINT64_MAX / SECTOR_BYTES)
		return -EIO;
	*size_bytes = sectors * SECTOR_BYTES;
	return 0;
}

int disk_read_counters(const char *sys_dir, unsigned major, unsigned minor,
		       struct disk_counters *counters)
{
	/* Documentation/ABI/stable/sysfs-block, Documentation/block/stat.rst */
	enum { IN_READS, IN_WRITES, INFLIGHT_NUMBERS };
	enum { READS = 0, WRITES = 4, STAT_NUMBERS };
	uint64_t inflight[INFLIGHT_NUMBERS], totals[STAT_NUMBERS];
	int rc = read_numbers(sys_dir, major, minor, "inflight", inflight, INFLIGHT_NUMBERS);

	if (!rc)
		rc = read_numbers(sys_dir, major, minor, "stat", totals, STAT_NUMBERS);
	if (rc)
		return rc;
	counters->outstanding = inflight[IN_READS] + inflight[IN_WRITES];
	counters->completed = totals[READS] + totals[WRITES];
	return 0;
}

uint64_t disk_requests_started(const char *sys_dir, uint32_t domid, const struct device *device)
{
	/* drivers/block/xen-blkback/xenbus.c, VBD_SHOW_ALLRING */
	static const char *const names[] = { "rd_req", "wr_req", "f_req", "ds_req", "oo_req" };
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[PATH_MAX], line[LINE_MAX_BYTES];
		const char *cursor = line;
		uint64_t requests;

		snprintf(path, sizeof(path), "%s/bus/xen-backend/devices/vbd-%u-%u/statistics/%s",
			 sys_dir, domid, device->id, names[i]);
		if (read_line(path, line) == 0 && take_number(&cursor, 10, &requests))
			sum += requests;
	}
	return sum;
}

/* What stands under a VBD on this host. */
struct storage {
	enum attach attach;
	bool known; /* else only the script knows where it is, and nothing can be said of it here */
	uint64_t size_bytes;
	struct disk_identity identity;
};

/* Looks at the path that Xen's own script "block" would take. */
static int look(const struct site *site, const char *path, struct storage *storage, struct err *err)
{
	struct stat status;
	int rc;

	if (stat(path, &status) < 0)
		return err_set(err, ERR_REFUSED, -errno,
			       "%s is not on this host (%s): attach the storage here first", path,
			       strerror(errno));
	if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))
		disk_identity_read(site->sys_dir, path, &status, &storage->identity);
	if (S_ISREG(status.st_mode)) {
		storage->attach = ATTACH_LATE;
		storage->size_bytes = (uint64_t)status.st_size;
		return 0;
	}
	if (!S_ISBLK(status.st_mode))
		return err_set(err, ERR_REFUSED, -ENOTBLK,
			       "%s is neither a block device nor a file", path);
	storage->attach = ATTACH_EARLY;
	rc = block_size(site, major(status.st_rdev), minor(status.st_rdev), &storage->size_bytes);
	return rc ? err_set(err, ERR_FAILED, rc, "cannot tell the size of %s: %s", path,
			    strerror(-rc))
		  : 0;
}

static int storage_of(const struct site *site, const struct device *device, struct storage *storage,
		      struct err *err)
{
	const char *script = device_backend_node(device, "script");
	const char *params = device_backend_node(device, "params");
	const char *base = script ? strrchr(script, '/') : NULL;

	if (!params || !*params)
		return err_set(err, ERR_REFUSED, -ENOMEDIUM,
			       "the drive is empty: detach it, or insert something, first");
	*storage = (struct storage){ .attach = ATTACH_LATE, .known = true };
	if (base && strcmp(base, "/block") == 0 && params[0] == '/')
		return look(site, params, storage, err);
	/* block-drbd, block-iscsi...: such storage may allow one host at a time */
	storage->known = false;
	return 0;
}

int disk_describe(const struct site *site, uint32_t domid, struct device *device, struct err *err)
{
	struct storage storage = { .known = false };
	unsigned major, minor;
	int rc = storage_of(site, device, &storage, err);

	if (rc)
		return rc;
	if (!storage.known) {
		rc = disk_number(site->store, domid, device, &major, &minor);
		if (!rc)
			rc = block_size(site, major, minor, &storage.size_bytes);
		if (rc)
			return err_set(err, ERR_REFUSED, rc,
				       "cannot tell the size of its disk: is it connected?");
	}
	device->attach = storage.attach;
	device->size_bytes = storage.size_bytes;
	device->identity = storage.identity;
	return 0;
}

/* The same path may lead to another disk here. */
static int compare(const char *path, const struct storage *here, const struct device *there,
		   struct err *err)
{
	const char *this, *that;

	if (there->size_bytes && here->size_bytes != there->size_bytes)
		return err_set(err, ERR_REFUSED, -EINVAL,
			       "%s has %" PRIu64 " bytes here and %" PRIu64 " at the source: is it "
			       "the same disk?", path, here->size_bytes, there->size_bytes);
	if (disk_identity_differs(&here->identity, &there->identity, &this, &that))
		return err_set(err, ERR_REFUSED, -EINVAL,
			       "%s is another disk here (%s) than at the source (%s): have the "
			       "same storage under the same path on both hosts", path, this, that);
	return 0;
}

int disk_examine(const struct site *site, const struct device *device, bool late_disks,
		 struct err *err)
{
	const char *params = device_backend_node(device, "params");
	struct storage storage = { .known = false };
	int rc = storage_of(site, device, &storage, err);

	if (rc)
		return rc;
	if (!late_disks && (storage.attach == ATTACH_LATE || device->attach == ATTACH_LATE))
		return err_set(err, ERR_REFUSED, -ENOTBLK,
			       "%s is no raw block device, and must not be attached here while the "
			       "source still has it: use a plan that closes it first, plan=xenopsd",
			       params);
	return storage.known ? compare(params, &storage, device, err) : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hypervisor_state.h"

#define SECTOR_BYTES 512 /* of sysfs, whatever the device's own is */

/* ---- nodes ---- */

/* The node's path below the host's folder; -EINVAL for one that would lead out of it. */
static int node_path(const char *node, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "sys/%s", node);

	if (length >= PATH_MAX - NAME_MAX)
		return -ENAMETOOLONG;
	return strstr(node, "..") ? -EINVAL : 0;
}

static int make_parents(int folder_fd, char path[PATH_MAX])
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r;

		*slash = '\0';
		r = mkdirat(folder_fd, path, 0700);
		*slash = '/';
		if (r < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int write_file(int folder_fd, const char *path, const char *text)
{
	CLEANUP_FD int fd = openat(folder_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t size = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, size) == (ssize_t)size ? 0 : -EIO;
}

/* Beside the node under a name of this thread's own, then in its place. */
static int replace_file(int folder_fd, const char *path, const char *text)
{
	char beside[PATH_MAX];
	int rc;

	snprintf(beside, sizeof(beside), "%.*s.%d", PATH_MAX - NAME_MAX, path, gettid());
	rc = write_file(folder_fd, beside, text);
	if (!rc && renameat(folder_fd, beside, folder_fd, path) < 0) {
		rc = -errno;
		unlinkat(folder_fd, beside, 0);
	}
	return rc;
}

int sim_sys_write(struct sim_host *host, const char *node, const char *text)
{
	char path[PATH_MAX];
	int rc = node_path(node, path);

	if (!rc)
		rc = replace_file(host->folder_fd, path, text);
	if (rc != -ENOENT)
		return rc;
	rc = make_parents(host->folder_fd, path);
	return rc ? rc : replace_file(host->folder_fd, path, text);
}

static int remove_node(int parent_fd, const char *name);

static int empty_folder(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_DIR DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	while ((entry = readdir(folder))) {
		int rc = 0;

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = remove_node(fd, entry->d_name);
		if (rc)
			return rc;
	}
	return 0;
}

static int remove_node(int parent_fd, const char *name)
{
	int rc;

	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	rc = empty_folder(parent_fd, name);
	if (!rc && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

int sim_sys_remove(struct sim_host *host, const char *node)
{
	char path[PATH_MAX];
	int rc = node_path(node, path);

	return rc ? rc : remove_node(host->folder_fd, path);
}

/* ---- disks ---- */

/* The disk's slot, or a free one to take; -ENOSPC. */
static int take_disk(struct sim_host *host, dev_t device, ino_t inode)
{
	int room = -ENOSPC;

	for (int i = 0; i < SIM_DISKS_MAX; i++) {
		const struct disk *disk = &host->state->disks[i];

		if (disk->used && disk->device == device && disk->inode == inode)
			return i;
		if (!disk->used && room < 0)
			room = i;
	}
	if (room >= 0)
		host->state->disks[room] = (struct disk){ true, device, inode };
	return room;
}

bool sim_disk_find(struct sim_host *host, dev_t device, ino_t inode, uint32_t *minor)
{
	/* without the lock: a disk is added once, and never changes */
	for (uint32_t i = 0; i < SIM_DISKS_MAX; i++) {
		const struct disk *disk = &host->state->disks[i];

		if (disk->used && disk->device == device && disk->inode == inode) {
			*minor = i;
			return true;
		}
	}
	return false;
}

static int write_disk_node(struct sim_host *host, uint32_t minor, const char *name,
			   const char *text)
{
	char node[64];

	snprintf(node, sizeof(node), "dev/block/%d:%" PRIu32 "/%s", SIM_DISK_MAJOR, minor, name);
	return sim_sys_write(host, node, text);
}

int sim_disk_report(struct sim_host *host, uint32_t minor, uint32_t reading, uint32_t writing,
		    uint64_t reads, uint64_t writes)
{
	char text[160];
	int rc;

	snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu32 "\n", reading, writing);
	rc = write_disk_node(host, minor, "inflight", text);
	if (rc)
		return rc;
	/* reads, merges, sectors, ms; the same of writes; the rest: Documentation/block/stat.rst */
	snprintf(text, sizeof(text), "%" PRIu64 " 0 0 0 %" PRIu64 " 0 0 0 %" PRIu32 " 0 0\n", reads,
		 writes, reading + writing);
	return write_disk_node(host, minor, "stat", text);
}

int sim_disk_add(struct sim_host *host, const char *path, uint32_t *minor)
{
	struct stat status;
	char text[32];
	int number, rc;

	if (fstatat(AT_FDCWD, path, &status, 0) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	sim_lock(host);
	number = take_disk(host, status.st_dev, status.st_ino);
	sim_unlock(host);
	if (number < 0)
		return number;
	snprintf(text, sizeof(text), "%jd\n", (intmax_t)status.st_size / SECTOR_BYTES);
	rc = write_disk_node(host, (uint32_t)number, "size", text);
	if (!rc)
		rc = sim_disk_report(host, (uint32_t)number, 0, 0, 0, 0);
	if (!rc)
		*minor = (uint32_t)number;
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl_config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "description.h"

const char *xl_config_path(uint32_t domid, const char *uuid, char path[XL_CONFIG_PATH_MAX])
{
	snprintf(path, XL_CONFIG_PATH_MAX, XL_CONFIG_FOLDER "/userdata-d.%" PRIu32 ".%s.libxl-json",
		 domid, uuid);
	return path;
}

size_t xl_config_find(const char *folder, const char *uuid, uint32_t *domids, size_t max)
{
	CLEANUP_DIR DIR *entries = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;

	while (entries && count < max && (entry = readdir(entries))) {
		char path[XL_CONFIG_PATH_MAX];
		uint32_t domid;

		if (sscanf(entry->d_name, "userdata-d.%" SCNu32, &domid) == 1 &&
		    strcmp(entry->d_name, strrchr(xl_config_path(domid, uuid, path), '/') + 1) == 0)
			domids[count++] = domid;
	}
	return count;
}

static int read_all(int fd, uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = read(fd, bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO; /* it shrank meanwhile */
		done += (size_t)got;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t put = write(fd, bytes + done, size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		done += (size_t)put;
	}
	return 0;
}

int xl_config_read(const char *path, uint8_t **bytes, size_t *size, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	CLEANUP_FREE uint8_t *content = NULL;
	struct stat status;
	size_t length;
	int rc;

	if (fd < 0 && errno == ENOENT) {
		*bytes = NULL;
		*size = 0;
		return 0;
	}
	if (fd < 0 || fstat(fd, &status) < 0)
		return err_errno(err, "open %s", path);
	if (status.st_size < 0 || status.st_size > GUEST_CONFIG_MAX)
		return err_set(err, ERR_REFUSED, -EFBIG, "%s is larger than %d bytes", path,
			       GUEST_CONFIG_MAX);
	length = (size_t)status.st_size;
	content = malloc(length + 1); /* never of no size */
	if (!content)
		return err_errno(err, "read %s", path);
	rc = read_all(fd, content, length);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "read %s: %s", path, strerror(-rc));
	*bytes = length > 0 ? steal(content) : NULL;
	*size = length;
	return 0;
}

int xl_config_write(const char *path, const uint8_t *bytes, size_t size, struct err *err)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return err_errno(err, "create %s", path);
	rc = write_all(fd, bytes, size);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "write %s: %s", path, strerror(-rc));
	return 0;
}

int xl_config_remove(const char *path, struct err *err)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, "remove %s", path);
	return 0;
}

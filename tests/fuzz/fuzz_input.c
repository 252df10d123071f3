/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 64

static char folder[PATH_SIZE], link_path[2 * PATH_SIZE];

static void remove_folder(void)
{
	(void)unlink(link_path);
	*strrchr(link_path, '/') = '\0';
	(void)rmdir(link_path);
	(void)rmdir(folder);
}

const char *fuzz_file(const void *bytes, size_t size)
{
	static char path[PATH_SIZE];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		assert(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	assert(ftruncate(fd, 0) == 0);
	assert(pwrite(fd, bytes, size, 0) == (ssize_t)size);
	return path;
}

const char *fuzz_folder(const char *name, const void *bytes, size_t size)
{
	const char *path = fuzz_file(bytes, size);

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/dev/shm/xenferry-fuzz.XX" "XXXX");
		assert(mkdtemp(folder));
		atexit(remove_folder);
	}
	(void)unlink(link_path);
	snprintf(link_path, sizeof(link_path), "%s/%.*s", folder, (int)strcspn(name, "/"), name);
	if (strchr(name, '/'))
		(void)mkdir(link_path, 0700);
	snprintf(link_path, sizeof(link_path), "%s/%s", folder, name);
	assert(symlink(path, link_path) == 0);
	return folder;
}

int fuzz_socket(int type, const void *bytes, size_t size)
{
	int ends[2];

	assert(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	(void)!send(ends[1], bytes, size, MSG_DONTWAIT); /* more than it takes is cut off */
	shutdown(ends[1], SHUT_WR);
	close(ends[1]);
	return ends[0];
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The paths that only a Xen dom0 has: they lead into the host's folder. And the host's disks, which
 * are files that pass for block devices.
 */
#include "preload.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The folders that a simulated host has of its own; all else of /sys and /proc is the kernel's. */
static const char *const moved[] = {
	"/proc/xen", "/sys/bus/xen-backend", "/sys/dev/block", "/sys/devices/xen-backend",
};

static bool is_below(const char *path, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The path itself, or where in the host's folder (written to `buffer`) it leads. */
static const char *lead(const char *path, char buffer[PATH_MAX])
{
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		struct sim_host *host = is_below(path, moved[i]) ? preload_host() : NULL;

		if (!host)
			continue;
		/* too long for us is too long for the kernel, which will say so */
		if (snprintf(buffer, PATH_MAX, "%s%s", sim_host_folder(host), path) < PATH_MAX)
			return buffer;
	}
	return path;
}

static int open_led(const char *path, int flags, mode_t mode)
{
	char buffer[PATH_MAX];

	return openat(AT_FDCWD, lead(path, buffer), flags, mode);
}

/* The third argument is there when a file may be made. */
static mode_t mode_of(int flags, va_list arguments)
{
	bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;

	return makes ? va_arg(arguments, mode_t) : 0;
}

PRELOADED int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_led(path, flags, mode);
}

PRELOADED int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	return open_led(path, flags, mode);
}

PRELOADED int access(const char *path, int mode)
{
	char buffer[PATH_MAX];

	return faccessat(AT_FDCWD, lead(path, buffer), mode, 0);
}

/* ---- disks ---- */

PRELOADED int stat(const char *restrict path, struct stat *restrict status)
{
	char buffer[PATH_MAX];
	struct sim_host *host;
	uint32_t minor;

	if (fstatat(AT_FDCWD, lead(path, buffer), status, 0) < 0)
		return -1;
	host = S_ISREG(status->st_mode) ? preload_host() : NULL;
	if (!host || !sim_disk_find(host, status->st_dev, status->st_ino, &minor))
		return 0;
	status->st_mode = (status->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
	status->st_rdev = makedev(SIM_DISK_MAJOR, minor);
	status->st_size = 0;
	return 0;
}

/* The same for stat(1), which a hotplug script asks for a disk's number. */
PRELOADED int statx(int folder_fd, const char *restrict path, int flags, unsigned mask,
		    struct statx *restrict status)
{
	char buffer[PATH_MAX];
	struct sim_host *host;
	uint32_t minor;

	if (syscall(SYS_statx, folder_fd, lead(path, buffer), flags, mask, status) < 0)
		return -1;
	host = S_ISREG(status->stx_mode) ? preload_host() : NULL;
	if (!host || !sim_disk_find(host, makedev(status->stx_dev_major, status->stx_dev_minor),
				    status->stx_ino, &minor))
		return 0;
	status->stx_mode = (uint16_t)((status->stx_mode & ~S_IFMT) | S_IFBLK);
	status->stx_rdev_major = SIM_DISK_MAJOR;
	status->stx_rdev_minor = minor;
	status->stx_size = 0;
	return 0;
}

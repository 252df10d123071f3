/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "file_lock.h"

#define TRACKING_PATH_MAX (CONFIG_PATH_MAX + 64)

static int lock_claim(struct tracking *base, const char *guest_uuid, struct err *err)
{
	const struct tracking_lock *lock = (const struct tracking_lock *)base;
	char path[TRACKING_PATH_MAX];
	CLEANUP_FD int fd = -1;
	int rc;

	if (base->fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/tracking", lock->config->state_dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "make %s", path);
	snprintf(path, sizeof(path), "%s/tracking/%.36s", lock->config->state_dir, guest_uuid);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	rc = file_lock(fd);
	if (rc == -EBUSY)
		return err_set(err, ERR_REFUSED, -EBUSY,
			       "guest %s's dirty pages are being tracked already, by a migration "
			       "or by dirty-rate; wait until that has ended", guest_uuid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "lock %s: %s", path, strerror(-rc));
	base->fd = steal_fd(&fd);
	return 0;
}

static const struct tracking_ops lock_ops = { .claim = lock_claim };

void tracking_init(struct tracking_lock *lock, const struct config *config)
{
	*lock = (struct tracking_lock){ { &lock_ops, -1 }, config };
}

void tracking_fini(struct tracking_lock *lock)
{
	if (lock->tracking.fd >= 0)
		close(lock->tracking.fd);
	lock->tracking.fd = -1;
}

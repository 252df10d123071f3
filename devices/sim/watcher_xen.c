/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "watcher.h"

#include <errno.h>
#include <stdlib.h>
#include <xenstore.h>

#include "cleanup.h"

struct watcher_xen {
	struct watcher watcher;
	struct xs_handle *xs;
};

static struct xs_handle *handle(const struct watcher *watcher)
{
	return ((const struct watcher_xen *)watcher)->xs;
}

static int xen_add(struct watcher *watcher, const char *path, const char *token)
{
	return xs_watch(handle(watcher), path, token) ? 0 : -errno;
}

static void xen_remove(struct watcher *watcher, const char *path, const char *token)
{
	(void)xs_unwatch(handle(watcher), path, token);
}

static int xen_next(struct watcher *watcher,
		    void (*fired)(void *data, const char *path, const char *token), void *data)
{
	CLEANUP_FREE char **words = xs_check_watch(handle(watcher));

	if (!words)
		return 0;
	fired(data, words[XS_WATCH_PATH], words[XS_WATCH_TOKEN]);
	return 1;
}

static int xen_fd(const struct watcher *watcher)
{
	return xs_fileno(handle(watcher));
}

static void xen_close(struct watcher *watcher)
{
	xs_close(handle(watcher));
	free(watcher);
}

static const struct watcher_ops xen_ops = {
	.add = xen_add,
	.remove = xen_remove,
	.next = xen_next,
	.fd = xen_fd,
	.close = xen_close,
};

int watcher_open(struct watcher **watcher, struct err *err)
{
	struct watcher_xen *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "xenstore");
	self->watcher.ops = &xen_ops;
	self->xs = xs_open(0);
	if (!self->xs) {
		int rc = err_errno(err, "connect to xenstored (is it running?)");

		free(self);
		return rc;
	}
	*watcher = &self->watcher;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches on xenstore, behind a table: libxenstore's, or none in unit tests.
 */
#ifndef XENFERRY_SIM_WATCHER_H
#define XENFERRY_SIM_WATCHER_H

#include "err.h"

struct watcher;

struct watcher_ops {
	/* Fires once at once, and then whenever something at or below `path` changes. */
	int (*add)(struct watcher *watcher, const char *path, const char *token);
	void (*remove)(struct watcher *watcher, const char *path, const char *token);
	/* The next one that fired: calls `fired` and returns 1; 0 when there is none. */
	int (*next)(struct watcher *watcher,
		    void (*fired)(void *data, const char *path, const char *token), void *data);
	int (*fd)(const struct watcher *watcher); /* readable: call next() */
	void (*close)(struct watcher *watcher);
};

struct watcher {
	const struct watcher_ops *ops;
};

/* Over libxenstore, whose thread it starts: not to be forked after. */
int watcher_open(struct watcher **watcher, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenstore, behind a table: the real one over libxenstore, or one in memory for unit tests.
 *
 * Paths are absolute. Values are NUL-terminated text. Writing without an open transaction acts at
 * once; store_transaction() runs a function inside one and repeats it on a conflict.
 */
#ifndef XENFERRY_STORE_H
#define XENFERRY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define STORE_PATH_MAX 512
#define STORE_VALUE_MAX 4096

/* Who may read and write a node that store_mkdir() makes (xenstore's notation, owner first). */
enum store_access {
	STORE_PRIVATE,      /* {0: none} */
	STORE_GUEST_READS,  /* {0: none, domid: read} */
	STORE_GUEST_OWNS,   /* {domid: none} */
	STORE_FRONTEND,     /* {domid: none, 0: read} */
};

struct store;

struct store_ops {
	/* A copy of the value (free it), or NULL with errno. */
	char *(*read)(struct store *store, const char *path);
	/* The children's names, `count` of them, in one allocation (free it); NULL with errno. */
	char **(*directory)(struct store *store, const char *path, unsigned *count);
	int (*write)(struct store *store, const char *path, const char *value);
	int (*mkdir)(struct store *store, const char *path, uint32_t domid,
		     enum store_access access);
	/* Removes the node and all below it; 0 also when there is none. */
	int (*remove)(struct store *store, const char *path);
	/* One transaction at a time; all between belongs to it. end: -EAGAIN on a conflict. */
	int (*begin)(struct store *store);
	int (*end)(struct store *store, bool abandon);
	int (*introduce)(struct store *store, uint32_t domid, uint64_t gfn, uint32_t port);
	int (*resume)(struct store *store, uint32_t domid);
	void (*close)(struct store *store);
};

struct store {
	const struct store_ops *ops;
};

/* Over libxenstore. */
int store_open(struct store **store, struct err *err);

/* The same with the path as a format. All return 0 or -errno. */
char *store_read(struct store *store, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The value as a number; `fallback` when absent or not a decimal number. */
int64_t store_read_integer(struct store *store, int64_t fallback, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
char **store_directory(struct store *store, unsigned *count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int store_write(struct store *store, const char *value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int store_mkdir(struct store *store, uint32_t domid, enum store_access access,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
int store_remove(struct store *store, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Runs `body` in a transaction until it goes through (at most 16 times). `body` returns 0 or
 * -errno with `err`; on failure the transaction is abandoned.
 */
int store_transaction(struct store *store,
		      int (*body)(struct store *store, void *data, struct err *err), void *data,
		      struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define TRANSACTION_ATTEMPTS 16

__attribute__((format(printf, 2, 0)))
static int format_path(char path[STORE_PATH_MAX], const char *format, va_list args)
{
	int length = vsnprintf(path, STORE_PATH_MAX, format, args);

	if (length < 0 || length >= STORE_PATH_MAX) {
		errno = ENAMETOOLONG;
		return -ENAMETOOLONG;
	}
	return 0;
}

/* Formats the caller's variable arguments into `path`; `rc` says how it went. */
#define FORMAT_PATH(path, rc, format) \
	do { \
		va_list args_; \
		va_start(args_, format); \
		(rc) = format_path(path, format, args_); \
		va_end(args_); \
	} while (0)

char *store_read(struct store *store, const char *format, ...)
{
	char path[STORE_PATH_MAX];
	int rc;

	FORMAT_PATH(path, rc, format);
	return rc < 0 ? NULL : store->ops->read(store, path);
}

int64_t store_read_integer(struct store *store, int64_t fallback, const char *format, ...)
{
	CLEANUP_FREE char *value = NULL;
	char path[STORE_PATH_MAX], *end;
	long long number;
	int rc;

	FORMAT_PATH(path, rc, format);
	if (rc < 0)
		return fallback;
	value = store->ops->read(store, path);
	if (!value || !*value)
		return fallback;
	errno = 0;
	number = strtoll(value, &end, 10);
	return errno || *end ? fallback : number;
}

char **store_directory(struct store *store, unsigned *count, const char *format, ...)
{
	char path[STORE_PATH_MAX];
	int rc;

	FORMAT_PATH(path, rc, format);
	return rc < 0 ? NULL : store->ops->directory(store, path, count);
}

int store_write(struct store *store, const char *value, const char *format, ...)
{
	char path[STORE_PATH_MAX];
	int rc;

	FORMAT_PATH(path, rc, format);
	if (rc < 0)
		return rc;
	if (strlen(value) >= STORE_VALUE_MAX)
		return -E2BIG;
	return store->ops->write(store, path, value);
}

int store_mkdir(struct store *store, uint32_t domid, enum store_access access,
		const char *format, ...)
{
	char path[STORE_PATH_MAX];
	int rc;

	FORMAT_PATH(path, rc, format);
	return rc < 0 ? rc : store->ops->mkdir(store, path, domid, access);
}

int store_remove(struct store *store, const char *format, ...)
{
	char path[STORE_PATH_MAX];
	int rc;

	FORMAT_PATH(path, rc, format);
	return rc < 0 ? rc : store->ops->remove(store, path);
}

int store_transaction(struct store *store,
		      int (*body)(struct store *store, void *data, struct err *err), void *data,
		      struct err *err)
{
	for (int attempt = 0; attempt < TRANSACTION_ATTEMPTS; attempt++) {
		int rc = store->ops->begin(store);

		if (rc < 0)
			return err_set(err, ERR_FAILED, rc, "xenstore: begin a transaction: %s",
				       strerror(-rc));
		rc = body(store, data, err);
		if (rc < 0) {
			store->ops->end(store, true);
			return rc;
		}
		rc = store->ops->end(store, false);
		if (rc == 0)
			return 0;
		if (rc != -EAGAIN)
			return err_set(err, ERR_FAILED, rc, "xenstore: end a transaction: %s",
				       strerror(-rc));
	}
	return err_set(err, ERR_FAILED, -EAGAIN,
		       "xenstore: %d transactions in a row met a conflict; does another tool work "
		       "on this guest?", TRANSACTION_ATTEMPTS);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real xenstore. Nothing is watched, so libxenstore starts no thread here; its calls wait for
 * xenstored only, which answers or closes the connection.
 */
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

struct store_xen {
	struct store store;
	struct xs_handle *xs;
	xs_transaction_t transaction; /* XBT_NULL outside of one */
};

static struct store_xen *xen(struct store *store)
{
	return (struct store_xen *)store;
}

/* libxenstore says false and sets errno. */
static int status(bool done)
{
	if (done)
		return 0;
	return errno ? -errno : -EIO;
}

static char *xen_read(struct store *store, const char *path)
{
	unsigned int length;

	return xs_read(xen(store)->xs, xen(store)->transaction, path, &length);
}

static char **xen_directory(struct store *store, const char *path, unsigned *count)
{
	return xs_directory(xen(store)->xs, xen(store)->transaction, path, count);
}

static int xen_write(struct store *store, const char *path, const char *value)
{
	return status(xs_write(xen(store)->xs, xen(store)->transaction, path, value,
			       (unsigned int)strlen(value)));
}

static int xen_mkdir(struct store *store, const char *path, uint32_t domid,
		     enum store_access access)
{
	/* Owner first, whose own entry says what everybody not listed may do. */
	static const struct access_row {
		bool guest_owns;
		unsigned int count;
		unsigned int other;  /* what the second party may do */
	} rows[] = {
		[STORE_PRIVATE] = { false, 1, XS_PERM_NONE },
		[STORE_GUEST_READS] = { false, 2, XS_PERM_READ },
		[STORE_GUEST_OWNS] = { true, 1, XS_PERM_NONE },
		[STORE_FRONTEND] = { true, 2, XS_PERM_READ },
	};
	const struct access_row *row = &rows[access];
	struct xs_permissions permissions[2] = {
		{ .id = row->guest_owns ? domid : 0, .perms = XS_PERM_NONE },
		{ .id = row->guest_owns ? 0 : domid, .perms = row->other },
	};

	if (!xs_mkdir(xen(store)->xs, xen(store)->transaction, path))
		return status(false);
	return status(xs_set_permissions(xen(store)->xs, xen(store)->transaction, path,
					 permissions, row->count));
}

static int xen_remove(struct store *store, const char *path)
{
	int rc = status(xs_rm(xen(store)->xs, xen(store)->transaction, path));

	return rc == -ENOENT ? 0 : rc;
}

static int xen_begin(struct store *store)
{
	assert(xen(store)->transaction == XBT_NULL);
	xen(store)->transaction = xs_transaction_start(xen(store)->xs);
	return status(xen(store)->transaction != XBT_NULL);
}

static int xen_end(struct store *store, bool abandon)
{
	xs_transaction_t transaction = xen(store)->transaction;

	assert(transaction != XBT_NULL);
	xen(store)->transaction = XBT_NULL;
	return status(xs_transaction_end(xen(store)->xs, transaction, abandon));
}

static int xen_introduce(struct store *store, uint32_t domid, uint64_t gfn, uint32_t port)
{
	return status(xs_introduce_domain(xen(store)->xs, domid, gfn, port));
}

static int xen_resume(struct store *store, uint32_t domid)
{
	return status(xs_resume_domain(xen(store)->xs, domid));
}

static void xen_close(struct store *store)
{
	xs_close(xen(store)->xs);
	free(xen(store));
}

static const struct store_ops xen_ops = {
	.read = xen_read,
	.directory = xen_directory,
	.write = xen_write,
	.mkdir = xen_mkdir,
	.remove = xen_remove,
	.begin = xen_begin,
	.end = xen_end,
	.introduce = xen_introduce,
	.resume = xen_resume,
	.close = xen_close,
};

int store_open(struct store **store, struct err *err)
{
	struct store_xen *self = calloc(1, sizeof(*self));

	if (!self)
		return err_errno(err, "xenstore");
	self->store.ops = &xen_ops;
	self->transaction = XBT_NULL;
	self->xs = xs_open(0);
	if (!self->xs) {
		int rc = err_errno(err, "connect to xenstored (is it running, and are you root?)");

		free(self);
		return rc;
	}
	*store = &self->store;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A xenstore in memory: parents come into being with their children and pass on their access, a
 * transaction is undone as a whole, and can be made to meet a conflict.
 *
 *	struct store *store = fake_store_new();
 *	store_write(store, "4", "/local/domain/0/backend/vif/%u/0/state", domid);
 *	assert_string_equal(fake_store_value(store, "/local/domain/0/backend/vif/7/0/state"), "4");
 *	fake_store_free(store);
 */
#ifndef XENFERRY_FAKE_STORE_H
#define XENFERRY_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

struct store *fake_store_new(void);
void fake_store_free(struct store *store); /* store->ops->close() does the same */

/* ---- looking, without a copy; all valid until the next change ---- */

/* The value at `path`, or NULL when there is no such node. A directory has the value "". */
const char *fake_store_value(struct store *store, const char *path);
bool fake_store_has(struct store *store, const char *path);
/* Who may do what at `path`, as given to mkdir, there or at the nearest node above. */
enum store_access fake_store_access(struct store *store, const char *path);
uint32_t fake_store_access_domid(struct store *store, const char *path);
/* All nodes as sorted lines "path = value\n", for comparing before and after. Free it. */
char *fake_store_dump(struct store *store);

/* What the store was told about domains; 0 when nothing yet. */
uint32_t fake_store_introduced(struct store *store, uint64_t *gfn, uint32_t *port);
uint32_t fake_store_resumed(struct store *store);

/* ---- making things happen ---- */

/* The next `count` ends of a transaction meet a conflict: nothing is written, -EAGAIN. */
void fake_store_conflict(struct store *store, unsigned count);
/* After `count` more writes, mkdirs and removals all fail with `error`; -1 as count: never. */
void fake_store_fail_after(struct store *store, int count, int error);

/*
 * Somebody else at the store, a backend or a guest. `asked` is called before whatever is read or
 * changed, `wrote` after each write with path and value (neither for its own), `conflicted` after a
 * transaction met a conflict. Each may be NULL; `wrote` and `conflicted` may read and write the
 * store.
 */
struct fake_store_peer {
	void (*asked)(struct store *store, void *data);
	void (*wrote)(struct store *store, const char *path, const char *value, void *data);
	void (*conflicted)(struct store *store, void *data);
	void *data;
};
void fake_store_peer(struct store *store, const struct fake_store_peer *peer);

#endif

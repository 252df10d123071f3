/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_NODES_MAX 2048

struct node {
	char *path, *value;
	enum store_access access;
	uint32_t domid;
};

struct tree {
	struct node nodes[FAKE_NODES_MAX]; /* sorted by path */
	size_t count;
};

struct fake_store {
	struct store store;
	struct tree tree, before; /* `before`: as it was when the transaction began */
	bool in_transaction, in_peer;
	unsigned conflicts;
	int changes_left, change_error; /* changes_left -1: no limit */
	uint32_t introduced, introduced_port, resumed;
	uint64_t introduced_gfn;
	struct fake_store_peer peer;
};

static struct fake_store *fake(struct store *store)
{
	return (struct fake_store *)store;
}

/* ---- the tree ---- */

static void tree_clear(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		free(tree->nodes[i].path);
		free(tree->nodes[i].value);
	}
	tree->count = 0;
}

static char *copy_of(const char *text)
{
	char *copy = strdup(text);

	assert(copy);
	return copy;
}

static void tree_copy(struct tree *to, const struct tree *from)
{
	tree_clear(to);
	for (size_t i = 0; i < from->count; i++) {
		to->nodes[i] = from->nodes[i];
		to->nodes[i].path = copy_of(from->nodes[i].path);
		to->nodes[i].value = copy_of(from->nodes[i].value);
	}
	to->count = from->count;
}

static struct node *tree_find(struct tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->count; i++)
		if (strcmp(tree->nodes[i].path, path) == 0)
			return &tree->nodes[i];
	return NULL;
}

/* The parent's path in `parent`; "" for a node at the top. */
static void parent_of(const char *path, char parent[STORE_PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	assert(slash && strlen(path) < STORE_PATH_MAX);
	memcpy(parent, path, (size_t)(slash - path));
	parent[slash - path] = '\0';
}

/* The node at `path`, made when there is none, with its parents and their access. */
static struct node *tree_make(struct tree *tree, const char *path)
{
	struct node *node = tree_find(tree, path), *above = NULL;
	struct node made = { .access = STORE_PRIVATE };
	char parent[STORE_PATH_MAX];
	size_t at = 0;

	if (node)
		return node;
	parent_of(path, parent);
	if (parent[0])
		above = tree_make(tree, parent);
	if (above) {
		made.access = above->access;
		made.domid = above->domid;
	}
	made.path = copy_of(path);
	made.value = copy_of("");
	assert(tree->count < FAKE_NODES_MAX);
	while (at < tree->count && strcmp(tree->nodes[at].path, path) < 0)
		at++;
	memmove(&tree->nodes[at + 1], &tree->nodes[at], (tree->count - at) * sizeof(made));
	tree->nodes[at] = made;
	tree->count++;
	return &tree->nodes[at];
}

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void tree_remove(struct tree *tree, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < tree->count; i++) {
		if (!is_below(tree->nodes[i].path, path)) {
			tree->nodes[kept++] = tree->nodes[i];
			continue;
		}
		free(tree->nodes[i].path);
		free(tree->nodes[i].value);
	}
	tree->count = kept;
}

/* ---- the operations ---- */

static void be_asked(struct fake_store *self)
{
	if (self->peer.asked && !self->in_peer)
		self->peer.asked(&self->store, self->peer.data);
}

static char *fake_read(struct store *store, const char *path)
{
	struct node *node = tree_find(&fake(store)->tree, path);

	be_asked(fake(store));
	if (!node) {
		errno = ENOENT;
		return NULL;
	}
	return copy_of(node->value);
}

/* The name of a direct child of `top`, or NULL. */
static const char *child_name(const char *path, const char *top)
{
	size_t length = strlen(top);

	if (strncmp(path, top, length) != 0 || path[length] != '/' ||
	    strchr(path + length + 1, '/'))
		return NULL;
	return path + length + 1;
}

static char **fake_directory(struct store *store, const char *path, unsigned *count)
{
	struct tree *tree = &fake(store)->tree;
	size_t names = 0, bytes = 0;
	char **list, *text;

	be_asked(fake(store));
	if (!tree_find(tree, path)) {
		errno = ENOENT;
		return NULL;
	}
	for (size_t i = 0; i < tree->count; i++) {
		const char *name = child_name(tree->nodes[i].path, path);

		names += name ? 1 : 0;
		bytes += name ? strlen(name) + 1 : 0;
	}
	list = malloc(names * sizeof(*list) + bytes + 1);
	assert(list);
	text = (char *)(list + names);
	*count = 0;
	for (size_t i = 0; i < tree->count; i++) {
		const char *name = child_name(tree->nodes[i].path, path);

		if (!name)
			continue;
		list[(*count)++] = text;
		text = stpcpy(text, name) + 1;
	}
	return list;
}

/* Whether one more change may be made. */
static int spend_change(struct fake_store *self)
{
	be_asked(self);
	if (self->changes_left == 0 && !self->in_peer)
		return -self->change_error;
	if (self->changes_left > 0)
		self->changes_left--;
	return 0;
}

static int fake_write(struct store *store, const char *path, const char *value)
{
	struct fake_store *self = fake(store);
	int rc = spend_change(self);
	struct node *node;

	if (rc < 0)
		return rc;
	node = tree_make(&self->tree, path);
	free(node->value);
	node->value = copy_of(value);
	if (self->peer.wrote && !self->in_peer) {
		self->in_peer = true;
		self->peer.wrote(store, path, value, self->peer.data);
		self->in_peer = false;
	}
	return 0;
}

static int fake_mkdir(struct store *store, const char *path, uint32_t domid,
		      enum store_access access)
{
	struct fake_store *self = fake(store);
	int rc = spend_change(self);
	struct node *node;

	if (rc < 0)
		return rc;
	node = tree_make(&self->tree, path);
	node->access = access;
	node->domid = domid;
	return 0;
}

static int fake_remove(struct store *store, const char *path)
{
	int rc = spend_change(fake(store));

	if (rc == 0)
		tree_remove(&fake(store)->tree, path);
	return rc;
}

static int fake_begin(struct store *store)
{
	struct fake_store *self = fake(store);

	be_asked(self);
	assert(!self->in_transaction);
	tree_copy(&self->before, &self->tree);
	self->in_transaction = true;
	return 0;
}

static int fake_end(struct store *store, bool abandon)
{
	struct fake_store *self = fake(store);
	bool conflict = !abandon && self->conflicts > 0;

	be_asked(self);
	assert(self->in_transaction);
	self->in_transaction = false;
	if (abandon || conflict)
		tree_copy(&self->tree, &self->before);
	if (!conflict)
		return 0;
	self->conflicts--;
	if (self->peer.conflicted) {
		self->in_peer = true;
		self->peer.conflicted(store, self->peer.data);
		self->in_peer = false;
	}
	return -EAGAIN;
}

static int fake_introduce(struct store *store, uint32_t domid, uint64_t gfn, uint32_t port)
{
	be_asked(fake(store));
	fake(store)->introduced = domid;
	fake(store)->introduced_gfn = gfn;
	fake(store)->introduced_port = port;
	return 0;
}

static int fake_resume(struct store *store, uint32_t domid)
{
	be_asked(fake(store));
	fake(store)->resumed = domid;
	return 0;
}

static void fake_close(struct store *store)
{
	tree_clear(&fake(store)->tree);
	tree_clear(&fake(store)->before);
	free(fake(store));
}

static const struct store_ops fake_ops = {
	.read = fake_read,
	.directory = fake_directory,
	.write = fake_write,
	.mkdir = fake_mkdir,
	.remove = fake_remove,
	.begin = fake_begin,
	.end = fake_end,
	.introduce = fake_introduce,
	.resume = fake_resume,
	.close = fake_close,
};

/* ---- for the test ---- */

struct store *fake_store_new(void)
{
	struct fake_store *self = calloc(1, sizeof(*self));

	assert(self);
	self->store.ops = &fake_ops;
	self->changes_left = -1;
	return &self->store;
}

void fake_store_free(struct store *store)
{
	store->ops->close(store);
}

const char *fake_store_value(struct store *store, const char *path)
{
	struct node *node = tree_find(&fake(store)->tree, path);

	return node ? node->value : NULL;
}

bool fake_store_has(struct store *store, const char *path)
{
	return fake_store_value(store, path) != NULL;
}

enum store_access fake_store_access(struct store *store, const char *path)
{
	struct node *node = tree_find(&fake(store)->tree, path);

	return node ? node->access : STORE_PRIVATE;
}

uint32_t fake_store_access_domid(struct store *store, const char *path)
{
	struct node *node = tree_find(&fake(store)->tree, path);

	return node ? node->domid : 0;
}

char *fake_store_dump(struct store *store)
{
	struct tree *tree = &fake(store)->tree;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert(stream);
	for (size_t i = 0; i < tree->count; i++)
		fprintf(stream, "%s = %s\n", tree->nodes[i].path, tree->nodes[i].value);
	fclose(stream);
	return text;
}

uint32_t fake_store_introduced(struct store *store, uint64_t *gfn, uint32_t *port)
{
	if (gfn)
		*gfn = fake(store)->introduced_gfn;
	if (port)
		*port = fake(store)->introduced_port;
	return fake(store)->introduced;
}

uint32_t fake_store_resumed(struct store *store)
{
	return fake(store)->resumed;
}

void fake_store_conflict(struct store *store, unsigned count)
{
	fake(store)->conflicts = count;
}

void fake_store_fail_after(struct store *store, int count, int error)
{
	fake(store)->changes_left = count;
	fake(store)->change_error = error;
}

void fake_store_peer(struct store *store, const struct fake_store_peer *peer)
{
	fake(store)->peer = *peer;
}

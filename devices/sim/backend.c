/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points: backends_notice() says what to look at, backends_work() looks; in between, a device
 * is found (find_new()), probed, looked at as often as something changes, and unregistered.
 */
#include "backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "costs.h"
#include "log.h"
#include "watcher.h"

#define ROOT "/local/domain/0/backend"
#define ROOT_TOKEN "backend"

struct backends {
	struct sim_host *host;
	struct store *store;
	struct watcher *watcher;
	struct disks *disks;
	const struct clock *clock;
	struct sim_events *events;
	struct backend *list[BACKENDS_MAX];
	size_t count;
	struct backend *by_port[SIM_PORTS_MAX];
	struct backend *polled[BACKENDS_MAX]; /* whose descriptor is which */
};

static const struct backend_kind *const kinds[] = { &backend_vbd, &backend_vif };

/* ---- what drivers use ---- */

struct sim_host *backend_host(const struct backend *backend)
{
	return backend->all->host;
}

struct store *backend_store(const struct backend *backend)
{
	return backend->all->store;
}

struct sim_events *backend_events(const struct backend *backend)
{
	return backend->all->events;
}

struct disks *backend_disks(const struct backend *backend)
{
	return backend->all->disks;
}

uint64_t backend_now_us(const struct backend *backend)
{
	return clock_now_us(backend->all->clock);
}

int backend_write(struct backend *backend, const char *key, const char *value)
{
	return store_write(backend->all->store, value, "%s/%s", backend->path, key);
}

int backend_write_number(struct backend *backend, const char *key, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return backend_write(backend, key, text);
}

int64_t backend_frontend_number(struct backend *backend, const char *key)
{
	return store_read_integer(backend->all->store, -1, "%s/%s", backend->frontend, key);
}

bool backend_is_online(struct backend *backend)
{
	return store_read_integer(backend->all->store, 0, "%s/online", backend->path) == 1;
}

static int switch_present(struct store *store, void *data, struct err *err)
{
	struct backend *backend = data;
	CLEANUP_FREE char *present = store_read(store, "%s/state", backend->path);

	(void)err;
	return present ? backend_write_number(backend, "state", (uint64_t)backend->state) : 0;
}

/* Nobody's directory is brought back to life: xenbus_switch_state() is a transaction, too. */
int backend_switch(struct backend *backend, int state)
{
	if (state == backend->state)
		return 0;
	backend->state = state;
	return store_transaction(backend->all->store, switch_present, backend, NULL);
}

void backend_sys_write(struct backend *backend, const char *key, const char *text)
{
	char path[BACKEND_PATH_MAX * 2];

	snprintf(path, sizeof(path), "%s/%s", backend->sys, key);
	(void)sim_sys_write(backend->all->host, path, text);
}

/* ---- coming and going ---- */

static struct backend *find(struct backends *backends, const char *name)
{
	for (size_t i = 0; i < backends->count; i++)
		if (strcmp(backends->list[i]->name, name) == 0)
			return backends->list[i];
	return NULL;
}

static void watch_frontend(struct backend *backend, bool watch)
{
	struct watcher *watcher = backend->all->watcher;
	char path[BACKEND_PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/state", backend->frontend);
	if (watch)
		(void)watcher->ops->add(watcher, path, backend->name);
	else
		watcher->ops->remove(watcher, path, backend->name);
}

/* As xenbus_dev_fatal(): the words where the toolstack finds them, and the end of the device. */
static void fail(struct backend *backend, const struct err *err)
{
	(void)store_write(backend->all->store, err->message, "/local/domain/0/error/%s/error",
			  backend->path + strlen("/local/domain/0/"));
	log_warning("%s: %s", backend->name, err->message);
	(void)backend_switch(backend, XenbusStateClosing);
}

/* Frees its slot; its name leaves the bus last, as who waits for that waits for everything. */
static void unregister(struct backend *backend)
{
	struct backends *all = backend->all;

	watch_frontend(backend, false);
	backend->kind->remove(backend);
	(void)sim_sys_remove(all->host, backend->sys);
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i] == backend)
			all->list[i] = all->list[--all->count];
	free(backend);
}

static const struct backend_kind *kind_named(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

/* What a path below backend/ is about: "vbd/1/51712"; false when it is of no device. */
static bool parse(const char *path, const struct backend_kind **kind, uint32_t *domid,
		  uint32_t *id)
{
	char word[16];

	if (strncmp(path, ROOT "/", strlen(ROOT "/")) != 0 ||
	    sscanf(path + strlen(ROOT "/"), "%15[a-z]/%" SCNu32 "/%" SCNu32, word, domid, id) != 3)
		return false;
	*kind = kind_named(word);
	return *kind != NULL;
}

static struct backend *make(struct backends *backends, const struct backend_kind *kind,
			    uint32_t domid, uint32_t id)
{
	struct backend *backend = calloc(1, kind->size);

	if (!backend)
		return NULL;
	*backend = (struct backend){
		.kind = kind,
		.all = backends,
		.domid = domid,
		.id = id,
		.state = XenbusStateInitialising,
		.due_us = UINT64_MAX,
	};
	snprintf(backend->name, sizeof(backend->name), "%s/%u/%u", kind->name, domid, id);
	snprintf(backend->path, sizeof(backend->path), ROOT "/%s", backend->name);
	snprintf(backend->sys, sizeof(backend->sys), "bus/xen-backend/devices/%s-%u-%u",
		 kind->name, domid, id);
	return backend;
}

/*
 * A directory in state 1 whose frontend is known is a new device; one in another state is a device
 * that is going, and none to begin with: xenbus_probe_node().
 */
static bool is_new(struct backend *backend)
{
	struct store *store = backend->all->store;
	CLEANUP_FREE char *frontend = store_read(store, "%s/frontend", backend->path);

	if (!frontend || strlen(frontend) >= sizeof(backend->frontend) ||
	    store_read_integer(store, 0, "%s/state", backend->path) != XenbusStateInitialising)
		return false;
	memcpy(backend->frontend, frontend, strlen(frontend) + 1);
	return true;
}

static void probe(struct backends *backends, struct backend *backend)
{
	struct err err = { .code = ERR_NONE };
	uint32_t cost_ms = costs_number(sim_host_folder(backends->host), "device_probe_ms");

	clock_sleep_us(backends->clock, cost_ms * UINT64_C(1000)); /* and all others wait */
	backends->list[backends->count++] = backend;
	backend_sys_write(backend, "nodename", backend->path + strlen("/local/domain/0/"));
	if (backend->kind->probe(backend, &err)) {
		fail(backend, &err);
		unregister(backend);
		return;
	}
	watch_frontend(backend, true);
	backend->stale = true;
}

static void find_new(struct backends *backends, const struct backend_kind *kind, uint32_t domid,
		     uint32_t id)
{
	struct backend *backend;

	if (backends->count == BACKENDS_MAX)
		return;
	backend = make(backends, kind, domid, id);
	if (backend && is_new(backend))
		probe(backends, backend);
	else
		free(backend);
}

/* ---- looking ---- */

void backends_notice(struct backends *backends, const char *path, const char *token)
{
	bool below_root = strcmp(token, ROOT_TOKEN) == 0;
	const struct backend_kind *kind;
	char name[BACKEND_NAME_MAX];
	struct backend *backend;
	uint32_t domid, id;

	if (below_root && !parse(path, &kind, &domid, &id))
		return;
	if (below_root)
		snprintf(name, sizeof(name), "%s/%u/%u", kind->name, domid, id);
	backend = find(backends, below_root ? name : token);
	if (backend)
		backend->stale = true;
	else if (below_root)
		find_new(backends, kind, domid, id);
}

/* A whole domain's directory may go at once, and names no device then. */
static void notice_gone(struct backends *backends)
{
	for (size_t i = 0; i < backends->count; i++)
		backends->list[i]->stale = true;
}

static void notice(void *data, const char *path, const char *token)
{
	struct backends *backends = data;
	const struct backend_kind *kind;
	uint32_t domid, id;

	if (strcmp(token, ROOT_TOKEN) == 0 && !parse(path, &kind, &domid, &id))
		notice_gone(backends);
	else
		backends_notice(backends, path, token);
}

static int look(struct backend *backend, struct err *err)
{
	struct store *store = backend->all->store;
	CLEANUP_FREE char *present = store_read(store, "%s/state", backend->path);
	int64_t state;

	if (!present)
		return 1; /* xenbus_dev_changed(): no directory, no device */
	state = store_read_integer(store, 0, "%s/state", backend->frontend);
	return backend->kind->look(backend, state < 0 || state > 8 ? 0 : (int)state, err);
}

static void look_at(struct backend *backend)
{
	struct err err = { .code = ERR_NONE };
	int port = backend->port, rc;

	backend->stale = false;
	backend->due_us = UINT64_MAX;
	rc = look(backend, &err);
	if (rc < 0)
		fail(backend, &err);
	if (port != backend->port && port > 0)
		backend->all->by_port[port] = NULL;
	if (rc > 0) {
		if (backend->port > 0)
			backend->all->by_port[backend->port] = NULL;
		unregister(backend);
	} else if (backend->port > 0) {
		backend->all->by_port[backend->port] = backend;
	}
}

static void look_at_stale(struct backends *backends)
{
	uint64_t now_us = clock_now_us(backends->clock);

	/* backwards: unregistering puts the last in the place of the one that goes */
	for (size_t i = backends->count; i > 0; i--)
		if (backends->list[i - 1]->stale || backends->list[i - 1]->due_us <= now_us)
			look_at(backends->list[i - 1]);
}

/* ---- the rounds ---- */

size_t backends_poll(struct backends *backends, struct pollfd *fds)
{
	size_t count = 0;

	for (size_t i = 0; i < backends->count; i++) {
		struct backend *backend = backends->list[i];
		int fd = backend->kind->input_fd(backend);

		if (fd < 0)
			continue;
		backends->polled[count] = backend;
		fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	fds[count] = (struct pollfd){ .fd = sim_events_fd(backends->events), .events = POLLIN };
	return count + 1;
}

uint64_t backends_due_us(const struct backends *backends)
{
	uint64_t first = disks_due_us(backends->disks);

	for (size_t i = 0; i < backends->count; i++)
		if (backends->list[i]->due_us < first)
			first = backends->list[i]->due_us;
	return first;
}

static void take_interrupts(struct backends *backends)
{
	int port;

	while ((port = sim_events_next(backends->events)) > 0) {
		struct backend *backend = backends->by_port[port];

		(void)sim_events_unmask(backends->events, (uint32_t)port);
		if (backend)
			backend->kind->interrupt(backend);
	}
}

void backends_work(struct backends *backends, const struct pollfd *fds, size_t count)
{
	struct watcher *watcher = backends->watcher;

	for (size_t i = 0; i + 1 < count; i++)
		if (fds[i].revents)
			backends->polled[i]->kind->input(backends->polled[i]);
	take_interrupts(backends);
	disks_work(backends->disks, clock_now_us(backends->clock));
	while (watcher->ops->next(watcher, notice, backends) > 0)
		;
	look_at_stale(backends);
}

/* ---- all of them ---- */

int backends_new(struct sim_host *host, struct store *store, struct watcher *watcher,
		 struct disks *disks, const struct clock *clock, struct backends **backends,
		 struct err *err)
{
	struct backends *fresh = calloc(1, sizeof(*fresh));
	int rc;

	if (!fresh)
		return err_errno(err, "backends");
	fresh->host = host;
	fresh->store = store;
	fresh->watcher = watcher;
	fresh->disks = disks;
	fresh->clock = clock;
	rc = sim_events_open(host, 0, &fresh->events);
	if (!rc)
		rc = watcher->ops->add(watcher, ROOT, ROOT_TOKEN);
	if (rc) {
		sim_events_close(fresh->events);
		free(fresh);
		return err_set(err, ERR_FAILED, rc, "the backends cannot start: %s",
			       strerror(-rc));
	}
	*backends = fresh;
	return 0;
}

void backends_free(struct backends *backends)
{
	if (!backends)
		return;
	while (backends->count > 0)
		unregister(backends->list[0]);
	backends->watcher->ops->remove(backends->watcher, ROOT, ROOT_TOKEN);
	sim_events_close(backends->events);
	free(backends);
}

size_t backends_count(const struct backends *backends)
{
	return backends->count;
}

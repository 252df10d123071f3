/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_frontends.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <xen/io/protocols.h>
#include <xen/io/xenbus.h>

struct frontend_kind {
	const char *name;
	int asks;       /* the state in which it waits for its backend */
	bool asks_soon; /* after a move, whatever state the backend is in: blkfront_resume() */
	int (*open)(struct frontends *frontends, struct frontend *frontend);
	int (*connect)(struct frontends *frontends, struct frontend *frontend);
	void (*close)(struct frontends *frontends, struct frontend *frontend);
	bool (*is_connected)(const struct frontends *frontends, const struct frontend *frontend);
	bool (*is_intact)(const struct frontends *frontends, const struct frontend *frontend);
};

/* ---- nodes ---- */

static int put(struct frontends *frontends, const struct frontend *frontend, const char *key,
	       const char *value)
{
	char path[FRONTEND_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", frontend->path, key);
	return guest_store_write(frontends->store, path, value);
}

static int put_number(struct frontends *frontends, const struct frontend *frontend,
		      const char *key, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	return put(frontends, frontend, key, text);
}

static int put_numbers(struct frontends *frontends, const struct frontend *frontend,
		       const char *const *keys, const int *numbers, size_t count)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++)
		rc = put_number(frontends, frontend, keys[i], numbers[i]);
	return rc;
}

static int switch_state(struct frontends *frontends, struct frontend *frontend, int state)
{
	frontend->state = state;
	return put_number(frontends, frontend, "state", state);
}

/* A number of the backend's; 0 when there is none. */
static int read_backend(struct frontends *frontends, const struct frontend *frontend,
			const char *key, uint64_t *number)
{
	char path[FRONTEND_PATH_MAX + 32], value[32];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", frontend->backend, key);
	rc = guest_store_read(frontends->store, path, value, sizeof(value));
	if (!rc)
		*number = strtoull(value, NULL, 10);
	else if (rc == -ENOENT)
		*number = 0;
	return rc == -ENOENT ? 0 : rc;
}

/* ---- disks ---- */

static struct guest_disk *disk_of(const struct frontends *frontends,
				  const struct frontend *frontend)
{
	return &frontends->disks[frontend->index];
}

static int open_disk(struct frontends *frontends, struct frontend *frontend)
{
	static const char *const keys[] = { "ring-ref", "event-channel", "feature-persistent" };
	struct guest_disk *disk = disk_of(frontends, frontend);
	int rc = guest_disk_open(disk);
	const int numbers[] = { disk->ring_reference, disk->port, 0 };

	if (!rc)
		rc = put_numbers(frontends, frontend, keys, numbers, 3);
	return rc ? rc : put(frontends, frontend, "protocol", XEN_IO_PROTO_ABI_X86_64);
}

static int connect_disk(struct frontends *frontends, struct frontend *frontend)
{
	uint64_t sectors;
	int rc = read_backend(frontends, frontend, "sectors", &sectors);

	if (rc)
		return rc;
	guest_disk_connect(disk_of(frontends, frontend), sectors);
	return switch_state(frontends, frontend, XenbusStateConnected);
}

static void close_disk(struct frontends *frontends, struct frontend *frontend)
{
	guest_disk_close(disk_of(frontends, frontend));
}

static bool disk_is_connected(const struct frontends *frontends, const struct frontend *frontend)
{
	return disk_of(frontends, frontend)->connected;
}

static bool disk_is_intact(const struct frontends *frontends, const struct frontend *frontend)
{
	return guest_disk_is_intact(disk_of(frontends, frontend));
}

/* ---- network cards ---- */

static struct guest_nic *nic_of(const struct frontends *frontends, const struct frontend *frontend)
{
	return &frontends->nics[frontend->index];
}

static int open_nic(struct frontends *frontends, struct frontend *frontend)
{
	static const char *const keys[] = { "tx-ring-ref", "rx-ring-ref", "event-channel",
					    "request-rx-copy", "feature-rx-notify", "feature-sg" };
	struct guest_nic *nic = nic_of(frontends, frontend);
	int rc = guest_nic_open(nic);
	const int numbers[] = { nic->tx_reference, nic->rx_reference, nic->port, 1, 1, 0 };

	return rc ? rc : put_numbers(frontends, frontend, keys, numbers, 6);
}

static int connect_nic(struct frontends *frontends, struct frontend *frontend)
{
	guest_nic_connect(nic_of(frontends, frontend));
	return 0;
}

static void close_nic(struct frontends *frontends, struct frontend *frontend)
{
	guest_nic_close(nic_of(frontends, frontend));
}

static bool nic_is_connected(const struct frontends *frontends, const struct frontend *frontend)
{
	return nic_of(frontends, frontend)->connected;
}

static bool nic_is_intact(const struct frontends *frontends, const struct frontend *frontend)
{
	return guest_nic_is_intact(nic_of(frontends, frontend));
}

static const struct frontend_kind vbd = {
	.name = "vbd",
	.asks = XenbusStateInitialised,
	.asks_soon = true,
	.open = open_disk,
	.connect = connect_disk,
	.close = close_disk,
	.is_connected = disk_is_connected,
	.is_intact = disk_is_intact,
};

static const struct frontend_kind vif = {
	.name = "vif",
	.asks = XenbusStateConnected,
	.asks_soon = false,
	.open = open_nic,
	.connect = connect_nic,
	.close = close_nic,
	.is_connected = nic_is_connected,
	.is_intact = nic_is_intact,
};

/* ---- all of them ---- */

static void add(struct frontends *frontends, const struct frontend_kind *kind, uint32_t index,
		uint32_t id)
{
	struct frontend *frontend = &frontends->list[frontends->count++];

	*frontend = (struct frontend){ .kind = kind, .index = index };
	snprintf(frontend->path, sizeof(frontend->path), "device/%s/%u", kind->name, id);
}

void frontends_init(struct frontends *frontends, const struct program *program,
		    struct guest_store *store, struct guest_disk *disks, struct guest_nic *nics,
		    uint32_t first_token)
{
	const struct program_state *state = program->state;

	assert(first_token + FRONTENDS_MAX <= GUEST_STORE_TOKENS);
	*frontends = (struct frontends){
		.store = store,
		.disks = disks,
		.nics = nics,
		.first_token = first_token,
	};
	for (uint32_t i = 0; i < state->disk_count; i++)
		add(frontends, &vbd, i, state->disks[i].id);
	for (uint32_t i = 0; i < state->nic_count; i++)
		add(frontends, &vif, i, state->nics[i].id);
}

/* Where the backend is, this time. A device without one stays as it is: xenbus_dev_resume(). */
static int find_backend(struct frontends *frontends, struct frontend *frontend, uint32_t token)
{
	char path[FRONTEND_PATH_MAX + 32];
	int rc;

	frontend->backend[0] = '\0';
	snprintf(path, sizeof(path), "%s/backend", frontend->path);
	rc = guest_store_read(frontends->store, path, frontend->backend,
			      sizeof(frontend->backend));
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	snprintf(path, sizeof(path), "%s/state", frontend->backend);
	return guest_store_watch(frontends->store, path, token);
}

int frontends_start(struct frontends *frontends, bool moved, uint64_t now_us,
		    const struct frontend_costs *costs)
{
	int rc = 0;

	frontends->moved = moved;
	frontends->silent_until_us = now_us + costs->silent_us;
	for (uint32_t i = 0; !rc && i < frontends->count; i++) {
		struct frontend *frontend = &frontends->list[i];

		frontend->kind->close(frontends, frontend);
		frontend->state = XenbusStateInitialising;
		frontend->due_us = now_us + (i + 1) * costs->connect_us;
		rc = find_backend(frontends, frontend, frontends->first_token + i);
	}
	return rc ? rc : frontends_step(frontends, now_us);
}

static int step(struct frontends *frontends, struct frontend *frontend)
{
	const struct frontend_kind *kind = frontend->kind;
	uint64_t state;
	int rc = read_backend(frontends, frontend, "state", &state);

	if (rc)
		return rc;
	if (frontend->state == XenbusStateInitialising &&
	    (state == XenbusStateInitWait || (frontends->moved && kind->asks_soon))) {
		rc = kind->open(frontends, frontend);
		return rc ? rc : switch_state(frontends, frontend, kind->asks);
	}
	if (state == XenbusStateConnected && frontend->state == kind->asks &&
	    !kind->is_connected(frontends, frontend))
		return kind->connect(frontends, frontend);
	if (state == XenbusStateClosing && frontend->state < XenbusStateClosing) {
		kind->close(frontends, frontend);
		return switch_state(frontends, frontend, XenbusStateClosed);
	}
	return 0;
}

static void announce(struct frontends *frontends)
{
	for (uint32_t i = 0; i < frontends->count; i++)
		if (frontends->list[i].kind == &vif)
			guest_nic_announce(nic_of(frontends, &frontends->list[i]));
}

int frontends_step(struct frontends *frontends, uint64_t now_us)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < frontends->count; i++) {
		struct frontend *frontend = &frontends->list[i];
		bool due = frontend->due_us && now_us >= frontend->due_us;

		if (!frontend->backend[0] || now_us < frontend->due_us)
			continue;
		if (!guest_store_take(frontends->store, frontends->first_token + i) && !due)
			continue;
		frontend->due_us = 0;
		rc = step(frontends, frontend);
	}
	if (now_us >= frontends->silent_until_us)
		announce(frontends);
	return rc;
}

uint64_t frontends_due_us(const struct frontends *frontends, uint64_t now_us)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < frontends->count; i++) {
		const struct frontend *frontend = &frontends->list[i];

		if (frontend->backend[0] && frontend->due_us > now_us && frontend->due_us < first)
			first = frontend->due_us;
	}
	return first;
}

int frontends_check(struct frontends *frontends)
{
	for (uint32_t i = 0; i < frontends->count; i++) {
		const struct frontend *frontend = &frontends->list[i];
		uint64_t state;
		int rc = 0;

		if (!frontend->kind->is_connected(frontends, frontend))
			continue; /* it was not when the guest stopped, either */
		rc = read_backend(frontends, frontend, "state", &state);
		if (rc)
			return rc;
		if (state != XenbusStateConnected ||
		    !frontend->kind->is_intact(frontends, frontend))
			return -ENOTCONN;
	}
	return 0;
}

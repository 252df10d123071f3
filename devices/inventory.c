/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which devices a guest has: every backend in domain 0 that serves it, and what libxl recorded of
 * backends elsewhere. Both are out of the guest's reach.
 */
#include "plug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "disk.h"
#include "nodes.h"

#define BACKENDS "/local/domain/0/backend"
#define DIGITS_MAX 10

/* What a guest has; `strange`: what cannot be moved, as it is named to the operator. */
struct inventory {
	struct {
		enum device_kind kind;
		uint32_t id;
	} list[GUEST_DEVICES_MAX];
	size_t count;
	char strange[512];
};

static void add_strange(struct inventory *inventory, const char *kind, const char *id,
			const char *why)
{
	size_t used = strlen(inventory->strange);

	snprintf(inventory->strange + used, sizeof(inventory->strange) - used, "%s%.32s %.32s%s",
		 used ? ", " : "", kind, id, why);
}

static bool parse_id(const char *text, uint32_t *id)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long long value;

	if (digits == 0 || digits > DIGITS_MAX || text[digits] != '\0')
		return false;
	value = strtoull(text, NULL, 10);
	*id = (uint32_t)value;
	return value <= UINT32_MAX;
}

static bool parse_kind(const char *text, enum device_kind *kind)
{
	for (*kind = 0; *kind < DEVICE_KINDS; (*kind)++)
		if (strcmp(text, device_kind_name(*kind)) == 0)
			return true;
	return false;
}

/* Keeps the list in order: by kind, then id. */
static void insert(struct inventory *inventory, enum device_kind kind, uint32_t id)
{
	size_t at = inventory->count++;

	for (; at > 0; at--) {
		if (inventory->list[at - 1].kind < kind ||
		    (inventory->list[at - 1].kind == kind && inventory->list[at - 1].id < id))
			break;
		inventory->list[at] = inventory->list[at - 1];
	}
	inventory->list[at].kind = kind;
	inventory->list[at].id = id;
}

static void add(struct inventory *inventory, const char *kind, const char *id)
{
	enum device_kind known;
	uint32_t number;

	/* the first console is xenconsoled's: the domain's own part, not a device to plug */
	if (strcmp(kind, "console") == 0 && strcmp(id, "0") == 0)
		return;
	if (!parse_kind(kind, &known) || !parse_id(id, &number))
		add_strange(inventory, kind, id, "");
	else if (inventory->count == GUEST_DEVICES_MAX)
		add_strange(inventory, kind, id, " (too many)");
	else
		insert(inventory, known, number);
}

/* Every backend in domain 0. */
static void take_backends(struct store *store, uint32_t domid, struct inventory *inventory)
{
	unsigned kind_count = 0;
	CLEANUP_FREE char **kinds = store_directory(store, &kind_count, BACKENDS);

	for (unsigned i = 0; kinds && i < kind_count; i++) {
		unsigned count = 0;
		CLEANUP_FREE char **ids =
			store_directory(store, &count, BACKENDS "/%s/%u", kinds[i], domid);

		for (unsigned k = 0; ids && k < count; k++)
			add(inventory, kinds[i], ids[k]);
	}
}

/* What libxl knows of backends in other domains. */
static void take_elsewhere(struct store *store, uint32_t domid, struct inventory *inventory)
{
	unsigned kind_count = 0;
	CLEANUP_FREE char **kinds = store_directory(store, &kind_count, "/libxl/%u/device", domid);

	for (unsigned i = 0; kinds && i < kind_count; i++) {
		unsigned count = 0;
		CLEANUP_FREE char **ids =
			store_directory(store, &count, "/libxl/%u/device/%s", domid, kinds[i]);

		for (unsigned k = 0; ids && k < count; k++) {
			CLEANUP_FREE char *backend = store_read(
				store, "/libxl/%u/device/%s/%s/backend", domid, kinds[i], ids[k]);

			if (backend && strncmp(backend, BACKENDS "/", strlen(BACKENDS "/")) != 0)
				add_strange(inventory, kinds[i], ids[k], " (in a driver domain)");
		}
	}
}

static int describe(const struct site *site, uint32_t domid, struct device *device, struct err *err)
{
	char label[64];
	int rc = nodes_describe(site->store, domid, device, err);

	if (!rc && !device_backend_node(device, "script"))
		rc = err_set(err, ERR_REFUSED, -EOPNOTSUPP,
			     "it has no hotplug script: it was not plugged by xl");
	if (!rc && device->kind == DEVICE_VBD)
		rc = disk_describe(site, domid, device, err);
	return rc ? err_prefix(err, rc, "%s", device_label(device, label, sizeof(label))) : 0;
}

void site_describe(const struct site *site, uint32_t domid, struct description *guest,
		   struct reasons *reasons)
{
	struct inventory inventory = { .count = 0 };
	struct err why;

	take_backends(site->store, domid, &inventory);
	take_elsewhere(site->store, domid, &inventory);
	if (inventory.strange[0])
		err_set(reasons_next(reasons), ERR_REFUSED, -EOPNOTSUPP,
			"these devices cannot be moved: %s; detach them first", inventory.strange);
	for (size_t i = 0; i < inventory.count; i++) {
		struct device *device = &guest->devices[guest->device_count];

		device->kind = inventory.list[i].kind;
		device->id = inventory.list[i].id;
		if (describe(site, domid, device, &why) == 0) {
			guest->device_count++;
		} else {
			device_fini(device);
			*reasons_next(reasons) = why;
		}
	}
}

void devices_describe(struct store *store, uint32_t domid, struct description *guest,
		      struct reasons *reasons)
{
	const struct site site = site_here(store, &clock_system);

	site_describe(&site, domid, guest, reasons);
}

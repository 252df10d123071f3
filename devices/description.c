/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "description.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void nodes_fini(struct device_node *nodes, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free(nodes[i].value);
	*count = 0;
}

void description_init(struct description *guest)
{
	memset(guest, 0, sizeof(*guest));
	guest->videoram_kib = -1;
}

void device_fini(struct device *device)
{
	nodes_fini(device->backend, &device->backend_count);
	nodes_fini(device->frontend, &device->frontend_count);
	memset(device, 0, sizeof(*device));
}

void description_fini(struct description *guest)
{
	for (size_t i = 0; i < guest->device_count; i++)
		device_fini(&guest->devices[i]);
	guest->device_count = 0;
	free(guest->config);
	guest->config = NULL;
	guest->config_bytes = 0;
}

static const char *find_node(const struct device_node *nodes, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(nodes[i].key, key) == 0)
			return nodes[i].value;
	return NULL;
}

static int add_node(struct device_node *nodes, size_t *count, const char *key, const char *value)
{
	struct device_node *node = &nodes[*count];

	if (*count == DEVICE_NODES_MAX)
		return -ENOSPC;
	if (find_node(nodes, *count, key))
		return -EEXIST;
	if (strlen(key) >= NODE_KEY_MAX || strlen(value) >= NODE_VALUE_MAX)
		return -EMSGSIZE;
	node->value = strdup(value);
	if (!node->value)
		return -ENOMEM;
	memcpy(node->key, key, strlen(key) + 1);
	(*count)++;
	return 0;
}

int device_add_backend_node(struct device *device, const char *key, const char *value)
{
	return add_node(device->backend, &device->backend_count, key, value);
}

int device_add_frontend_node(struct device *device, const char *key, const char *value)
{
	return add_node(device->frontend, &device->frontend_count, key, value);
}

const char *device_backend_node(const struct device *device, const char *key)
{
	return find_node(device->backend, device->backend_count, key);
}

const char *device_kind_name(enum device_kind kind)
{
	static const char *const names[DEVICE_KINDS] = {
		[DEVICE_VBD] = "vbd",
		[DEVICE_VIF] = "vif",
	};

	return names[kind];
}

const char *device_label(const struct device *device, char *text, size_t size)
{
	const char *name = device->kind == DEVICE_VBD ? device_backend_node(device, "dev") : NULL;

	if (name)
		snprintf(text, size, "vbd %s", name);
	else
		snprintf(text, size, "%s %" PRIu32, device_kind_name(device->kind), device->id);
	return text;
}

bool guest_uuid_is_valid(const char *uuid)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(uuid) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? uuid[i] != '-' : !strchr("0123456789abcdef", uuid[i]))
			return false;
	return true;
}

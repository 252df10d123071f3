/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nodes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "vif.h"
#include "xenbus.h"

#define VBD (1u << DEVICE_VBD)
#define VIF (1u << DEVICE_VIF)
#define NUMBER_DIGITS_MAX 10

/* Something printable, or nothing: values end up in scripts, log lines and messages. */
static bool is_text(const char *value)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return strlen(value) < NODE_VALUE_MAX;
}

static bool is_number(const char *value)
{
	size_t digits = strspn(value, "0123456789");

	return digits > 0 && digits <= NUMBER_DIGITS_MAX && value[digits] == '\0';
}

static bool is_boolean(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
}

static bool is_mode(const char *value)
{
	return strcmp(value, "r") == 0 || strcmp(value, "w") == 0 || strcmp(value, "w!") == 0;
}

static bool is_mac(const char *value)
{
	uint8_t mac[VIF_MAC_BYTES];

	return vif_parse_mac(value, mac);
}

struct node_rule {
	const char *key;
	unsigned kinds;
	bool (*valid)(const char *value);
};

/*
 * Xen 4.17: libxl_disk.c device_disk_add(), libxl_nic.c libxl__set_xenstore_nic(). The path in
 * "script" is checked against the host's directory where it is used, in hotplug.c.
 */
static const struct node_rule backend_rules[] = {
	{ "params", VBD, is_text },
	{ "script", VBD | VIF, is_text },
	{ "type", VBD | VIF, is_text },
	{ "dev", VBD, is_text },
	{ "mode", VBD, is_mode },
	{ "device-type", VBD, is_text },
	{ "removable", VBD, is_boolean },
	{ "bootable", VBD, is_boolean },
	{ "discard-enable", VBD, is_boolean },
	{ "direct-io-safe", VBD, is_boolean },
	{ "specification", VBD, is_text },
	{ "handle", VIF, is_number },
	{ "mac", VIF, is_mac },
	{ "bridge", VIF, is_text },
	{ "vifname", VIF, vif_valid_interface },
	{ "gatewaydev", VIF, vif_valid_interface },
	{ "ip", VIF, is_text },
	{ "rate", VIF, is_text },
	{ "mtu", VIF, is_number },
	{ "vlan", VIF, is_text },
	{ NULL, 0, NULL },
};

/*
 * The frontend's side belongs to the guest: libxl's values are made anew from the backend's, or
 * from a constant; only "trusted", a word of the guest about its own backend, is read from there.
 */
static const struct frontend_rule {
	struct node_rule node;
	const char *fallback; /* when the backend has no such node; NULL: then neither has this */
} frontend_rules[] = {
	{ { "device-type", VBD, is_text }, NULL },
	{ { "handle", VIF, is_number }, NULL },
	{ { "mac", VIF, is_mac }, NULL },
	{ { "mtu", VIF, is_number }, "1500" },
};

static const struct node_rule frontend_only_rules[] = {
	{ "virtual-device", VBD, is_number },
	{ "trusted", VBD | VIF, is_boolean },
	{ NULL, 0, NULL },
};

static int describe_backend(struct store *store, const struct xenbus *bus, struct device *device,
			    struct err *err)
{
	for (const struct node_rule *rule = backend_rules; rule->key; rule++) {
		CLEANUP_FREE char *value = NULL;
		int rc;

		if (!(rule->kinds & 1u << device->kind))
			continue;
		value = store_read(store, "%s/%s", bus->backend, rule->key);
		if (!value)
			continue;
		if (!rule->valid(value))
			return err_set(err, ERR_REFUSED, -EINVAL,
				       "the value of its node %s cannot be carried to another host",
				       rule->key);
		rc = device_add_backend_node(device, rule->key, value);
		if (rc)
			return err_set(err, ERR_FAILED, rc, "its node %s: %s", rule->key,
				       strerror(-rc));
	}
	return 0;
}

static int add_frontend(struct device *device, const char *key, const char *value, struct err *err)
{
	int rc = device_add_frontend_node(device, key, value);

	return rc ? err_set(err, ERR_FAILED, rc, "its frontend's node %s: %s", key, strerror(-rc))
		  : 0;
}

static int describe_frontend(struct store *store, const struct xenbus *bus, struct device *device,
			     struct err *err)
{
	CLEANUP_FREE char *trusted = store_read(store, "%s/trusted", bus->frontend);
	char number[16];
	int rc = 0;

	if (device->kind == DEVICE_VBD) {
		snprintf(number, sizeof(number), "%u", device->id);
		rc = add_frontend(device, "virtual-device", number, err);
	}
	for (size_t i = 0; !rc && i < sizeof(frontend_rules) / sizeof(frontend_rules[0]); i++) {
		const struct frontend_rule *rule = &frontend_rules[i];
		const char *value = device_backend_node(device, rule->node.key);

		if (!value)
			value = rule->fallback;
		if (value && rule->node.kinds & 1u << device->kind)
			rc = add_frontend(device, rule->node.key, value, err);
	}
	if (!rc && trusted && is_boolean(trusted))
		rc = add_frontend(device, "trusted", trusted, err);
	return rc;
}

int nodes_describe(struct store *store, uint32_t domid, struct device *device, struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int rc = describe_backend(store, &bus, device, err);

	return rc ? rc : describe_frontend(store, &bus, device, err);
}

static const struct node_rule *find_rule(const struct node_rule *rules, unsigned kind,
					 const char *key)
{
	for (; rules->key; rules++)
		if (rules->kinds & kind && strcmp(rules->key, key) == 0)
			return rules;
	return NULL;
}

static const struct node_rule *find_frontend_rule(unsigned kind, const char *key)
{
	for (size_t i = 0; i < sizeof(frontend_rules) / sizeof(frontend_rules[0]); i++)
		if (frontend_rules[i].node.kinds & kind &&
		    strcmp(frontend_rules[i].node.key, key) == 0)
			return &frontend_rules[i].node;
	return find_rule(frontend_only_rules, kind, key);
}

/* A key that is not in the table may be one that a script obeys: it is refused, not dropped. */
static int check_node(const struct node_rule *rule, const char *end, const struct device_node *node,
		      struct err *err)
{
	if (!rule)
		return err_set(err, ERR_REFUSED, -EINVAL,
			       "its %s has a node %s that this host does not know: is xenferry "
			       "older here?",
			       end, node->key);
	if (!rule->valid(node->value))
		return err_set(err, ERR_REFUSED, -EINVAL, "its %s's node %s has a bad value", end,
			       node->key);
	return 0;
}

int nodes_check(const struct device *device, struct err *err)
{
	unsigned kind = 1u << device->kind;
	int rc = 0;

	for (size_t i = 0; !rc && i < device->backend_count; i++) {
		const struct device_node *node = &device->backend[i];

		rc = check_node(find_rule(backend_rules, kind, node->key), "backend", node, err);
	}
	for (size_t i = 0; !rc && i < device->frontend_count; i++) {
		const struct device_node *node = &device->frontend[i];

		rc = check_node(find_frontend_rule(kind, node->key), "frontend", node, err);
	}
	return rc;
}

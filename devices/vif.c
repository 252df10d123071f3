/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vif.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xenbus.h>

#include "bridge.h"
#include "xenbus.h"

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return found ? (int)(found - digits) : -1;
}

bool vif_parse_mac(const char *text, uint8_t mac[VIF_MAC_BYTES])
{
	static const uint8_t zero[VIF_MAC_BYTES];
	uint8_t parsed[VIF_MAC_BYTES];

	if (strlen(text) != VIF_MAC_BYTES * 3 - 1)
		return false;
	for (size_t i = 0; i < VIF_MAC_BYTES; i++) {
		int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);

		if (high < 0 || low < 0 || (i > 0 && text[i * 3 - 1] != ':'))
			return false;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	if (parsed[0] & 1 || memcmp(parsed, zero, sizeof(zero)) == 0)
		return false;
	memcpy(mac, parsed, sizeof(parsed));
	return true;
}

bool vif_valid_interface(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length >= IF_NAMESIZE || name[0] == '-' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/' || *c == ':')
			return false;
	return true;
}

static const char *own_name(uint32_t domid, const struct device *device, char name[IF_NAMESIZE])
{
	/* fits: domids have 15 bits; a longer one would be cut, and then not be found */
	if (snprintf(name, IF_NAMESIZE, "vif%u.%u", domid, device->id) >= IF_NAMESIZE)
		name[IF_NAMESIZE - 1] = '\0';
	return name;
}

const char *vif_name(uint32_t domid, const struct device *device, char name[IF_NAMESIZE])
{
	const char *configured = device_backend_node(device, "vifname");

	if (!configured || !vif_valid_interface(configured))
		return own_name(domid, device, name);
	memcpy(name, configured, strlen(configured) + 1);
	return name;
}

bool vif_is_called(uint32_t domid, const struct device *device, const char *name)
{
	char own[IF_NAMESIZE];

	return strcmp(name, vif_name(domid, device, own)) == 0 ||
	       strcmp(name, own_name(domid, device, own)) == 0;
}

unsigned vif_index(uint32_t domid, const struct device *device)
{
	char name[IF_NAMESIZE];
	unsigned index = if_nametoindex(vif_name(domid, device, name));

	return index ? index : if_nametoindex(own_name(domid, device, name));
}

const char *vif_bridge(const struct device *device)
{
	const char *bridge = device_backend_node(device, "bridge");

	return bridge && vif_valid_interface(bridge) ? bridge : NULL;
}

static int examine_bridge(const struct site *site, const struct device *device, struct err *err)
{
	const char *script = device_backend_node(device, "script");
	const char *bridge = device_backend_node(device, "bridge");
	const char *base = script ? strrchr(script, '/') : NULL;

	/* what the node means to another script (a route, a port of openvswitch) is its affair */
	if (!base || strcmp(base, "/vif-bridge") != 0 || !bridge || !*bridge)
		return 0;
	if (!vif_valid_interface(bridge))
		return err_set(err, ERR_REFUSED, -EINVAL, "\"%s\" is no name of a bridge", bridge);
	if (!bridge_exists(site->sys_dir, bridge))
		return err_set(err, ERR_REFUSED, -ENODEV,
			       "there is no bridge %s on this host: create it, on the same network "
			       "as the source's",
			       bridge);
	return 0;
}

int vif_examine(const struct site *site, const struct device *device, struct err *err)
{
	const char *name = device_backend_node(device, "vifname");
	char path[PATH_MAX];

	if (name) {
		snprintf(path, sizeof(path), "%s/class/net/%s", site->sys_dir, name);
		/* vif-common.sh would take the interface that has the name for the guest's */
		if (vif_valid_interface(name) && access(path, F_OK) == 0)
			return err_set(err, ERR_REFUSED, -EEXIST,
				       "an interface %s exists on this host already: rename it, "
				       "or the guest's vifname",
				       name);
	}
	return examine_bridge(site, device, err);
}

int vif_all_connected(struct store *store, const struct description *guest)
{
	for (size_t i = 0; i < guest->device_count; i++) {
		const struct device *device = &guest->devices[i];
		const struct xenbus bus = xenbus_of(guest->domid, device);

		if (device->kind == DEVICE_VIF && xenbus_state(store, &bus) != XenbusStateConnected)
			return 0;
	}
	return 1;
}

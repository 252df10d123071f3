/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge.h"

#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "rtnetlink.h"
#include "site.h"
#include "vif.h"

#define PORTS_MAX 1024 /* of a bridge: BR_MAX_PORTS, Linux 6.1 */

/* Those of a bridge that are not the guest's. */
struct ports {
	const char *bridge; /* NULL: none's yet */
	unsigned list[PORTS_MAX];
	size_t count;
};

/* All that is asked for a guest's VIFs, in batches; the first failure is the one to tell. */
struct errand {
	const struct description *guest;
	const char *purpose; /* "cannot PURPOSE bridge xenbr0" */
	struct rtnetlink link;
	const struct device *devices[RTNETLINK_BATCH_MAX]; /* whom the requests are for */
	struct ports ports;
	struct err *err;
	int first;
};

bool bridge_exists(const char *sys_dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/net/%s/bridge", sys_dir, name);
	return access(path, F_OK) == 0;
}

static void fail(struct errand *errand, const struct device *device, int rc, const char *why)
{
	char label[64];

	if (errand->first)
		return;
	errand->first = err_set(errand->err, ERR_FAILED, rc, "%s: cannot %s bridge %s: %s",
				device_label(device, label, sizeof(label)), errand->purpose,
				vif_bridge(device), why);
}

static void send_batch(struct errand *errand)
{
	size_t count = errand->link.count;
	int answers[RTNETLINK_BATCH_MAX];
	int rc = rtnetlink_send(&errand->link, answers, errand->first ? NULL : errand->err);

	if (rc && !errand->first)
		errand->first = rc;
	/* most ports never heard of the guest, and one may just have been unplugged */
	for (size_t i = 0; !rc && i < count; i++)
		if (answers[i] && answers[i] != -ENOENT && answers[i] != -ENODEV)
			fail(errand, errand->devices[i], answers[i], strerror(-answers[i]));
}

static struct nlmsghdr *request(struct errand *errand, const struct device *device, uint16_t type)
{
	if (rtnetlink_is_full(&errand->link))
		send_batch(errand);
	errand->devices[errand->link.count] = device;
	return rtnetlink_request(&errand->link, type);
}

static void leave(struct errand *errand, const struct device *device)
{
	unsigned interface = vif_index(errand->guest->domid, device);
	struct nlmsghdr *message;
	struct ifinfomsg *info;

	if (!interface)
		return;
	message = request(errand, device, RTM_SETLINK);
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)interface;
	mnl_attr_put_u32(message, IFLA_MASTER, 0);
}

static void forget_mac(struct errand *errand, const struct device *device, unsigned port,
		       const uint8_t mac[VIF_MAC_BYTES])
{
	struct nlmsghdr *message = request(errand, device, RTM_DELNEIGH);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));

	neighbour->ndm_family = AF_BRIDGE;
	neighbour->ndm_ifindex = (int)port;
	neighbour->ndm_flags = NTF_MASTER; /* the bridge's table, not the device's own */
	mnl_attr_put(message, NDA_LLADDR, VIF_MAC_BYTES, mac);
}

/* One of the guest's VIFs: no frame of the guest's ever came in there, as it did not run here. */
static bool is_own(const struct description *guest, const char *name)
{
	for (size_t i = 0; i < guest->device_count; i++)
		if (guest->devices[i].kind == DEVICE_VIF &&
		    vif_is_called(guest->domid, &guest->devices[i], name))
			return true;
	return false;
}

/* The VIFs of a guest are mostly on one bridge, whose other ports are looked up once. */
static int list_ports(struct ports *ports, const struct description *guest, const char *bridge)
{
	CLEANUP_DIR DIR *folder = NULL;
	char path[PATH_MAX];

	if (ports->bridge && strcmp(ports->bridge, bridge) == 0)
		return 0;
	snprintf(path, sizeof(path), SITE_SYS_DIR "/class/net/%s/brif", bridge);
	folder = opendir(path);
	if (!folder)
		return -errno;
	ports->bridge = bridge;
	ports->count = 0;
	for (struct dirent *entry; (entry = readdir(folder)) && ports->count < PORTS_MAX;) {
		bool other = entry->d_name[0] != '.' && !is_own(guest, entry->d_name);
		unsigned port = other ? if_nametoindex(entry->d_name) : 0;

		if (port)
			ports->list[ports->count++] = port;
	}
	return 0;
}

static void forget(struct errand *errand, const struct device *device)
{
	const char *text = device_backend_node(device, "mac");
	uint8_t mac[VIF_MAC_BYTES];
	int rc;

	if (!text || !vif_parse_mac(text, mac)) {
		fail(errand, device, -EINVAL, "it has no MAC address");
		return;
	}
	rc = list_ports(&errand->ports, errand->guest, vif_bridge(device));
	if (rc)
		fail(errand, device, rc, strerror(-rc));
	for (size_t i = 0; !rc && i < errand->ports.count; i++)
		forget_mac(errand, device, errand->ports.list[i], mac);
}

/* Does `act` for every VIF on a bridge of Linux's. */
static int run_errand(struct errand *errand, void (*act)(struct errand *, const struct device *))
{
	int rc = rtnetlink_open(&errand->link, errand->err);

	for (size_t i = 0; rc == 0 && i < errand->guest->device_count; i++) {
		const struct device *device = &errand->guest->devices[i];
		const char *bridge = device->kind == DEVICE_VIF ? vif_bridge(device) : NULL;

		if (bridge && bridge_exists(SITE_SYS_DIR, bridge))
			act(errand, device);
	}
	if (rc == 0)
		send_batch(errand);
	rtnetlink_close(&errand->link);
	return rc ? rc : errand->first;
}

int bridge_leave_all(const struct description *guest, struct err *err)
{
	struct errand errand = { .guest = guest, .err = err, .purpose = "take it off" };

	return run_errand(&errand, leave);
}

int bridge_forget_macs(const struct description *guest, struct err *err)
{
	struct errand errand = { .guest = guest, .err = err,
				 .purpose = "remove its MAC from the other ports of" };

	return run_errand(&errand, forget);
}

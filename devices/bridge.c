/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cleanup.h"
#include "site.h"
#include "vif.h"

/* The kernel answers before send() returns; this is only in case it never does. */
#define ANSWER_TIMEOUT_S 1
#define MESSAGE_MAX 512 /* far above the longest message here, and its answer */

struct rtnetlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	_Alignas(NLMSG_ALIGNTO) char buffer[MESSAGE_MAX];
};

static void rtnetlink_close(struct rtnetlink *link)
{
	if (link->socket)
		mnl_socket_close(link->socket);
}
#define CLEANUP_RTNETLINK __attribute__((cleanup(rtnetlink_close)))

static int rtnetlink_open(struct rtnetlink *link, struct err *err)
{
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };

	link->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!link->socket || mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(link->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		return err_errno(err, "cannot talk to the kernel's network (rtnetlink)");
	return 0;
}

static struct nlmsghdr *message_begin(struct rtnetlink *link, uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(link->buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = ++link->sequence;
	return message;
}

/* Sends the message and waits for the answer to it. 0 or -errno, the kernel's. */
static int message_send(struct rtnetlink *link, const struct nlmsghdr *message)
{
	uint32_t sequence = message->nlmsg_seq;
	unsigned port = mnl_socket_get_portid(link->socket);
	ssize_t size;

	if (mnl_socket_sendto(link->socket, message, message->nlmsg_len) < 0)
		return -errno;
	size = mnl_socket_recvfrom(link->socket, link->buffer, sizeof(link->buffer));
	if (size < 0)
		return -errno;
	return mnl_cb_run(link->buffer, (size_t)size, sequence, port, NULL, NULL) < 0 ? -errno : 0;
}

/* `master` 0: none. */
static int set_master(struct rtnetlink *link, unsigned interface, unsigned master)
{
	struct nlmsghdr *message = message_begin(link, RTM_SETLINK);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)interface;
	mnl_attr_put_u32(message, IFLA_MASTER, master);
	return message_send(link, message);
}

static int forget_mac(struct rtnetlink *link, unsigned port, const uint8_t mac[VIF_MAC_BYTES])
{
	struct nlmsghdr *message = message_begin(link, RTM_DELNEIGH);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(message, sizeof(*neighbour));

	neighbour->ndm_family = AF_BRIDGE;
	neighbour->ndm_ifindex = (int)port;
	neighbour->ndm_flags = NTF_MASTER; /* the bridge's table, not the device's own */
	mnl_attr_put(message, NDA_LLADDR, VIF_MAC_BYTES, mac);
	return message_send(link, message);
}

bool bridge_exists(const char *sys_dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/class/net/%s/bridge", sys_dir, name);
	return access(path, F_OK) == 0;
}

static int leave(struct rtnetlink *link, const struct description *guest,
		 const struct device *device, const char *bridge, struct err *err)
{
	unsigned interface = vif_index(guest->domid, device);
	int rc = interface ? set_master(link, interface, 0) : -ENODEV;

	if (rc == 0 || rc == -ENODEV)
		return 0;
	return err_set(err, ERR_FAILED, rc, "cannot take it off bridge %s: %s", bridge,
		       strerror(-rc));
}

static int forget(struct rtnetlink *link, const struct description *guest,
		  const struct device *device, const char *bridge, struct err *err)
{
	const char *text = device_backend_node(device, "mac");
	unsigned own = vif_index(guest->domid, device);
	CLEANUP_DIR DIR *ports = NULL;
	uint8_t mac[VIF_MAC_BYTES];
	char path[PATH_MAX];
	int first = 0;

	if (!text || !vif_parse_mac(text, mac))
		return err_set(err, ERR_FAILED, -EINVAL, "it has no MAC address");
	snprintf(path, sizeof(path), SITE_SYS_DIR "/class/net/%s/brif", bridge);
	ports = opendir(path);
	if (!ports)
		return err_errno(err, "cannot list the ports of bridge %s", bridge);
	for (struct dirent *entry; (entry = readdir(ports)) != NULL;) {
		unsigned port = entry->d_name[0] == '.' ? 0 : if_nametoindex(entry->d_name);
		int rc = port == 0 || port == own ? 0 : forget_mac(link, port, mac);

		/* most ports never heard of the guest, and one may just have been unplugged */
		if (rc && rc != -ENOENT && rc != -ENODEV && !first)
			first = err_set(err, ERR_FAILED, rc,
					"cannot remove %s from port %s of bridge %s: %s", text,
					entry->d_name, bridge, strerror(-rc));
	}
	return first;
}

typedef int bridge_fn(struct rtnetlink *link, const struct description *guest,
		      const struct device *device, const char *bridge, struct err *err);

/* Does `act` for every VIF on a bridge of Linux's; the first failure is the one to tell. */
static int for_each_vif(const struct description *guest, bridge_fn *act, struct err *err)
{
	CLEANUP_RTNETLINK struct rtnetlink link = { 0 };
	int first = rtnetlink_open(&link, err);

	for (size_t i = 0; link.socket && i < guest->device_count; i++) {
		const struct device *device = &guest->devices[i];
		const char *bridge = device->kind == DEVICE_VIF ? vif_bridge(device) : NULL;
		char label[64];
		int rc;

		if (!bridge || !bridge_exists(SITE_SYS_DIR, bridge))
			continue;
		rc = act(&link, guest, device, bridge, first ? NULL : err);
		if (rc && !first)
			first = err_prefix(err, rc, "%s",
					   device_label(device, label, sizeof(label)));
	}
	return first;
}

int bridge_leave_all(const struct description *guest, struct err *err)
{
	return for_each_vif(guest, leave, err);
}

int bridge_forget_macs(const struct description *guest, struct err *err)
{
	return for_each_vif(guest, forget, err);
}

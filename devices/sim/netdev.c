/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>

#include "cleanup.h"

#define QUEUE_BYTES 1048576 /* frames that wait for the guest, while it is suspended above all */

static void cleanup_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}
#define CLEANUP_SOCKET __attribute__((cleanup(cleanup_socket)))

/* One request, and the kernel's yes or no. */
static int ask(struct nlmsghdr *request)
{
	CLEANUP_SOCKET struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char answer[4096];
	ssize_t size;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = 1;
	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	size = mnl_socket_recvfrom(socket, answer, sizeof(answer));
	if (size < 0 ||
	    mnl_cb_run(answer, (size_t)size, 1, mnl_socket_get_portid(socket), NULL, NULL) < 0)
		return -errno;
	return 0;
}

static struct nlmsghdr *begin(void *buffer, uint16_t type, const char *name)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = type;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	return request;
}

/* Not a word of the host's own, so that none mixes with the guest's; where there is IPv6 at all. */
static void silence(const char *name)
{
	char path[64 + IFNAMSIZ];
	CLEANUP_FILE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	file = fopen(path, "we");
	if (file)
		fputs("1", file);
}

int netdev_create_cable(const char *name, const char *far_name)
{
	/* drivers/net/xen-netback/interface.c: the bridge must not take it for its own address */
	static const uint8_t mac[] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
	char buffer[1024];
	struct nlmsghdr *request = begin(buffer, RTM_NEWLINK, name);
	struct nlattr *link, *data, *peer;
	int rc;

	request->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(mac), mac);
	link = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, far_name);
	mnl_attr_nest_end(request, peer);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, link);
	rc = ask(request);
	if (rc)
		return rc;
	silence(name);
	silence(far_name);
	return 0;
}

int netdev_remove(const char *name)
{
	char buffer[256];
	int rc = ask(begin(buffer, RTM_DELLINK, name));

	return rc == -ENODEV ? 0 : rc;
}

int netdev_set_up(const char *name, bool up)
{
	char buffer[256];
	struct nlmsghdr *request = begin(buffer, RTM_NEWLINK, name);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(request);

	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	return ask(request);
}

int netdev_open(const char *name)
{
	CLEANUP_FD int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	const int one = 1, bytes = QUEUE_BYTES;

	if (fd < 0)
		return -errno;
	if (address.sll_ifindex == 0)
		return -ENODEV;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return steal_fd(&fd);
}

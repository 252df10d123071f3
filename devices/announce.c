/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "announce.h"

#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

/* The frame's layout: two MACs and the type, then ARP for Ethernet and IPv4. */
enum offset {
	AT_TARGET = 0,
	AT_SOURCE = 6,
	AT_TYPE = 12,
	AT_HARDWARE = 14,
	AT_PROTOCOL = 16,
	AT_HARDWARE_BYTES = 18,
	AT_PROTOCOL_BYTES = 19,
	AT_OPERATION = 20,
	AT_SENDER_MAC = 22,
	AT_SUBJECT_MAC = 32,
};

static void put_u16(uint8_t *bytes, unsigned value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

void announce_frame(const uint8_t mac[VIF_MAC_BYTES], uint8_t frame[ANNOUNCE_FRAME_BYTES])
{
	memset(frame, 0, ANNOUNCE_FRAME_BYTES);
	memset(frame + AT_TARGET, 0xff, VIF_MAC_BYTES);
	memcpy(frame + AT_SOURCE, mac, VIF_MAC_BYTES);
	put_u16(frame + AT_TYPE, ETHERTYPE_REVARP);
	put_u16(frame + AT_HARDWARE, ARPHRD_ETHER);
	put_u16(frame + AT_PROTOCOL, ETHERTYPE_IP);
	frame[AT_HARDWARE_BYTES] = VIF_MAC_BYTES;
	frame[AT_PROTOCOL_BYTES] = 4; /* an IPv4 address, left at 0.0.0.0: it is not known */
	put_u16(frame + AT_OPERATION, ARPOP_RREQUEST);
	memcpy(frame + AT_SENDER_MAC, mac, VIF_MAC_BYTES);
	memcpy(frame + AT_SUBJECT_MAC, mac, VIF_MAC_BYTES);
}

static int send_one(int fd, const struct device *device, const char *bridge, struct err *err)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_halen = VIF_MAC_BYTES };
	const char *text = device_backend_node(device, "mac");
	uint8_t frame[ANNOUNCE_FRAME_BYTES], mac[VIF_MAC_BYTES];

	if (!text || !vif_parse_mac(text, mac))
		return err_set(err, ERR_FAILED, -EINVAL, "it has no MAC address");
	address.sll_ifindex = (int)if_nametoindex(bridge);
	if (!address.sll_ifindex)
		return err_errno(err, "bridge %s", bridge);
	announce_frame(mac, frame);
	memcpy(address.sll_addr, frame + AT_TARGET, VIF_MAC_BYTES);
	if (sendto(fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&address,
		   sizeof(address)) < 0)
		return err_errno(err, "cannot announce %s on bridge %s", text, bridge);
	return 0;
}

int announce_send(const struct description *guest, struct err *err)
{
	CLEANUP_FD int fd = -1;
	int first = 0;

	/* protocol 0: a socket that only sends, and is handed nothing */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot open a packet socket");
	for (size_t i = 0; i < guest->device_count; i++) {
		const struct device *device = &guest->devices[i];
		const char *bridge = device->kind == DEVICE_VIF ? vif_bridge(device) : NULL;
		char label[64];
		int rc;

		if (!bridge)
			continue;
		rc = send_one(fd, device, bridge, first ? NULL : err);
		if (rc && !first)
			first = err_prefix(err, rc, "%s",
					   device_label(device, label, sizeof(label)));
	}
	return first;
}

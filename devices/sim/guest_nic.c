/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_nic.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

void guest_nic_init(struct guest_nic *nic, struct program *program, uint32_t index,
		    struct sim_events *events, struct verdict *verdict)
{
	*nic = (struct guest_nic){
		.program = program,
		.events = events,
		.verdict = verdict,
		.state = &program->state->nics[index],
		.index = index,
	};
}

static uint64_t tx_frame(const struct guest_nic *nic)
{
	return program_nic_tx_ring(nic->program, nic->index);
}

static uint64_t rx_frame(const struct guest_nic *nic)
{
	return program_nic_rx_ring(nic->program, nic->index);
}

/* ---- opening and closing ---- */

static int grant(struct guest_nic *nic, uint64_t gfn, int *reference)
{
	*reference = sim_grant(nic->program->memory, gfn, true);
	return *reference < 0 ? *reference : 0;
}

static int grant_all(struct guest_nic *nic)
{
	int rc = grant(nic, tx_frame(nic), &nic->tx_reference);

	if (!rc)
		rc = grant(nic, rx_frame(nic), &nic->rx_reference);
	for (uint32_t i = 0; !rc && i < PROGRAM_TX_MAX; i++)
		rc = grant(nic, program_nic_tx_buffer(nic->program, nic->index, i),
			   &nic->tx_references[i]);
	for (uint32_t i = 0; !rc && i < PROGRAM_RX_MAX; i++)
		rc = grant(nic, program_nic_rx_buffer(nic->program, nic->index, i),
			   &nic->rx_references[i]);
	return rc;
}

static void offer(struct guest_nic *nic, uint32_t buffer)
{
	struct netif_rx_request *request = RING_GET_REQUEST(&nic->rx, nic->rx.req_prod_pvt);

	*request = (struct netif_rx_request){
		.id = (uint16_t)buffer,
		.gref = (grant_ref_t)nic->rx_references[buffer],
	};
	nic->rx.req_prod_pvt++;
}

static void push_offers(struct guest_nic *nic)
{
	int notify;

	program_touch_frame(nic->program, rx_frame(nic));
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&nic->rx, notify);
	if (notify)
		(void)sim_events_notify(nic->events, (uint32_t)nic->port);
}

int guest_nic_open(struct guest_nic *nic)
{
	int rc;

	assert(!nic->open);
	nic->open = true;
	memset(nic->tx_busy, 0, sizeof(nic->tx_busy));
	netif_tx_front_start(&nic->tx, program_frame(nic->program, tx_frame(nic)));
	netif_rx_front_start(&nic->rx, program_frame(nic->program, rx_frame(nic)));
	program_touch_frame(nic->program, tx_frame(nic));
	rc = grant_all(nic);
	if (!rc)
		rc = nic->port = sim_events_allocate(nic->events, 0);
	if (rc < 0) {
		guest_nic_close(nic);
		return rc;
	}
	for (uint32_t i = 0; i < PROGRAM_RX_MAX; i++)
		offer(nic, i);
	push_offers(nic);
	return 0;
}

/* Negative ones were never given. */
static void end_grant(struct guest_nic *nic, int *reference)
{
	if (*reference > 0)
		sim_grant_end(nic->program->memory, (uint32_t)*reference);
	*reference = 0;
}

void guest_nic_close(struct guest_nic *nic)
{
	if (!nic->open)
		return;
	for (uint32_t i = 0; i < PROGRAM_TX_MAX; i++)
		end_grant(nic, &nic->tx_references[i]);
	for (uint32_t i = 0; i < PROGRAM_RX_MAX; i++)
		end_grant(nic, &nic->rx_references[i]);
	end_grant(nic, &nic->tx_reference);
	end_grant(nic, &nic->rx_reference);
	if (nic->port > 0)
		(void)sim_events_unbind(nic->events, (uint32_t)nic->port);
	nic->port = 0;
	nic->open = nic->connected = false;
}

bool guest_nic_is_intact(const struct guest_nic *nic)
{
	return nic->connected && nic->tx.sring->req_prod == nic->tx.req_prod_pvt &&
	       nic->rx.sring->req_prod == nic->rx.req_prod_pvt &&
	       !RING_RESPONSE_PROD_OVERFLOW(&nic->tx, nic->tx.sring->rsp_prod) &&
	       !RING_RESPONSE_PROD_OVERFLOW(&nic->rx, nic->rx.sring->rsp_prod);
}

/* ---- frames ---- */

/* RFC 1071 */
static uint16_t internet_sum(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void put_ethernet(uint8_t *frame, const uint8_t *to, const uint8_t *from, uint16_t type)
{
	struct ether_header head = { .ether_type = htons(type) };

	memcpy(head.ether_dhost, to, ETH_ALEN);
	memcpy(head.ether_shost, from, ETH_ALEN);
	memcpy(frame, &head, sizeof(head));
}

/* RFC 826, Ethernet and IPv4. */
static size_t put_arp(uint8_t *frame, const struct program_nic *from, uint16_t operation,
		      const uint8_t *to_mac, const uint8_t *to_ip)
{
	struct ether_arp arp = {
		.arp_hrd = htons(ARPHRD_ETHER),
		.arp_pro = htons(ETHERTYPE_IP),
		.arp_hln = PROGRAM_MAC_BYTES,
		.arp_pln = PROGRAM_IP_BYTES,
		.arp_op = htons(operation),
	};

	memcpy(arp.arp_sha, from->mac, PROGRAM_MAC_BYTES);
	memcpy(arp.arp_spa, from->ip, PROGRAM_IP_BYTES);
	memcpy(arp.arp_tha, to_mac, PROGRAM_MAC_BYTES);
	memcpy(arp.arp_tpa, to_ip, PROGRAM_IP_BYTES);
	put_ethernet(frame, to_mac, from->mac, ETHERTYPE_ARP);
	memcpy(frame + ETH_HLEN, &arp, sizeof(arp));
	return ETH_HLEN + sizeof(arp);
}

static size_t answer_arp(const struct program_nic *address, const uint8_t *frame, size_t size,
			 uint8_t *answer)
{
	struct ether_arp arp;

	if (size < ETH_HLEN + sizeof(arp))
		return 0;
	memcpy(&arp, frame + ETH_HLEN, sizeof(arp));
	if (arp.arp_op != htons(ARPOP_REQUEST) || arp.arp_pro != htons(ETHERTYPE_IP) ||
	    memcmp(arp.arp_tpa, address->ip, PROGRAM_IP_BYTES) != 0)
		return 0;
	return put_arp(answer, address, ARPOP_REPLY, arp.arp_sha, arp.arp_spa);
}

/* RFC 792: the question with another type, from where it went to where it came from. */
static size_t answer_echo(const struct program_nic *address, const uint8_t *frame, size_t size,
			  uint8_t *answer)
{
	struct icmphdr echo;
	struct iphdr ip;
	size_t length;

	if (size < ETH_HLEN + sizeof(ip) + sizeof(echo))
		return 0;
	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	memcpy(&echo, frame + ETH_HLEN + sizeof(ip), sizeof(echo));
	length = ntohs(ip.tot_len);
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_ICMP ||
	    length < sizeof(ip) + sizeof(echo) || length > size - ETH_HLEN ||
	    memcmp(&ip.daddr, address->ip, PROGRAM_IP_BYTES) != 0 || echo.type != ICMP_ECHO)
		return 0;
	ip.daddr = ip.saddr;
	memcpy(&ip.saddr, address->ip, PROGRAM_IP_BYTES);
	ip.ttl = IPDEFTTL;
	ip.check = 0;
	ip.check = internet_sum((const uint8_t *)&ip, sizeof(ip));
	echo.type = ICMP_ECHOREPLY;
	echo.checksum = 0;
	put_ethernet(answer, frame + ETH_ALEN, address->mac, ETHERTYPE_IP);
	memcpy(answer + ETH_HLEN, &ip, sizeof(ip));
	memcpy(answer + ETH_HLEN + sizeof(ip), &echo, sizeof(echo));
	memcpy(answer + ETH_HLEN + sizeof(ip) + sizeof(echo),
	       frame + ETH_HLEN + sizeof(ip) + sizeof(echo), length - sizeof(ip) - sizeof(echo));
	echo.checksum = internet_sum(answer + ETH_HLEN + sizeof(ip), length - sizeof(ip));
	memcpy(answer + ETH_HLEN + sizeof(ip), &echo, sizeof(echo));
	return ETH_HLEN + length;
}

size_t guest_nic_answer(const struct program_nic *address, const uint8_t *frame, size_t size,
			uint8_t *answer)
{
	static const uint8_t broadcast[PROGRAM_MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };
	uint16_t type;

	if (size < ETH_HLEN || size > GUEST_FRAME_MAX)
		return 0;
	memcpy(&type, frame + ETH_HLEN - sizeof(type), sizeof(type));
	if (memcmp(frame, address->mac, PROGRAM_MAC_BYTES) != 0 &&
	    memcmp(frame, broadcast, PROGRAM_MAC_BYTES) != 0)
		return 0;
	if (type == htons(ETHERTYPE_ARP))
		return answer_arp(address, frame, size, answer);
	if (type == htons(ETHERTYPE_IP))
		return answer_echo(address, frame, size, answer);
	return 0;
}

/* ---- the rings ---- */

/* A buffer to fill, or NULL. */
static uint8_t *tx_buffer(struct guest_nic *nic, uint32_t *index)
{
	for (*index = 0; *index < PROGRAM_TX_MAX; (*index)++)
		if (!nic->tx_busy[*index])
			return program_frame(nic->program,
					     program_nic_tx_buffer(nic->program, nic->index,
								   *index));
	return NULL;
}

/* Sends what is in a buffer. */
static void send_frame(struct guest_nic *nic, uint32_t index, size_t size)
{
	struct netif_tx_request *request = RING_GET_REQUEST(&nic->tx, nic->tx.req_prod_pvt);
	int notify;

	*request = (struct netif_tx_request){
		.gref = (grant_ref_t)nic->tx_references[index],
		.id = (uint16_t)index,
		.size = (uint16_t)size,
	};
	nic->tx_busy[index] = true;
	nic->tx.req_prod_pvt++;
	program_touch_frame(nic->program, program_nic_tx_buffer(nic->program, nic->index, index));
	program_touch_frame(nic->program, tx_frame(nic));
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&nic->tx, notify);
	if (notify)
		(void)sim_events_notify(nic->events, (uint32_t)nic->port);
}

void guest_nic_connect(struct guest_nic *nic)
{
	assert(nic->open);
	nic->connected = true;
	nic->announced = false;
}

void guest_nic_announce(struct guest_nic *nic)
{
	static const uint8_t broadcast[PROGRAM_MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };
	uint32_t index;
	uint8_t *frame;

	if (!nic->connected || nic->announced)
		return;
	frame = tx_buffer(nic, &index);
	if (!frame)
		return;
	nic->announced = true;
	send_frame(nic, index,
		   put_arp(frame, nic->state, ARPOP_REQUEST, broadcast, nic->state->ip));
}

static void handle(struct guest_nic *nic, const uint8_t *frame, size_t size)
{
	uint32_t index;
	uint8_t *answer = tx_buffer(nic, &index);
	size_t length = answer ? guest_nic_answer(nic->state, frame, size, answer) : 0;
	uint16_t type;

	if (length == 0)
		return;
	memcpy(&type, answer + ETH_HLEN - sizeof(type), sizeof(type));
	if (type == htons(ETHERTYPE_IP)) {
		nic->state->pings++;
		program_touch(nic->program, nic->state, sizeof(*nic->state));
	}
	send_frame(nic, index, length);
}

static void refuse_ring(struct guest_nic *nic, const char *which)
{
	verdict_violation(nic->verdict, VIOLATION_RINGS,
			  "network card %u: the %s ring holds an answer to no request", nic->index,
			  which);
	nic->connected = false;
}

static bool take_sent(struct guest_nic *nic)
{
	RING_IDX more = 1;

	while (more) {
		RING_IDX produced = nic->tx.sring->rsp_prod;

		xen_rmb();
		if (RING_RESPONSE_PROD_OVERFLOW(&nic->tx, produced))
			return false;
		for (; nic->tx.rsp_cons != produced; nic->tx.rsp_cons++) {
			struct netif_tx_response response;

			RING_COPY_RESPONSE(&nic->tx, nic->tx.rsp_cons, &response);
			if (response.id >= PROGRAM_TX_MAX || !nic->tx_busy[response.id])
				return false;
			nic->tx_busy[response.id] = false;
		}
		RING_FINAL_CHECK_FOR_RESPONSES(&nic->tx, more);
		program_touch_frame(nic->program, tx_frame(nic));
	}
	return true;
}

/* False when the ring is wrong. What cannot be answered yet waits until a frame has been sent. */
static bool take_received(struct guest_nic *nic)
{
	RING_IDX more = 1;
	uint32_t index;

	while (more) {
		RING_IDX produced = nic->rx.sring->rsp_prod, taken = nic->rx.rsp_cons;

		xen_rmb();
		if (RING_RESPONSE_PROD_OVERFLOW(&nic->rx, produced))
			return false;
		for (; nic->rx.rsp_cons != produced && tx_buffer(nic, &index); nic->rx.rsp_cons++) {
			struct netif_rx_response response;

			RING_COPY_RESPONSE(&nic->rx, nic->rx.rsp_cons, &response);
			if (response.id >= PROGRAM_RX_MAX || response.offset != 0)
				return false;
			if (response.status > 0)
				handle(nic,
				       program_frame(nic->program,
						     program_nic_rx_buffer(nic->program, nic->index,
									   response.id)),
				       (size_t)response.status);
			offer(nic, response.id);
		}
		if (taken != nic->rx.rsp_cons)
			push_offers(nic);
		if (nic->rx.rsp_cons != produced)
			return true;
		RING_FINAL_CHECK_FOR_RESPONSES(&nic->rx, more);
		program_touch_frame(nic->program, rx_frame(nic));
	}
	return true;
}

void guest_nic_work(struct guest_nic *nic)
{
	if (!nic->connected)
		return;
	if (!take_sent(nic))
		refuse_ring(nic, "transmit");
	else if (!take_received(nic))
		refuse_ring(nic, "receive");
}

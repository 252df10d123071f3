/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_nic.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net_ring.h"
#include "sim_box.h"

static const uint8_t broadcast[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
static const uint8_t asker[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };

/* ---- frames ---- */

static size_t ask_for(uint8_t *frame, const uint8_t ip[4])
{
	struct ether_arp arp = {
		.arp_hrd = htons(ARPHRD_ETHER),
		.arp_pro = htons(ETHERTYPE_IP),
		.arp_hln = ETH_ALEN,
		.arp_pln = 4,
		.arp_op = htons(ARPOP_REQUEST),
		.arp_spa = { 10, 0, 0, 9 },
	};
	struct ether_header head = { .ether_type = htons(ETHERTYPE_ARP) };

	memcpy(arp.arp_sha, asker, ETH_ALEN);
	memcpy(arp.arp_tpa, ip, 4);
	memcpy(head.ether_dhost, broadcast, ETH_ALEN);
	memcpy(head.ether_shost, asker, ETH_ALEN);
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), &arp, sizeof(arp));
	return sizeof(head) + sizeof(arp);
}

static void answers_only_for_its_own_address(void **state)
{
	struct fixture *fixture = *state;
	const struct program_nic *address = fixture->here.nic.state;
	const uint8_t other[4] = { 10, 0, 0, 8 };
	uint8_t frame[GUEST_FRAME_MAX], answer[GUEST_FRAME_MAX];
	size_t size = ask_for(frame, address->ip);

	assert_int_equal(guest_nic_answer(address, frame, size, answer), size);
	assert_memory_equal(answer, asker, ETH_ALEN);
	assert_memory_equal(answer + ETH_ALEN, address->mac, ETH_ALEN);
	size = ask_for(frame, other);
	assert_int_equal(guest_nic_answer(address, frame, size, answer), 0);
}

static void a_cut_frame_is_not_answered(void **state)
{
	struct fixture *fixture = *state;
	const struct program_nic *address = fixture->here.nic.state;
	uint8_t frame[GUEST_FRAME_MAX], answer[GUEST_FRAME_MAX];
	size_t size = ask_for(frame, address->ip);

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(guest_nic_answer(address, frame, cut, answer), 0);
}

/* A guest's card, its backend, and a pair of sockets for the cable. */
struct cable {
	struct net_ring ring;
	int guest_fd, far_fd;
};

static void plug(struct fixture *fixture, struct cable *cable)
{
	struct guest_nic *nic = &fixture->here.nic;
	struct net_offer offer = { .domid = fixture->here.domid };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(guest_nic_open(nic), 0);
	offer.tx_reference = (uint32_t)nic->tx_reference;
	offer.rx_reference = (uint32_t)nic->rx_reference;
	offer.port = (uint32_t)nic->port;
	*cable = (struct cable){ .guest_fd = ends[0], .far_fd = ends[1] };
	assert_int_equal(net_ring_open(&cable->ring, fixture->host, fixture->zero, &offer,
				       cable->guest_fd), 0);
	guest_nic_connect(nic);
}

static void unplug(struct cable *cable)
{
	net_ring_close(&cable->ring);
	close(cable->guest_fd);
	close(cable->far_fd);
}

static void says_where_it_is_once(void **state)
{
	struct fixture *fixture = *state;
	uint8_t frame[GUEST_FRAME_MAX];
	struct cable cable;

	plug(fixture, &cable);
	guest_nic_announce(&fixture->here.nic);
	guest_nic_announce(&fixture->here.nic);
	net_ring_send(&cable.ring);

	assert_int_equal(recv(cable.far_fd, frame, sizeof(frame), 0),
			 sizeof(struct ether_header) + sizeof(struct ether_arp));
	assert_memory_equal(frame, broadcast, ETH_ALEN);
	assert_int_equal(recv(cable.far_fd, frame, sizeof(frame), 0), -1);
	unplug(&cable);
}

static void frames_pass_both_ways_for_longer_than_a_ring(void **state)
{
	struct fixture *fixture = *state;
	struct guest_nic *nic = &fixture->here.nic;
	uint8_t frame[GUEST_FRAME_MAX];
	struct cable cable;

	plug(fixture, &cable);
	for (int i = 0; i < 600; i++) {
		size_t size = ask_for(frame, nic->state->ip);

		assert_int_equal(send(cable.far_fd, frame, size, 0), size);
		net_ring_receive(&cable.ring);
		guest_nic_work(nic);
		net_ring_send(&cable.ring);
		assert_int_equal(recv(cable.far_fd, frame, sizeof(frame), 0), size);
		assert_memory_equal(frame, asker, ETH_ALEN);
	}

	assert_true(guest_nic_is_intact(nic));
	assert_int_equal(box_all_violations(fixture), 0);
	unplug(&cable);
}

/* As after a suspend that was cancelled: the questions waited, and none is lost. */
static void every_question_that_waited_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct guest_nic *nic = &fixture->here.nic;
	uint8_t frame[GUEST_FRAME_MAX];
	size_t size = ask_for(frame, nic->state->ip);
	struct cable cable;
	int answers = 0;

	plug(fixture, &cable);
	for (int i = 0; i < PROGRAM_RX_MAX; i++)
		assert_int_equal(send(cable.far_fd, frame, size, 0), size);
	while (net_ring_has_room(&cable.ring))
		net_ring_receive(&cable.ring);
	for (int i = 0; i < PROGRAM_RX_MAX; i++) {
		guest_nic_work(nic);
		net_ring_send(&cable.ring);
		while (recv(cable.far_fd, frame, sizeof(frame), 0) > 0)
			answers++;
	}

	assert_int_equal(answers, PROGRAM_RX_MAX);
	unplug(&cable);
}

static void a_guest_that_takes_nothing_leaves_frames_in_the_queue(void **state)
{
	struct fixture *fixture = *state;
	uint8_t byte = 0;
	struct cable cable;

	plug(fixture, &cable);
	for (int i = 0; i < PROGRAM_RX_MAX + 1; i++) {
		assert_int_equal(send(cable.far_fd, &byte, 1, 0), 1);
		net_ring_receive(&cable.ring);
	}
	assert_false(net_ring_has_room(&cable.ring));
	guest_nic_work(&fixture->here.nic);

	assert_true(net_ring_has_room(&cable.ring));
	net_ring_receive(&cable.ring);
	assert_int_equal(recv(cable.guest_fd, &byte, 1, 0), -1);
	unplug(&cable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOX_TEST(answers_only_for_its_own_address),
		BOX_TEST(a_cut_frame_is_not_answered),
		BOX_TEST(says_where_it_is_once),
		BOX_TEST(frames_pass_both_ways_for_longer_than_a_ring),
		BOX_TEST(every_question_that_waited_is_answered),
		BOX_TEST(a_guest_that_takes_nothing_leaves_frames_in_the_queue),
	};

	return cmocka_run_group_tests_name("sim_network", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "far_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define MTU 65520
#define PACKETS_MAX 4096 /* on the way in one direction; more are lost, as in any queue */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the namespaces ---- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

/* Root of a user namespace may make network namespaces. */
static void become_root(void)
{
	char map[32];

	if (geteuid() == 0)
		return;
	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	if (unshare(CLONE_NEWUSER) < 0)
		fail("a user namespace");
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", map);
}

static struct sockaddr_in address_of(unsigned end)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(0x0a4d0001 + end) };
}

static void configure(const struct ifreq *device, unsigned end)
{
	struct sockaddr_in address = address_of(end), mask = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = *device;

	mask.sin_addr.s_addr = htonl(0xfffffffc);
	request.ifr_mtu = MTU;
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &request) < 0)
		fail("SIOCSIFMTU");
	memcpy(&request.ifr_addr, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		fail("SIOCSIFADDR");
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		fail("SIOCSIFNETMASK");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		fail("SIOCSIFFLAGS");
	close(fd);
}

/* What is on the way on one connection: the kernel's memory for it bounds that. */
static void limit_windows(void)
{
	char text[64];

	snprintf(text, sizeof(text), "4096 65536 %u", FAR_LINK_WINDOW_BYTES);
	write_text("/proc/sys/net/ipv4/tcp_wmem", text);
	write_text("/proc/sys/net/ipv4/tcp_rmem", text);
}

/* A namespace of its own, in which the caller is from now on. Returns its device's other side. */
static int enter_new_space(unsigned end, int *space)
{
	struct ifreq device = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int tun;

	snprintf(device.ifr_name, sizeof(device.ifr_name), "far0");
	if (unshare(CLONE_NEWNET) < 0)
		fail("a network namespace");
	limit_windows();
	*space = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (*space < 0 || tun < 0 || ioctl(tun, TUNSETIFF, &device) < 0)
		fail("/dev/net/tun");
	configure(&device, end);
	return tun;
}

/* ---- the way between them ---- */

struct packet {
	uint64_t due_us;
	size_t size;
	uint8_t *bytes;
};

struct lane {
	int from, to;
	size_t first, count;
	struct packet packets[PACKETS_MAX];
};

static void take_in(struct lane *lane, uint64_t delay_us)
{
	static uint8_t bytes[MTU];
	ssize_t size;

	while ((size = read(lane->from, bytes, sizeof(bytes))) > 0) {
		struct packet *packet = &lane->packets[(lane->first + lane->count) % PACKETS_MAX];

		if (lane->count == PACKETS_MAX)
			continue;
		packet->due_us = clock_now_us(&clock_system) + delay_us;
		packet->size = (size_t)size;
		packet->bytes = malloc(packet->size);
		if (!packet->bytes)
			fail("a packet");
		memcpy(packet->bytes, bytes, packet->size);
		lane->count++;
	}
}

/* Returns when the next is due. */
static uint64_t hand_out(struct lane *lane)
{
	while (lane->count > 0) {
		struct packet *packet = &lane->packets[lane->first];

		if (packet->due_us > clock_now_us(&clock_system))
			return packet->due_us;
		(void)!write(lane->to, packet->bytes, packet->size);
		free(packet->bytes);
		lane->first = (lane->first + 1) % PACKETS_MAX;
		lane->count--;
	}
	return UINT64_MAX;
}

static void carry(const int tuns[2], uint64_t delay_us)
{
	static struct lane lanes[2];

	for (unsigned i = 0; i < 2; i++)
		lanes[i] = (struct lane){ .from = tuns[i], .to = tuns[1 - i] };
	for (;;) {
		struct pollfd fds[] = { { tuns[0], POLLIN, 0 }, { tuns[1], POLLIN, 0 } };
		uint64_t due_us = UINT64_MAX;

		for (unsigned i = 0; i < 2; i++) {
			uint64_t lane_us;

			take_in(&lanes[i], delay_us);
			lane_us = hand_out(&lanes[i]);
			due_us = lane_us < due_us ? lane_us : due_us;
		}
		(void)clock_wait(&clock_system, fds, 2, due_us, false);
	}
}

void far_link_open(struct far_link *link, uint64_t round_trip_us)
{
	pid_t parent = getpid(), pid;
	int tuns[2];

	become_root();
	for (unsigned end = 0; end < 2; end++)
		tuns[end] = enter_new_space(end, &link->spaces[end]);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		carry(tuns, round_trip_us / 2);
	}
	close(tuns[0]);
	close(tuns[1]);
}

static int socket_in(const struct far_link *link, unsigned end)
{
	int fd = -1;

	if (setns(link->spaces[end], CLONE_NEWNET) == 0)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("a socket far away");
	return fd;
}

void far_link_connect(const struct far_link *link, int ends[2])
{
	struct sockaddr_in address = address_of(1);
	socklen_t size = sizeof(address);
	int listener = socket_in(link, 1);

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0)
		fail("listen");
	ends[0] = socket_in(link, 0);
	if (connect(ends[0], (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
}

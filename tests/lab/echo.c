// SPDX-License-Identifier: LGPL-2.1-or-later
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "echo.h"

double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint16_t checksum(const struct icmphdr *header)
{
	uint16_t words[sizeof(*header) / 2];
	uint32_t sum = 0;

	memcpy(words, header, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

static uint16_t our_id(void)
{
	return htons((uint16_t)getpid());
}

int echo_open(const char *address)
{
	struct sockaddr_in guest = { .sin_family = AF_INET };
	int sock = -1;

	if (inet_pton(AF_INET, address, &guest.sin_addr) == 1)
		sock = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (sock < 0 || connect(sock, (struct sockaddr *)&guest, sizeof(guest)) < 0) {
		perror(address);
		return -1;
	}
	return sock;
}

void echo_ask(int sock, uint32_t sequence)
{
	struct icmphdr question = { .type = ICMP_ECHO };

	question.un.echo.id = our_id();
	question.un.echo.sequence = htons((uint16_t)sequence);
	question.checksum = checksum(&question);
	(void)send(sock, &question, sizeof(question), MSG_DONTWAIT);
}

bool echo_hear(int sock)
{
	char packet[2048];
	ssize_t bytes = recv(sock, packet, sizeof(packet), MSG_DONTWAIT);
	struct icmphdr answer;
	struct iphdr ip;

	if (bytes < (ssize_t)(sizeof(ip) + sizeof(answer)))
		return false;
	memcpy(&ip, packet, sizeof(ip));
	if (bytes < (ssize_t)(ip.ihl * 4u + sizeof(answer)))
		return false;
	memcpy(&answer, packet + ip.ihl * 4u, sizeof(answer));
	return answer.type == ICMP_ECHOREPLY && answer.un.echo.id == our_id();
}

double echo_answered_after_ms(int sock, double limit_ms)
{
	double begin = now_ms();
	struct pollfd ready = { .fd = sock, .events = POLLIN };

	for (uint32_t sequence = 0; now_ms() - begin < limit_ms; sequence++) {
		echo_ask(sock, sequence);
		if (poll(&ready, 1, 1) > 0 && echo_hear(sock))
			return now_ms() - begin;
	}
	return -1;
}

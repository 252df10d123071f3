// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ping ADDRESS INTERVAL_MS: asks until SIGTERM, then prints one line:
 *
 *   gap_ms=1081.4 sent=1720 lost=51
 *
 * gap_ms is the longest time between two answers that followed each other. Not iputils' ping,
 * because that one gives up when a host is unreachable for a while, which is what is measured here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STRAGGLERS_MS 500.0 /* how long to listen after the last question */

struct tally {
	double last_answer_ms; /* 0: none yet */
	double gap_ms;
	uint32_t sent;
	uint32_t answered;
	uint16_t id;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static double now_ms(void)
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

static void ask(int sock, const struct sockaddr_in *guest, struct tally *tally)
{
	struct icmphdr question = { .type = ICMP_ECHO };

	question.un.echo.id = tally->id;
	question.un.echo.sequence = htons((uint16_t)tally->sent);
	question.checksum = checksum(&question);
	tally->sent++;
	/* an unreachable guest is a lost question */
	(void)sendto(sock, &question, sizeof(question), MSG_DONTWAIT,
		     (const struct sockaddr *)guest, sizeof(*guest));
}

static void silence_until(struct tally *tally, double now)
{
	if (tally->last_answer_ms > 0 && now - tally->last_answer_ms > tally->gap_ms)
		tally->gap_ms = now - tally->last_answer_ms;
}

static void hear(int sock, struct tally *tally)
{
	char packet[2048];
	ssize_t bytes = recv(sock, packet, sizeof(packet), MSG_DONTWAIT);
	struct icmphdr answer;
	struct iphdr ip;
	double now = now_ms();

	if (bytes < (ssize_t)(sizeof(ip) + sizeof(answer)))
		return;
	memcpy(&ip, packet, sizeof(ip));
	if (bytes < (ssize_t)(ip.ihl * 4u + sizeof(answer)))
		return;
	memcpy(&answer, packet + ip.ihl * 4u, sizeof(answer));
	if (answer.type != ICMP_ECHOREPLY || answer.un.echo.id != tally->id)
		return;
	silence_until(tally, now);
	tally->last_answer_ms = now;
	tally->answered++;
}

/* Listens until `deadline_ms`, or for as long as a signal lets it. */
static void listen_until(int sock, double deadline_ms, struct tally *tally)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	double now;

	while ((now = now_ms()) < deadline_ms) {
		if (poll(&ready, 1, (int)(deadline_ms - now) + 1) < 0)
			return;
		if (ready.revents)
			hear(sock, tally);
	}
}

static void measure(int sock, const struct sockaddr_in *guest, double interval_ms,
		    struct tally *tally)
{
	double next = now_ms();

	while (!stopped) {
		ask(sock, guest, tally);
		next += interval_ms;
		listen_until(sock, next, tally);
	}
	silence_until(tally, now_ms()); /* a guest that never came back */
	listen_until(sock, now_ms() + STRAGGLERS_MS, tally);
}

int main(int argc, char **argv)
{
	struct sockaddr_in guest = { .sin_family = AF_INET };
	struct tally tally = { .id = htons((uint16_t)getpid()) };
	struct sigaction action = { .sa_handler = stop };
	double interval_ms = argc == 3 ? atof(argv[2]) : 0;
	int sock;

	if (interval_ms < 1 || inet_pton(AF_INET, argv[1], &guest.sin_addr) != 1) {
		fprintf(stderr, "usage: ping ADDRESS INTERVAL_MS\n");
		return 2;
	}
	sock = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (sock < 0 || connect(sock, (struct sockaddr *)&guest, sizeof(guest)) < 0) {
		perror("ping");
		return 1;
	}
	sigaction(SIGTERM, &action, NULL);
	measure(sock, &guest, interval_ms, &tally);
	printf("gap_ms=%.1f sent=%u lost=%u\n", tally.gap_ms, tally.sent,
	       tally.sent - tally.answered);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer whose xenferry is one version later, or two: for test_versions.sh. It is the handshake's
 * own code, built with the version numbers of a header that the Makefile makes.
 *
 *   other_version connect PORT   says a hello; prints "welcome", or why not
 *   other_version accept         prints its port, answers one hello, and prints how
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"

#define DEADLINE_MS 10000

static uint64_t deadline_us(void)
{
	return clock_after_ms(&clock_system, DEADLINE_MS);
}

static int call(const char *port)
{
	const struct wire_hello hello = { WIRE_VERSION_OLDEST, WIRE_VERSION, WIRE_CONTROL, { 1 },
					  { 2 } };
	const struct link_place place = { "127.0.0.1", (uint16_t)atoi(port), NULL, NULL };
	struct err err;
	int fd;

	if (link_connect(&clock_system, &place, &hello, deadline_us(), &fd, &err) < 0)
		return printf("%s\n", err.message) < 0;
	return puts("welcome") < 0;
}

static int listen_here(uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

static int answer(void)
{
	uint8_t bytes[WIRE_HELLO_BYTES];
	struct wire_hello hello = { .kind = 0 };
	struct err err;
	uint16_t port = 0;
	int listener = listen_here(&port), fd;

	if (listener < 0)
		return 1;
	printf("%u\n", port);
	fflush(stdout);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 || recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
		return 1;
	if (wire_decode_hello(bytes, &hello, &err) < 0) {
		(void)link_refuse(&clock_system, fd, &hello, &err, deadline_us());
		return printf("refused: %s\n", err.message) < 0;
	}
	if (link_welcome(&clock_system, fd, &hello, deadline_us(), &err) < 0)
		return 1;
	return printf("version %u\n", wire_version_for(&hello)) < 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "connect") == 0)
		return call(argv[2]);
	if (argc == 2 && strcmp(argv[1], "accept") == 0)
		return answer();
	fprintf(stderr, "see the head of its source\n");
	return 2;
}

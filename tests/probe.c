/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other hosts and clients may send to the daemon, for test_daemon.sh:
 *
 *   probe control|memory|ask PORT JOB NONCE   a hello; prints "welcome", then what comes, or the
 *                                             refusal
 *   probe bytes|version PORT                  not our protocol, a version of the future; prints
 *                                             the reason in the REFUSED frame
 *   probe line SOCKET TEXT                    one line to the control socket; prints the answer
 *   probe long-line SOCKET                    one that is too long
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"
#include "rpc.h"
#include "tlv.h"
#include "uuid.h"

#define DEADLINE_MS 10000

static int fail(const char *what)
{
	fprintf(stderr, "probe: %s\n", what);
	return 9;
}

/* Prints what comes until the other side closes. */
static int print_rest(int fd)
{
	char bytes[4096];
	ssize_t size;

	for (;;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };

		if (clock_wait(&clock_system, &readable, 1,
			       clock_after_ms(&clock_system, DEADLINE_MS), false) <= 0)
			return fail("nothing came");
		size = read(fd, bytes, sizeof(bytes));
		if (size <= 0)
			break;
		fwrite(bytes, 1, (size_t)size, stdout);
	}
	printf("\n");
	return 0;
}

static int say_hello(enum wire_kind kind, const char *port, const char *job, const char *nonce)
{
	struct wire_hello hello = { WIRE_VERSION_OLDEST, WIRE_VERSION, kind, { 0 }, { 0 } };
	const struct link_place place = { "127.0.0.1", (uint16_t)atoi(port), NULL, NULL };
	struct err err;
	int fd;

	if (!uuid_from_text(job, hello.job) || !nonce_from_text(nonce, hello.nonce))
		return fail("a job is a uuid, a nonce 32 digits");
	if (link_connect(&clock_system, &place, &hello,
			 clock_after_ms(&clock_system, DEADLINE_MS), &fd, &err) < 0) {
		printf("%s\n", err.message);
		return 1;
	}
	printf("welcome\n");
	fflush(stdout);
	return print_rest(fd);
}

static int connect_port(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

static int print_refusal(int fd)
{
	uint8_t header[WIRE_FRAME_BYTES], payload[2048];
	struct wire_frame frame;
	struct tlv_reader reader;
	struct tlv_field field;
	char text[1024];

	if (recv(fd, header, sizeof(header), MSG_WAITALL) != sizeof(header) ||
	    wire_decode_frame(header, &frame, NULL) < 0 || frame.type != WIRE_REFUSED ||
	    frame.size > sizeof(payload) ||
	    recv(fd, payload, frame.size, MSG_WAITALL) != (ssize_t)frame.size)
		return fail("no REFUSED frame came");
	tlv_reader_init(&reader, payload, frame.size);
	while (tlv_next(&reader, &field) > 0)
		if (tlv_get_string(&field, text, sizeof(text)) == 0)
			printf("%s\n", text);
	return recv(fd, header, 1, 0) <= 0 ? 0 : fail("the connection was not closed");
}

static int send_strange(const char *port, const uint8_t hello[WIRE_HELLO_BYTES])
{
	int fd = connect_port(port);

	if (fd < 0 || send(fd, hello, WIRE_HELLO_BYTES, MSG_NOSIGNAL) != WIRE_HELLO_BYTES)
		return fail("nobody listens");
	return print_refusal(fd);
}

static int send_bytes(const char *port)
{
	uint8_t bytes[WIRE_HELLO_BYTES] =
		"GET / HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n";

	return send_strange(port, bytes);
}

static int send_version(const char *port)
{
	const struct wire_hello hello = { 99, 99, WIRE_CONTROL, { 1 }, { 2 } };
	uint8_t bytes[WIRE_HELLO_BYTES];

	wire_encode_hello(&hello, bytes);
	return send_strange(port, bytes);
}

static int send_line(const char *path, const char *text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail("nobody listens");
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	(void)send(fd, "\n", 1, MSG_NOSIGNAL);
	while (recv(fd, &answer, 1, 0) == 1 && answer != '\n')
		putchar(answer);
	printf("\n");
	return 0;
}

static int send_long_line(const char *path)
{
	static char text[2 * RPC_LINE_MAX];

	memset(text, 'x', sizeof(text) - 1);
	return send_line(path, text);
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {
		[WIRE_CONTROL] = "control", [WIRE_MEMORY] = "memory", [WIRE_ASK] = "ask",
		[WIRE_INQUIRY] = "inquiry",
	};
	const char *mode = argc > 2 ? argv[1] : "";

	for (enum wire_kind kind = WIRE_CONTROL; argc == 5 && kind <= WIRE_INQUIRY; kind++)
		if (strcmp(mode, kinds[kind]) == 0)
			return say_hello(kind, argv[2], argv[3], argv[4]);
	if (strcmp(mode, "bytes") == 0)
		return send_bytes(argv[2]);
	if (strcmp(mode, "version") == 0)
		return send_version(argv[2]);
	if (strcmp(mode, "line") == 0 && argc == 4)
		return send_line(argv[2], argv[3]);
	if (strcmp(mode, "long-line") == 0)
		return send_long_line(argv[2]);
	return fail("see the head of its source");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host may answer to a source in doubt that connects, says hello and asks: a WELCOME and an
 * OUTCOME, when all goes well.
 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fake_clock.h"
#include "fuzz.h"
#include "peer.h"

/* The host that is asked: accepts, reads the hello, and says the bytes. */
struct asked {
	int listener, connection;
	const uint8_t *bytes;
	size_t size;
};

static int listen_here(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	assert(listen(fd, 4) == 0);
	assert(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Called whenever the asking side waits. */
static void serve(struct fake_clock *clock, void *argument)
{
	struct asked *host = argument;
	uint8_t hello[WIRE_HELLO_BYTES];

	(void)clock;
	if (host->connection < 0)
		host->connection = accept4(host->listener, NULL, NULL,
					   SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (host->connection < 0 || !host->bytes)
		return;
	if (recv(host->connection, hello, sizeof(hello), 0) != sizeof(hello))
		return;
	(void)!send(host->connection, host->bytes, host->size, MSG_NOSIGNAL);
	shutdown(host->connection, SHUT_WR);
	host->bytes = NULL;
}

/* Without a trace: else thousands of closed connections a second would use up the ports. */
static void forget(struct asked *host)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (host->connection < 0)
		host->connection = accept4(host->listener, NULL, NULL, SOCK_CLOEXEC);
	if (host->connection < 0)
		return;
	setsockopt(host->connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(host->connection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct asked host;
	static uint16_t port;
	struct job_note note = { .side = SIDE_SOURCE, .address = "127.0.0.1" };
	enum outcome outcome = OUTCOME_UNDECIDED;
	struct err err = { .code = ERR_NONE };
	struct job job = { .lock = -1 };
	struct fake_clock clock;
	struct peer_tcp peer;
	int rc;

	if (port == 0)
		host.listener = listen_here(&port);
	host.connection = -1;
	host.bytes = data ? data : (const uint8_t *)"";
	host.size = size;
	note.port = port;
	fake_clock_init(&clock);
	clock.on_wait = serve;
	clock.argument = &host;
	peer_source_init(&peer, &clock.clock, &job, &note, NULL);
	rc = peer.peer.ops->ask(&peer.peer, clock_after_ms(&clock.clock, 1000), &outcome, &err);
	forget(&host);
	assert(rc == 0 || (err.code != ERR_NONE && err.message[0]));
	assert(rc == 0 || outcome == OUTCOME_UNDECIDED);
	assert(outcome <= OUTCOME_NEVER);
	return 0;
}

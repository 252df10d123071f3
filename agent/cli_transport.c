/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * transport: `xl migrate -s 'xenferry transport' GUEST HOST` has xl start us as it would start ssh,
 * with the command for the other host behind its name. We connect to that host's agent, which runs
 * its own xl migrate-receive, and pass bytes until either end closes.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "hosts.h"
#include "link.h"
#include "pacer.h"

#define CONNECT_MS 30000
#define IDLE_MS 600000 /* without a byte either way: nobody is there any more */
#define BUFFER_BYTES (256 * 1024)
#define MIB 1048576

/* Bytes that are to be passed on. */
struct buffer {
	char bytes[BUFFER_BYTES];
	size_t at, size;
};

struct transport {
	int fd;
	bool sending; /* stdin has not ended */
	struct buffer up;
	uint64_t sent;
	struct pacer pacer;
};

/* ---- where to ---- */

/* The other host's agent runs what it is allowed to, so nothing else may be asked for. */
static int check_rest(const struct cli_args *args, struct err *err)
{
	static const char *const known[] = { "-t", "xl", "-v", "-vv", "-vvv", "migrate-receive" };

	for (int i = 0; i < args->rest_count; i++) {
		bool found = false;

		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]) && !found; j++)
			found = strcmp(args->rest[i], known[j]) == 0;
		if (!found)
			return err_set(err, ERR_USAGE, -EINVAL,
				       "'%s' cannot be asked of the other host: a transport is for "
				       "xl migrate without -e, -d and -p", args->rest[i]);
	}
	return 0;
}

static int connect_to(const struct cli_args *args, const struct config *config, int *fd,
		      struct err *err)
{
	CLEANUP_FREE struct hosts *hosts = malloc(sizeof(*hosts));
	struct wire_hello hello = { .version_oldest = WIRE_VERSION_OLDEST,
				    .version_newest = WIRE_VERSION,
				    .kind = WIRE_TRANSPORT };
	struct host_place place;
	struct config_tls tls;
	struct link_place to;
	int rc;

	if (!hosts)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	rc = hosts_load(config->hosts_file, HOST_PORT_DEFAULT, hosts, err);
	if (rc == 0)
		rc = hosts_resolve(hosts, args->word, HOST_PORT_DEFAULT, &place, err);
	if (rc < 0)
		return rc;
	clock_random(&clock_system, hello.job, sizeof(hello.job));
	clock_random(&clock_system, hello.nonce, sizeof(hello.nonce));
	to = (struct link_place){ .address = place.address,
				  .port = place.port,
				  .tls = config_tls(config, &tls),
				  .certificate = place.certificate };
	rc = link_connect(&clock_system, &to, &hello, clock_after_ms(&clock_system, CONNECT_MS), fd,
			  err);
	if (rc == 0 && fcntl(*fd, F_SETFL, O_NONBLOCK) < 0)
		rc = err_errno(err, "the connection cannot be used");
	return rc;
}

/* ---- passing on ---- */

static int gone(const char *what, struct err *err)
{
	return err_set(err, ERR_FAILED, -EPIPE, "%s: %s", what, strerror(errno));
}

static bool would_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* From stdin, when all before has gone. */
static int fill(struct transport *transport, struct err *err)
{
	struct buffer *up = &transport->up;
	ssize_t got = read(STDIN_FILENO, up->bytes, sizeof(up->bytes));

	if (got < 0 && !would_wait())
		return gone("xl cannot be read from", err);
	up->at = 0;
	up->size = got > 0 ? (size_t)got : 0;
	if (got == 0) {
		transport->sending = false;
		(void)shutdown(transport->fd, SHUT_WR);
	}
	return 0;
}

static int send_on(struct transport *transport, struct err *err)
{
	struct buffer *up = &transport->up;
	ssize_t sent = send(transport->fd, up->bytes + up->at, up->size - up->at, MSG_NOSIGNAL);

	if (sent < 0)
		return would_wait() ? 0 : gone("the other host has gone", err);
	up->at += (size_t)sent;
	transport->sent += (uint64_t)sent;
	return 0;
}

/* Returns 1 at the other host's end. xl reads what little comes, so this waits for it. */
static int receive_on(const struct transport *transport, struct err *err)
{
	char bytes[4096];
	ssize_t got = recv(transport->fd, bytes, sizeof(bytes), 0), passed = 0;

	if (got == 0)
		return 1;
	if (got < 0)
		return would_wait() ? 0 : gone("the other host has gone", err);
	while (passed < got) {
		ssize_t wrote = write(STDOUT_FILENO, bytes + passed, (size_t)(got - passed));

		if (wrote < 0 && errno != EINTR)
			return gone("xl does not listen", err);
		passed += wrote > 0 ? wrote : 0;
	}
	return 0;
}

/* Waits for whichever end has something, or may have something; then passes it on. */
static int pass_once(struct transport *transport, struct err *err)
{
	const struct buffer *up = &transport->up;
	bool full = up->at < up->size;
	uint64_t now_us = clock_now_us(&clock_system);
	uint64_t pause_us = pacer_wait_us(&transport->pacer, now_us, transport->sent);
	bool may_send = full && pause_us == 0;
	struct pollfd fds[] = {
		{ .fd = transport->fd, .events = (short)(POLLIN | (may_send ? POLLOUT : 0)) },
		{ .fd = transport->sending && !full ? STDIN_FILENO : -1, .events = POLLIN },
	};
	uint64_t until_us = full && !may_send ? now_us + pause_us : now_us + IDLE_MS * 1000ull;
	int rc = clock_wait(&clock_system, fds, 2, until_us, false);

	if (rc == 0 && (!full || may_send))
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "nothing has passed for %d s",
			       IDLE_MS / 1000);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "waiting: %s", strerror(-rc));
	rc = 0;
	if (fds[1].revents)
		rc = fill(transport, err);
	if (rc == 0 && (fds[0].revents & POLLOUT))
		rc = send_on(transport, err);
	if (rc == 0 && (fds[0].revents & ~POLLOUT))
		rc = receive_on(transport, err);
	return rc;
}

int cli_transport(const struct cli_args *args, struct err *err)
{
	CLEANUP_FREE struct transport *transport = calloc(1, sizeof(*transport));
	uint64_t limit = (uint64_t)cli_number(args, "bandwidth-mibps", 0) * MIB;
	CLEANUP_FD int fd = -1;
	struct config config;
	int rc;

	if (!transport)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (!args->word)
		return err_set(err, ERR_USAGE, -EINVAL, "transport wants a HOST");
	rc = check_rest(args, err);
	if (rc == 0)
		rc = config_load(args->config, &config, err);
	if (rc == 0)
		rc = connect_to(args, &config, &fd, err);
	transport->fd = fd;
	transport->sending = true;
	pacer_set(&transport->pacer, limit, clock_now_us(&clock_system), 0);
	while (rc == 0)
		rc = pass_once(transport, err);
	return rc < 0 ? rc : 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "lookup.h"

#define ATTEMPTS_TEXT_MAX 512

/* What came of the addresses so far: "192.0.2.1: Connection refused; 2001:db8::1: ..." */
struct attempts {
	char text[ATTEMPTS_TEXT_MAX];
	size_t size;
};

static socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
						sizeof(struct sockaddr_in);
}

static void note_attempt(struct attempts *attempts, const struct sockaddr_storage *address,
			 int rc)
{
	char name[INET6_ADDRSTRLEN + 32];
	size_t room = sizeof(attempts->text) - attempts->size;
	int r;

	if (getnameinfo((const struct sockaddr *)address, size_of(address), name, sizeof(name),
			NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(name, sizeof(name), "?");
	r = snprintf(attempts->text + attempts->size, room, "%s%s: %s",
		     attempts->size > 0 ? "; " : "", name, strerror(-rc));
	if (r > 0)
		attempts->size += (size_t)r < room ? (size_t)r : room - 1;
}

/* One address. 0 or -errno. */
static int connect_to_address(const struct clock *clock, const struct sockaddr_storage *address,
			      uint64_t deadline_us, bool cancellable, int *fd_out)
{
	CLEANUP_FD int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				   0);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0, rc;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, size_of(address)) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		rc = clock_wait(clock, &ready, 1, deadline_us, cancellable);
		if (rc <= 0)
			return rc < 0 ? rc : -ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			return -errno;
		if (error != 0)
			return -error;
	}
	*fd_out = steal_fd(&fd);
	return 0;
}

int connect_to_host(const struct clock *clock, const char *host, uint16_t port,
		    uint64_t deadline_us, bool cancellable, int *fd_out, struct err *err)
{
	struct attempts attempts = { .size = 0 };
	struct addresses addresses;
	int rc = look_up(clock, host, port, deadline_us, cancellable, &addresses, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < addresses.count; i++) {
		uint64_t now_us = clock_now_us(clock);
		uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;

		rc = connect_to_address(clock, &addresses.at[i],
					now_us + left_us / (addresses.count - i), cancellable,
					fd_out);
		if (rc == 0)
			return 0;
		if (rc == -ECANCELED)
			return err_set(err, ERR_CANCELLED, rc,
				       "cancelled while connecting to host %s", host);
		note_attempt(&attempts, &addresses.at[i], rc);
	}
	return err_set(err, ERR_NO_PEER, rc < 0 ? rc : -EHOSTUNREACH,
		       "host %s cannot be reached on port %u (%s): is xenferryd running there, "
		       "and does its firewall let that port through?", host, port, attempts.text);
}

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

#define ADDRESSES_MAX 8      /* of one name; more are not tried */
#define ATTEMPTS_TEXT_MAX 512

/* What came of the addresses so far: "192.0.2.1: Connection refused; 2001:db8::1: ..." */
struct attempts {
	char text[ATTEMPTS_TEXT_MAX];
	size_t size;
};

static void free_addresses(struct addrinfo **addresses)
{
	if (*addresses)
		freeaddrinfo(*addresses);
}

#define CLEANUP_ADDRESSES __attribute__((cleanup(free_addresses)))

static int look_up(const char *host, uint16_t port, struct addrinfo **addresses, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV };
	char service[8];
	int r;

	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, addresses);
	if (r != 0)
		return err_set(err, ERR_NO_PEER, -EHOSTUNREACH,
			       "host %s cannot be found: %s; correct the name, or give its address",
			       host, r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
	return 0;
}

static size_t count_addresses(const struct addrinfo *address)
{
	size_t count = 0;

	for (; address && count < ADDRESSES_MAX; address = address->ai_next)
		count++;
	return count;
}

static void note_attempt(struct attempts *attempts, const struct addrinfo *address, int rc)
{
	char name[INET6_ADDRSTRLEN + 32];
	size_t room = sizeof(attempts->text) - attempts->size;
	int r;

	if (getnameinfo(address->ai_addr, address->ai_addrlen, name, sizeof(name), NULL, 0,
			NI_NUMERICHOST) != 0)
		snprintf(name, sizeof(name), "?");
	r = snprintf(attempts->text + attempts->size, room, "%s%s: %s",
		     attempts->size > 0 ? "; " : "", name, strerror(-rc));
	if (r > 0)
		attempts->size += (size_t)r < room ? (size_t)r : room - 1;
}

/* One address. 0 or -errno. */
static int connect_to_address(const struct clock *clock, const struct addrinfo *address,
			      uint64_t deadline_us, bool cancellable, int *fd_out)
{
	CLEANUP_FD int fd = socket(address->ai_family,
				   address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
				   address->ai_protocol);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0, rc;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
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
	CLEANUP_ADDRESSES struct addrinfo *addresses = NULL;
	struct attempts attempts = { .size = 0 };
	const struct addrinfo *address;
	size_t left;
	int rc;

	rc = look_up(host, port, &addresses, err);
	if (rc < 0)
		return rc;
	address = addresses;
	for (left = count_addresses(addresses); left > 0; left--, address = address->ai_next) {
		uint64_t now_us = clock_now_us(clock);
		uint64_t left_us = deadline_us > now_us ? deadline_us - now_us : 0;

		rc = connect_to_address(clock, address, now_us + left_us / left, cancellable,
					fd_out);
		if (rc == 0)
			return 0;
		if (rc == -ECANCELED)
			return err_set(err, ERR_CANCELLED, rc,
				       "cancelled while connecting to host %s", host);
		note_attempt(&attempts, address, rc);
	}
	return err_set(err, ERR_NO_PEER, rc < 0 ? rc : -EHOSTUNREACH,
		       "host %s cannot be reached on port %u (%s): is xenferryd running there, "
		       "and does its firewall let that port through?", host, port, attempts.text);
}

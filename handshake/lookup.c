/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cleanup.h"

/* What the child found; small enough for a pipe to take it at once. */
struct answer {
	int status; /* of getaddrinfo() */
	int system_errno;
	struct addresses addresses;
};

static void ask(const char *host, uint16_t port, int flags, struct answer *answer)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV | flags };
	struct addrinfo *found = NULL;
	char service[8];

	*answer = (struct answer){ .status = 0 };
	snprintf(service, sizeof(service), "%u", port);
	answer->status = getaddrinfo(host, service, &hints, &found);
	answer->system_errno = errno;
	if (answer->status != 0)
		return;
	for (struct addrinfo *at = found; at && answer->addresses.count < ADDRESSES_MAX;
	     at = at->ai_next)
		memcpy(&answer->addresses.at[answer->addresses.count++], at->ai_addr,
		       at->ai_addrlen);
	freeaddrinfo(found);
}

static void ask_and_end(const char *host, uint16_t port, int fd)
{
	struct answer answer;

	ask(host, port, 0, &answer);
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

/* 1 with the answer, 0 at the deadline, or -errno. */
static int hear(const struct clock *clock, int fd, uint64_t deadline_us, bool cancellable,
		struct answer *answer)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	int rc = clock_wait(clock, &readable, 1, deadline_us, cancellable);

	if (rc <= 0)
		return rc;
	return read(fd, answer, sizeof(*answer)) == sizeof(*answer) ? 1 : -EIO;
}

static int ask_in_child(const struct clock *clock, const char *host, uint16_t port,
			uint64_t deadline_us, bool cancellable, struct answer *answer)
{
	CLEANUP_FD int ours = -1, theirs = -1;
	int ends[2], rc;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	ours = ends[0];
	theirs = ends[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		ask_and_end(host, port, theirs);
	close(steal_fd(&theirs));
	rc = hear(clock, ours, deadline_us, cancellable, answer);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return rc;
}

static const char *reason_of(const struct answer *answer)
{
	return answer->status == EAI_SYSTEM ? strerror(answer->system_errno) :
					      gai_strerror(answer->status);
}

int look_up(const struct clock *clock, const char *host, uint16_t port, uint64_t deadline_us,
	    bool cancellable, struct addresses *addresses, struct err *err)
{
	struct answer answer;
	int rc = 1;

	ask(host, port, AI_NUMERICHOST, &answer);
	if (answer.status != 0)
		rc = ask_in_child(clock, host, port, deadline_us, cancellable, &answer);
	if (rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, rc, "cancelled while host %s was looked up",
			       host);
	if (rc == 0)
		return err_set(err, ERR_NO_PEER, -ETIMEDOUT,
			       "host %s was not found in time: the name service does not answer; "
			       "give the host's address in its place", host);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "look up host %s: %s", host, strerror(-rc));
	if (answer.status != 0)
		return err_set(err, ERR_NO_PEER, -EHOSTUNREACH,
			       "host %s cannot be found: %s; correct the name, or give its address",
			       host, reason_of(&answer));
	*addresses = answer.addresses;
	return 0;
}

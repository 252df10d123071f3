/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

void ends_connect(int *connecting, int *accepting)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	*connecting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*connecting, (struct sockaddr *)&address, sizeof(address)), 0);
	*accepting = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*accepting >= 0);
	close(listener);
}

void end_start(const struct tls_identity *identity, const char *name, int socket,
		  struct tls_end *end)
{
	*end = (struct tls_end){ .plain = -1 };
	assert_int_equal(tls_start(&identity->files, name, socket, &end->control, NULL), 0);
	close(socket);
}

bool end_await(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };

	return clock_wait(&clock_system, &ready, 1, clock_after_ms(&clock_system, GENEROUS_MS),
			  false) == 1;
}

void end_hear(struct tls_end *end)
{
	assert_true(end_await(end->control, POLLIN));
	assert_int_equal(tls_receive_report(end->control, &end->report, &end->plain), 1);
	assert_int_equal(end->report.rc == 0, end->plain >= 0);
}

void end_forget(struct tls_end *end)
{
	if (end->plain >= 0)
		close(end->plain);
	close(end->control);
}

void ends_meet(const struct tls_identity *connecting, const char *name,
	       const struct tls_identity *accepting, struct tls_end *source, struct tls_end *target)
{
	int near, far;

	ends_connect(&near, &far);
	end_start(accepting, NULL, far, target);
	end_start(connecting, name, near, source);
	end_hear(source);
	end_hear(target);
}

void end_send(int fd, const void *bytes, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		ssize_t r = send(fd, (const char *)bytes + sent, size - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_true(end_await(fd, POLLOUT));
			continue;
		}
		sent += (size_t)r;
	}
}

size_t end_receive(int fd, void *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t r;

		assert_true(end_await(fd, POLLIN));
		r = recv(fd, (char *)bytes + got, size - got, MSG_DONTWAIT);
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_report.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"

#define REPORT_VERSION 1

struct packet {
	uint32_t version;
	struct tls_report report;
};

union descriptor {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int tls_send_report(int control, const struct tls_report *report, int fd)
{
	struct packet packet = { .version = REPORT_VERSION, .report = *report };
	struct iovec content = { &packet, sizeof(packet) };
	union descriptor descriptor = { .bytes = "" };
	struct msghdr message = { .msg_iov = &content, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd >= 0) {
		message.msg_control = descriptor.bytes;
		message.msg_controllen = sizeof(descriptor.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	if (sendmsg(control, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

static bool is_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return length < size;
}

static bool is_sound(const struct packet *packet, ssize_t size)
{
	const struct tls_report *report = &packet->report;

	return size == sizeof(*packet) && packet->version == REPORT_VERSION && report->rc <= 0 &&
	       report->err.code < ERR_CODES && is_text(report->names, sizeof(report->names)) &&
	       is_text(report->err.message, sizeof(report->err.message));
}

/* The one descriptor that came with it, or -1; where there are more none is kept. */
static int take_descriptor(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	size_t count = 0;
	int fd = -1;

	if (header && header->cmsg_type == SCM_RIGHTS)
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		if (count == 1)
			return fd;
		close(fd);
	}
	return -1;
}

int tls_receive_report(int control, struct tls_report *report, int *fd)
{
	struct packet packet;
	struct iovec content = { &packet, sizeof(packet) };
	union descriptor descriptor;
	struct msghdr message = { .msg_iov = &content, .msg_iovlen = 1,
				  .msg_control = descriptor.bytes,
				  .msg_controllen = sizeof(descriptor.bytes) };
	ssize_t size = recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	CLEANUP_FD int received = size > 0 ? take_descriptor(&message) : -1;

	if (size < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (size == 0)
		return 0;
	if (!is_sound(&packet, size))
		return -EPROTO;
	*report = packet.report;
	*fd = steal_fd(&received);
	return 1;
}

int tls_ask_for_socket(int control)
{
	return send(control, "S", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int tls_hear_starter(int control)
{
	char byte;
	ssize_t size = recv(control, &byte, 1, MSG_DONTWAIT);

	if (size < 0)
		return errno == ECONNRESET ? 0 : -errno;
	return size == 1;
}

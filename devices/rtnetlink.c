/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rtnetlink.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* The kernel answers before send() returns; this is only in case it never does. */
#define ANSWER_TIMEOUT_S 1

struct answer {
	struct nlmsghdr head;
	struct nlmsgerr error;
};

int rtnetlink_open(struct rtnetlink *link, struct err *err)
{
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };

	link->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!link->socket || mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(link->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		return err_errno(err, "cannot talk to the kernel's network (rtnetlink)");
	return 0;
}

void rtnetlink_close(struct rtnetlink *link)
{
	if (link->socket)
		mnl_socket_close(link->socket);
	link->socket = NULL;
}

bool rtnetlink_is_full(const struct rtnetlink *link)
{
	return link->count == RTNETLINK_BATCH_MAX;
}

/* Where the last request ends: the kernel wants each right behind the one before. */
static char *end_of(struct rtnetlink *link)
{
	return link->count ? mnl_nlmsg_get_payload_tail(link->last) : link->requests;
}

struct nlmsghdr *rtnetlink_request(struct rtnetlink *link, uint16_t type)
{
	char *at = end_of(link);

	assert(!rtnetlink_is_full(link));
	assert(at <= link->requests + link->count * RTNETLINK_REQUEST_BYTES);
	link->last = mnl_nlmsg_put_header(at);
	link->last->nlmsg_type = type;
	link->last->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link->last->nlmsg_seq = ++link->sequence;
	link->count++;
	return link->last;
}

/* Files one answer under the request that it is for. */
static int file_answer(const struct rtnetlink *link, const struct answer *answer, size_t size,
		       int answers[RTNETLINK_BATCH_MAX])
{
	uint32_t index = answer->head.nlmsg_seq - (link->sequence - (uint32_t)link->count + 1);

	if (size < sizeof(*answer) || answer->head.nlmsg_type != NLMSG_ERROR ||
	    index >= link->count)
		return -EPROTO;
	answers[index] = answer->error.error;
	return 0;
}

/* One message each, which is cut behind the error: the request itself follows it. */
static int take_answers(struct rtnetlink *link, int answers[RTNETLINK_BATCH_MAX])
{
	struct answer buffers[RTNETLINK_BATCH_MAX];
	struct iovec parts[RTNETLINK_BATCH_MAX];
	struct mmsghdr messages[RTNETLINK_BATCH_MAX] = { 0 };
	int fd = mnl_socket_get_fd(link->socket), rc = 0;
	size_t taken = 0;

	for (size_t i = 0; i < link->count; i++) {
		parts[i] = (struct iovec){ &buffers[i], sizeof(buffers[i]) };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (taken < link->count) {
		int r = recvmmsg(fd, messages + taken, (unsigned)(link->count - taken), 0, NULL);

		if (r <= 0)
			return r < 0 ? -errno : -EPROTO;
		taken += (size_t)r;
	}
	for (size_t i = 0; rc == 0 && i < taken; i++)
		rc = file_answer(link, &buffers[i], messages[i].msg_len, answers);
	return rc;
}

int rtnetlink_send(struct rtnetlink *link, int answers[RTNETLINK_BATCH_MAX], struct err *err)
{
	size_t size = (size_t)(end_of(link) - link->requests);
	int rc = 0;

	if (link->count > 0 && mnl_socket_sendto(link->socket, link->requests, size) < 0)
		rc = -errno;
	if (rc == 0)
		rc = take_answers(link, answers);
	link->count = 0;
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc,
			       "the kernel's network (rtnetlink) does not answer: %s",
			       strerror(-rc));
	return 0;
}

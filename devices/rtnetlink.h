/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to the kernel's network, many at a time: one system call sends a batch, and one takes
 * the answers, which are there when the first returns.
 *
 *   rtnetlink_open(&link, err);
 *   message = rtnetlink_request(&link, RTM_…);   and attributes; until rtnetlink_is_full()
 *   rtnetlink_send(&link, answers, err);         and from the start again
 */
#ifndef XENFERRY_RTNETLINK_H
#define XENFERRY_RTNETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "err.h"

#define RTNETLINK_BATCH_MAX 64 /* a socket's buffer has room for four times as many answers */
#define RTNETLINK_REQUEST_BYTES 64 /* the longest request here has 44 */

struct rtnetlink {
	struct mnl_socket *socket;
	uint32_t sequence; /* of the last request */
	size_t count; /* of requests in the batch */
	struct nlmsghdr *last;
	_Alignas(NLMSG_ALIGNTO) char requests[RTNETLINK_BATCH_MAX * RTNETLINK_REQUEST_BYTES];
};

/* -errno when there is no such socket. [blackout] */
int rtnetlink_open(struct rtnetlink *link, struct err *err);
/* Harmless on one that is all zero, or closed. */
void rtnetlink_close(struct rtnetlink *link);

bool rtnetlink_is_full(const struct rtnetlink *link);
/*
 * Adds a request of that type to the batch, which is not full; the caller adds its header and
 * attributes before the next. Pure.
 */
struct nlmsghdr *rtnetlink_request(struct rtnetlink *link, uint16_t type);
/*
 * Sends the batch, and empties it. `answers`: 0 or -errno, the kernel's, for each request in its
 * order. -errno, with nothing in `answers`, when the kernel did not answer. Blocks for at most a
 * second, where the kernel never answers. [blackout]
 */
int rtnetlink_send(struct rtnetlink *link, int answers[RTNETLINK_BATCH_MAX], struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages between a worker and its xenferry-stream: an event one way, an answer the other,
 * each one packet of fixed size on a SOCK_SEQPACKET pair. Both programs are of one build on one
 * host, so numbers are in the machine's order; the version tells when an upgrade came in between.
 */
#ifndef XENFERRY_STREAM_PROTO_H
#define XENFERRY_STREAM_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"

#define STREAM_PROTO_VERSION 1

/* The descriptors that xenferry-stream finds open, beside 0, 1 and 2. */
#define STREAM_CONTROL_FD 3
#define STREAM_MEMORY_FD 4

/*
 * Sends one event. `wait`: blocks while the socket is full, else -EAGAIN then. -EPIPE when the
 * worker is gone, -EINTR when a signal came first.
 */
int stream_send_event(int fd, const struct stream_event *event, bool wait);
/*
 * Takes the event that is waiting on `fd`; does not block. Returns 1 with the event, all of it
 * within its bounds; 0 when the sender is gone; -EAGAIN when nothing waits; -EPROTO when it is not
 * an event of this version.
 */
int stream_receive_event(int fd, struct stream_event *event);

/* Sends the answer to a question; does not block. -EPIPE when the stream's process is gone. */
int stream_send_answer(int fd, int answer);
/*
 * Blocks until the worker answers. It has no deadline: the worker has one, and its end closes the
 * socket. Returns 1 with the answer, 0 when the worker is gone or nothing more may be received,
 * -EPROTO when it is not an answer of this version.
 */
int stream_receive_answer(int fd, int *answer);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages between a worker and its xenferry-stream: events one way, answers and limits the
 * other, each one packet of fixed size on a SOCK_SEQPACKET pair. Both programs are of one build on
 * one host, so numbers are in the machine's order; the version tells when an upgrade came in
 * between.
 */
#ifndef XENFERRY_STREAM_PROTO_H
#define XENFERRY_STREAM_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"

#define STREAM_PROTO_VERSION 3

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

/* What a worker says: the answer to a question, or, at any time, how fast memory may be sent. */
struct stream_word {
	enum { STREAM_ANSWER, STREAM_LIMIT } kind;
	int answer;
	struct stream_limit limit;
};

/* Sends a word; does not block. -EPIPE when the stream's process is gone. */
int stream_send_word(int fd, const struct stream_word *word);
/*
 * Takes the worker's next word. With `wait` it blocks and has no deadline: the worker has one, and
 * its end closes the socket. Returns 1 with the word, 0 when the worker is gone or nothing more may
 * be received, -EAGAIN when nothing waits, -EPROTO when it is not a word of this version.
 */
int stream_receive_word(int fd, bool wait, struct stream_word *word);

#endif

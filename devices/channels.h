/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connections that frames travel on, 1 to CHANNELS_MAX. The sender gives each frame to a
 * connection that has room; the receiver puts them back in the order of their sequence numbers,
 * and reads one frame more of a connection whose frame is early, so that it does not stand still. A
 * connection that stands still in the midst of a frame ends the stream after CHANNEL_STALL_MS; one
 * that is slow has the others wait, which the receiver notices.
 *
 * The descriptors stay the caller's, who made them non-blocking. All errors name the channel.
 */
#ifndef XENFERRY_CHANNELS_H
#define XENFERRY_CHANNELS_H

#include "clock.h"
#include "frame.h"
#include "pacer.h"

#define CHANNELS_MAX 16u
#define CHANNEL_STALL_MS 30000
#define CHANNEL_SLOW_MS 1000 /* that the others have to have waited for it, in all */

/* One connection: a frame on its way, as far as it has come. */
struct channel_buffer {
	int fd;
	size_t size, done;      /* of header and payload; 0: none in hand */
	uint64_t moved_us;      /* when the last byte went, or came */
	uint64_t awaited_us;    /* receiver: that frames of the others waited for its, in all */
	bool closed;            /* receiver: the sender has closed it */
	struct frame frame;     /* receiver: once its header is there */
	uint8_t *bytes;         /* header and payload */
	/* receiver: a frame that is there whole, and may be early; type 0: none */
	struct frame ready;
	uint8_t *ready_bytes;
};

struct channels {
	const struct clock *clock;
	struct channel_buffer channel[CHANNELS_MAX];
	size_t count, current;
	uint64_t sequence;      /* of the next frame */
	uint64_t bytes;         /* that left, or came, so far */
	uint64_t waited_us;     /* sender: for room, or for the limit, in all */
	struct pacer pacer;     /* sender */
};

/* -ENOMEM. channels_fini() is harmless afterwards, and twice. */
int channels_init(struct channels *channels, const struct clock *clock, const int *fds,
		  size_t count, struct err *err);
void channels_fini(struct channels *channels);

/*
 * Sender: waits until a connection has room, and returns where the next frame's payload goes, of
 * FRAME_PAYLOAD_MAX bytes, with its sequence number in `frame`. NULL with the reason in `err`:
 * -ETIMEDOUT when nothing moved, or why a connection broke.
 */
uint8_t *channels_room(struct channels *channels, struct frame *frame, struct err *err);
/* Sends the frame whose payload was put there. Blocks no longer than the limit demands. */
int channels_send(struct channels *channels, const struct frame *frame, struct err *err);
/* Waits until all has left. */
int channels_flush(struct channels *channels, struct err *err);

/*
 * Receiver: waits for the next frame in order. `*payload` is good until the next call. -EBADMSG on
 * a frame that is malformed, comes twice or after a later one of its connection, -ECONNRESET when
 * the stream ends before its last frame, -ETIMEDOUT when one stands still in the midst of a frame;
 * between frames it waits as long as the sender does.
 */
int channels_next(struct channels *channels, struct frame *frame, const uint8_t **payload,
		  struct err *err);
/*
 * Receiver: the slow connection, from 1: of the time that frames which had come waited for the one
 * before them, three quarters were for its, and CHANNEL_SLOW_MS at least. 0: none is. `*waited_us`
 * is that time.
 */
unsigned channels_slow(const struct channels *channels, uint64_t *waited_us);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channels.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * What the kernel may hold back unsent on a TCP connection: more of it would only be more that was
 * packed before the link was known, and that a cancelled stream has to wait for.
 */
#define UNSENT_BYTES (512 << 10)

static void keep_short(int fd)
{
	int bytes = UNSENT_BYTES;

	/* what is no TCP socket has a short queue of its own */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

int channels_init(struct channels *channels, const struct clock *clock, const int *fds,
		  size_t count, struct err *err)
{
	uint64_t now_us = clock_now_us(clock);

	assert(count > 0 && count <= CHANNELS_MAX);
	*channels = (struct channels){ .clock = clock, .count = count };
	for (size_t i = 0; i < count; i++) {
		struct channel_buffer *channel = &channels->channel[i];

		*channel = (struct channel_buffer){ .fd = fds[i], .moved_us = now_us };
		keep_short(fds[i]);
		channel->bytes = malloc(FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
		channel->ready_bytes = malloc(FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX);
		if (!channel->bytes || !channel->ready_bytes)
			return err_set(err, ERR_FAILED, -ENOMEM, "no memory for %zu channels",
				       count);
	}
	return 0;
}

void channels_fini(struct channels *channels)
{
	for (size_t i = 0; i < channels->count; i++) {
		free(channels->channel[i].bytes);
		free(channels->channel[i].ready_bytes);
	}
	channels->count = 0;
}

static int broken(const struct channels *channels, const struct channel_buffer *channel, int rc,
		  struct err *err)
{
	return err_set(err, ERR_FAILED, rc, "channel %td of %zu of the memory stream: %s",
		       channel - channels->channel + 1, channels->count, strerror(-rc));
}

static bool in_hand(const struct channel_buffer *channel)
{
	return channel->done < channel->size;
}

/* When the first of those that stand still has done so for too long. */
static uint64_t stall_deadline_us(const struct channels *channels)
{
	uint64_t deadline_us = UINT64_MAX;

	for (size_t i = 0; i < channels->count; i++) {
		const struct channel_buffer *channel = &channels->channel[i];
		uint64_t until_us = channel->moved_us + CHANNEL_STALL_MS * 1000ull;

		if (in_hand(channel) && channel->done > 0 && until_us < deadline_us)
			deadline_us = until_us;
	}
	return deadline_us;
}

static int stalled(const struct channels *channels, struct err *err)
{
	uint64_t now_us = clock_now_us(channels->clock);

	for (size_t i = 0; i < channels->count; i++) {
		const struct channel_buffer *channel = &channels->channel[i];

		if (in_hand(channel) && channel->done > 0 &&
		    now_us >= channel->moved_us + CHANNEL_STALL_MS * 1000ull)
			return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
				       "channel %zu of %zu of the memory stream stood still for "
				       "%d s: look at the network between the two hosts",
				       i + 1, channels->count, CHANNEL_STALL_MS / 1000);
	}
	return 0;
}

typedef int move_fn(struct channels *channels, struct channel_buffer *channel, struct err *err);

/*
 * Waits until a connection of those that `wants` is ready in the direction of `events`, and moves
 * what can be moved.
 */
static int move_some(struct channels *channels, short events,
		     bool (*wants)(const struct channel_buffer *channel), move_fn *move,
		     struct err *err)
{
	struct pollfd fds[CHANNELS_MAX];
	struct channel_buffer *waiting[CHANNELS_MAX];
	size_t count = 0;
	int ready, rc = 0;

	for (size_t i = 0; i < channels->count; i++) {
		if (!wants(&channels->channel[i]))
			continue;
		fds[count] = (struct pollfd){ .fd = channels->channel[i].fd, .events = events };
		waiting[count++] = &channels->channel[i];
	}
	ready = clock_wait(channels->clock, fds, count, stall_deadline_us(channels), false);
	if (ready < 0)
		return err_set(err, ERR_FAILED, ready, "wait for the memory stream: %s",
			       strerror(-ready));
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (fds[i].revents)
			rc = move(channels, waiting[i], err);
	return rc < 0 ? rc : stalled(channels, err);
}

/* ---- the sender ---- */

/* Sends what the connection takes now. */
static int push(struct channels *channels, struct channel_buffer *channel, struct err *err)
{
	while (in_hand(channel)) {
		ssize_t sent = write(channel->fd, channel->bytes + channel->done,
				     channel->size - channel->done);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return 0;
		if (sent < 0)
			return broken(channels, channel, -errno, err);
		channel->done += (size_t)sent;
		channels->bytes += (uint64_t)sent;
		channel->moved_us = clock_now_us(channels->clock);
	}
	return 0;
}

/* Takes turns, so that no connection is left without work while another has all of it. */
static struct channel_buffer *free_channel(struct channels *channels)
{
	for (size_t i = 1; i <= channels->count; i++) {
		size_t at = (channels->current + i) % channels->count;

		if (!in_hand(&channels->channel[at])) {
			channels->current = at;
			return &channels->channel[at];
		}
	}
	return NULL;
}

/* Waits as long as the limit demands; returns whether it did. */
static bool obey_limit(struct channels *channels)
{
	uint64_t now_us = clock_now_us(channels->clock);
	uint64_t wait_us = pacer_wait_us(&channels->pacer, now_us, channels->bytes);

	if (wait_us > 0)
		clock_sleep_us(channels->clock, wait_us);
	return wait_us > 0;
}

uint8_t *channels_room(struct channels *channels, struct frame *frame, struct err *err)
{
	uint64_t begun_us = clock_now_us(channels->clock);
	struct channel_buffer *channel;
	bool waited = false;

	while ((channel = free_channel(channels)) == NULL) {
		waited = true;
		if (move_some(channels, POLLOUT, in_hand, push, err) < 0)
			return NULL;
	}
	waited |= obey_limit(channels);
	if (waited)
		channels->waited_us += clock_now_us(channels->clock) - begun_us;
	frame->sequence = channels->sequence;
	return channel->bytes + FRAME_HEADER_BYTES;
}

int channels_send(struct channels *channels, const struct frame *frame, struct err *err)
{
	struct channel_buffer *channel = &channels->channel[channels->current];

	assert(!in_hand(channel) && frame->sequence == channels->sequence);
	frame_encode(frame, channel->bytes);
	channel->size = FRAME_HEADER_BYTES + frame->size;
	channel->done = 0;
	channel->moved_us = clock_now_us(channels->clock);
	channels->sequence++;
	return push(channels, channel, err);
}

int channels_flush(struct channels *channels, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < channels->count; i++)
		while (rc == 0 && in_hand(&channels->channel[i]))
			rc = move_some(channels, POLLOUT, in_hand, push, err);
	return rc;
}

/* ---- the receiver ---- */

static bool is_whole(const struct channel_buffer *channel)
{
	return channel->frame.type != 0 && channel->done == channel->size;
}

static bool has_ready(const struct channel_buffer *channel)
{
	return channel->ready.type != 0;
}

static bool is_next(const struct channels *channels, const struct channel_buffer *channel)
{
	return has_ready(channel) && channel->ready.sequence == channels->sequence;
}

static bool wants_bytes(const struct channel_buffer *channel)
{
	return !channel->closed && !is_whole(channel);
}

/* A frame that is whole leaves its place to the one after it, where there is another for it. */
static void make_ready(struct channel_buffer *channel)
{
	uint8_t *bytes = channel->ready_bytes;

	if (!is_whole(channel) || has_ready(channel))
		return;
	channel->ready = channel->frame;
	channel->ready_bytes = channel->bytes;
	channel->bytes = bytes;
	channel->size = channel->done = 0;
	channel->frame = (struct frame){ .size = 0 };
}

/* The header is there: how much follows? */
static int take_header(struct channels *channels, struct channel_buffer *channel, struct err *err)
{
	uint64_t least = has_ready(channel) ? channel->ready.sequence + 1 : channels->sequence;
	int rc = frame_decode(channel->bytes, &channel->frame, err);

	if (rc < 0)
		return rc;
	if (channel->frame.sequence < least)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "frame %" PRIu64 " of the memory stream comes twice, or too late",
			       channel->frame.sequence);
	channel->size += channel->frame.size;
	return 0;
}

/* A frame whose turn it is goes first, while it is in the processor's cache. */
static int pull(struct channels *channels, struct channel_buffer *channel, struct err *err)
{
	while (wants_bytes(channel) && !is_next(channels, channel)) {
		ssize_t got;
		int rc = 0;

		if (channel->size == 0)
			channel->size = FRAME_HEADER_BYTES;
		got = read(channel->fd, channel->bytes + channel->done,
			   channel->size - channel->done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 || (got == 0 && channel->done > 0))
			return broken(channels, channel, got < 0 ? -errno : -ECONNRESET, err);
		channel->closed = got == 0;
		channel->done += (size_t)got;
		channels->bytes += (uint64_t)got;
		channel->moved_us = clock_now_us(channels->clock);
		if (channel->frame.type == 0 && channel->done == FRAME_HEADER_BYTES)
			rc = take_header(channels, channel, err);
		if (rc < 0)
			return rc;
		make_ready(channel);
	}
	return 0;
}

/* Gives the frame that was handed out last its place back. */
static void release(struct channels *channels)
{
	struct channel_buffer *channel = &channels->channel[channels->current];

	if (!has_ready(channel) || channel->ready.sequence >= channels->sequence)
		return;
	channel->ready = (struct frame){ .size = 0 };
	make_ready(channel);
}

static bool find_next(struct channels *channels)
{
	for (size_t i = 0; i < channels->count; i++) {
		if (is_next(channels, &channels->channel[i])) {
			channels->current = i;
			return true;
		}
	}
	return false;
}

static bool any_wants(const struct channels *channels)
{
	for (size_t i = 0; i < channels->count; i++)
		if (wants_bytes(&channels->channel[i]))
			return true;
	return false;
}

/* Whether a frame has come that another is to be before. */
static bool any_has_ready(const struct channels *channels)
{
	for (size_t i = 0; i < channels->count; i++)
		if (has_ready(&channels->channel[i]))
			return true;
	return false;
}

unsigned channels_slow(const struct channels *channels, uint64_t *waited_us)
{
	uint64_t all_us = 0;
	size_t most = 0;

	for (size_t i = 0; i < channels->count; i++) {
		all_us += channels->channel[i].awaited_us;
		if (channels->channel[i].awaited_us > channels->channel[most].awaited_us)
			most = i;
	}
	*waited_us = channels->channel[most].awaited_us;
	if (*waited_us < CHANNEL_SLOW_MS * 1000ull || *waited_us < all_us - all_us / 4)
		return 0;
	return (unsigned)most + 1;
}

int channels_next(struct channels *channels, struct frame *frame, const uint8_t **payload,
		  struct err *err)
{
	uint64_t awaited_us = 0;

	release(channels);
	while (!find_next(channels)) {
		uint64_t begun_us = clock_now_us(channels->clock);
		bool others_wait = any_has_ready(channels);
		int rc;

		if (!any_wants(channels))
			return err_set(err, ERR_FAILED, -ECONNRESET,
				       "the memory stream ends early, before frame %" PRIu64,
				       channels->sequence);
		rc = move_some(channels, POLLIN, wants_bytes, pull, err);
		if (rc < 0)
			return rc;
		if (others_wait)
			awaited_us += clock_now_us(channels->clock) - begun_us;
	}
	channels->channel[channels->current].awaited_us += awaited_us;
	channels->sequence++;
	*frame = channels->channel[channels->current].ready;
	*payload = channels->channel[channels->current].ready_bytes + FRAME_HEADER_BYTES;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "log.h"

#define LAST_WORDS_MS 1000

/* Sends as much of the rest as the socket takes. */
static void flush(struct channel *channel)
{
	while (channel->fd >= 0 && channel->rest_size > 0) {
		ssize_t sent = send(channel->fd, channel->rest, channel->rest_size,
				    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0) {
			channel->fd = -1; /* the daemon is gone; we go on */
			return;
		}
		channel->rest_size -= (size_t)sent;
		memmove(channel->rest, channel->rest + sent, channel->rest_size);
	}
}

static void send_line(struct channel *channel, const char *text, size_t size)
{
	flush(channel);
	if (channel->fd < 0 || channel->rest_size > 0 || size + 1 > CHANNEL_LINE_MAX)
		return; /* a slow reader misses some news; the next line is whole again */
	memcpy(channel->rest, text, size);
	channel->rest[size] = '\n';
	channel->rest_size = size + 1;
	flush(channel);
}

/* The last word must arrive, unless the reader is stuck. */
static void send_last_words(struct channel *channel)
{
	uint64_t deadline_us = clock_after_ms(channel->clock, LAST_WORDS_MS);

	flush(channel);
	while (channel->fd >= 0 && channel->rest_size > 0) {
		struct pollfd pollfd = { .fd = channel->fd, .events = POLLOUT };

		if (clock_wait(channel->clock, &pollfd, 1, deadline_us, false) <= 0)
			return;
		flush(channel);
	}
}

static void channel_publish(struct record_sink *sink, const struct record *record, bool durable)
{
	struct channel *channel = (struct channel *)sink;
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct err err;
	const char *text;
	size_t size;

	if (!writer)
		return;
	if (status_is_final(record->status))
		send_last_words(channel);
	record_write(record, clock_now_us(channel->clock), writer);
	text = json_text(writer, &size);
	send_line(channel, text, size);
	if (durable && job_write_file(channel->job, "record.json", text, size, &err) < 0)
		log_warning("job %s: %s", channel->job->uuid, err.message);
}

static const struct record_sink_ops channel_ops = { .publish = channel_publish };

void channel_init(struct channel *channel, const struct clock *clock, const struct job *job,
		  int fd)
{
	*channel = (struct channel){ .sink = { &channel_ops }, .clock = clock, .job = job };
	channel->rest = malloc(CHANNEL_LINE_MAX);
	channel->fd = channel->rest ? fd : -1;
}

void channel_fini(struct channel *channel)
{
	send_last_words(channel);
	free(channel->rest);
	channel->rest = NULL;
	channel->rest_size = 0;
}

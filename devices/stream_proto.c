/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_proto.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* struct stream_event with types that any bytes are a valid value of. */
struct event_packet {
	uint32_t version, kind;
	uint32_t iteration, sent, ok, slow_channel;
	int64_t dirty_pages;
	uint64_t pages_done, pages_total;
	uint64_t wire_bytes, memory_bytes, zero_pages;
	uint64_t verified_pages, late_pages, verify_us;
	uint64_t store_pfn, console_pfn;
	char message[sizeof(((struct stream_event *)NULL)->message)];
};

struct word_packet {
	uint32_t version, kind;
	int32_t answer;
	uint32_t last_pass_too;
	uint64_t bytes_per_s;
};

/* Sends one packet whole. MSG_NOSIGNAL: a peer that is gone is an errno, not a signal. */
static int send_packet(int fd, const void *packet, size_t size, int flags)
{
	ssize_t sent = send(fd, packet, size, flags | MSG_NOSIGNAL);

	if (sent < 0)
		return -errno;
	return (size_t)sent == size ? 0 : -EPROTO;
}

/* Returns 1 with a packet of just this size and our version, 0 at the end, or -errno. */
static int receive_packet(int fd, void *packet, size_t size, int flags)
{
	uint32_t version;
	ssize_t got;

	/* MSG_TRUNC: the packet's real size, so that a longer one is noticed */
	do
		got = recv(fd, packet, size, flags | MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (got == 0)
		return 0;
	if ((size_t)got != size)
		return -EPROTO;
	memcpy(&version, packet, sizeof(version));
	return version == STREAM_PROTO_VERSION ? 1 : -EPROTO;
}

int stream_send_event(int fd, const struct stream_event *event, bool wait)
{
	struct event_packet packet = {
		.version = STREAM_PROTO_VERSION,
		.kind = (uint32_t)event->kind,
		.iteration = event->iteration,
		.sent = event->sent,
		.ok = event->ok,
		.slow_channel = event->slow_channel,
		.dirty_pages = event->dirty_pages,
		.pages_done = event->pages_done,
		.pages_total = event->pages_total,
		.wire_bytes = event->wire_bytes,
		.memory_bytes = event->memory_bytes,
		.zero_pages = event->zero_pages,
		.verified_pages = event->verified_pages,
		.late_pages = event->late_pages,
		.verify_us = event->verify_us,
		.store_pfn = event->store_pfn,
		.console_pfn = event->console_pfn,
	};

	memcpy(packet.message, event->message, sizeof(packet.message));
	return send_packet(fd, &packet, sizeof(packet), wait ? 0 : MSG_DONTWAIT);
}

/* Ends the text within its array and leaves nothing in it that could break a line of a log. */
static void tame(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = ' ';
}

int stream_receive_event(int fd, struct stream_event *event)
{
	struct event_packet packet;
	int rc = receive_packet(fd, &packet, sizeof(packet), MSG_DONTWAIT);

	if (rc <= 0)
		return rc;
	if (packet.kind > STREAM_FINISHED)
		return -EPROTO; /* STREAM_PEER is the worker's own */
	*event = (struct stream_event){
		.kind = (enum stream_event_kind)packet.kind,
		.iteration = packet.iteration,
		.sent = packet.sent != 0,
		.ok = packet.ok != 0,
		.slow_channel = packet.slow_channel > MEMORY_CHANNELS_MAX ? 0 : packet.slow_channel,
		.dirty_pages = packet.dirty_pages < -1 ? -1 : packet.dirty_pages,
		.pages_done = packet.pages_done,
		.pages_total = packet.pages_total,
		.wire_bytes = packet.wire_bytes,
		.memory_bytes = packet.memory_bytes,
		.zero_pages = packet.zero_pages,
		.verified_pages = packet.verified_pages,
		.late_pages = packet.late_pages,
		.verify_us = packet.verify_us,
		.store_pfn = packet.store_pfn,
		.console_pfn = packet.console_pfn,
	};
	memcpy(event->message, packet.message, sizeof(event->message));
	tame(event->message, sizeof(event->message));
	return 1;
}

int stream_send_word(int fd, const struct stream_word *word)
{
	const struct word_packet packet = {
		.version = STREAM_PROTO_VERSION,
		.kind = (uint32_t)word->kind,
		.answer = word->answer,
		.last_pass_too = word->limit.last_pass_too,
		.bytes_per_s = word->limit.bytes_per_s,
	};

	return send_packet(fd, &packet, sizeof(packet), MSG_DONTWAIT);
}

int stream_receive_word(int fd, bool wait, struct stream_word *word)
{
	struct word_packet packet;
	int rc = receive_packet(fd, &packet, sizeof(packet), wait ? 0 : MSG_DONTWAIT);

	if (rc != 1)
		return rc;
	if (packet.kind > STREAM_LIMIT)
		return -EPROTO;
	*word = (struct stream_word){
		.kind = packet.kind == STREAM_LIMIT ? STREAM_LIMIT : STREAM_ANSWER,
		.answer = packet.answer,
		.limit = { .bytes_per_s = packet.bytes_per_s,
			   .last_pass_too = packet.last_pass_too != 0 },
	};
	return 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "tlv.h"

#define FIELD_OUTCOME 1 /* of an OUTCOME message: enum outcome */
#define ANSWER_TIMEOUT_MS 5000
#define HEAR_SOURCE_MS 5000 /* for the rest of a message that has begun */

struct wire_hello peer_hello(const struct job *job, const struct job_note *note,
			     enum wire_kind kind)
{
	struct wire_hello hello = {
		.version_oldest = WIRE_VERSION_OLDEST, .version_newest = WIRE_VERSION,
		.kind = kind,
	};

	memcpy(hello.job, job->id, sizeof(hello.job));
	memcpy(hello.nonce, note->nonce, sizeof(hello.nonce));
	return hello;
}

int peer_connect(const struct peer_tcp *peer, enum wire_kind kind, uint64_t deadline_us, int *fd,
		 struct err *err)
{
	const struct wire_hello hello = peer_hello(peer->job, peer->note, kind);
	const struct link_place place = { .address = peer->note->address,
					  .port = peer->note->port,
					  .tls = peer->tls,
					  .certificate = peer->note->certificate };

	return link_connect(peer->clock, &place, &hello, deadline_us, fd, err);
}

/* ---- in doubt, either side ---- */

static int read_outcome(const struct message *message, enum outcome *outcome)
{
	struct tlv_reader reader;
	struct tlv_field field;
	uint64_t value;

	if (message->type != WIRE_OUTCOME)
		return -EPROTO;
	tlv_reader_init(&reader, message->payload, message->size);
	while (tlv_next(&reader, &field) > 0) {
		if (field.type != FIELD_OUTCOME || tlv_get_u64(&field, &value) < 0)
			continue;
		if (value > OUTCOME_NEVER)
			return -EPROTO;
		*outcome = (enum outcome)value;
		return 0;
	}
	return -EPROTO;
}

static int ask(struct peer *base, uint64_t deadline_us, enum outcome *outcome, struct err *err)
{
	struct peer_tcp *peer = (struct peer_tcp *)base;
	CLEANUP_MESSAGE struct message message = { 0 };
	const char *whom = peer->note->side == SIDE_SOURCE ? "target" : "source";
	struct link *link = NULL;
	int fd = -1, rc;

	if (!peer->note->address[0] || peer->note->port == 0)
		return err_set(err, ERR_REFUSED, -EDESTADDRREQ, "where the %s's agent is asked is "
			       "not known here", whom);
	rc = peer_connect(peer, WIRE_ASK, deadline_us, &fd, err);
	if (rc == 0)
		rc = link_open(peer->clock, fd, peer->note->nonce, whom, &link, err);
	if (rc < 0)
		return rc;
	rc = link->ops->receive(link, deadline_us, false, &message, err);
	if (rc == 0 && read_outcome(&message, outcome) < 0)
		rc = err_set(err, ERR_FAILED, -EPROTO, "the %s's answer is malformed", whom);
	link->ops->close(link);
	return rc;
}

/* ---- source ---- */

static int source_open_memory(struct peer *base, uint64_t deadline_us, int *fd, struct err *err)
{
	int rc = peer_connect((struct peer_tcp *)base, WIRE_MEMORY, deadline_us, fd, err);

	return rc < 0 ? err_prefix(err, rc, "the memory connection") : 0;
}

static const struct peer_ops source_ops = { .open_memory = source_open_memory, .ask = ask };

void peer_source_init(struct peer_tcp *peer, const struct clock *clock, const struct job *job,
		      const struct job_note *note, const struct tls_files *tls)
{
	*peer = (struct peer_tcp){ { &source_ops }, clock, job, note, tls, -1, NULL };
}

/* ---- target ---- */

/* One byte and a descriptor from the daemon. */
static int receive_fd(int channel)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int fd;

	if (got < 0)
		return errno == EAGAIN ? -EAGAIN : -errno;
	if (got == 0)
		return -ECONNRESET;
	if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EAGAIN;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* The control connection was readable: the source gives up, or is gone. Never 0. */
static int hear_source(const struct peer_tcp *peer, struct err *err)
{
	CLEANUP_MESSAGE struct message message = { 0 };
	int rc = peer->link->ops->receive(peer->link, clock_after_ms(peer->clock, HEAR_SOURCE_MS),
					  false, &message, err);

	if (rc < 0)
		return rc;
	return err_set(err, ERR_FAILED, -EPROTO, "the source spoke out of turn (message %d)",
		       (int)message.type);
}

static int await_fd(const struct peer_tcp *peer, uint64_t deadline_us, struct err *err)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = peer->channel, .events = POLLIN },
			{ .fd = peer->link->ops->fd(peer->link), .events = POLLIN },
		};
		int fd, rc = clock_wait(peer->clock, fds, 2, deadline_us, true);

		if (rc == 0)
			return err_set(err, ERR_FAILED, -ETIMEDOUT,
				       "the source did not open the memory connection");
		if (rc == -ECANCELED)
			return err_set(err, ERR_CANCELLED, rc,
				       "cancelled while the memory connection was awaited");
		if (rc < 0)
			return err_set(err, ERR_FAILED, rc, "waiting for the memory connection: %s",
				       strerror(-rc));
		if (fds[1].revents)
			return hear_source(peer, err);
		fd = receive_fd(peer->channel);
		if (fd >= 0)
			return fd;
		if (fd != -EAGAIN)
			return err_set(err, ERR_FAILED, fd, "this host's xenferryd is gone: "
				       "nobody hands the memory connection over");
	}
}

static int target_open_memory(struct peer *base, uint64_t deadline_us, int *fd_out,
			      struct err *err)
{
	struct peer_tcp *peer = (struct peer_tcp *)base;
	struct wire_hello hello = peer_hello(peer->job, peer->note, WIRE_MEMORY);
	CLEANUP_FD int fd = await_fd(peer, deadline_us, err);
	int rc = fd < 0 ? fd : link_welcome(peer->clock, fd, &hello, deadline_us, err);

	if (rc == 0)
		*fd_out = steal_fd(&fd);
	return rc;
}

static const struct peer_ops target_ops = { .open_memory = target_open_memory, .ask = ask };

void peer_target_init(struct peer_tcp *peer, const struct clock *clock, const struct job *job,
		      const struct job_note *note, const struct tls_files *tls, int channel,
		      struct link *link)
{
	*peer = (struct peer_tcp){ { &target_ops }, clock, job, note, tls, channel, link };
}

int peer_answer(const struct clock *clock, int fd, const struct job_note *note,
		enum outcome outcome, struct err *err)
{
	const char *whom = note->side == SIDE_SOURCE ? "target" : "source";
	struct tlv_writer writer;
	struct link *link = NULL;
	int rc = link_open(clock, fd, note->nonce, whom, &link, err);

	if (rc < 0)
		return rc;
	tlv_writer_init(&writer, 64);
	tlv_put_u64(&writer, FIELD_OUTCOME, outcome);
	rc = tlv_writer_status(&writer);
	if (rc == 0)
		rc = link->ops->send(link, WIRE_OUTCOME, 0, writer.bytes, writer.size,
				     clock_after_ms(clock, ANSWER_TIMEOUT_MS), err);
	tlv_writer_fini(&writer);
	link->ops->close(link);
	return rc;
}

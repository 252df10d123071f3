/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control connection between the two workers of one job, behind a table, so that a simulator
 * can lose, delay and cut what passes through it.
 *
 * In order: link_connect() or link_welcome(), link_open(), link_measure_clock() with
 * link_answer_clock() opposite, then messages (sync.h), and ops->close().
 */
#ifndef XENFERRY_LINK_H
#define XENFERRY_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "wire.h"

struct tls_files;

/* A message as received; the payload belongs to the receiver. */
struct message {
	enum wire_type type;
	uint16_t point;
	uint8_t *payload;
	size_t size;
};

void message_fini(struct message *message); /* idempotent; a zeroed message is empty */
#define CLEANUP_MESSAGE __attribute__((cleanup(message_fini)))

struct link;

struct link_ops {
	/*
	 * Sends one message whole; at most WIRE_PAYLOAD_MAX bytes of payload, copied nowhere.
	 * -ETIMEDOUT at the deadline, -EPIPE when the connection is lost. After any failure the
	 * peer may have half a message, so every later send() fails with -EPIPE; receive() still
	 * works, and may have the peer's reason. [blackout]
	 */
	int (*send)(struct link *link, enum wire_type type, uint16_t point, const void *payload,
		    size_t size, uint64_t deadline_us, struct err *err);
	/*
	 * Waits for the next message. Checks sequence and nonce. A peer's ABORT comes back as
	 * -ECONNABORTED with the peer's own code and words in `err` ("the target: ..."); a closed
	 * connection as -ECONNRESET; -ETIMEDOUT at the deadline; -ECANCELED when `cancellable`.
	 * -EPROTO: what came is not what a peer may send; the link is of no use after that. After
	 * a deadline or a cancel the next call goes on where this one stopped. An empty payload
	 * allocates nothing; another one its size (-ENOMEM: ask again, nothing is lost). [blackout]
	 */
	int (*receive)(struct link *link, uint64_t deadline_us, bool cancellable,
		       struct message *message, struct err *err);
	/* A descriptor that is readable when receive() would not wait; -1 when there is none. */
	int (*fd)(const struct link *link);
	void (*close)(struct link *link);
};

struct link {
	const struct link_ops *ops;
};

/* Where the target's agent is, and how to call it. */
struct link_place {
	const char *address;         /* a name or a numeric address */
	uint16_t port;
	const struct tls_files *tls; /* NULL: in plain text, as a loopback address always is */
	const char *certificate; /* with TLS: the name that the target's certificate must bear */
};

/*
 * Connects to `place`, shakes hands there, says `hello`, and waits for the peer's WELCOME. A name
 * with several addresses has each of them tried, in the resolver's order, with its share of the
 * time. Blocks until `deadline_us`. A cancel request ends it with -ECANCELED, except for
 * WIRE_ASK: a doubt has to be resolved in any case.
 *
 * ERR_NO_PEER when it cannot be reached or is no xenferryd, ERR_INCOMPATIBLE (-EPROTONOSUPPORT)
 * on another version, ERR_REFUSED (-EKEYREJECTED) for a certificate; the peer's own refusal is
 * -ECONNABORTED with its code and words. On success *fd_out carries the connection (non-blocking
 * for control and ask, blocking for memory and transport): the connected socket (TCP_NODELAY,
 * keep-alive) or, with TLS, one end of a local one, see tls.h. For memory it is the very socket
 * also then, where the kernel encrypts.
 */
int link_connect(const struct clock *clock, const struct link_place *place,
		 const struct wire_hello *hello, uint64_t deadline_us, int *fd_out,
		 struct err *err);
/*
 * The link of a connected, welcomed stream socket, of any family. Takes `fd` over, also when it
 * fails (-ENOMEM). `peer`: "target" or "source". Close it with ops->close().
 */
int link_open(const struct clock *clock, int fd, const uint8_t nonce[WIRE_ID_BYTES],
	      const char *peer, struct link **link, struct err *err);
/*
 * The accepting side's answer to a hello, on a raw socket that stays the caller's. WELCOME also
 * leaves the socket as link_connect() does; REFUSED takes `reason` (for a hello that could not be
 * decoded: of a zeroed `hello`). Both write less than any fresh socket buffers, so that they wait
 * only for a peer that has sent rubbish. -ETIMEDOUT, -EPIPE.
 */
int link_welcome(const struct clock *clock, int fd, const struct wire_hello *hello,
		 uint64_t deadline_us, struct err *err);
int link_refuse(const struct clock *clock, int fd, const struct wire_hello *hello,
		const struct err *reason, uint64_t deadline_us);

/* ABORT with the reason; best effort, waits two seconds at most. */
void link_send_abort(struct link *link, const struct clock *clock, const struct err *reason);

/*
 * Estimates the peer's clock minus ours, in microseconds, from `rounds` probes, at least one (the
 * one with the shortest way there and back wins); `uncertainty_us` is half of that way. The peer
 * answers in link_answer_clock(), which serves probes until another message comes and returns that
 * one. Both wait until `deadline_us`, whatever cancel request there is. Errors as send() and
 * receive(); -EPROTO for an answer that is none.
 */
int link_measure_clock(struct link *link, const struct clock *clock, unsigned rounds,
		       uint64_t deadline_us, int64_t *offset_us, uint64_t *uncertainty_us,
		       struct err *err);
int link_answer_clock(struct link *link, const struct clock *clock, uint64_t deadline_us,
		      struct message *message, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What another host has, and which guests it could take: asked before guests are placed there. One
 * connection of kind INQUIRY, questions and replies in turn, of the host first or of a guest, and
 * each guest is judged as its offer would be. Nothing is created anywhere; see
 * handshake/PROTOCOL.md.
 */
#ifndef XENFERRY_INQUIRY_H
#define XENFERRY_INQUIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "err.h"
#include "host.h"
#include "hosts.h"
#include "link.h"
#include "tls.h"

#define INQUIRY_GUESTS_MAX 1024     /* that a host names as its own */
#define INQUIRY_QUESTIONS_MAX 4096  /* on one connection */
#define INQUIRY_REPLY_MS 10000
#define INQUIRY_IDLE_MS 60000       /* until the next question: the asker measures meanwhile */

/* What a host has. */
struct inquiry_host {
	char name[HOST_NAME_SIZE];
	uint64_t free_bytes;
	char (*guests)[GUEST_NAME_MAX]; /* that are there already */
	size_t guest_count;
};
void inquiry_host_fini(struct inquiry_host *host); /* idempotent; accepts all zeroes */

/* ---- who asks ---- */

/* Connects and says hello: as link_connect(), within its deadline. */
int inquiry_open(const struct clock *clock, const struct host_place *place,
		 const struct tls_files *tls, uint64_t deadline_us, struct link **link,
		 struct err *err);
/* Fills *host, zeroed before. -EPROTO for an answer that is none; else as receive(). */
int inquiry_ask_host(struct link *link, const struct clock *clock, struct inquiry_host *host,
		     struct err *err);
/* Adds every reason why it could not take `guest`, whose disks a plan attaches late or not. */
int inquiry_ask_guest(struct link *link, const struct clock *clock,
		      const struct description *guest, bool late_disks, struct reasons *reasons,
		      struct err *err);

/* ---- who is asked ---- */

/*
 * Answers what comes until the asker closes, is silent for too long or breaks the protocol. The
 * link stays the caller's. 0 when the asker closed.
 */
int inquiry_serve(struct link *link, const struct clock *clock, struct host *host,
		  const char *host_name, struct err *err);

/* ---- the payloads, for their tests ---- */

struct message;
int inquiry_read_host(const struct message *reply, struct inquiry_host *host);
int inquiry_read_reasons(const struct message *reply, struct reasons *reasons);

#endif

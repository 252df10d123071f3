/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real xenferry-tls at both ends of a connection over the loopback. What fails here fails the
 * test.
 */
#ifndef XENFERRY_TLS_ENDS_H
#define XENFERRY_TLS_ENDS_H

#include <stdbool.h>
#include <stddef.h>

#include "tls_pool.h"

#define GENEROUS_MS 20000 /* for what must come, however slow the machine is */

struct tls_end {
	int control, plain; /* plain: -1 until the report, and when that is bad */
	struct tls_report report;
};

void ends_connect(int *connecting, int *accepting);
/* Takes `socket` over. `name`: as tls_start(). */
void end_start(const struct tls_identity *identity, const char *name, int socket,
	       struct tls_end *end);
void end_hear(struct tls_end *end);
void end_forget(struct tls_end *end);
/* Both sides do TLS, and have reported, well or not. */
void ends_meet(const struct tls_identity *connecting, const char *name,
	       const struct tls_identity *accepting, struct tls_end *source,
	       struct tls_end *target);

bool end_await(int fd, short events);
void end_send(int fd, const void *bytes, size_t size);
/* Returns what came: `size` bytes, or fewer at the end of the stream. */
size_t end_receive(int fd, void *bytes, size_t size);

#endif

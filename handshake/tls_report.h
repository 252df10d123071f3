/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xenferry-tls and its starter say to each other, on a SOCK_SEQPACKET pair: the program
 * reports once how the handshake went, with the descriptor that now carries plain bytes; the
 * starter may then ask once for the very socket. Both are of one build on one host; the version
 * tells when an upgrade came in between. Nothing here blocks but where it is said.
 */
#ifndef XENFERRY_TLS_REPORT_H
#define XENFERRY_TLS_REPORT_H

#include <stdint.h>

#include "err.h"

#define TLS_NAMES_MAX 1024 /* bytes of all of a certificate's names together */

/* The descriptors that xenferry-tls finds open, beside 0, 1 and 2. */
#define TLS_CONTROL_FD 3
#define TLS_SOCKET_FD 4

struct tls_report {
	int rc; /* 0, or -errno with `err` */
	struct err err;
	char names[TLS_NAMES_MAX]; /* those in the peer's certificate, a blank after each */
};

/* Sends `report`, and `fd` with it unless it is -1. -EPIPE when the other side is gone. */
int tls_send_report(int control, const struct tls_report *report, int fd);
/*
 * Takes the report that is waiting. Returns 1 with the report, all its texts within their bounds
 * and printable, and the descriptor (-1: none came); 0 when the sender is gone, -EAGAIN when
 * nothing waits, -EPROTO when it is no report of this version.
 */
int tls_receive_report(int control, struct tls_report *report, int *fd);

/* The starter asks for the socket; answered by a report, see tls_start(). */
int tls_ask_for_socket(int control);
/* Returns 1 when the starter has asked, 0 when it is gone, -EAGAIN when it has said nothing. */
int tls_hear_starter(int control);

#endif

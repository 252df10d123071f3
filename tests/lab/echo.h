/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ICMP echoes to one address. Not iputils' ping, because that one gives up when a host is
 * unreachable for a while, which is what is measured here.
 */
#ifndef LAB_ECHO_H
#define LAB_ECHO_H

#include <stdbool.h>
#include <stdint.h>

/* Times are of the monotonic clock. */
double now_ms(void);

/*
 * Returns a socket for echoes to an IPv4 address, or -1 with a line on stderr. Needs root. Does not
 * block.
 */
int echo_open(const char *address);

/* Asks once. An unreachable guest is a lost question. Does not block. */
void echo_ask(int sock, uint32_t sequence);

/* Takes a packet, if there is one; says whether it was an answer to us. Does not block. */
bool echo_hear(int sock);

/* Asks each millisecond until an answer comes; returns how long that took, -1 past `limit_ms`. */
double echo_answered_after_ms(int sock, double limit_ms);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two network namespaces and a delay between them: what one sends, real TCP over a TUN device, a
 * process hands to the other when half of the way there and back has passed. For the benchmarks;
 * where the kernel has no netem. Its functions end the program when the system refuses.
 */
#ifndef XENFERRY_TESTS_FAR_LINK_H
#define XENFERRY_TESTS_FAR_LINK_H

#include <stdint.h>

/* A connection's buffers at either end grow up to this; half of it is its window. */
#define FAR_LINK_WINDOW_BYTES (512u << 10)

struct far_link {
	int spaces[2]; /* the two namespaces */
};

/* `round_trip_us`: the way there and back. The process between them ends with the caller. */
void far_link_open(struct far_link *link, uint64_t round_trip_us);
/* A new connection: ends[0] in the one, ends[1] in the other. */
void far_link_connect(const struct far_link *link, int ends[2]);

#endif

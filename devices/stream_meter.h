/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many bytes really passed a descriptor that a library reads or writes: the only measure of a
 * connection's rate that a guest's address space, with its holes, cannot distort.
 */
#ifndef XENFERRY_STREAM_METER_H
#define XENFERRY_STREAM_METER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stream_meter {
	int fd;
	const _Atomic uint64_t *counted; /* by somebody else; NULL: ask the system */
	bool sending, tcp;
	uint64_t begun_bytes, last_bytes;
};

/* Begins to count what is sent to, or received from, `fd`, which the caller keeps open. */
void stream_meter_init(struct stream_meter *meter, int fd, bool sending);
/* The same where another process sends, and counts the bytes in memory that both see. */
void stream_meter_follow(struct stream_meter *meter, const _Atomic uint64_t *counted);
/*
 * The bytes since then; for a TCP socket as TCP counts them, else all that this process wrote or
 * read. Never falls, never blocks; 0 when the system does not tell.
 */
uint64_t stream_meter_bytes(struct stream_meter *meter);

#endif

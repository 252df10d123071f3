/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking into a ring that a guest shares with a backend, read-only and without the backend's
 * knowledge, by the same grant.
 */
#ifndef XENFERRY_RING_H
#define XENFERRY_RING_H

#include <stdint.h>

/*
 * The words at the start of a ring's first page (xen/io/ring.h). The guest can write all of them
 * at any time: they are read once for each use, and may say anything.
 */
enum ring_word { RING_REQ_PROD, RING_REQ_EVENT, RING_RSP_PROD, RING_RSP_EVENT };

struct ring_mapper;

struct ring_mapper_ops {
	/* The page that `domid` granted as `reference`, or NULL with errno. */
	const uint32_t *(*map)(struct ring_mapper *mapper, uint32_t domid, uint32_t reference);
	void (*unmap)(struct ring_mapper *mapper, const uint32_t *ring);
	void (*close)(struct ring_mapper *mapper);
};

struct ring_mapper {
	const struct ring_mapper_ops *ops;
};

/* Over Xen's grant device. Where there is none, a mapper whose map() fails; NULL: no memory. */
struct ring_mapper *ring_mapper_open(void);

static inline uint32_t ring_read(const uint32_t *ring, enum ring_word word)
{
	return __atomic_load_n(&ring[word], __ATOMIC_ACQUIRE);
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's shared rings, of one page each, with the barriers that xen/io/ring.h leaves to who includes
 * it: the other end is another process, and the compiler has atomics.
 */
#ifndef XENFERRY_SIM_RINGS_H
#define XENFERRY_SIM_RINGS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

#include "hypervisor.h"

#undef xen_mb
#undef xen_rmb
#undef xen_wmb
#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * NAME_front_start() empties the ring in `page` and takes its front end; NAME_back_start() takes
 * the back end of one that a frontend has set up.
 */
#define DEFINE_RING_STARTS(name) \
	static inline void name##_front_start(struct name##_front_ring *ring, void *page) \
	{ \
		struct name##_sring *shared = page; \
		XEN_FRONT_RING_INIT(ring, shared, SIM_PAGE_BYTES); \
	} \
	static inline void name##_back_start(struct name##_back_ring *ring, void *page) \
	{ \
		struct name##_sring *shared = page; \
		BACK_RING_INIT(ring, shared, SIM_PAGE_BYTES); \
	}

/* the sizes that the macros compute are mixed of long and unsigned */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
DEFINE_RING_STARTS(blkif)
DEFINE_RING_STARTS(netif_tx)
DEFINE_RING_STARTS(netif_rx)
#pragma GCC diagnostic pop

#endif

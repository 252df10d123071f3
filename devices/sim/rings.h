/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's shared rings, of one page each, with the barriers that xen/io/ring.h leaves to who includes
 * it: the other end is another process, and the compiler has atomics.
 */
#ifndef XENFERRY_SIM_RINGS_H
#define XENFERRY_SIM_RINGS_H

#include <stdbool.h>
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
 * the back end of one that a frontend has set up, behind the last response that another backend
 * may have given. False when the ring cannot be true.
 */
#define DEFINE_RING_STARTS(name) \
	static inline void name##_front_start(struct name##_front_ring *ring, void *page) \
	{ \
		struct name##_sring *shared = page; \
		XEN_FRONT_RING_INIT(ring, shared, SIM_PAGE_BYTES); \
	} \
	static inline bool name##_back_start(struct name##_back_ring *ring, void *page) \
	{ \
		struct name##_sring *shared = page; \
		RING_IDX answered = shared->rsp_prod; \
		BACK_RING_ATTACH(ring, shared, answered, SIM_PAGE_BYTES); \
		return shared->req_prod - answered <= RING_SIZE(ring); \
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's way to xenstored: the ring in its own memory (xen/io/xs_wire.h), which is there before
 * the guest runs in a domain, and which only an introduction at the right moment keeps in order.
 *
 * Paths are relative to the domain's home, or absolute. One request at a time, each with a deadline
 * of a few seconds; all block for that long, and return 0, the errno that xenstored says,
 * -ETIMEDOUT, -ECANCELED when the process is asked to end, or -EPROTO.
 */
#ifndef XENFERRY_SIM_GUEST_STORE_H
#define XENFERRY_SIM_GUEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_events.h"
#include "hypervisor.h"

#define GUEST_STORE_TOKENS 64 /* watches: each has a number below this */
#define GUEST_STORE_VALUE_MAX 512

struct xenstore_domain_interface;

struct guest_store {
	struct guest_events *events;
	struct sim_memory *memory;
	struct xenstore_domain_interface *ring;
	uint64_t gfn;
	uint32_t port;
	uint32_t request;     /* the last one's number */
	uint32_t transaction; /* 0: none is open */
	uint64_t fired;       /* a bit for each watch */
};

/* Maps the ring where the domain's parameters say that it is. */
int guest_store_init(struct guest_store *store, struct sim_host *host, struct sim_memory *memory,
		     struct guest_events *events);
void guest_store_fini(struct guest_store *store); /* idempotent; accepts all zeroes */

/* -EMSGSIZE when the value does not fit. `value` is untouched on failure. */
int guest_store_read(struct guest_store *store, const char *path, char *value, size_t size);
int guest_store_write(struct guest_store *store, const char *path, const char *value);
/* One that is there already, as after a resume in the same domain, is no error. */
int guest_store_watch(struct guest_store *store, const char *path, uint32_t token);
int guest_store_unwatch(struct guest_store *store, const char *path, uint32_t token);
int guest_store_begin(struct guest_store *store);
int guest_store_end(struct guest_store *store); /* -EAGAIN: begin again */

/* Reads what xenstored has sent by itself. */
int guest_store_collect(struct guest_store *store);
/* Whether a watch fired since it was last asked. */
bool guest_store_take(struct guest_store *store, uint32_t token);

#endif

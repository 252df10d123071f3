/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests about the emptying of this host, and who waits for their answers: a plan takes a survey
 * of the pool, and an evacuation is asked about again and again.
 */
#ifndef XENFERRY_DAEMON_EVACUATION_H
#define XENFERRY_DAEMON_EVACUATION_H

#include <stdint.h>
#include <uv.h>

#include "daemon_clients.h"
#include "daemon_methods.h"
#include "evacuation.h"

#define EVACUATION_QUERIES_MAX 4 /* surveys at once */
#define EVACUATION_WAITS_MAX 16
#define EVACUATION_WAIT_MAX_S 600

struct evacuation_query;
struct evacuation_wait;

struct evacuation_clients {
	struct methods *methods;
	struct evacuation_query *queries;
	struct evacuation_wait *waits;
	uint64_t version;  /* of what is told; another one each time */
	uv_timer_t answers; /* what changes quickly is told a few times a second */
};

/* `methods` outlives it. */
void evacuation_clients_init(struct evacuation_clients *clients, struct methods *methods);
void evacuation_clients_fini(struct evacuation_clients *clients);
void evacuation_clients_gone(struct evacuation_clients *clients, const struct client *client);
/* For evacuation_init(); the context is the struct evacuation_clients. */
void evacuation_clients_changed(void *context);

/*
 * host.plan: the answer is the plan that host.evacuate with the same parameters would follow.
 * host.evacuate: begins, and answers as host.evacuation.
 * host.evacuation: {"version": N, "evacuation": {...}}, at once, or, where `since` is the version
 * that there is, when it has changed or `timeout_s` is over.
 * host.evacuate_cancel: true.
 */
int host_plan(struct methods *methods, struct client *client, const struct rpc_request *request,
	      struct err *err);
int host_evacuate(struct methods *methods, struct client *client,
		  const struct rpc_request *request, struct err *err);
int host_evacuation(struct methods *methods, struct client *client,
		    const struct rpc_request *request, struct err *err);
int host_evacuate_cancel(struct methods *methods, struct client *client,
			 const struct rpc_request *request, struct err *err);

#endif

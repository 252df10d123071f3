/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host as far as a migration can change it (struct host_ops).
 */
#ifndef XENFERRY_SIM_HOST_H
#define XENFERRY_SIM_HOST_H

#include "host.h"
#include "sync.h"

struct world;

enum domain_state { DOMAIN_NONE, DOMAIN_BUILT, DOMAIN_RUNNING, DOMAIN_SUSPENDED };

/* The child that moves memory; it ends with its worker. */
struct sim_stream {
	bool running, saving, hangs;
	enum {
		SAVER_FIRST, SAVER_HIGH, SAVER_HIGHER, SAVER_CALM, SAVER_SUSPEND, SAVER_SENDS,
		SAVER_DONE
	} stage;
	uint64_t due_us; /* its next event; NEVER_US: it waits for an answer, or hangs */
};

/* The connection between the two children. */
struct memory_line {
	uint64_t opened_us; /* NEVER_US: not */
	uint64_t cut_us;    /* from when on a child that is not done fails */
	uint64_t whole_us;  /* when the restoring child has all of the image */
};

struct sim_host {
	struct host host;
	struct world *world;
	enum side side;

	/* what is there, whether or not a worker is */
	enum domain_state domain;
	uint32_t domid;
	bool created;          /* a domain was made for this migration */
	bool complete;         /* target: the image is whole */
	bool introduced, named, claim;
	bool vbd_plugged, vif_plugged;
	bool vbd_held;         /* target: the backend does not know its disk yet */
	bool vbd_closed, vif_closed; /* source: the backends have let go, the frontends rest */
	uint32_t cap_percent;  /* source: that the guest goes on with; 0: its own */
	bool on_bridge;
	bool port_open;        /* by a hook, for the guest */
	uint64_t drained_us;   /* from when on no request is outstanding */
	uint64_t down_until_us; /* it was reset, and comes up again */

	/* what the worker holds */
	bool watching;
	struct sim_stream stream;
};

extern const struct host_ops sim_host_ops;

/* The guest, as a host or a file describes it. */
void sim_host_describe_guest(struct description *guest);

void sim_host_init(struct sim_host *host, struct world *world, enum side side);
/* What its worker held goes with it; after a reset the host is empty. */
void sim_host_lose_worker(struct sim_host *host);
void sim_host_reset(struct sim_host *host, uint64_t down_until_us);

/* sim_stream.c: the part of the table that is the child's. */
struct process;
int sim_restore_begin(struct host *host, const struct description *guest,
		      const struct memory_path *path, struct err *err);
int sim_save_begin(struct host *host, const struct description *guest,
		   const struct memory_path *path, struct err *err);
int sim_stream_next(struct host *host, int peer_fd, uint64_t deadline_us, bool cancellable,
		    struct stream_event *event, struct err *err);
int sim_stream_reply(struct host *host, int answer, struct err *err);
int sim_stream_limit(struct host *host, const struct stream_limit *limit, struct err *err);
void sim_stream_stop(struct host *host);
void sim_stream_kill(struct sim_host *host);

/*
 * One call of the table: struck or not, it takes its time, then has its `effect`, whose value it
 * returns. `deadline_us` 0: the call knows none, and goes on for a long time when it hangs.
 */
typedef int sim_effect(struct sim_host *host, const struct description *guest, bool half,
		       struct err *err);
int sim_call(struct host *host, const struct description *guest, const char *what,
	     unsigned faults, uint64_t usual_us, uint64_t deadline_us, sim_effect *effect,
	     struct err *err);
struct process *sim_worker_of(struct host *host);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One migration, as one worker on one side sees it. The worker fills it, the runner and the steps
 * work on it. Everything with an effect is behind one of the tables it points to.
 */
#ifndef XENFERRY_MIGRATION_H
#define XENFERRY_MIGRATION_H

#include <stdbool.h>
#include <stdint.h>

#include "arbiter.h"
#include "clock.h"
#include "description.h"
#include "hook.h"
#include "host.h"
#include "journal.h"
#include "link.h"
#include "orders.h"
#include "plan.h"
#include "policy.h"
#include "record.h"
#include "saved_file.h"
#include "steering.h"
#include "tracking.h"

struct peer;

/* How a worker reaches the other side beside the control connection. */
struct peer_ops {
	/*
	 * The connection that the memory stream goes through: the source connects, the target waits
	 * until the daemon hands it over.
	 */
	int (*open_memory)(struct peer *peer, uint64_t deadline_us, int *fd, struct err *err);
	/*
	 * Asks the other side's agent whose the guest is. Fails when it cannot be asked now;
	 * ERR_REFUSED: it does not know the job.
	 */
	int (*ask)(struct peer *peer, uint64_t deadline_us, enum outcome *outcome,
		   struct err *err);
};

struct peer {
	const struct peer_ops *ops;
};

/* What is done with the memory stream: as wished, as agreed upon. */
struct memory_terms {
	bool filtered;     /* agreed: else libxenguest's own stream over one connection */
	unsigned compress; /* a codec's number or COMPRESS_AUTO (codec_choice.h) */
	uint32_t channels; /* connections; wished: 0 for as many as the delay asks for */
	bool verify;       /* compare the guest's pages at the end */
	unsigned numa;     /* wished: where it is copied here (numa.h) */
	uint32_t codecs;   /* agreed: bit n, the target reads codec n */
};

struct migration_settings {
	char vm[GUEST_NAME_MAX];    /* source: the guest as the operator named it */
	struct steering steering;   /* source: how the copy is to go */
	struct costs costs;         /* source: what a handover costs, as far as is known */
	uint32_t drain_ms;          /* longest wait for the disks in the blackout */
	struct memory_terms memory; /* source: as wished */
	char host_name[64];         /* how the peer's record calls this host */
	char peer_name[64];         /* target: the source by its certificate; "": as it says */
	uint16_t port;              /* where this host's agent is asked; 0: it is not known */
};

struct migration {
	enum side side;
	const struct plan *plan;
	struct migration_settings settings;

	const struct clock *clock;
	struct host *host;
	struct link *link;          /* NULL after commit: the peer is gone, go on alone */
	struct peer *peer;
	struct arbiter *arbiter;    /* NULL: in doubt the peer alone can say */
	struct hooks *hooks;
	struct journal *journal;
	struct record *record;
	struct record_sink *sink;
	struct tracking *tracking;  /* source: who tracks dirty pages; NULL: nobody else can */
	struct orders *orders;      /* source: what the operator says meanwhile; NULL: nothing */

	struct message offer;       /* target: SP0, heard before the plan was known */
	struct description guest;   /* guest.domid is this host's */
	struct policy policy;
	struct memory_terms memory; /* as agreed upon at SP0 */
	struct saved_file file;     /* where the guest goes to, or comes from, instead of a peer */

	/* source: the copy under way */
	uint64_t copy_timeout_us;
	uint32_t throttle_percent;  /* of its time that the guest loses just now */
	bool cannot_throttle;
	bool may_switch;            /* the guest may be suspended when it fits */
	uint32_t caught_up_at;      /* the pass from which on, after a pause */

	size_t row;                 /* the row that was started last */
	uint64_t deadline_us;       /* of the step that runs */
	bool cancellable;           /* a cancel request is heard now */

	/*
	 * Who owns the guest. Source: `released` once SP3 may have been said; it resumes no more
	 * unless told that the target never will. `taken`: the target's commit is durable (at the
	 * source: it said so, and no arbiter may say otherwise).
	 */
	bool released, taken;
	bool committing;            /* the line that takes it may stand in our journal */
	enum outcome resolved;      /* source: an arbiter decided, in the target's place */
	bool found_running;         /* target, when it recovers: the guest ran already */

	uint64_t later;             /* rows that failed after commit, or to be undone: a bit each */

	uint64_t store_pfn, console_pfn; /* target: as the restored stream has them */
	int64_t clock_offset_us;    /* source: the target's clock minus ours */
};

/* Shows the record as it is now; `durable`: also in the job's folder. */
static inline void migration_publish(struct migration *migration, bool durable)
{
	migration->sink->ops->publish(migration->sink, migration->record, durable);
}

#endif

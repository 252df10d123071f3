/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host: everything that a migration does to Xen, xenstore, devices and the network of one
 * machine, behind one table. Every member is implemented; the plan's steps call nothing else.
 *
 * Entry points in the order in which a migration calls them:
 *   source: describe, watch_disks, save_begin, stream_limit, stream_next..., cap, check_disks,
 *           suspend, stream_reply, stream_next (finished), drain, close_devices, leave_bridges,
 *           unplug, destroy
 *   target: examine, create, plug, hold_disks, restore_begin, stream_next (finished), introduce,
 *           forget_macs, unpause, announce, vifs_connected, release_disks, settle
 *   undo:   replug, resume, cap, stream_stop, unwatch_disks / unplug, destroy
 *
 * Every function returns 0 or a negative errno with `err` filled, unless it says otherwise.
 * `deadline_us` is on the clock given to host_xen_open(). Functions marked [blackout] may run
 * between the guest's suspend and its unpause: they allocate nothing that can fail late and start
 * no process.
 */
#ifndef XENFERRY_HOST_H
#define XENFERRY_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "err.h"

#define REASONS_MAX 32

/* Why a target refuses: all reasons at once, each a sentence that names the thing. */
struct reasons {
	struct err list[REASONS_MAX];
	size_t count;
};

/* Room for one more, to be filled with err_set(). When all are taken the last is used again. */
static inline struct err *reasons_next(struct reasons *reasons)
{
	if (reasons->count < REASONS_MAX)
		reasons->count++;
	return &reasons->list[reasons->count - 1];
}

/*
 * All of them, at least one, in `err`: the first one's code, and a sentence each, as far as they
 * fit. Returns -EPERM.
 */
int reasons_join(const struct reasons *reasons, struct err *err);

/* One guest as `vm-list` shows it. */
struct guest_summary {
	char uuid[GUEST_UUID_SIZE], name[GUEST_NAME_MAX];
	uint32_t domid, vcpus;
	enum guest_type type;
	uint64_t memory_bytes;
	const char *power_state; /* "running", "paused", "halted" (shut down, not yet destroyed) */
};

/* What xenferry-stream says; see devices/stream.h for the messages behind it. */
enum stream_event_kind {
	STREAM_PROGRESS,        /* pages of this iteration so far */
	STREAM_ITERATION,       /* asks: go on, stop, or abort? answer with stream_reply() */
	STREAM_SUSPEND,         /* asks for the guest to be suspended: stream_reply(0 or 1) */
	STREAM_FINISHED,        /* the library returned; `ok`, and the reason when not */
	STREAM_PEER,            /* `peer_fd` is readable: the peer has something to say meanwhile */
};

enum stream_decision { STREAM_ABORT = -1, STREAM_CONTINUE = 0, STREAM_STOP = 1 };

struct stream_event {
	enum stream_event_kind kind;
	uint32_t iteration;         /* 0 is the first pass over all of RAM */
	bool sent;                  /* ITERATION: asked after sending it, else before */
	int64_t dirty_pages;        /* ITERATION: now; -1 unknown; 0th: all of the address space */
	uint64_t pages_done, pages_total; /* PROGRESS: of this iteration, as the library counts */
	uint64_t wire_bytes;        /* all: bytes that left (or came) on the connections so far */
	uint64_t memory_bytes;      /* all: of the pages that these stand for, but zero ones */
	uint64_t zero_pages;        /* all: sent so far; 0 where nobody looks */
	uint64_t verified_pages, late_pages; /* FINISHED: compared; sent again while suspended */
	uint64_t verify_us;         /* FINISHED at the source: what comparing took */
	bool ok;                    /* FINISHED */
	uint64_t store_pfn, console_pfn; /* FINISHED at the target */
	uint32_t slow_channel;      /* all, at the target: from 1; 0: none */
	char message[512];          /* FINISHED and not ok: the library's own words */
};

#define MEMORY_CHANNELS_MAX 16

/* The way that memory takes, as the two sides have agreed upon it. All zero: there is none. */
struct memory_path {
	int fds[MEMORY_CHANNELS_MAX]; /* connected */
	size_t count;
	bool filtered;     /* else libxenguest's own stream goes over the only connection */
	unsigned compress; /* filtered: a codec's number or COMPRESS_AUTO (codec_choice.h) */
	bool verify;       /* filtered: compare the guest's pages at the end */
	unsigned numa;     /* where it is copied: enum numa (numa.h), or NUMA_NODE + a node */
	int held_fd;       /* stays the caller's; the child has it, too, until it ends; 0: none */
};

/* How fast a saver may send. */
struct stream_limit {
	uint64_t bytes_per_s; /* 0: as fast as it goes */
	bool last_pass_too;   /* also while the guest is suspended, at the cost of its time */
};

struct host;

struct host_ops {
	/* ---- looking: changes nothing ---- */

	/*
	 * The domain that has this UUID now, 0 when there is none, and whether it runs. Asks Xen
	 * alone: a recovery begins so, for which a guest may stand still on a busy host.
	 */
	int (*find)(struct host *host, const char *uuid, uint32_t *domid, bool *running,
		    struct err *err);
	/* Calls `each` for every guest but domain 0. */
	int (*list)(struct host *host,
		    int (*each)(const struct guest_summary *guest, void *data), void *data,
		    struct err *err);
	/*
	 * Describes the running guest `vm` (name, UUID or domid), and adds every reason why it
	 * cannot be moved: not running, a type or a device kind that is not supported, dirty pages
	 * that Xen cannot track. Negative, with at least one reason, when it is not even described:
	 * there is none (ERR_NO_GUEST), or it is of a type that cannot be.
	 */
	int (*describe)(struct host *host, const char *vm, struct description *guest,
			struct reasons *reasons);
	/*
	 * Adds every reason why this host cannot take `guest`: name or UUID taken, memory, bridge,
	 * disk, disk's size, script, Xen's version. `late_disks`: the plan attaches disks after the
	 * source let go, so that file-backed ones are welcome. A failure to look is a reason too.
	 */
	void (*examine)(struct host *host, const struct description *guest, bool late_disks,
			struct reasons *reasons);

	/* What Xen has free for guests that come, less what others have claimed. */
	int (*free_memory)(struct host *host, uint64_t *bytes, struct err *err);

	/*
	 * Counts the different pages that the running `guest` dirties in `duration_us`, and says
	 * in `*took_us` how long it was. Changes nothing, also when it fails or a cancel request
	 * comes (-ECANCELED): tracking is ended on every way out. -EBUSY when others track it.
	 */
	int (*measure_dirt)(struct host *host, const struct description *guest,
			    uint64_t duration_us, uint64_t *pages, uint64_t *took_us,
			    struct err *err);

	/* ---- target: prepare ---- */

	/*
	 * Creates the domain, paused and empty, named "<name>--incoming": vcpus, memory limit and
	 * claim, paging pool, event channels, xenstore skeleton, device nodes and permissions, xl's
	 * configuration. Sets guest->domid as soon as there is a domain, so that destroy() can undo
	 * a failure half-way.
	 */
	int (*create)(struct host *host, struct description *guest, struct err *err);
	/*
	 * Plugs the devices of the kinds in `kinds` (a bit each, 1u << DEVICE_VBD): waits for the
	 * backends, runs the hotplug scripts, waits until each says connected. All at once, or one
	 * device after another when `in_turn`. Devices that are plugged already are left alone.
	 */
	int (*plug)(struct host *host, const struct description *guest, unsigned kinds,
		    bool in_turn, uint64_t deadline_us, struct err *err);
	/*
	 * Holds plugged VBDs back, so that the guest's VIFs connect first, and lets them go. Both
	 * harmless when there is nothing to hold or to release.
	 */
	int (*hold_disks)(struct host *host, const struct description *guest,
			  uint64_t deadline_us, struct err *err);
	int (*release_disks)(struct host *host, const struct description *guest, struct err *err);
	/* Starts xenferry-stream restoring; the connections are taken over, also on failure. */
	int (*restore_begin)(struct host *host, const struct description *guest,
			     const struct memory_path *path, struct err *err);

	/* ---- source: prepare and copy ---- */

	/* Maps the VBDs' rings read-only and opens their counters, for drain(). */
	int (*watch_disks)(struct host *host, const struct description *guest, struct err *err);
	void (*unwatch_disks)(struct host *host);
	/* Starts xenferry-stream saving `guest`, live; takes the connections over likewise. */
	int (*save_begin)(struct host *host, const struct description *guest,
			  const struct memory_path *path, struct err *err);

	/*
	 * Lets the guest have `cap_percent` of one CPU (0: as much as it wants), by the scheduler;
	 * its own is guest->cpu_cap_percent. Idempotent; harmless when the guest is gone.
	 * -EOPNOTSUPP where the scheduler has no caps.
	 */
	int (*cap)(struct host *host, const struct description *guest, uint32_t cap_percent,
		   struct err *err);

	/* ---- either side: while the stream child works ---- */

	/*
	 * Waits for the child's next event, or for `peer_fd` to be readable (-1: do not look).
	 * -ETIMEDOUT at the deadline, -ECANCELED when `cancellable` and a cancel request is
	 * pending. [blackout]
	 */
	int (*stream_next)(struct host *host, int peer_fd, uint64_t deadline_us, bool cancellable,
			   struct stream_event *event, struct err *err);
	/* Answers ITERATION (a stream_decision) or SUSPEND (0 no, 1 done). [blackout] */
	int (*stream_reply)(struct host *host, int answer, struct err *err);
	/*
	 * Limits how fast the saving child sends from now on, in whatever it is; harmless when none
	 * runs. [blackout]
	 */
	int (*stream_limit)(struct host *host, const struct stream_limit *limit, struct err *err);
	/*
	 * Ends the child, in the way its side needs (a saving one cleans up its log-dirty mode),
	 * and waits for it. Harmless when none runs.
	 */
	void (*stream_stop)(struct host *host);

	/* ---- source: hand over ---- */

	/*
	 * Looks at the disks' queues before the guest is suspended: waits until what is
	 * outstanding can be expected to drain within `drain_ms`, -ETIMEDOUT naming the disk when
	 * it does not by the deadline. Nothing to do when the disks are not watched.
	 */
	int (*check_disks)(struct host *host, uint32_t drain_ms, uint64_t deadline_us,
			   struct err *err);
	/*
	 * Asks the guest to suspend, waits for its acknowledgement and until Xen says it is. Takes
	 * the request back when it is not acknowledged by the deadline. `*suspended_at_us`: when it
	 * was seen suspended. -ECANCELED when a cancel request is pending: resume() takes the
	 * request to the guest back.
	 */
	int (*suspend)(struct host *host, const struct description *guest, uint64_t deadline_us,
		       uint64_t *suspended_at_us, struct err *err);
	/*
	 * Lets a suspended guest go on here: it sees a cancelled suspend, and its devices as it
	 * left them. Harmless when the guest is not suspended; withdraws a pending suspend request.
	 */
	int (*resume)(struct host *host, const struct description *guest, struct err *err);
	/*
	 * Waits until no request of the suspended guest is outstanding on any VBD. -ECANCELED when
	 * a cancel request is pending. [blackout]
	 */
	int (*drain)(struct host *host, const struct description *guest, uint64_t deadline_us,
		     struct err *err);
	/*
	 * Closes the suspended guest's backends of the kinds in `kinds` (as in plug), whose disks
	 * were drained; its frontends rest. Idempotent.
	 */
	int (*close_devices)(struct host *host, const struct description *guest, unsigned kinds,
			     uint64_t deadline_us, struct err *err);
	/*
	 * The undo: plugs what was closed again, under the resting frontends, so that the guest
	 * can be resumed and notices nothing. Idempotent, accepts half-closed devices.
	 */
	int (*replug)(struct host *host, const struct description *guest, unsigned kinds,
		      uint64_t deadline_us, struct err *err);
	/* Takes the VIFs off their bridges: the guest is the target's. Idempotent. */
	int (*leave_bridges)(struct host *host, const struct description *guest, struct err *err);

	/* ---- target: take over ---- */

	/*
	 * After the restore: checks the ring pages against the description and introduces the
	 * domain to xenstored. [blackout]
	 */
	int (*introduce)(struct host *host, const struct description *guest, uint64_t store_pfn,
			 uint64_t console_pfn, struct err *err);
	/* Removes the guest's MACs from every bridge port but its own VIFs. [blackout] */
	int (*forget_macs)(struct host *host, const struct description *guest, struct err *err);
	int (*unpause)(struct host *host, const struct description *guest, struct err *err);
	/* Sends one broadcast RARP for each VIF from its bridge. */
	int (*announce)(struct host *host, const struct description *guest, struct err *err);
	/* Returns 1 when every VIF's backend is connected to the guest, 0 when not yet. */
	int (*vifs_connected)(struct host *host, const struct description *guest);
	/* Gives the guest its name and its console back, releases the memory claim. Repeatable. */
	int (*settle)(struct host *host, const struct description *guest, struct err *err);

	/* ---- either side: tear down ---- */

	/*
	 * Unplugs every device of a guest that cannot answer: closes the backends without asking
	 * the frontends, runs the scripts, removes the nodes. Idempotent, accepts half-plugged
	 * devices.
	 */
	int (*unplug)(struct host *host, const struct description *guest, uint64_t deadline_us,
		      struct err *err);
	/*
	 * Destroys the domain and removes all its nodes and files. Blocks, for two seconds at most,
	 * until drivers have noticed the devices that create() wrote. Idempotent.
	 */
	int (*destroy)(struct host *host, const struct description *guest, struct err *err);

	void (*close)(struct host *host); /* frees everything; the host is gone */
};

struct host {
	const struct host_ops *ops;
};

/* What `guest` takes of a host's free memory, Xen's own needs included: examine() judges by it. */
uint64_t host_bytes_needed(const struct description *guest);

/*
 * The real host: Xen, xenstore, Linux. `stream_program` is the path of xenferry-stream. Fails when
 * this is no dom0, with the remedy in `err`.
 */
int host_xen_open(const struct clock *clock, const char *stream_program, struct host **host,
		  struct err *err);

#endif

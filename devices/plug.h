/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All devices of a guest at once, in the order in which a migration comes here: described at the
 * source, examined, written and plugged at the target, unplugged at the source (or, to undo, at
 * the target).
 *
 * The functions that take a `struct site` are those behind the others, for callers that choose the
 * devices, and for tests that bring their own host.
 */
#ifndef XENFERRY_PLUG_H
#define XENFERRY_PLUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "host.h"
#include "site.h"
#include "store.h"

/*
 * Fills guest->devices, by kind and then id, from what the toolstack wrote (never from nodes that
 * the guest may write). What cannot be moved is a reason, and left out.
 */
void devices_describe(struct store *store, uint32_t domid, struct description *guest,
		      struct reasons *reasons);

/*
 * Adds every reason why this host cannot take one of the devices: nodes, script, bridge, disk.
 * `late_disks`: the plan attaches disks only after the source let go. Changes nothing.
 */
void devices_examine(struct store *store, const struct description *guest, bool late_disks,
		     struct reasons *reasons);

/*
 * Writes the nodes of every device of guest->domid. Inside the caller's transaction. Refuses
 * (-EINVAL) nodes that are not in the table of nodes.c.
 */
int devices_write_nodes(struct store *store, const struct description *guest, struct err *err);

/*
 * Plugs the devices of the kinds in `kinds` (1u << DEVICE_VBD, ...): waits for their backends,
 * runs their scripts, waits until each says connected. All at once, or one device after another if
 * `in_turn`; devices that are connected are left alone. After a failure some may be plugged:
 * devices_unplug() accepts that. Blocks until the deadline; -ETIMEDOUT, or -EIO from a script.
 */
int devices_plug(struct store *store, const struct clock *clock, const struct description *guest,
		 unsigned kinds, bool in_turn, uint64_t deadline_us, struct err *err);

/*
 * Unplugs every device of a guest that cannot answer: takes the frontends away, waits until the
 * backends let go, runs the scripts, removes the nodes. Goes on after a failure and returns the
 * first. Idempotent. Blocks until the deadline.
 */
int devices_unplug(struct store *store, const struct clock *clock, const struct description *guest,
		   uint64_t deadline_us, struct err *err);

/*
 * Waits until the backends' drivers have noticed every device that was written, two seconds at
 * most: one that has not writes into the device's directory whether that is still there or not
 * (xen_blkbk_probe(), netback_probe()), and what it writes then stays for ever. To be called
 * before the nodes are removed; devices_unplug() does.
 */
void devices_await_noticed(struct store *store, const struct clock *clock,
			   const struct description *guest);

/* ---- behind them ---- */

#define DEVICES_ALL ((1u << DEVICE_VBD) | (1u << DEVICE_VIF))

/* Some devices of one guest. */
struct devices {
	uint32_t domid;
	const struct device *list[GUEST_DEVICES_MAX];
	size_t count;
};

/* The devices of `guest` of the kinds in `kinds`. */
struct devices devices_of(const struct description *guest, unsigned kinds);

void site_describe(const struct site *site, uint32_t domid, struct description *guest,
		   struct reasons *reasons);
void site_examine(const struct site *site, const struct description *guest, bool late_disks,
		  struct reasons *reasons);
int site_plug(const struct site *site, const struct devices *devices, bool in_turn,
	      uint64_t deadline_us, struct err *err);
int site_unplug(const struct site *site, const struct devices *devices, uint64_t deadline_us,
		struct err *err);

void site_await_noticed(const struct site *site, const struct devices *devices,
			uint64_t deadline_us);

/* Has the backends close, and writes the devices anew, as just created; the scripts do not run. */
int site_renew(const struct site *site, const struct devices *devices, uint64_t deadline_us,
	       struct err *err);

/* Something that backends reach by themselves, and what to say of one that does not. */
struct stage {
	bool (*reached)(const struct site *site, uint32_t domid, const struct device *device);
	const char *sentence;
};

/* Waits until `devices` have all reached `stage`; -ETIMEDOUT naming the first that did not. */
int site_await(const struct site *site, const struct devices *devices, const struct stage *stage,
	       uint64_t deadline_us, struct err *err);
/* The backend waits for a frontend: state 2, or is past it. */
extern const struct stage stage_ready;
/* The disk has nothing in flight. */
extern const struct stage stage_settled;

#endif

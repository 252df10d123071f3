/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's side of xenbus: each of its devices through the states that Linux's blkfront and
 * netfront go through, at boot and after a move. Disks come before network cards, one after
 * another, as Linux has one thread for all of this.
 *
 * Functions return 0 or what guest_store.h says. They block as it does.
 */
#ifndef XENFERRY_SIM_GUEST_FRONTENDS_H
#define XENFERRY_SIM_GUEST_FRONTENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest_disk.h"
#include "guest_nic.h"
#include "guest_store.h"

#define FRONTENDS_MAX (PROGRAM_DISKS_MAX + PROGRAM_NICS_MAX)
#define FRONTEND_PATH_MAX 128

struct frontend_kind;

struct frontend {
	const struct frontend_kind *kind;
	uint32_t index; /* among its kind */
	int state;      /* as in xen/io/xenbus.h */
	char path[FRONTEND_PATH_MAX];    /* below the domain's home */
	char backend[FRONTEND_PATH_MAX]; /* "" until it is known */
	uint64_t due_us; /* it does nothing before that */
};

struct frontends {
	struct guest_store *store;
	struct guest_disk *disks;
	struct guest_nic *nics;
	struct frontend list[FRONTENDS_MAX];
	uint32_t count;
	uint32_t first_token; /* of the watches */
	bool moved;           /* they connect anew after a move, not for the first time */
	uint64_t silent_until_us; /* network cards do not say before that where the guest is */
};

/* One frontend for each device of `program`; watches use the tokens from `first_token` on. */
void frontends_init(struct frontends *frontends, const struct program *program,
		    struct guest_store *store, struct guest_disk *disks, struct guest_nic *nics,
		    uint32_t first_token);

/* What coming to a new domain costs a guest. */
struct frontend_costs {
	uint64_t connect_us; /* of each frontend, before it does anything: one after another */
	uint64_t silent_us;  /* before it says by itself where it is */
};

/* Starts to connect all of them, at boot or after a move. */
int frontends_start(struct frontends *frontends, bool moved, uint64_t now_us,
		    const struct frontend_costs *costs);
/* Goes as far as backends and time allow. */
int frontends_step(struct frontends *frontends, uint64_t now_us);
/* When frontends_step() is to be called although no watch fired; UINT64_MAX: never. */
uint64_t frontends_due_us(const struct frontends *frontends, uint64_t now_us);

/* After a resume that changed nothing: 0 when every backend is still connected; else -ENOTCONN. */
int frontends_check(struct frontends *frontends);

#endif

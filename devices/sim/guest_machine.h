/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guest.c and guest_power.c share: one guest in one domain.
 */
#ifndef XENFERRY_SIM_GUEST_MACHINE_H
#define XENFERRY_SIM_GUEST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest.h"
#include "guest_disk.h"
#include "guest_events.h"
#include "guest_frontends.h"
#include "guest_nic.h"
#include "guest_store.h"
#include "program.h"
#include "verdict.h"

#define TOKEN_SHUTDOWN 0
#define TOKEN_FRONTENDS 1

/* What it does when its domain runs next. */
enum guest_phase {
	GUEST_NEW,       /* looks at memory: to start, or to go on after a move */
	GUEST_RUNNING,   /* nothing: it was only paused, if that */
	GUEST_SUSPENDED, /* asks whether it is in the same domain still */
	GUEST_ENDED,     /* nothing ever again */
};

struct guest {
	const struct guest_options *options;
	const struct clock *clock;
	struct sim_host *host;
	uint32_t domid;
	char uuid[VERDICT_UUID_SIZE];
	enum guest_phase phase;
	int lease_fd; /* -1: it does not run */
	struct sim_memory *memory;
	uint8_t *ram;
	uint64_t pages;
	struct program program;
	struct guest_events events;
	struct guest_store store;
	struct frontends frontends;
	struct guest_disk disks[PROGRAM_DISKS_MAX];
	struct guest_nic nics[PROGRAM_NICS_MAX];
	struct verdict verdict;
	uint64_t tick_us, woken_us, verdict_us; /* the last tick, start or resume, verdict */
	uint64_t dirty_credit, block_credit;    /* millionths of a page, of a request */
};

/* ---- guest_power.c: starting and stopping ---- */

/* To be called when the domain has begun to run: starts, goes on, or resumes. */
int guest_wake(struct guest *guest);
/* Obeys control/shutdown. */
int guest_obey(struct guest *guest);
/* The guest cannot go on: says so, and stops the domain. */
void guest_crash(struct guest *guest, const char *why, int rc);
void guest_release_lease(struct guest *guest);

/* ---- guest.c ---- */

/* Writes the guest's verdict down. */
void guest_report(struct guest *guest, const char *status);

#endif

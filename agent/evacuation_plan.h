/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which guests leave a host, where each goes, and every reason why one does not: made of a survey
 * (survey.c, JSON), the pool's list and its rules of guests. Pure; a later survey brings what has
 * changed since, and guests that are new.
 */
#ifndef XENFERRY_EVACUATION_PLAN_H
#define XENFERRY_EVACUATION_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "description.h"
#include "err.h"
#include "guest_rules.h"
#include "hosts.h"
#include "json.h"
#include "placement.h"

#define EVACUEES_MAX 4096

/* A host that guests may go to. */
struct evacuation_host {
	struct host_place place;
	bool reached;              /* by the last survey */
	uint64_t free_bytes;       /* less what was planned for it since */
	size_t guests;             /* that were there before */
	double fixed_ms;           /* of a downtime, as it was learnt */
	uint64_t send_bytes_per_s; /* likewise; 0: not known */
};

/* Why a guest may not be on a host, or, `host` PLACEMENT_NONE, may not go at all. */
struct evacuation_reason {
	uint32_t guest, host;
	enum err_code code;
	char *message; /* owned */
};

struct evacuee {
	char name[GUEST_NAME_MAX], uuid[GUEST_UUID_SIZE];
	uint64_t memory_bytes, needs_bytes, dirty_bytes_per_s;
	uint32_t priority, apart, together; /* as in placement.h */
	uint32_t target;                    /* PLACEMENT_NONE: it has none */
	uint8_t barred[HOSTS_MAX / 8];      /* hosts it may not be on: a bit each */
	uint8_t failed_on[HOSTS_MAX / 8];   /* hosts that are tried last */
	double total_ms, downtime_ms;       /* predicted */
	bool gone;                          /* it is not on this host any more */
};

struct evacuation_plan {
	struct evacuation_host *hosts; /* room for HOSTS_MAX */
	size_t host_count;
	struct evacuee *guests;        /* room for EVACUEES_MAX */
	size_t guest_count;
	struct evacuation_reason *reasons;
	size_t reason_count;
};

int evacuation_plan_init(struct evacuation_plan *plan, struct err *err);
void evacuation_plan_fini(struct evacuation_plan *plan); /* idempotent; accepts all zeroes */

/*
 * Takes a survey in: hosts and guests that are new are added at the end, of the others what has
 * changed; reasons are those of this survey. Who is not in it any more is `gone`. Places nobody.
 * -EINVAL when it is no survey.
 */
int evacuation_plan_take(struct evacuation_plan *plan, const struct json_value *survey,
			 const struct hosts *hosts, const struct guest_rules *rules,
			 struct err *err);
/*
 * Gives a target to each guest that `wanted` says (an array of guest_count), as far as there is
 * room; to who has none, a reason. Returns how many have none, or -ENOMEM.
 */
int evacuation_plan_place(struct evacuation_plan *plan, const bool *wanted);
/* After a failure: gives the guest another target, or the same where there is no other. */
void evacuation_plan_replace(struct evacuation_plan *plan, size_t guest);

/* The index of a guest by its UUID, or of a host by its name; PLACEMENT_NONE: there is none. */
uint32_t evacuation_plan_find(const struct evacuation_plan *plan, const char *uuid);
uint32_t evacuation_plan_find_host(const struct evacuation_plan *plan, const char *name);
/* The host of that name, added when it is not there; PLACEMENT_NONE when there are too many. */
uint32_t evacuation_plan_add_host(struct evacuation_plan *plan, const char *name);
/* A new guest, PLACEMENT_NONE when there are too many. */
uint32_t evacuation_plan_add_guest(struct evacuation_plan *plan, const char *uuid,
				   const char *name);

/* Why a guest has no place, by the first reason; false: it has one, or there is no reason. */
bool evacuation_plan_why(const struct evacuation_plan *plan, size_t guest, struct err *why);
/* Writes "reasons": an array of those of one guest. */
void evacuation_plan_write_reasons(const struct evacuation_plan *plan, size_t guest,
				   struct json_writer *writer);

#endif

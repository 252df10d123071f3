/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control connection (struct link_ops) and the ways beside it (struct peer_ops).
 */
#ifndef XENFERRY_SIM_LINK_H
#define XENFERRY_SIM_LINK_H

#include "link.h"
#include "migration.h"

#define LANE_MAX 16 /* messages under way in one direction */

struct packet {
	struct message message;
	uint32_t sequence;
	uint64_t arrives_us;
};

/* One direction, and what its reader knows; indexed by the reader's side. */
struct lane {
	struct packet packets[LANE_MAX];
	size_t count;
	uint32_t sent, heard;  /* sequence numbers */
	uint64_t last_us;      /* nothing overtakes what was sent before */
	uint64_t closed_us;    /* from when on the reader finds the connection gone */
};

struct line {
	struct lane lanes[2];
};

extern const struct link_ops sim_link_ops;
extern const struct peer_ops sim_source_peer_ops, sim_target_peer_ops;

struct process;
struct world;

void line_init(struct line *line);
/* When the worker can hear something, the end of the connection included. */
uint64_t line_ready_us(const struct process *process);
/* The worker's end is closed. */
void line_close(struct process *process);
/* The network between the hosts is gone for `us`: what is open breaks after 30 seconds. */
void line_partition(struct world *world, uint64_t us);

#endif

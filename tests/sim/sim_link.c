/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_link.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reason.h"
#include "recover.h"
#include "world.h"

#define LATENCY_US 300
#define DELAY_US (20 * MINUTE) /* past every deadline but the copy's */
#define GIVES_UP_US (30 * SECOND) /* TCP, on a peer that does not acknowledge */

#define MESSAGE_FAULTS \
	(BIT(LOST) | BIT(DELAYED) | BIT(TWICE) | BIT(CUT_BEFORE) | BIT(CUT_AFTER) | \
	 BIT(PARTITION) | BIT(SLOW) | ANY_DEATH)

static struct lane *lane_to(struct world *world, enum side side)
{
	return &world->line.lanes[side];
}

static enum side other(enum side side)
{
	return side == SIDE_SOURCE ? SIDE_TARGET : SIDE_SOURCE;
}

void line_init(struct line *line)
{
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		struct lane *lane = &line->lanes[side];

		for (size_t i = 0; i < lane->count; i++)
			message_fini(&lane->packets[i].message);
		*lane = (struct lane){ .closed_us = NEVER_US };
	}
}

/* ---- the end of it ---- */

static void close_lane(struct lane *lane, uint64_t at_us)
{
	if (at_us < lane->closed_us)
		lane->closed_us = at_us;
}

static void cut(struct world *world, uint64_t at_us)
{
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++)
		close_lane(lane_to(world, side), at_us);
}

static bool is_down(const struct world *world, enum side side)
{
	return world->now_us < world->hosts[side].down_until_us;
}

void line_close(struct process *process)
{
	struct world *world = process->world;
	struct lane *lane = lane_to(world, other(process->side));
	uint64_t at_us = world->now_us + LATENCY_US;

	if (world_is_partitioned(world) || is_down(world, process->side)) /* nobody says so */
		at_us = world->now_us + GIVES_UP_US;
	close_lane(lane, at_us > lane->last_us ? at_us : lane->last_us);
}

void line_partition(struct world *world, uint64_t us)
{
	world->partition_until_us = world->now_us + us;
	world_fault_until(world, world->partition_until_us);
	cut(world, world->now_us + GIVES_UP_US);
	if (world->memory.whole_us > world->now_us && world->memory.cut_us > world->now_us)
		world->memory.cut_us = world->now_us + GIVES_UP_US;
}

uint64_t line_ready_us(const struct process *process)
{
	const struct lane *lane = &process->world->line.lanes[process->side];
	uint64_t first_us = lane->count > 0 ? lane->packets[0].arrives_us : NEVER_US;

	return first_us < lane->closed_us ? first_us : lane->closed_us;
}

/* ---- sending ---- */

static void deliver(struct lane *lane, enum wire_type type, uint16_t point, const void *payload,
		    size_t size, uint64_t arrives_us)
{
	struct packet *packet = &lane->packets[lane->count];
	uint8_t *copy = size > 0 ? malloc(size) : NULL;

	assert(lane->count < LANE_MAX && (size == 0 || copy));
	if (copy)
		memcpy(copy, payload, size);
	if (arrives_us < lane->last_us)
		arrives_us = lane->last_us;
	lane->last_us = arrives_us;
	lane->count++;
	*packet = (struct packet){
		.message = { .type = type, .point = point, .payload = copy, .size = size },
		.sequence = lane->sent,
		.arrives_us = arrives_us,
	};
}

/* What the invariants have to know of what was said. */
static void note_said(struct process *process, enum wire_type type, uint16_t point)
{
	if (type == WIRE_SYNC && point == SYNC_SP3)
		process->world->sp3_said = true;
	if (type == WIRE_ABORT && process->side == SIDE_TARGET)
		process->world->abort_said = true;
}

static void pass_on(struct process *process, enum fault fault, enum wire_type type, uint16_t point,
		    const void *payload, size_t size)
{
	struct world *world = process->world;
	struct lane *lane = lane_to(world, other(process->side));
	uint64_t at_us = world->now_us + chooser_time_us(world->chooser, LATENCY_US);

	lane->sent++;
	if (fault == FAULT_DELAYED) {
		at_us += DELAY_US;
		world_fault_until(world, at_us);
	}
	if (fault != FAULT_LOST && fault != FAULT_CUT_BEFORE && !world_is_partitioned(world))
		deliver(lane, type, point, payload, size, at_us);
	if (fault == FAULT_TWICE)
		deliver(lane, type, point, payload, size, at_us);
	if (fault == FAULT_CUT_BEFORE || fault == FAULT_CUT_AFTER)
		cut(world, at_us > lane->last_us ? at_us : lane->last_us);
}

static int send_message(struct link *link, enum wire_type type, uint16_t point, const void *payload,
			size_t size, uint64_t deadline_us, struct err *err)
{
	struct process *process = PROCESS_OF(link, link);
	struct world *world = process->world;
	const char *what =
		type == WIRE_SYNC || type == WIRE_ANSWER ? sync_label(point) : wire_type_name(type);
	enum fault fault;

	(void)deadline_us; /* what is sent fits any buffer */
	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, what, point, MESSAGE_FAULTS);
	if (process->dead)
		return -ESHUTDOWN;
	if (lane_to(world, process->side)->closed_us <= world->now_us)
		return err_set(err, ERR_FAILED, -EPIPE, "the connection is lost");
	note_said(process, type, point);
	pass_on(process, fault, type, point, payload, size);
	world_event(process, "says %s %s", wire_type_name(type), sync_label(point));
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

/* ---- receiving ---- */

static struct packet take_first(struct lane *lane)
{
	struct packet first = lane->packets[0];

	lane->count--;
	memmove(lane->packets, lane->packets + 1, lane->count * sizeof(first));
	return first;
}

static int hear(struct process *process, struct message *message, struct err *err)
{
	struct lane *lane = lane_to(process->world, process->side);
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	struct packet packet = take_first(lane);

	got = packet.message;
	if (packet.sequence != ++lane->heard) {
		close_lane(lane, process->world->now_us);
		world_event(process, "hears a message out of sequence");
		return err_set(err, ERR_FAILED, -EPROTO, "message %u came, %u was due",
			       packet.sequence, lane->heard);
	}
	world_event(process, "hears %s %s", wire_type_name(got.type), sync_label(got.point));
	if (got.type == WIRE_ABORT)
		return reason_decode(got.payload, got.size,
				     process->side == SIDE_SOURCE ? "the target" : "the source",
				     -ECONNABORTED, err);
	*message = got;
	got = (struct message){ .size = 0 };
	return 0;
}

static int receive_message(struct link *link, uint64_t deadline_us, bool cancellable,
			   struct message *message, struct err *err)
{
	struct process *process = PROCESS_OF(link, link);
	struct world *world = process->world;
	struct lane *lane = lane_to(world, process->side);

	if (process->dead)
		return -ESHUTDOWN;
	if (world_strike(process, "waiting for the peer", SYNC_NONE,
			 BIT(KILLED_BEFORE) | BIT(RESET) | (cancellable ? BIT(CANCELLED) : 0)) ==
	    FAULT_CANCELLED)
		process->cancelled = true;
	if (process->dead)
		return -ESHUTDOWN;
	if (cancellable && process->cancelled)
		return err_set(err, ERR_CANCELLED, -ECANCELED, "cancelled");
	if (line_ready_us(process) > world->now_us &&
	    !world_wait(process, deadline_us, line_ready_us))
		return -ESHUTDOWN;
	if (lane->count > 0 && lane->packets[0].arrives_us <= world->now_us)
		return hear(process, message, err);
	if (lane->closed_us <= world->now_us)
		return err_set(err, ERR_FAILED, -ECONNRESET, "the connection was closed");
	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "nothing came from the peer in time");
}

static int link_fd(const struct link *link)
{
	(void)link;
	return 0; /* sim_stream_next() knows which link it is */
}

static void close_link(struct link *link)
{
	struct process *process = PROCESS_OF(link, link);

	if (!process->dead)
		line_close(process);
}

const struct link_ops sim_link_ops = { send_message, receive_message, link_fd, close_link };

/* ---- beside it ---- */

static uint64_t memory_ready_us(const struct process *process)
{
	return process->world->memory.opened_us;
}

static int unreachable(struct process *process, uint64_t deadline_us, struct err *err)
{
	if (!world_wait(process, deadline_us, NULL))
		return -ESHUTDOWN;
	return err_set(err, ERR_NO_PEER, -ETIMEDOUT, "the %s does not answer",
		       side_name(other(process->side)));
}

static int source_open_memory(struct peer *peer, uint64_t deadline_us, int *fd, struct err *err)
{
	struct process *process = PROCESS_OF(peer, peer);
	struct world *world = process->world;
	enum fault fault;

	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, "the memory connection", SYNC_NONE,
			     BIT(FAILS) | BIT(PARTITION) | BIT(SLOW) | ANY_DEATH);
	if (process->dead)
		return -ESHUTDOWN;
	if (world_is_partitioned(world))
		return unreachable(process, world->now_us + 10 * SECOND, err);
	(void)deadline_us;
	if (fault == FAULT_FAILS || !world->processes[SIDE_TARGET].coroutine.live ||
	    world->processes[SIDE_TARGET].recovering)
		return err_set(err, ERR_NO_PEER, -ECONNREFUSED, "no job waits for the memory");
	if (!world_spend(process, LATENCY_US))
		return -ESHUTDOWN;
	world->memory.opened_us = world->now_us;
	*fd = -1;
	world_event(process, "opens the memory connection");
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

static int target_open_memory(struct peer *peer, uint64_t deadline_us, int *fd, struct err *err)
{
	struct process *process = PROCESS_OF(peer, peer);
	struct world *world = process->world;

	if (process->dead)
		return -ESHUTDOWN;
	(void)world_strike(process, "awaiting the memory connection", SYNC_NONE,
			   BIT(KILLED_BEFORE) | BIT(RESET));
	if (process->dead)
		return -ESHUTDOWN;
	if (world->memory.opened_us > world->now_us &&
	    !world_wait(process, deadline_us, memory_ready_us))
		return -ESHUTDOWN;
	if (world->memory.opened_us > world->now_us)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       "the source did not open the memory connection");
	*fd = -1;
	return 0;
}

/* The other side's agent reads its journal; a worker need not live there. */
static int ask(struct peer *peer, uint64_t deadline_us, enum outcome *outcome, struct err *err)
{
	static const char *const words[] = { "undecided", "taken", "never" };
	struct process *process = PROCESS_OF(peer, peer);
	struct world *world = process->world;
	enum side whom = other(process->side);
	enum outcome said;
	enum fault fault;

	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, "asking the peer", SYNC_NONE,
			     BIT(FAILS) | BIT(LOST) | BIT(PARTITION) | ANY_DEATH);
	if (process->dead)
		return -ESHUTDOWN;
	if (fault == FAULT_FAILS)
		return err_set(err, ERR_NO_PEER, -ECONNREFUSED, "no agent runs at the %s",
			       side_name(whom));
	if (fault == FAULT_LOST || world_is_partitioned(world) || is_down(world, whom))
		return unreachable(process, deadline_us, err);
	if (!world_spend(process, LATENCY_US))
		return -ESHUTDOWN;
	said = recover_outcome(&world->journals[whom].written);
	if (said == OUTCOME_UNDECIDED && world->hasty && whom == SIDE_TARGET)
		said = OUTCOME_NEVER;
	if (!world_spend(process, LATENCY_US))
		return -ESHUTDOWN;
	*outcome = said;
	world_event(process, "asks the %s, whose answer is: %s", side_name(whom), words[said]);
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

const struct peer_ops sim_source_peer_ops = { source_open_memory, ask };
const struct peer_ops sim_target_peer_ops = { target_open_memory, ask };

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The children that move memory. The saving one asks what to do before the first pass and after
 * each of three, of which the guest dirties all that two have sent, so that it is slowed down; then
 * for the suspend, then sends the rest and is done; the restoring one is done when all of it has
 * come. Either fails when the connection between them goes before that.
 */
#include <errno.h>
#include <stdio.h>

#include "sim_host.h"
#include "world.h"

#define ITERATION_US (300 * MS)
#define HIGH_PAGES 100000
#define LAST_PAGES_US (10 * MS)
#define TEAR_DOWN_US (5 * MS) /* after the last byte the saving child still cleans up */
#define BEGIN_FAULTS (BIT(FAILS) | BIT(SLOW) | ANY_DEATH)

static struct sim_host *host_of(struct host *host)
{
	return (struct sim_host *)host;
}

/* ---- beginning and end ---- */

static int begin(struct sim_host *host, bool saving)
{
	struct world *world = host->world;

	host->stream = (struct sim_stream){
		.running = true,
		.saving = saving,
		.due_us = saving ? world->now_us + chooser_time_us(world->chooser, ITERATION_US)
				 : NEVER_US,
	};
	return 0;
}

static int begin_save(struct sim_host *host, const struct description *guest, bool half,
		      struct err *err)
{
	(void)guest;
	(void)half;
	(void)err;
	return begin(host, true);
}

static int begin_restore(struct sim_host *host, const struct description *guest, bool half,
			 struct err *err)
{
	(void)guest;
	(void)half;
	(void)err;
	return begin(host, false);
}

int sim_save_begin(struct host *host, const struct description *guest,
		   const struct memory_path *path, struct err *err)
{
	(void)path;
	return sim_call(host, guest, "begin to save", BEGIN_FAULTS, MS, 0, begin_save, err);
}

int sim_restore_begin(struct host *host, const struct description *guest,
		      const struct memory_path *path, struct err *err)
{
	(void)path;
	return sim_call(host, guest, "begin to restore", BEGIN_FAULTS, MS, 0, begin_restore, err);
}

/* What was sent comes all the same; a child that ends before that cuts the connection. */
static void cut_memory(struct world *world)
{
	if (world->memory.whole_us == NEVER_US && world->memory.cut_us > world->now_us)
		world->memory.cut_us = world->now_us;
}

void sim_stream_kill(struct sim_host *host)
{
	if (!host->stream.running)
		return;
	host->stream.running = false;
	cut_memory(host->world);
}

static int stop(struct sim_host *host, const struct description *guest, bool half, struct err *err)
{
	(void)guest;
	(void)half;
	(void)err;
	sim_stream_kill(host);
	return 0;
}

void sim_stream_stop(struct host *host)
{
	(void)sim_call(host, NULL, "stop the stream", ANY_DEATH | BIT(SLOW), MS, 0, stop, NULL);
}

/* ---- events ---- */

static uint64_t child_us(const struct process *process)
{
	const struct world *world = process->world;
	const struct sim_stream *stream = &world->hosts[process->side].stream;
	uint64_t due_us = stream->saving || stream->hangs ? stream->due_us : world->memory.whole_us;

	if (stream->saving && stream->stage == SAVER_DONE) /* all was sent before the cut */
		return due_us;
	return due_us <= world->memory.cut_us ? due_us : world->memory.cut_us;
}

static uint64_t child_or_peer_us(const struct process *process)
{
	uint64_t of_child_us = child_us(process), of_peer_us = line_ready_us(process);

	return of_child_us < of_peer_us ? of_child_us : of_peer_us;
}

static void finish(struct sim_host *host, bool ok, struct stream_event *event)
{
	event->kind = STREAM_FINISHED;
	event->ok = ok;
	host->stream.running = false;
	if (!ok) {
		snprintf(event->message, sizeof(event->message), "connection reset by peer");
		cut_memory(host->world);
	} else if (host->side == SIDE_TARGET) {
		host->complete = true;
	}
	world_event(sim_worker_of(&host->host), "stream: %s", ok ? "finished" : "failed");
}

static void next_of_saver(struct sim_host *host, struct stream_event *event)
{
	struct sim_stream *stream = &host->stream;

	stream->due_us = NEVER_US; /* until it is answered */
	switch (stream->stage++) {
	case SAVER_FIRST:
	case SAVER_HIGH:
	case SAVER_HIGHER:
	case SAVER_CALM:
		event->kind = STREAM_ITERATION;
		event->iteration = stream->stage - 1;
		event->sent = event->iteration > 0;
		event->dirty_pages = stream->stage > SAVER_CALM ? 0 : HIGH_PAGES;
		world_event(sim_worker_of(&host->host), "stream: asks about iteration %u",
			    event->iteration);
		return;
	case SAVER_SUSPEND:
		event->kind = STREAM_SUSPEND;
		world_event(sim_worker_of(&host->host), "stream: asks for the suspend");
		return;
	case SAVER_SENDS:
	case SAVER_DONE:
		finish(host, true, event);
	}
}

static void next_of_child(struct sim_host *host, struct stream_event *event)
{
	const struct world *world = host->world;
	const struct process *process = sim_worker_of(&host->host);
	bool failed = world->memory.cut_us <= world->now_us &&
		      !(host->stream.saving && host->stream.stage == SAVER_DONE) &&
		      child_us(process) == world->memory.cut_us;

	if (failed)
		finish(host, false, event);
	else if (host->stream.saving)
		next_of_saver(host, event);
	else
		finish(host, true, event);
}

static int end_of_wait(struct process *process, struct host *host, bool cancellable, bool peer_too,
		       struct stream_event *event, struct err *err)
{
	struct world *world = process->world;

	if (cancellable && process->cancelled)
		return err_set(err, ERR_CANCELLED, -ECANCELED, "cancelled");
	if (child_us(process) <= world->now_us) {
		next_of_child(host_of(host), event);
		return 0;
	}
	if (peer_too && line_ready_us(process) <= world->now_us) {
		event->kind = STREAM_PEER;
		return 0;
	}
	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "the stream does not get on");
}

int sim_stream_next(struct host *base, int peer_fd, uint64_t deadline_us, bool cancellable,
		    struct stream_event *event, struct err *err)
{
	struct process *process = sim_worker_of(base);
	struct sim_host *host = host_of(base);
	bool peer_too = peer_fd >= 0;
	enum fault fault;

	if (process->dead)
		return -ESHUTDOWN;
	*event = (struct stream_event){ .kind = STREAM_PROGRESS };
	fault = world_strike(process, "the stream", SYNC_NONE,
			     BIT(FAILS) | BIT(HANGS) | BIT(KILLED_BEFORE) | BIT(RESET) | BIT(SLOW) |
				     (cancellable ? BIT(CANCELLED) : 0));
	if (process->dead)
		return -ESHUTDOWN;
	if (!host->stream.running)
		world_violation(host->world, "the stream is waited for, and none runs");
	process->cancelled |= fault == FAULT_CANCELLED;
	if (fault == FAULT_FAILS) {
		finish(host, false, event);
		return 0;
	}
	if (fault == FAULT_HANGS) {
		host->stream.hangs = true;
		host->stream.due_us = NEVER_US;
		world_fault_until(host->world, deadline_us);
	}
	if (!(cancellable && process->cancelled) &&
	    !world_wait(process, deadline_us, peer_too ? child_or_peer_us : child_us))
		return -ESHUTDOWN;
	return end_of_wait(process, base, cancellable, peer_too, event, err);
}

/* ---- answers ---- */

int sim_stream_limit(struct host *base, const struct stream_limit *limit, struct err *err)
{
	(void)limit;
	return sim_call(base, NULL, "limit the stream", LOOK_FAULTS, MS, 0, NULL, err);
}

static int answer_saver(struct sim_host *host, int answer)
{
	struct world *world = host->world;
	struct sim_stream *stream = &host->stream;
	uint64_t now_us = world->now_us;

	stream->due_us = now_us + chooser_time_us(world->chooser, ITERATION_US);
	if (stream->stage == SAVER_SUSPEND && answer != STREAM_STOP) /* another iteration */
		stream->stage = SAVER_CALM;
	if (stream->stage != SAVER_SENDS)
		return 0;
	if (world->hosts[SIDE_SOURCE].domain != DOMAIN_SUSPENDED)
		world_violation(world, "the last pages are sent while the guest runs");
	if (world->memory.cut_us <= now_us)
		return 0;
	stream->stage = SAVER_DONE;
	now_us += chooser_time_us(world->chooser, LAST_PAGES_US);
	world->memory.whole_us = now_us;
	stream->due_us = now_us + chooser_time_us(world->chooser, TEAR_DOWN_US);
	return 0;
}

int sim_stream_reply(struct host *base, int answer, struct err *err)
{
	struct sim_host *host = host_of(base);
	int rc = sim_call(base, NULL, "answer the stream", LOOK_FAULTS, MS, 0, NULL, err);

	return rc < 0 ? rc : answer_saver(host, answer);
}

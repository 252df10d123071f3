/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory stream, the worker's side: starts xenferry-stream, which calls libxenguest, and
 * speaks with it (stream_proto.h). The library blocks, may abort() on a bad stream and must never
 * be killed while it saves; behind a process boundary none of this reaches the worker.
 */
#ifndef XENFERRY_STREAM_H
#define XENFERRY_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "host.h"

struct stream;

/*
 * Starts `program` saving the domain `domid`, live, over `path`. The descriptors are taken over,
 * also on failure: the child holds them alone, so that the peer sees the child's end. Does not wait
 * for the child. -errno with `err` naming the program when it cannot be started.
 */
int stream_begin_save(const struct clock *clock, const char *program, uint32_t domid,
		      const struct memory_path *path, struct stream **stream, struct err *err);
/*
 * The same for restoring into the new, paused domain `domid`. `store_port`, `console_port`: its
 * event channels for xenstored and xenconsoled; `pages_max`: the most 4 KiB pages it may have,
 * from which the child's own memory is limited.
 */
int stream_begin_restore(const struct clock *clock, const char *program, uint32_t domid,
			 uint32_t store_port, uint32_t console_port, uint64_t pages_max,
			 const struct memory_path *path, struct stream **stream, struct err *err);

/* Closes the connections of a path that nobody has taken over. */
void memory_path_close(const struct memory_path *path);

/*
 * Waits until the child says something, until `peer_fd` (-1: do not look) is readable, or until
 * `deadline_us`. A child that died is STREAM_FINISHED, not ok, with a message that says how; after
 * STREAM_FINISHED only stream_stop() makes sense. -ETIMEDOUT, -ECANCELED as in host.h, -EPROTO when
 * the program is of another version. Allocates nothing; may run in the blackout.
 *
 * A saver that dies once it has asked for the suspend is noticed before the kernel has taken down
 * what it had mapped of the guest, which would cost the guest time. The guest may go on meanwhile:
 * those are mappings as in any copy of a running guest, and nobody reads them any more. Its dirty
 * pages stay tracked, which the next copy ends before it begins.
 */
int stream_next(struct stream *stream, int peer_fd, uint64_t deadline_us, bool cancellable,
		struct stream_event *event, struct err *err);
/*
 * Answers STREAM_ITERATION (a stream_decision) or STREAM_SUSPEND (0 no, 1 done). Never blocks; may
 * run in the blackout. A child that has ended is no error here: the next stream_next() tells how.
 */
int stream_reply(struct stream *stream, int answer, struct err *err);
/*
 * Tells a saving child how fast it may send from now on. Never blocks; may run in the blackout. A
 * child that has ended is no error here.
 */
int stream_limit(struct stream *stream, const struct stream_limit *limit, struct err *err);
/*
 * Ends the child, waits for it and sets *stream to NULL; harmless when it is NULL. A restoring
 * child is killed. A saving one is told to stop, which breaks its connection so that it ends
 * log-dirty mode first; it is given 30 s, and left to itself after that rather than killed.
 */
void stream_stop(struct stream **stream);

#endif

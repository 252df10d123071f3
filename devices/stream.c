/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order in which things happen: stream_begin_save or stream_begin_restore, stream_next and
 * stream_reply until the child has finished, stream_stop.
 */
#include "stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "stream_proto.h"

#define SAVER_STOP_MS 30000   /* log-dirty mode of a large guest is not left in a moment */
#define RESTORER_STOP_MS 5000 /* after SIGKILL: the kernel frees what it had mapped */
#define CHILD_END_MS 2000     /* from a closed control socket to the end of the process */
#define REAP_INTERVAL_US 1000
#define LOOK_EVERY_US 4000 /* whether the child lives, while its guest stands still */

extern char **environ;

struct stream {
	const struct clock *clock;
	pid_t pid;  /* -1: waited for, `status` is how it ended */
	int status; /* of waitpid(); -1: somebody else waited for it */
	int control;
	bool saving, finished;
	bool guest_rests; /* it was asked to suspend: the child's end is not to be missed */
	uint64_t wire_bytes, memory_bytes; /* of the last event */
};

/* ---- starting ---- */

/* The descriptors that the child gets, all above those that it gets them as. */
struct child_fds {
	int control, memory[MEMORY_CHANNELS_MAX + 1];
	size_t count; /* of the memory connections, and of what is only held, after them */
};

#define CHILD_FDS_END (STREAM_MEMORY_FD + MEMORY_CHANNELS_MAX + 1)

static int add_file_actions(posix_spawn_file_actions_t *actions, const struct child_fds *fds)
{
	int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

	/* stdout may be the worker's report: what the child says is for the log */
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, fds->control, STREAM_CONTROL_FD);
	for (size_t i = 0; r == 0 && i < fds->count; i++)
		r = posix_spawn_file_actions_adddup2(actions, fds->memory[i],
						     STREAM_MEMORY_FD + (int)i);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions,
							     STREAM_MEMORY_FD + (int)fds->count);
	return r;
}

/* The worker blocks SIGTERM, its cancel request; the child is stopped by it. */
static int add_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
					     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return r;
}

/* Returns 0, or a positive errno as posix_spawn() does. */
static int spawn(const char *program, char *const argv[], const struct child_fds *fds, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = add_file_actions(&actions, fds);
		if (r == 0)
			r = add_signals(&attributes);
		if (r == 0)
			r = posix_spawn(pid, program, &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

void memory_path_close(const struct memory_path *path)
{
	for (size_t i = 0; i < path->count; i++)
		if (path->fds[i] >= 0)
			close(path->fds[i]);
}

static void close_memory(struct child_fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		close(fds->memory[i]);
	fds->count = 0;
}

static int lift(int fd, struct child_fds *fds)
{
	int lifted = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FDS_END);

	if (lifted < 0)
		return -errno;
	fds->memory[fds->count++] = lifted;
	return 0;
}

/* Copies of the connections, out of the way of the numbers that the child gets them as. */
static int lift_memory(const struct memory_path *path, struct child_fds *fds)
{
	int rc = 0;

	assert(path->count <= MEMORY_CHANNELS_MAX);
	for (size_t i = 0; rc == 0 && i < path->count; i++)
		rc = lift(path->fds[i], fds);
	return rc == 0 && path->held_fd > 0 ? lift(path->held_fd, fds) : rc;
}

static int begin_over(const struct clock *clock, char *const argv[], bool saving,
		      const struct memory_path *path, struct child_fds *fds,
		      struct stream **stream_out, struct err *err)
{
	CLEANUP_FD int ours = -1, theirs = -1, theirs_high = -1;
	CLEANUP_FREE struct stream *stream = calloc(1, sizeof(*stream));
	int pair[2], r;

	if (!stream)
		return err_set(err, ERR_FAILED, -ENOMEM, "start %s: out of memory", argv[0]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "start %s: socketpair", argv[0]);
	ours = pair[0];
	theirs = pair[1];
	theirs_high = fcntl(theirs, F_DUPFD_CLOEXEC, CHILD_FDS_END);
	if (theirs_high < 0 || lift_memory(path, fds) < 0)
		return err_errno(err, "start %s: fcntl", argv[0]);

	*stream = (struct stream){ .clock = clock, .status = -1, .saving = saving };
	fds->control = theirs_high;
	r = spawn(argv[0], argv, fds, &stream->pid);
	if (r != 0)
		return err_set(err, ERR_FAILED, -r,
			       "cannot start %s: %s; is xenferry installed whole?", argv[0],
			       strerror(r));
	stream->control = steal_fd(&ours);
	*stream_out = steal(stream);
	return 0;
}

/* Takes the connections of `path` over, also on failure. */
static int begin(const struct clock *clock, char *const argv[], bool saving,
		 const struct memory_path *path, struct stream **stream, struct err *err)
{
	struct child_fds fds = { .count = 0 };
	int rc = begin_over(clock, argv, saving, path, &fds, stream, err);

	close_memory(&fds);
	memory_path_close(path);
	return rc;
}

/* The last words of the command line, where the stream is filtered. */
struct filter_words {
	char channels[16], compress[16];
};

static void add_filter(const struct memory_path *path, struct filter_words *words, char **at)
{
	if (!path->filtered)
		return;
	snprintf(words->channels, sizeof(words->channels), "%zu", path->count);
	snprintf(words->compress, sizeof(words->compress), "%u", path->compress);
	at[0] = words->channels;
	at[1] = words->compress;
	at[2] = path->verify ? "1" : "0";
}

int stream_begin_save(const struct clock *clock, const char *program, uint32_t domid,
		      const struct memory_path *path, struct stream **stream, struct err *err)
{
	char domid_text[16];
	struct filter_words words;
	/* posix_spawn() takes no const strings, and writes to none */
	char *argv[7] = { (char *)program, "save", domid_text };

	snprintf(domid_text, sizeof(domid_text), "%" PRIu32, domid);
	add_filter(path, &words, argv + 3);
	return begin(clock, argv, true, path, stream, err);
}

int stream_begin_restore(const struct clock *clock, const char *program, uint32_t domid,
			 uint32_t store_port, uint32_t console_port, uint64_t pages_max,
			 const struct memory_path *path, struct stream **stream, struct err *err)
{
	struct filter_words words;
	char domid_text[16], store_text[16], console_text[16], pages_text[24];
	char *argv[10] = { (char *)program, "restore", domid_text, store_text, console_text,
			   pages_text };

	snprintf(domid_text, sizeof(domid_text), "%" PRIu32, domid);
	snprintf(store_text, sizeof(store_text), "%" PRIu32, store_port);
	snprintf(console_text, sizeof(console_text), "%" PRIu32, console_port);
	snprintf(pages_text, sizeof(pages_text), "%" PRIu64, pages_max);
	add_filter(path, &words, argv + 6);
	return begin(clock, argv, false, path, stream, err);
}

/* ---- ending ---- */

/* Waits until the process has ended; false at the deadline. */
static bool reap(struct stream *stream, uint64_t deadline_us)
{
	while (stream->pid >= 0) {
		pid_t pid = waitpid(stream->pid, &stream->status, WNOHANG);

		if (pid < 0)
			stream->status = -1;
		if (pid != 0) {
			stream->pid = -1;
			break;
		}
		if (clock_now_us(stream->clock) >= deadline_us)
			return false;
		clock_sleep_us(stream->clock, REAP_INTERVAL_US);
	}
	return true;
}

/* How a child came to an end that it did not announce. */
static void describe_end(const struct stream *stream, char *text, size_t size)
{
	if (stream->status == -1)
		snprintf(text, size, "xenferry-stream closed its connection to the worker");
	else if (WIFSIGNALED(stream->status))
		snprintf(text, size, "xenferry-stream was killed by signal %d (%s)",
			 WTERMSIG(stream->status), strsignal(WTERMSIG(stream->status)));
	else
		snprintf(text, size, "xenferry-stream ended with status %d without a result",
			 WEXITSTATUS(stream->status));
}

/*
 * Whether the child is past its last instruction; then `status` is as waitpid() will say. A process
 * that ends lets go of its memory, then of its descriptors, and is waited for last: each page of
 * the guest that it had mapped goes before its socket does. But its program has no name any more as
 * soon as its memory is not its own (proc_exe_link(), exit_mm() in Linux), and how it ended stands
 * in the last field of its stat by then. Without /proc nothing is known.
 */
static bool is_past_its_end(struct stream *stream)
{
	char path[32], text[1024];
	CLEANUP_FD int fd = -1;
	const char *last;
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)stream->pid);
	if (readlink(path, text, sizeof(text)) >= 0 || errno != ENOENT)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)stream->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (size <= 0)
		return false;
	text[size] = '\0';
	last = strrchr(text, ' ');
	stream->status = last ? atoi(last) : -1;
	return true;
}

void stream_stop(struct stream **stream_inout)
{
	struct stream *stream = steal(*stream_inout);
	uint32_t patience_ms;

	if (!stream)
		return;
	/* a child that waits for an answer sees its socket closed, whenever the signal comes */
	close(stream->control);
	/* one that has finished is left alone: its last bytes may still be on their way */
	if (stream->pid >= 0 && !stream->finished)
		kill(stream->pid, stream->saving ? SIGTERM : SIGKILL);
	patience_ms = stream->saving ? SAVER_STOP_MS : RESTORER_STOP_MS;
	(void)reap(stream, clock_after_ms(stream->clock, patience_ms));
	free(stream);
}

/* ---- speaking ---- */

/* The child has gone and did not say so. */
static void announce_end(struct stream *stream, struct stream_event *event)
{
	*event = (struct stream_event){ .kind = STREAM_FINISHED };
	event->wire_bytes = stream->wire_bytes;
	event->memory_bytes = stream->memory_bytes;
	describe_end(stream, event->message, sizeof(event->message));
	stream->finished = true;
}

/* The child's own event, or the news of its end. */
static int take_event(struct stream *stream, struct stream_event *event, struct err *err)
{
	int rc = stream_receive_event(stream->control, event);

	if (rc == -EPROTO)
		return err_set(err, ERR_FAILED, rc,
			       "xenferry-stream is of another version than the worker: "
			       "finish the upgrade of xenferry and try again");
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "xenferry-stream: %s", strerror(-rc));
	if (rc == 0) {
		(void)reap(stream, clock_after_ms(stream->clock, CHILD_END_MS));
		announce_end(stream, event);
		return 0;
	}
	stream->wire_bytes = event->wire_bytes;
	stream->memory_bytes = event->memory_bytes;
	stream->guest_rests |= event->kind == STREAM_SUSPEND;
	stream->finished = event->kind == STREAM_FINISHED;
	return 0;
}

/* As clock_wait(); also ends, with 0 and `*ended`, when a child whose guest rests has ended. */
static int await(struct stream *stream, struct pollfd *fds, size_t count, uint64_t deadline_us,
		 bool cancellable, bool *ended)
{
	for (;;) {
		uint64_t now_us = clock_now_us(stream->clock);
		uint64_t look_us = *ended ? now_us : now_us + LOOK_EVERY_US;
		bool last = !stream->guest_rests || look_us >= deadline_us;
		int ready = clock_wait(stream->clock, fds, count, last ? deadline_us : look_us,
				       cancellable);

		/* what it said before it ended is there, and comes first */
		if (ready != 0 || *ended || last)
			return ready;
		*ended = is_past_its_end(stream);
	}
}

int stream_next(struct stream *stream, int peer_fd, uint64_t deadline_us, bool cancellable,
		struct stream_event *event, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = stream->control, .events = POLLIN },
		{ .fd = peer_fd, .events = POLLIN },
	};
	size_t count = peer_fd >= 0 ? 2 : 1;
	bool ended = false;
	int ready;

	if (stream->finished)
		return err_set(err, ERR_FAILED, -EPIPE, "xenferry-stream has finished already");
	ready = await(stream, fds, count, deadline_us, cancellable, &ended);
	if (ready == -ECANCELED)
		return err_set(err, ERR_CANCELLED, ready, "cancelled while memory was copied");
	if (ready < 0)
		return err_set(err, ERR_FAILED, ready, "wait for xenferry-stream: %s",
			       strerror(-ready));
	if (ready == 0 && ended) {
		announce_end(stream, event);
		return 0;
	}
	if (ready == 0)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       "the memory stream was not done in time: "
			       "look at the connection and at the load of both hosts");
	if (fds[0].revents)
		return take_event(stream, event, err);
	*event = (struct stream_event){ .kind = STREAM_PEER,
					.wire_bytes = stream->wire_bytes,
					.memory_bytes = stream->memory_bytes };
	return 0;
}

static int say(struct stream *stream, const struct stream_word *word, struct err *err)
{
	int rc = stream_send_word(stream->control, word);

	/* a child that ended meanwhile has left its reason for stream_next() */
	if (rc == 0 || rc == -EPIPE)
		return 0;
	return err_set(err, ERR_FAILED, rc, "tell xenferry-stream: %s", strerror(-rc));
}

int stream_reply(struct stream *stream, int answer, struct err *err)
{
	return say(stream, &(struct stream_word){ STREAM_ANSWER, .answer = answer }, err);
}

int stream_limit(struct stream *stream, const struct stream_limit *limit, struct err *err)
{
	return say(stream, &(struct stream_word){ STREAM_LIMIT, .limit = *limit }, err);
}

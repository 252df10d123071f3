/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

#define POLL_US 5000 /* between two looks at who has ended */
#define KILL_GRACE_US 1000000 /* for a killed child to be gone */

/* ---- starting ---- */

/*
 * Nothing to read; what it says, on either channel, goes into the pipe. A process group of its own,
 * so that it can be killed whole, and no signal blocked or ignored. It dies with its parent: who
 * takes over what a killed worker has begun must not have its scripts at work behind it. Returns
 * when it cannot be run, with errno. Calls what is allowed after fork() alone.
 */
static int become(char *const arguments[], char *const environment[], int output_fd, pid_t parent)
{
	static const int defaults[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT };
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		(void)signal(defaults[i], SIG_DFL);
	sigemptyset(&none);
	if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || null_fd < 0 ||
	    dup2(null_fd, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 ||
	    dup2(output_fd, STDERR_FILENO) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return errno;
	if (getppid() != parent) /* it died before it could take us with it */
		return ESRCH;
	execve(arguments[0], arguments, environment);
	return errno;
}

/* As posix_spawn(), which knows no PR_SET_PDEATHSIG: 0, or a positive errno, also of execve(). */
static int spawn(pid_t *pid, char *const arguments[], char *const environment[], int output_fd)
{
	CLEANUP_FD int read_fd = -1, write_fd = -1;
	pid_t parent = getpid();
	int ends[2], r = 0;
	ssize_t size;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	read_fd = ends[0];
	write_fd = ends[1];
	*pid = fork();
	if (*pid < 0)
		return errno;
	if (*pid == 0) {
		r = become(arguments, environment, output_fd, parent);
		_exit(write(write_fd, &r, sizeof(r)) == sizeof(r) ? 126 : 127);
	}
	close(steal_fd(&write_fd)); /* then the pipe ends when the program has begun */
	do
		size = read(read_fd, &r, sizeof(r));
	while (size < 0 && errno == EINTR);
	if (r != 0)
		(void)waitpid(*pid, NULL, 0);
	return r;
}

static int start(struct child *child, char *const arguments[], char *const environment[])
{
	CLEANUP_FD int output_fd = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	child->output_fd = ends[0];
	output_fd = ends[1];
	/* the child's end blocks as any program expects */
	if (fcntl(output_fd, F_SETFL, 0) < 0)
		return -errno;
	return -spawn(&child->pid, arguments, environment, output_fd);
}

int child_start(struct child *child, char *const arguments[], char *const environment[])
{
	*child = (struct child)CHILD_NONE;
	child->rc = start(child, arguments, environment);
	if (child->rc)
		child->pid = 0;
	return child->rc;
}

/* ---- waiting ---- */

static void keep_tail(struct child *child, const char *bytes, size_t size)
{
	size_t kept = size < CHILD_TAIL_MAX ? CHILD_TAIL_MAX - size : 0;

	if (size > CHILD_TAIL_MAX) {
		bytes += size - CHILD_TAIL_MAX;
		size = CHILD_TAIL_MAX;
	}
	if (kept > child->tail_size)
		kept = child->tail_size;
	memmove(child->tail, child->tail + child->tail_size - kept, kept);
	memcpy(child->tail + kept, bytes, size);
	child->tail_size = kept + size;
}

/* Takes what the pipe has, at most a pipe's fill: a child that never stops must not hold us. */
static void read_output(struct child *child)
{
	char bytes[4096];

	for (int i = 0; i < 16 && child->output_fd >= 0; i++) {
		ssize_t size = read(child->output_fd, bytes, sizeof(bytes));

		if (size > 0)
			keep_tail(child, bytes, (size_t)size);
		else if (size == 0)
			child_fini(child);
		else
			return;
	}
}

/* Not the end of its output: a daemon that it left behind may hold that open for ever. */
static bool still_runs(struct child *child)
{
	pid_t ended;

	if (child->pid == 0)
		return false;
	ended = waitpid(child->pid, &child->status, WNOHANG);
	read_output(child);
	if (ended == 0)
		return true;
	if (ended < 0)
		child->rc = -errno;
	child->pid = 0;
	return false;
}

/* 0 when all have ended; -ETIMEDOUT, -ECANCELED. */
static int await(const struct clock *clock, struct child *children, size_t count,
		 uint64_t deadline_us, bool cancellable)
{
	for (;;) {
		struct pollfd fds[CHILDREN_MAX];
		uint64_t now_us = clock_now_us(clock);
		uint64_t until_us = deadline_us < now_us + POLL_US ? deadline_us : now_us + POLL_US;
		size_t left = 0;

		for (size_t i = 0; i < count; i++)
			if (still_runs(&children[i]))
				fds[left++] = (struct pollfd){ .fd = children[i].output_fd,
							       .events = POLLIN };
		if (left == 0)
			return 0;
		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		/* wakes early for output, so that no pipe fills up */
		if (clock_wait(clock, fds, left, until_us, cancellable) == -ECANCELED)
			return -ECANCELED;
	}
}

int child_wait_all(const struct clock *clock, struct child *children, size_t count,
		   uint64_t deadline_us, bool cancellable)
{
	int rc;

	assert(count <= CHILDREN_MAX);
	rc = await(clock, children, count, deadline_us, cancellable);
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (children[i].pid == 0)
			continue;
		kill(-children[i].pid, SIGKILL);
		children[i].rc = rc;
	}
	/* one that the kernel cannot end (it waits for a disk) is left to it */
	(void)await(clock, children, count, clock_now_us(clock) + KILL_GRACE_US, false);
	return rc;
}

/* ---- what came of it ---- */

bool child_exited(const struct child *child, int status)
{
	return child->rc == 0 && WIFEXITED(child->status) && WEXITSTATUS(child->status) == status;
}

const char *child_last_line(const struct child *child, char line[CHILD_TAIL_MAX + 1])
{
	size_t end = child->tail_size, start_at;

	while (end > 0 && (unsigned char)child->tail[end - 1] <= ' ')
		end--;
	start_at = end;
	while (start_at > 0 && child->tail[start_at - 1] != '\n')
		start_at--;
	for (size_t i = start_at; i < end; i++) {
		unsigned char c = (unsigned char)child->tail[i];

		line[i - start_at] = c < ' ' || c == 0x7f ? ' ' : child->tail[i];
	}
	line[end - start_at] = '\0';
	return line;
}

void child_fini(struct child *child)
{
	if (child->output_fd >= 0)
		close(child->output_fd);
	child->output_fd = -1;
}

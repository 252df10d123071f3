/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of the site's decides: a fence agent, or one that asks the cluster. It is started when
 * a doubt has lasted for a while, and its exit status is the answer.
 */
#include "arbiter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "cleanup.h"

/* What the program says with its exit status; any other says that it does not know. */
#define STATUS_SOURCE 0 /* as a fence agent that has switched the target off */
#define STATUS_TARGET 10

extern char **environ;

struct command {
	struct arbiter arbiter;
	struct arbiter_setup setup;
	uint64_t due_us; /* when it may be started; 0: it was not asked yet */
};

/* Its own group, so that it can be killed with all that it starts; and no signal blocked. */
static int spawn(pid_t *pid, char *const arguments[])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r = posix_spawn_file_actions_init(&files);

	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&files);
		return r;
	}
	sigemptyset(&none);
	r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	r = r ? r : posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
							  POSIX_SPAWN_SETSIGMASK);
	r = r ? r : posix_spawnattr_setpgroup(&attributes, 0);
	r = r ? r : posix_spawnattr_setsigmask(&attributes, &none);
	r = r ? r : posix_spawn(pid, arguments[0], &files, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Its status as waitpid() says; -ETIMEDOUT when it had to be killed. */
static int await(const struct clock *clock, pid_t pid, uint64_t deadline_us, int *status)
{
	CLEANUP_FD int fd = pidfd_open(pid, 0);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	int ready = fd < 0 ? -errno : clock_wait(clock, &pollfd, 1, deadline_us, false);

	if (ready <= 0)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return ready > 0 ? 0 : ready < 0 ? ready : -ETIMEDOUT;
}

/* JOB GUEST SOURCE TARGET, as the record has them. */
static int run(const struct command *command, uint64_t deadline_us, int *status, struct err *err)
{
	const struct config *config = command->setup.config;
	struct record words = *command->setup.record; /* execve() wants what is not const */
	char path[CONFIG_PATH_MAX];
	char *const arguments[] = { path, words.uuid, words.guest_name, words.source, words.target,
				    NULL };
	pid_t pid;
	int r;

	snprintf(path, sizeof(path), "%s", config->arbiter_command);
	r = spawn(&pid, arguments);
	if (r)
		return err_set(err, ERR_FAILED, -r, "the arbiter %s cannot be started: %s", path,
			       strerror(r));
	r = await(command->setup.clock, pid, deadline_us, status);
	if (r == -ETIMEDOUT)
		return err_set(err, ERR_TIMED_OUT, r,
			       "the arbiter %s did not end within %u ms and was killed", path,
			       config->arbiter_timeout_ms);
	return r < 0 ? err_set(err, ERR_FAILED, r, "the arbiter %s: %s", path, strerror(-r)) : 0;
}

static int command_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			  struct err *err)
{
	struct command *command = (struct command *)arbiter;
	const struct config *config = command->setup.config;
	const struct clock *clock = command->setup.clock;
	uint64_t limit_us = clock_after_ms(clock, config->arbiter_timeout_ms);
	int status = 0, rc;

	*verdict = (struct verdict){ OUTCOME_UNDECIDED, "the arbiter's command" };
	if (command->setup.record->side == SIDE_TARGET)
		return 0; /* it would fence the host that has the guest */
	if (command->due_us == 0)
		command->due_us = clock_after_ms(clock, config->arbiter_after_ms);
	if (clock_now_us(clock) < command->due_us)
		return 0;
	rc = run(command, limit_us < deadline_us ? limit_us : deadline_us, &status, err);
	command->due_us = clock_after_ms(clock, config->arbiter_after_ms);
	if (rc < 0)
		return rc;
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SOURCE)
		verdict->outcome = OUTCOME_NEVER;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_TARGET)
		verdict->outcome = OUTCOME_TAKEN;
	return 0;
}

static const struct arbiter_ops command_ops = {
	.decide = command_decide, .tell = arbiter_tell_nobody, .close = arbiter_free
};

int arbiter_command_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			 struct err *err)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an arbiter");
	*command = (struct command){ .arbiter = { &command_ops }, .setup = *setup };
	*arbiter = &command->arbiter;
	return 0;
}

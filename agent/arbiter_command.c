/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of the site's decides: a fence agent, or one that asks the cluster. It is started when
 * a doubt has lasted for a while, and its exit status is the answer.
 */
#include "arbiter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"

/* What the program says with its exit status; any other says that it does not know. */
#define STATUS_SOURCE 0 /* as a fence agent that has switched the target off */
#define STATUS_TARGET 10

extern char **environ;

struct command {
	struct arbiter arbiter;
	struct arbiter_setup setup;
	uint64_t due_us; /* when it may be started; 0: it was not asked yet */
};

/* JOB GUEST SOURCE TARGET, as the record has them. */
static int run(const struct command *command, struct child *child, uint64_t deadline_us,
	       struct err *err)
{
	const struct config *config = command->setup.config;
	struct record words = *command->setup.record; /* execve() wants what is not const */
	char path[CONFIG_PATH_MAX];
	char *const arguments[] = { path, words.uuid, words.guest_name, words.source, words.target,
				    NULL };
	int rc;

	snprintf(path, sizeof(path), "%s", config->arbiter_command);
	rc = child_start(child, arguments, environ);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "the arbiter %s cannot be started: %s", path,
			       strerror(-rc));
	rc = child_wait_all(command->setup.clock, child, 1, deadline_us, false);
	if (rc == -ETIMEDOUT)
		return err_set(err, ERR_TIMED_OUT, rc,
			       "the arbiter %s did not end within %u ms and was killed", path,
			       config->arbiter_timeout_ms);
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "the arbiter %s: %s", path, strerror(-rc)) : 0;
}

/* What it has said is why it does not know. */
static int read_answer(const struct command *command, const struct child *child,
		       struct verdict *verdict, struct err *err)
{
	char line[CHILD_TAIL_MAX + 1];
	const char *said = child_last_line(child, line);

	if (child_exited(child, STATUS_SOURCE))
		verdict->outcome = OUTCOME_NEVER;
	else if (child_exited(child, STATUS_TARGET))
		verdict->outcome = OUTCOME_TAKEN;
	else
		return err_set(err, ERR_FAILED, -EAGAIN, "the arbiter %s does not know: %s",
			       command->setup.config->arbiter_command,
			       said[0] ? said : "it said nothing");
	return 0;
}

static int command_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			  struct err *err)
{
	struct command *command = (struct command *)arbiter;
	const struct config *config = command->setup.config;
	const struct clock *clock = command->setup.clock;
	uint64_t limit_us = clock_after_ms(clock, config->arbiter_timeout_ms);
	struct child child = CHILD_NONE;
	int rc;

	*verdict = (struct verdict){ OUTCOME_UNDECIDED, "the arbiter's command" };
	if (command->setup.record->side == SIDE_TARGET)
		return 0; /* it would fence the host that has the guest */
	if (command->due_us == 0)
		command->due_us = clock_after_ms(clock, config->arbiter_after_ms);
	if (clock_now_us(clock) < command->due_us)
		return 0;
	rc = run(command, &child, limit_us < deadline_us ? limit_us : deadline_us, err);
	if (rc == 0)
		rc = read_answer(command, &child, verdict, err);
	command->due_us = clock_after_ms(clock, config->arbiter_after_ms);
	child_fini(&child);
	return rc;
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

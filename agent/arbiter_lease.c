/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other host's own word, from the lease that both reach; and with `sanlock` the word that the
 * other host is dead. A child goes and looks: storage that hangs hangs whoever waits for it.
 */
#include "arbiter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "lease.h"
#include "lockspace.h"

#define ERRAND_TIMEOUT_MS 10000
#define KILL_GRACE_MS 100 /* for a killed child to be gone */
#define KILL_POLL_US 5000

struct lease {
	struct arbiter arbiter;
	struct arbiter_setup setup;
	uint64_t due_us; /* when it may be asked who is dead; 0: there was no doubt yet */
	pid_t stuck;     /* a child that hangs in the storage and cannot be ended; 0: none */
};

/* ---- the child's errands ---- */

typedef int errand_fn(const struct arbiter_setup *setup, struct verdict *verdict, struct err *err);

static int read_entry(const struct arbiter_setup *setup, struct verdict *verdict, struct err *err)
{
	struct lease_entry entry;
	int rc = lease_find(setup, &entry, err);

	if (rc == 0)
		*verdict = (struct verdict){ entry.outcome, "the other host's entry in the lease" };
	return rc;
}

static int write_entry(const struct arbiter_setup *setup, struct verdict *verdict, struct err *err)
{
	return lease_put(setup, verdict->outcome, err);
}

/* An entry without a decision says that this host takes part, and by which number. */
static int join(const struct arbiter_setup *setup, struct verdict *verdict, struct err *err)
{
	const struct config *config = setup->config;
	int rc = setup->lockspace->join(config->lockspace, config->host_id, err);

	return rc < 0 ? rc : write_entry(setup, verdict, err);
}

/*
 * A host that is dead and has put no decision down may have run the guest: it counts as the
 * target's, and as dead with it. What is read once it is dead is the last that it has put down.
 */
static int read_entry_of_the_dead(const struct arbiter_setup *setup, struct verdict *verdict,
				  struct err *err)
{
	const struct config *config = setup->config;
	struct lease_entry entry;
	bool dead = false;
	int rc = lease_find(setup, &entry, err);

	if (rc == 0 && entry.host_id == 0)
		return err_set(err, ERR_FAILED, -ENOENT,
			       "the lease %s has no entry of the other host for this job: which it "
			       "is in sanlock's lockspace is not known", config->arbiter_lease);
	if (rc == 0)
		rc = setup->lockspace->join(config->lockspace, config->host_id, err);
	if (rc == 0)
		rc = setup->lockspace->is_dead(config->lockspace, entry.host_id, &dead, err);
	if (rc == 0)
		rc = read_entry(setup, verdict, err);
	if (rc == 0 && dead && verdict->outcome == OUTCOME_UNDECIDED)
		*verdict = (struct verdict){ OUTCOME_TAKEN, "sanlock (the other host is dead)" };
	return rc;
}

/* ---- the worker's side of it ---- */

struct answer {
	int rc;
	struct verdict verdict;
	struct err err;
};

static void serve(const struct arbiter_setup *setup, errand_fn *errand, enum outcome outcome,
		  int fd)
{
	struct answer answer = { .verdict = { .outcome = outcome } };

	answer.rc = errand(setup, &answer.verdict, &answer.err);
	_exit(write(fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

static bool has_ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) != 0;
}

/* Does nobody hang there any more? A second would hang as well. */
static bool storage_answers(struct lease *lease)
{
	if (lease->stuck != 0 && has_ended(lease->stuck))
		lease->stuck = 0;
	return lease->stuck == 0;
}

/* Kills a child; the kernel ends it when it can, which storage that hangs may keep it from. */
static void end_child(struct lease *lease, pid_t pid)
{
	uint64_t until_us = clock_after_ms(lease->setup.clock, KILL_GRACE_MS);

	(void)kill(pid, SIGKILL);
	lease->stuck = pid;
	while (!storage_answers(lease) && clock_now_us(lease->setup.clock) < until_us)
		clock_sleep_us(lease->setup.clock, KILL_POLL_US);
}

static int run(struct lease *lease, errand_fn *errand, enum outcome outcome, uint64_t deadline_us,
	       struct answer *answer)
{
	CLEANUP_FD int ours = -1;
	struct pollfd pollfd = { .events = POLLIN };
	int ends[2], ready;
	pid_t pid;

	if (!storage_answers(lease))
		return -ETIMEDOUT;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	ours = ends[0];
	pid = fork();
	if (pid == 0)
		serve(&lease->setup, errand, outcome, ends[1]);
	close(ends[1]);
	if (pid < 0)
		return -EAGAIN;
	pollfd.fd = ours;
	ready = clock_wait(lease->setup.clock, &pollfd, 1, deadline_us, false);
	if (ready <= 0) {
		end_child(lease, pid);
		return ready < 0 ? ready : -ETIMEDOUT;
	}
	(void)waitpid(pid, NULL, 0);
	return read(ours, answer, sizeof(*answer)) == sizeof(*answer) ? 0 : -EIO;
}

/* Blocks for ten seconds at most; `outcome` is what is to be put down, *verdict what was found. */
static int send_on(struct lease *lease, errand_fn *errand, enum outcome outcome,
		   uint64_t deadline_us, struct verdict *verdict, struct err *err)
{
	uint64_t limit_us = clock_after_ms(lease->setup.clock, ERRAND_TIMEOUT_MS);
	struct answer answer = { .rc = 0 };
	int rc = run(lease, errand, outcome, limit_us < deadline_us ? limit_us : deadline_us,
		     &answer);

	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "the lease %s: %s",
			       lease->setup.config->arbiter_lease, strerror(-rc));
	if (answer.rc < 0)
		return err_set(err, answer.err.code, answer.rc, "%s", answer.err.message);
	*verdict = answer.verdict;
	return 0;
}

static int lease_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			struct err *err)
{
	return send_on((struct lease *)arbiter, read_entry, OUTCOME_UNDECIDED, deadline_us,
		       verdict, err);
}

static int lease_tell(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		      struct err *err)
{
	struct verdict unused;

	return send_on((struct lease *)arbiter, write_entry, outcome, deadline_us, &unused, err);
}

/* A host that was reset comes back, as a rule, and knows more than that it was dead. */
static int sanlock_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			  struct err *err)
{
	struct lease *lease = (struct lease *)arbiter;
	const struct clock *clock = lease->setup.clock;
	bool due;

	if (lease->due_us == 0)
		lease->due_us = clock_after_ms(clock, lease->setup.config->arbiter_after_ms);
	due = clock_now_us(clock) >= lease->due_us;
	return send_on(lease, due ? read_entry_of_the_dead : read_entry, OUTCOME_UNDECIDED,
		       deadline_us, verdict, err);
}

static int sanlock_join(struct arbiter *arbiter, uint64_t deadline_us, struct err *err)
{
	struct verdict unused;

	return send_on((struct lease *)arbiter, join, OUTCOME_UNDECIDED, deadline_us, &unused, err);
}

static const struct arbiter_ops lease_ops = {
	.decide = lease_decide, .tell = lease_tell, .close = arbiter_free
};

static const struct arbiter_ops sanlock_ops = {
	.join = sanlock_join, .decide = sanlock_decide, .tell = lease_tell, .close = arbiter_free
};

static int open_with(const struct arbiter_ops *ops, const struct arbiter_setup *setup,
		     struct arbiter **arbiter, struct err *err)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an arbiter");
	*lease = (struct lease){ .arbiter = { ops }, .setup = *setup };
	*arbiter = &lease->arbiter;
	return 0;
}

int arbiter_lease_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
		       struct err *err)
{
	return open_with(&lease_ops, setup, arbiter, err);
}

int arbiter_sanlock_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			 struct err *err)
{
	return open_with(&sanlock_ops, setup, arbiter, err);
}

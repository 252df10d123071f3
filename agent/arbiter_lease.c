/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file or a block device that both hosts reach, beside the network: each writes there what it has
 * decided, durably, and reads what the other has. docs/ARBITERS.md says why it can carry a decision
 * and cannot make one.
 *
 * Every host has an area of its own, by its host-id, and is the only one that writes there: shared
 * storage knows no compare-and-swap. An area has a few entries, one a sector, each of one job; the
 * oldest is written over. Numbers are big-endian.
 */
#include "arbiter.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "cleanup.h"

#define SECTOR_BYTES 4096 /* what any disk writes at once; an entry is within its first 512 */
#define AREA_ENTRIES 16
#define AREA_BYTES ((size_t)SECTOR_BYTES * AREA_ENTRIES)
#define READ_TIMEOUT_MS 10000
#define KILL_GRACE_MS 100 /* for a killed child to be gone */
#define KILL_POLL_US 5000

struct entry {
	char magic[8];
	uint8_t job[WIRE_ID_BYTES];
	uint64_t number;    /* grows with every entry of this host */
	uint64_t side;      /* enum side, of this host in that job */
	uint64_t outcome;   /* enum outcome */
	uint64_t checksum;  /* of all above */
};

static const char entry_magic[8] = { 'X', 'F', 'L', 'E', 'A', 'S', 'E', '1' };

struct lease {
	struct arbiter arbiter;
	struct arbiter_setup setup;
	pid_t stuck; /* a child that hangs in the storage and cannot be ended; 0: none */
};

/* ---- an entry ---- */

/* FNV-1a: against a torn sector, not against an enemy, who could write the guest's disk as well. */
static uint64_t checksum(const struct entry *entry)
{
	const uint8_t *bytes = (const uint8_t *)entry;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(struct entry, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static bool is_whole(const struct entry *entry)
{
	return memcmp(entry->magic, entry_magic, sizeof(entry_magic)) == 0 &&
	       be64toh(entry->checksum) == checksum(entry) && be64toh(entry->side) <= SIDE_TARGET &&
	       be64toh(entry->outcome) <= OUTCOME_NEVER;
}

static struct entry entry_at(const uint8_t *area, size_t index)
{
	struct entry entry;

	memcpy(&entry, area + index * SECTOR_BYTES, sizeof(entry));
	return entry;
}

/* ---- the storage; these run in a child, for storage that hangs hangs whoever waits for it ---- */

/* Past the page cache: what another host wrote, and what is still there when this one is not. */
static int open_storage(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_DSYNC | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint8_t *new_area(void)
{
	void *area = NULL;

	if (posix_memalign(&area, SECTOR_BYTES, AREA_BYTES) != 0)
		return NULL;
	memset(area, 0, AREA_BYTES);
	return area;
}

static int read_area(int fd, uint32_t host_id, uint8_t *area)
{
	ssize_t got = pread(fd, area, AREA_BYTES, (off_t)((host_id - 1) * AREA_BYTES));

	if (got < 0)
		return -errno;
	memset(area + got, 0, AREA_BYTES - (size_t)got); /* a file that has not grown to there */
	return 0;
}

/* What another host, on the other side of this job, has decided. */
static int find(const struct lease *lease, enum outcome *outcome)
{
	const struct config *config = lease->setup.config;
	CLEANUP_FD int fd = open_storage(config->arbiter_lease, O_RDONLY);
	CLEANUP_FREE uint8_t *area = new_area();
	uint64_t newest = 0;

	if (fd < 0 || !area)
		return fd < 0 ? fd : -ENOMEM;
	for (uint32_t id = 1; id <= CONFIG_HOST_ID_MAX; id++) {
		int rc = id == config->host_id ? 0 : read_area(fd, id, area);

		for (size_t i = 0; rc == 0 && id != config->host_id && i < AREA_ENTRIES; i++) {
			struct entry entry = entry_at(area, i);

			if (!is_whole(&entry) ||
			    memcmp(entry.job, lease->setup.job->id, sizeof(entry.job)) != 0 ||
			    be64toh(entry.side) == lease->setup.record->side ||
			    be64toh(entry.number) < newest)
				continue;
			newest = be64toh(entry.number);
			*outcome = (enum outcome)be64toh(entry.outcome);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The job's entry, or the oldest; *number is the next. */
static size_t choose(const uint8_t *area, const uint8_t *job, uint64_t *number)
{
	uint64_t oldest = UINT64_MAX;
	size_t chosen = 0;
	bool own = false;

	*number = 1;
	for (size_t i = 0; i < AREA_ENTRIES; i++) {
		struct entry entry = entry_at(area, i);
		uint64_t its = is_whole(&entry) ? be64toh(entry.number) : 0;
		bool same = its > 0 && memcmp(entry.job, job, sizeof(entry.job)) == 0;

		if (its >= *number)
			*number = its + 1;
		if (same || (!own && its < oldest))
			chosen = i;
		oldest = its < oldest ? its : oldest;
		own |= same;
	}
	return chosen;
}

static int put(const struct lease *lease, enum outcome outcome)
{
	const struct config *config = lease->setup.config;
	CLEANUP_FD int fd = open_storage(config->arbiter_lease, O_RDWR);
	CLEANUP_FREE uint8_t *area = new_area();
	struct entry entry = { .side = htobe64(lease->setup.record->side),
			       .outcome = htobe64(outcome) };
	uint64_t number;
	size_t index;
	off_t at;
	int rc;

	if (fd < 0 || !area)
		return fd < 0 ? fd : -ENOMEM;
	rc = read_area(fd, config->host_id, area);
	if (rc < 0)
		return rc;
	index = choose(area, lease->setup.job->id, &number);
	memcpy(entry.magic, entry_magic, sizeof(entry.magic));
	memcpy(entry.job, lease->setup.job->id, sizeof(entry.job));
	entry.number = htobe64(number);
	entry.checksum = htobe64(checksum(&entry));
	memset(area, 0, SECTOR_BYTES);
	memcpy(area, &entry, sizeof(entry));
	at = (off_t)((config->host_id - 1) * AREA_BYTES + index * SECTOR_BYTES);
	errno = EIO; /* of a part */
	return pwrite(fd, area, SECTOR_BYTES, at) == SECTOR_BYTES ? 0 : -errno;
}

/* Workers of this host take turns. */
static int put_in_turn(const struct lease *lease, enum outcome outcome)
{
	char path[CONFIG_PATH_MAX + 16];
	CLEANUP_FD int lock = -1;

	snprintf(path, sizeof(path), "%s/lease.lock", lease->setup.config->state_dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return -errno;
	return put(lease, outcome);
}

/* ---- the worker's side of it ---- */

struct answer {
	int rc;
	enum outcome outcome;
};

static void serve(const struct lease *lease, const enum outcome *tell, int fd)
{
	struct answer answer = { .outcome = OUTCOME_UNDECIDED };

	answer.rc = tell ? put_in_turn(lease, *tell) : find(lease, &answer.outcome);
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

/* Puts `tell` there, or, when it is NULL, looks. */
static int consult(struct lease *lease, const enum outcome *tell, uint64_t deadline_us,
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
		serve(lease, tell, ends[1]);
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
	return read(ours, answer, sizeof(*answer)) == sizeof(*answer) ? answer->rc : -EIO;
}

static int say_why(const struct lease *lease, int rc, struct err *err)
{
	const char *path = lease->setup.config->arbiter_lease;

	if (rc == -EINVAL)
		return err_set(err, ERR_FAILED, rc,
			       "the lease %s is on storage without O_DIRECT: hosts would read what "
			       "they remember and not what is there", path);
	return err_set(err, ERR_FAILED, rc, "the lease %s: %s", path, strerror(-rc));
}

static int lease_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			struct err *err)
{
	struct lease *lease = (struct lease *)arbiter;
	uint64_t limit_us = clock_after_ms(lease->setup.clock, READ_TIMEOUT_MS);
	struct answer answer = { .rc = 0 };
	int rc = consult(lease, NULL, limit_us < deadline_us ? limit_us : deadline_us, &answer);

	if (rc < 0)
		return say_why(lease, rc, err);
	*verdict = (struct verdict){ answer.outcome, "the other host's entry in the lease" };
	return 0;
}

static int lease_tell(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		      struct err *err)
{
	struct lease *lease = (struct lease *)arbiter;
	struct answer answer = { .rc = 0 };
	int rc = consult(lease, &outcome, deadline_us, &answer);

	return rc < 0 ? say_why(lease, rc, err) : 0;
}

static const struct arbiter_ops lease_ops = { lease_decide, lease_tell, arbiter_free };

int arbiter_lease_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
		       struct err *err)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an arbiter");
	*lease = (struct lease){ .arbiter = { &lease_ops }, .setup = *setup };
	*arbiter = &lease->arbiter;
	return 0;
}

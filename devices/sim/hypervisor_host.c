/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "hypervisor_state.h"

#define STATE_FILE "hypervisor"
#define NEW_STATE_FILE "hypervisor.new"

/* ---- the lock ---- */

/* Whoever died with the lock may have set bits that it did not count, and nothing worse. */
static void recover(struct sim_host *host)
{
	for (size_t i = 1; i < SIM_DOMAINS_MAX; i++) {
		struct domain *domain = &host->state->domains[i];

		if (domain->used)
			domain->seen.pages_now = sim_pages_count(host, domain->seen.domid);
	}
}

void sim_lock(struct sim_host *host)
{
	if (pthread_mutex_lock(&host->state->lock) == EOWNERDEAD) {
		recover(host);
		pthread_mutex_consistent(&host->state->lock);
	}
}

void sim_unlock(struct sim_host *host)
{
	pthread_mutex_unlock(&host->state->lock);
}

struct domain *sim_find(struct sim_host *host, uint32_t domid)
{
	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		struct domain *domain = &host->state->domains[i];

		if (domain->used && domain->seen.domid == domid)
			return domain;
	}
	return NULL;
}

struct domain *sim_lock_domain(struct sim_host *host, uint32_t domid)
{
	struct domain *domain;

	sim_lock(host);
	domain = sim_find(host, domid);
	if (!domain)
		sim_unlock(host);
	return domain;
}

/* ---- changes ---- */

static long futex(uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

void sim_changed(struct sim_host *host, struct domain *domain)
{
	__atomic_add_fetch(&host->state->changes, 1, __ATOMIC_SEQ_CST);
	futex(&host->state->changes, FUTEX_WAKE, INT_MAX, NULL);
	if (domain->endpoint)
		sim_tell(host, domain->endpoint, 0);
}

uint32_t sim_host_changes(struct sim_host *host)
{
	return __atomic_load_n(&host->state->changes, __ATOMIC_SEQ_CST);
}

int sim_host_wait(struct sim_host *host, uint32_t seen, const struct clock *clock,
		  uint64_t deadline_us)
{
	while (sim_host_changes(host) == seen) {
		uint64_t now_us = clock_now_us(clock), left_us;
		struct timespec timeout;

		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		left_us = deadline_us - now_us;
		timeout.tv_sec = (time_t)(left_us / 1000000);
		timeout.tv_nsec = (long)(left_us % 1000000 * 1000);
		futex(&host->state->changes, FUTEX_WAIT, seen, &timeout);
	}
	return 0;
}

/* ---- making one ---- */

static int make_folders(int folder_fd)
{
	static const char *const folders[] = {
		"events", "proc", "proc/xen", "sys", "sys/dev", "sys/dev/block", "sys/bus",
		"sys/bus/xen-backend", "sys/bus/xen-backend/devices",
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdirat(folder_fd, folders[i], 0700) < 0 && errno != EEXIST)
			return -errno;
	return 0;
}

static int make_file(int folder_fd, const char *name, const char *text, off_t bytes)
{
	CLEANUP_FD int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t length = strlen(text);

	if (fd < 0 || ftruncate(fd, bytes) < 0)
		return -errno;
	return pwrite(fd, text, length, 0) == (ssize_t)length ? 0 : -EIO;
}

static int make_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;
	int rc = -pthread_mutexattr_init(&attributes);

	if (rc)
		return rc;
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	rc = -pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return rc;
}

/* Domain 0 with the port of its own store ring, which its kernel has given out. */
static int fill_state(struct sim_state *state, const struct sim_host_config *config)
{
	struct domain *zero = &state->domains[0];

	state->magic = SIM_MAGIC;
	state->next_domid = 1;
	state->pages_total = config->memory_pages;
	state->nodes = config->nodes ? config->nodes : 1;
	state->cpu_leaf_max = config->cpu_leaf_max ? config->cpu_leaf_max : SIM_CPU_LEAF_MAX;
	zero->used = true;
	zero->seen.cpu_leaf_max = state->cpu_leaf_max;
	zero->seen.vcpus = zero->seen.config.vcpus_max = 1;
	zero->ports[1].state = PORT_UNBOUND;
	return make_lock(&state->lock);
}

static int map_state(int folder_fd, const char *name, struct sim_state **state)
{
	CLEANUP_FD int fd = openat(folder_fd, name, O_RDWR | O_CLOEXEC);
	struct stat status;
	void *mapped;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size != (off_t)sizeof(**state))
		return -EPROTO;
	mapped = mmap(NULL, sizeof(**state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	*state = mapped;
	return 0;
}

static int make_state(int folder_fd, const struct sim_host_config *config)
{
	struct sim_state *state;
	int rc = make_file(folder_fd, NEW_STATE_FILE, "", sizeof(*state));

	if (!rc)
		rc = map_state(folder_fd, NEW_STATE_FILE, &state);
	if (rc)
		return rc;
	rc = fill_state(state, config);
	munmap(state, sizeof(*state));
	/* complete, or not there; and not over one that is in use */
	if (!rc && linkat(folder_fd, NEW_STATE_FILE, folder_fd, STATE_FILE, 0) < 0)
		rc = -errno;
	unlinkat(folder_fd, NEW_STATE_FILE, 0);
	return rc;
}

int sim_host_create(const char *folder, const struct sim_host_config *config, struct err *err)
{
	CLEANUP_FD int folder_fd = -1;
	int rc;

	if (strlen(folder) > SIM_FOLDER_MAX)
		return err_set(err, ERR_USAGE, -ENAMETOOLONG,
			       "the folder %s of a simulated host must have a name of at most %d "
			       "bytes: choose a shorter one", folder, SIM_FOLDER_MAX);
	folder_fd = openat(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return err_errno(err, "the simulated host's folder %s", folder);
	rc = make_folders(folder_fd);
	if (!rc)
		rc = make_file(folder_fd, "proc/xen/xsd_port", "1", 1);
	if (!rc)
		rc = make_file(folder_fd, "proc/xen/xsd_kva", "", SIM_PAGE_BYTES);
	if (!rc)
		rc = make_state(folder_fd, config);
	if (rc == -EEXIST)
		return err_set(err, ERR_REFUSED, rc, "there is a simulated host in %s already: end "
			       "it, or choose another folder", folder);
	if (rc)
		return err_set(err, ERR_FAILED, rc, "make a simulated host in %s: %s", folder,
			       strerror(-rc));
	return 0;
}

/* ---- opening one ---- */

static int attach(struct sim_host *host)
{
	int rc;

	host->folder_fd = openat(AT_FDCWD, host->folder,
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host->folder_fd < 0)
		return -errno;
	rc = map_state(host->folder_fd, STATE_FILE, &host->state);
	if (!rc && host->state->magic != SIM_MAGIC)
		rc = -EPROTO;
	return rc;
}

int sim_host_open(const char *folder, struct sim_host **host, struct err *err)
{
	struct sim_host *opened;
	int rc;

	if (strlen(folder) > SIM_FOLDER_MAX)
		return err_set(err, ERR_USAGE, -ENAMETOOLONG,
			       "no simulated host has a folder with a name as long as %s", folder);
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return err_errno(err, "the simulated host in %s", folder);
	memcpy(opened->folder, folder, strlen(folder) + 1);
	opened->folder_fd = -1;
	rc = attach(opened);
	if (rc) {
		sim_host_close(opened);
		return err_set(err, ERR_FAILED, rc,
			       "there is no simulated host of this version in %s: %s", folder,
			       strerror(-rc));
	}
	*host = opened;
	return 0;
}

void sim_host_close(struct sim_host *host)
{
	if (!host)
		return;
	if (host->state)
		munmap(host->state, sizeof(*host->state));
	if (host->folder_fd >= 0)
		close(host->folder_fd);
	free(host);
}

const char *sim_host_folder(const struct sim_host *host)
{
	return host->folder;
}

void sim_machine(struct sim_host *host, struct sim_machine *machine)
{
	const struct sim_state *state = host->state;

	*machine = (struct sim_machine){ state->pages_total, state->pages_total, 0,
					 state->nodes, state->cpu_leaf_max };
	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		if (!state->domains[i].used)
			continue;
		machine->pages_free -= state->domains[i].seen.pages_now;
		machine->pages_claimed += state->domains[i].seen.pages_claimed;
	}
}

void sim_host_machine(struct sim_host *host, struct sim_machine *machine)
{
	sim_lock(host);
	sim_machine(host, machine);
	sim_unlock(host);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "hypervisor_state.h"

/* ---- the files ---- */

static const char *file_name(const char *kind, uint32_t domid, char name[32])
{
	snprintf(name, 32, "%s.%u", kind, domid);
	return name;
}

static int make_file(struct sim_host *host, const char *kind, uint32_t domid, off_t bytes)
{
	char name[32];
	CLEANUP_FD int fd = openat(host->folder_fd, file_name(kind, domid, name),
				   O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 || ftruncate(fd, bytes) < 0 ? -errno : 0;
}

int sim_pages_create(struct sim_host *host, uint32_t domid)
{
	int rc = make_file(host, "ram", domid, SIM_GFNS_MAX * SIM_PAGE_BYTES);

	if (!rc)
		rc = make_file(host, "pages", domid, sizeof(struct sim_pages));
	if (rc)
		sim_pages_remove(host, domid);
	return rc;
}

void sim_pages_remove(struct sim_host *host, uint32_t domid)
{
	char name[32];

	unlinkat(host->folder_fd, file_name("ram", domid, name), 0);
	unlinkat(host->folder_fd, file_name("pages", domid, name), 0);
}

/* A part of a domain's file of pages. */
static int map_part(struct sim_host *host, uint32_t domid, size_t offset, size_t bytes, int prot,
		    void **address)
{
	char name[32];
	CLEANUP_FD int fd = openat(host->folder_fd, file_name("pages", domid, name),
				   O_RDWR | O_CLOEXEC);
	void *mapped;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	mapped = mmap(NULL, bytes, prot, MAP_SHARED, fd, (off_t)offset);
	if (mapped == MAP_FAILED)
		return -errno;
	*address = mapped;
	return 0;
}

static int map_pages(struct sim_host *host, uint32_t domid, struct sim_pages **pages)
{
	void *mapped;
	int rc = map_part(host, domid, 0, sizeof(**pages), PROT_READ | PROT_WRITE, &mapped);

	if (!rc)
		*pages = mapped;
	return rc;
}

int sim_grant_table_map(struct sim_host *host, uint32_t domid, uint64_t first, uint64_t count,
			int prot, void **address)
{
	const uint64_t frames = SIM_GRANTS_MAX * sizeof(uint64_t) / SIM_PAGE_BYTES;

	if (count == 0 || first >= frames || count > frames - first)
		return -EINVAL;
	return map_part(host, domid, offsetof(struct sim_pages, grants) + first * SIM_PAGE_BYTES,
			count * SIM_PAGE_BYTES, prot, address);
}

static void unmap_pages(struct sim_pages *pages)
{
	munmap(pages, sizeof(*pages));
}

uint64_t sim_pages_count(struct sim_host *host, uint32_t domid)
{
	struct sim_pages *pages;
	uint64_t count = 0;

	if (map_pages(host, domid, &pages))
		return 0;
	for (size_t i = 0; i < SIM_GFNS_MAX / 64; i++)
		count += (uint64_t)__builtin_popcountll(pages->populated[i]);
	unmap_pages(pages);
	return count;
}

/* ---- giving frames ---- */

/* How many more frames the domain may get. */
static uint64_t allowance(struct sim_host *host, const struct sim_domain *seen)
{
	uint64_t limit = seen->pages_max > seen->pages_now ? seen->pages_max - seen->pages_now : 0;
	struct sim_machine machine;
	uint64_t others, free_pages;

	sim_machine(host, &machine);
	others = machine.pages_claimed - seen->pages_claimed;
	free_pages = machine.pages_free > others ? machine.pages_free - others : 0;
	return limit < free_pages ? limit : free_pages;
}

static ssize_t populate(struct sim_host *host, struct domain *domain, struct sim_pages *pages,
			const uint64_t *gfns, size_t count)
{
	uint64_t left = allowance(host, &domain->seen);
	size_t given = 0;

	for (; given < count; given++) {
		uint64_t gfn = gfns[given];

		if (gfn >= SIM_GFNS_MAX)
			return -EINVAL;
		if (sim_bit(pages->populated, gfn))
			continue;
		if (left-- == 0)
			break;
		if (domain->gfn_end <= gfn)
			domain->gfn_end = gfn + 1;
		sim_set_bit(pages->populated, gfn);
		domain->seen.pages_now++;
		if (domain->seen.pages_claimed)
			domain->seen.pages_claimed--;
	}
	return (ssize_t)given;
}

ssize_t sim_populate(struct sim_host *host, uint32_t domid, const uint64_t *gfns, size_t count)
{
	struct sim_pages *pages;
	struct domain *domain;
	ssize_t rc = map_pages(host, domid, &pages);

	if (rc)
		return rc;
	domain = sim_lock_domain(host, domid);
	rc = -ESRCH;
	if (domain) {
		rc = populate(host, domain, pages, gfns, count);
		sim_unlock(host);
	}
	unmap_pages(pages);
	return rc;
}

int sim_populate_range(struct sim_host *host, uint32_t domid, uint64_t first, uint64_t count)
{
	uint64_t gfns[512];

	while (count > 0) {
		size_t batch = count < 512 ? (size_t)count : 512;
		ssize_t given;

		for (size_t i = 0; i < batch; i++)
			gfns[i] = first + i;
		given = sim_populate(host, domid, gfns, batch);
		if (given < 0)
			return (int)given;
		if ((size_t)given < batch)
			return -ENOMEM;
		first += batch;
		count -= batch;
	}
	return 0;
}

/* ---- log-dirty ---- */

/* Sets log-dirty; -EINVAL when it is so already. */
static int set_logdirty(struct sim_host *host, uint32_t domid, bool on)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int rc = -EINVAL;

	if (!domain)
		return -ESRCH;
	if (domain->logdirty != on) {
		domain->logdirty = on;
		rc = 0;
	}
	sim_unlock(host);
	return rc;
}

int sim_logdirty_enable(struct sim_host *host, uint32_t domid)
{
	struct sim_pages *pages;
	int rc = map_pages(host, domid, &pages);

	if (rc)
		return rc;
	rc = set_logdirty(host, domid, true);
	for (size_t i = 0; !rc && i < SIM_GFNS_MAX / 64; i++)
		if (__atomic_load_n(&pages->dirty[i], __ATOMIC_RELAXED))
			__atomic_exchange_n(&pages->dirty[i], 0, __ATOMIC_SEQ_CST);
	unmap_pages(pages);
	return rc;
}

int sim_logdirty_disable(struct sim_host *host, uint32_t domid)
{
	return set_logdirty(host, domid, false);
}

/*
 * What is cleared here was written before: who reads those pages from now on sees it. Counted are
 * all of the domain's, also beyond the bitmap, and where there is none (NULL).
 */
static uint32_t collect(struct sim_pages *pages, bool clean, uint8_t *bitmap, uint64_t count)
{
	size_t left = (size_t)(count + 7) / 8;
	uint32_t dirty = 0;

	for (size_t i = 0; i < SIM_GFNS_MAX / 64; i++) {
		size_t bytes = left < sizeof(uint64_t) ? left : sizeof(uint64_t);
		uint64_t seen = __atomic_load_n(&pages->dirty[i], __ATOMIC_SEQ_CST);

		if (seen && clean && bytes > 0)
			seen = __atomic_exchange_n(&pages->dirty[i], 0, __ATOMIC_SEQ_CST);
		if (bitmap && bytes > 0)
			memcpy(bitmap + i * sizeof(seen), &seen, bytes);
		dirty += (uint32_t)__builtin_popcountll(seen);
		left -= bytes;
	}
	return dirty;
}

int sim_logdirty_read(struct sim_host *host, uint32_t domid, bool clean, uint8_t *bitmap,
		      uint64_t count, uint32_t *dirty)
{
	struct domain *domain;
	struct sim_pages *pages;
	bool on;
	int rc;

	if (count > SIM_GFNS_MAX)
		return -EINVAL;
	domain = sim_lock_domain(host, domid);
	if (!domain)
		return -ESRCH;
	on = domain->logdirty;
	sim_unlock(host);
	rc = on ? map_pages(host, domid, &pages) : -EINVAL;
	if (rc)
		return rc;
	*dirty = collect(pages, clean, bitmap, count);
	unmap_pages(pages);
	return 0;
}

/* ---- looking into it ---- */

static int attach(struct sim_memory *memory)
{
	char name[32];
	int rc = map_pages(memory->host, memory->domid, &memory->pages);

	if (rc)
		return rc;
	memory->ram_fd = openat(memory->host->folder_fd, file_name("ram", memory->domid, name),
				O_RDWR | O_CLOEXEC);
	if (memory->ram_fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return 0;
}

int sim_memory_open(struct sim_host *host, uint32_t domid, struct sim_memory **memory)
{
	struct sim_memory *opened = malloc(sizeof(*opened));
	int rc;

	if (!opened)
		return -ENOMEM;
	*opened = (struct sim_memory){ .host = host, .domid = domid, .ram_fd = -1 };
	rc = attach(opened);
	if (rc) {
		sim_memory_close(opened);
		return rc;
	}
	*memory = opened;
	return 0;
}

void sim_memory_close(struct sim_memory *memory)
{
	if (!memory)
		return;
	if (memory->pages)
		unmap_pages(memory->pages);
	if (memory->ram_fd >= 0)
		close(memory->ram_fd);
	free(memory);
}

uint32_t sim_memory_domid(const struct sim_memory *memory)
{
	return memory->domid;
}

bool sim_memory_populated(const struct sim_memory *memory, uint64_t gfn)
{
	return gfn < SIM_GFNS_MAX && sim_bit(memory->pages->populated, gfn);
}

uint64_t sim_memory_end(const struct sim_memory *memory)
{
	struct domain *domain = sim_lock_domain(memory->host, memory->domid);
	uint64_t end;

	if (!domain)
		return 0;
	end = domain->gfn_end;
	sim_unlock(memory->host);
	return end;
}

void sim_memory_mark_dirty(struct sim_memory *memory, uint64_t gfn)
{
	if (gfn < SIM_GFNS_MAX)
		sim_set_bit(memory->pages->dirty, gfn);
}

/* ---- mapping ---- */

static void *map_ram(struct sim_memory *memory, void *at, uint64_t first, uint64_t count, int prot)
{
	int flags = MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED : 0);

	return mmap(at, count * SIM_PAGE_BYTES, prot, flags, memory->ram_fd,
		    (off_t)(first * SIM_PAGE_BYTES));
}

/* Frames in a row, all there, from the first of `gfns` on: one call maps them. */
static size_t run_length(const struct sim_memory *memory, const uint64_t *gfns, size_t count)
{
	size_t length = 0;

	while (length < count && gfns[length] == gfns[0] + length &&
	       sim_memory_populated(memory, gfns[length]))
		length++;
	return length;
}

static int fill_window(struct sim_memory *memory, const uint64_t *gfns, size_t count, int prot,
		       int *errors, uint8_t *window)
{
	for (size_t i = 0; i < count;) {
		size_t length = run_length(memory, gfns + i, count - i);
		uint8_t *at = window + i * SIM_PAGE_BYTES;

		if (length == 0) {
			if (!errors)
				return -EINVAL;
			errors[i++] = -EINVAL;
			continue;
		}
		if (map_ram(memory, at, gfns[i], length, prot) == MAP_FAILED)
			return -errno;
		for (size_t end = i + length; i < end; i++)
			if (errors)
				errors[i] = 0;
	}
	return 0;
}

int sim_memory_map(struct sim_memory *memory, const uint64_t *gfns, size_t count, int prot,
		   int *errors, void **address)
{
	void *window;
	int rc;

	if (count == 0 || count > SIM_GFNS_MAX)
		return -EINVAL;
	window = mmap(NULL, count * SIM_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (window == MAP_FAILED)
		return -errno;
	rc = fill_window(memory, gfns, count, prot, errors, window);
	if (rc) {
		sim_memory_unmap(window, count);
		return rc;
	}
	*address = window;
	return 0;
}

int sim_memory_map_range(struct sim_memory *memory, uint64_t first, uint64_t count, int prot,
			 void **address)
{
	void *mapped;

	if (count == 0 || first >= SIM_GFNS_MAX || count > SIM_GFNS_MAX - first)
		return -EINVAL;
	mapped = map_ram(memory, NULL, first, count, prot);
	if (mapped == MAP_FAILED)
		return -errno;
	*address = mapped;
	return 0;
}

void sim_memory_unmap(void *address, size_t count)
{
	munmap(address, count * SIM_PAGE_BYTES);
}

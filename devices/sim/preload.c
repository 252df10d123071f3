/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct sim_host *host;
static int host_error;
static pthread_once_t host_once = PTHREAD_ONCE_INIT;

static void open_host(void)
{
	const char *folder = getenv(SIM_FOLDER_VARIABLE);
	int rc = folder ? sim_host_open(folder, &host, NULL) : -ENOENT;

	host_error = -rc;
}

struct sim_host *preload_host(void)
{
	pthread_once(&host_once, open_host);
	if (!host)
		errno = host_error;
	return host;
}

/* A number is never given twice, so that a memory found is the right one. */
static struct sim_memory *memories[SIM_DOMAINS_MAX];
static pthread_mutex_t memories_lock = PTHREAD_MUTEX_INITIALIZER;

static void forget_destroyed(void)
{
	struct sim_domain domain;

	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		if (!memories[i] || !sim_domain_get(host, sim_memory_domid(memories[i]), &domain))
			continue;
		sim_memory_close(memories[i]);
		memories[i] = NULL;
	}
}

/* Where the domain's memory is, or where it may go. There are no more than there are domains. */
static struct sim_memory **find_slot(uint32_t domid)
{
	struct sim_memory **room = NULL;

	forget_destroyed();
	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		if (memories[i] && sim_memory_domid(memories[i]) == domid)
			return &memories[i];
		if (!memories[i])
			room = &memories[i];
	}
	return room;
}

struct sim_memory *preload_memory(uint32_t domid)
{
	struct sim_memory **slot, *memory = NULL;
	int rc = -ENOMEM;

	if (!preload_host())
		return NULL;
	pthread_mutex_lock(&memories_lock);
	slot = find_slot(domid);
	if (slot && !*slot)
		rc = sim_memory_open(host, domid, slot);
	if (slot)
		memory = *slot;
	pthread_mutex_unlock(&memories_lock);
	if (!memory)
		errno = -rc;
	return memory;
}

int preload_result(long rc)
{
	if (rc >= 0)
		return (int)rc;
	errno = (int)-rc;
	return -1;
}

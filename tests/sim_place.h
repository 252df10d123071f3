/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A simulated host for a test: a folder below /tmp, and the environment under which unmodified
 * programs run on it. Its functions assert, as cmocka does.
 */
#ifndef XENFERRY_TESTS_SIM_PLACE_H
#define XENFERRY_TESTS_SIM_PLACE_H

#include <limits.h>
#include <sys/types.h>

#include "hypervisor.h"

struct sim_place {
	char folder[64];
	struct sim_host *host;
	pid_t cleaner; /* removes the folder, also after a test that was killed */
	int cleaner_fd;
};

void sim_place_open(struct sim_place *place, uint64_t memory_pages);
void sim_place_close(struct sim_place *place); /* with all that is in the folder */

/* Programs started from now on are on this host, until sim_place_leave(). */
void sim_place_enter(const struct sim_place *place);
void sim_place_leave(void);

/* Runs `body` on the host, in a process that is killed afterwards, with all that it holds. */
void sim_place_die_in(const struct sim_place *place,
		      void (*body)(struct sim_host *host, uint32_t domid), uint32_t domid);

/*
 * The path of a file of the build tree, "devices/xenferry-stream". Programs that need others find
 * the tree from where they are themselves. Returns `path`.
 */
const char *sim_place_built(const char *file, char path[PATH_MAX]);

#endif

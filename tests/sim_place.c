/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_place.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void sim_place_open(struct sim_place *place, uint64_t memory_pages)
{
	struct err err;

	snprintf(place->folder, sizeof(place->folder), "/tmp/xenferry-sim-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	assert_int_equal(sim_host_create(place->folder, memory_pages, &err), 0);
	assert_int_equal(sim_host_open(place->folder, &place->host, &err), 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void sim_place_close(struct sim_place *place)
{
	sim_host_close(place->host);
	nftw(place->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void sim_place_enter(const struct sim_place *place)
{
	char preload[PATH_MAX], asan[1024];
	const char *options = getenv("ASAN_OPTIONS");

	/* a sanitized program wants its own library to be the first */
	snprintf(asan, sizeof(asan), "%s%sverify_asan_link_order=0", options ? options : "",
		 options ? ":" : "");
	if (!options || !strstr(options, "verify_asan_link_order"))
		assert_int_equal(setenv("ASAN_OPTIONS", asan, 1), 0);
	sim_place_built("devices/sim/.libs/libxenferry-sim.so", preload);
	assert_int_equal(setenv("LD_PRELOAD", preload, 1), 0);
	assert_int_equal(setenv(SIM_FOLDER_VARIABLE, place->folder, 1), 0);
	assert_int_equal(setenv("XENSTORED_RUNDIR", place->folder, 1), 0);
}

void sim_place_leave(void)
{
	unsetenv("LD_PRELOAD");
	unsetenv(SIM_FOLDER_VARIABLE);
	unsetenv("XENSTORED_RUNDIR");
}

void sim_place_die_in(const struct sim_place *place,
		      void (*body)(struct sim_host *host, uint32_t domid), uint32_t domid)
{
	pid_t child = fork();

	if (child == 0) {
		struct sim_host *host;

		if (sim_host_open(place->folder, &host, NULL) == 0)
			body(host, domid);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
}

const char *sim_place_built(const char *file, char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	assert_true(length > 0);
	path[length] = '\0';
	slash = strstr(path, "/tests/");
	assert_non_null(slash);
	assert_true((size_t)(slash - path) + 1 + strlen(file) < PATH_MAX);
	memcpy(slash + 1, file, strlen(file) + 1);
	return path;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_place.h"

#include <fcntl.h>
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

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* Removes the folder when it hears from the test, or when the test is gone, however it ended. */
static void clean_up_after(const char *folder, const int pipe[2])
{
	char heard;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close(pipe[1]);
	if (read(pipe[0], &heard, 1) >= 0)
		nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

void sim_place_open(struct sim_place *place, uint64_t memory_pages)
{
	int pipe[2];
	struct sim_host_config config = { 0 };
	struct err err;

	snprintf(place->folder, sizeof(place->folder), "/tmp/xenferry-sim-XXXXXX");
	assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
	assert_non_null(mkdtemp(place->folder));
	place->cleaner = fork();
	if (place->cleaner == 0)
		clean_up_after(place->folder, pipe);
	close(pipe[0]);
	place->cleaner_fd = pipe[1];
	config.memory_pages = memory_pages;
	assert_int_equal(sim_host_create(place->folder, &config, &err), 0);
	assert_int_equal(sim_host_open(place->folder, &place->host, &err), 0);
}

void sim_place_close(struct sim_place *place)
{
	sim_host_close(place->host);
	assert_int_equal(write(place->cleaner_fd, "", 1), 1);
	close(place->cleaner_fd);
	waitpid(place->cleaner, NULL, 0);
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

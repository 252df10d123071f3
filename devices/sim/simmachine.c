/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes the hypervisor of a simulated host, which is a folder (hypervisor.h), and ends: there is
 * nothing to keep running.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "err.h"
#include "hypervisor.h"

#define MIB_PAGES (UINT64_C(1048576) / SIM_PAGE_BYTES)
#define MEMORY_MIN_MIB 64

static const char usage_text[] =
	"usage: simmachine --folder DIR --memory-mib N\n"
	"\n"
	"Makes a simulated machine with N MiB of memory in the existing, empty folder DIR.\n";

static const struct option options[] = {
	{ "folder", required_argument, NULL, 'f' },
	{ "memory-mib", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static uint64_t machine_mib(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) / (1048576 / (uint64_t)sysconf(_SC_PAGESIZE));
}

static int read_memory(const char *text, uint64_t *mib, struct err *err)
{
	uint64_t number, machine = machine_mib();
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || text[0] < '0' || text[0] > '9' || *end || number < MEMORY_MIN_MIB)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "--memory-mib wants a number from %d on, not '%s'", MEMORY_MIN_MIB,
			       text);
	if (number > machine)
		return err_set(err, ERR_REFUSED, -ENOMEM,
			       "a simulated host cannot have %" PRIu64 " MiB of memory, as this "
			       "machine has %" PRIu64 " MiB itself: choose less with --memory-mib",
			       number, machine);
	*mib = number;
	return 0;
}

static int make(const char *folder, const char *memory, struct err *err)
{
	uint64_t mib = 0;
	int rc = read_memory(memory, &mib, err);

	return rc ? rc : sim_host_create(folder, mib * MIB_PAGES, err);
}

int main(int argc, char **argv)
{
	const char *folder = NULL, *memory = NULL;
	struct err err;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'f') {
			folder = optarg;
		} else if (option == 'm') {
			memory = optarg;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : err_exit_status(ERR_USAGE);
		}
	}
	if (!folder || !memory || optind < argc) {
		fputs(usage_text, stderr);
		return err_exit_status(ERR_USAGE);
	}
	if (make(folder, memory, &err) == 0)
		return 0;
	fprintf(stderr, "simmachine: %s\n", err.message);
	return err_exit_status(err.code);
}

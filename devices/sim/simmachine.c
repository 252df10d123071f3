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
#define NODES_MAX 8
#define CPU_LEAF_MAX 28 /* of what libxenguest knows */

static const char usage_text[] =
	"usage: simmachine --folder DIR --memory-mib N [--cpu-leaf-max N]\n"
	"                  [--numa-nodes N]\n"
	"\n"
	"Makes a simulated machine with N MiB of memory in the existing, empty folder DIR. Its\n"
	"processor's last leaf tells it from others: a guest moves to no smaller one.\n"
	"Processors, and domains, are of its NUMA nodes by turns.\n";

static const struct option options[] = {
	{ "folder", required_argument, NULL, 'f' },
	{ "memory-mib", required_argument, NULL, 'm' },
	{ "cpu-leaf-max", required_argument, NULL, 'c' },
	{ "numa-nodes", required_argument, NULL, 'n' },
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

static int read_number(const char *option, const char *text, unsigned long max, uint32_t *number,
		       struct err *err)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || value > max)
		return err_set(err, ERR_USAGE, -EINVAL, "%s wants a number up to %lu, not '%s'",
			       option, max, text);
	*number = (uint32_t)value;
	return 0;
}

static int make(const char *folder, const char *memory, const char *cpu, const char *nodes,
		struct err *err)
{
	struct sim_host_config config = { 0 };
	uint64_t mib = 0;
	int rc = read_memory(memory, &mib, err);

	if (!rc)
		rc = read_number("--cpu-leaf-max", cpu, CPU_LEAF_MAX, &config.cpu_leaf_max, err);
	if (!rc)
		rc = read_number("--numa-nodes", nodes, NODES_MAX, &config.nodes, err);
	config.memory_pages = mib * MIB_PAGES;
	return rc ? rc : sim_host_create(folder, &config, err);
}

int main(int argc, char **argv)
{
	const char *folder = NULL, *memory = NULL, *cpu = "0", *nodes = "0";
	struct err err;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'f') {
			folder = optarg;
		} else if (option == 'm') {
			memory = optarg;
		} else if (option == 'c') {
			cpu = optarg;
		} else if (option == 'n') {
			nodes = optarg;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : err_exit_status(ERR_USAGE);
		}
	}
	if (!folder || !memory || optind < argc) {
		fputs(usage_text, stderr);
		return err_exit_status(ERR_USAGE);
	}
	if (make(folder, memory, cpu, nodes, &err) == 0)
		return 0;
	fprintf(stderr, "simmachine: %s\n", err.message);
	return err_exit_status(err.code);
}

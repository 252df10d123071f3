/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "daemon.h"
#include "log.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

static const char usage_text[] =
	"usage: xenferryd [--config FILE] [--debug]\n"
	"       xenferryd --help | --version | --config-reference\n"
	"\n"
	"The agent of one host: hears xenferry(1) and the agents of other hosts, and starts a "
	"worker\n"
	"for every migration. It stays in the foreground and logs to stderr.\n"
	"\n"
	"  --config FILE       read this instead of the default; also FILE.d/*.conf\n"
	"  --debug             log more, and have the workers log more\n"
	"  --config-reference  print every key of the configuration, as POD\n";

enum { OPTION_REFERENCE = 256 };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "debug", no_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "config-reference", no_argument, NULL, OPTION_REFERENCE },
	{ 0 },
};

static int run(const char *config_path, bool debug)
{
	struct config config;
	struct err err;
	int rc = config_load(config_path, &config, &err);

	if (rc == 0)
		rc = daemon_run(&config, config_path, debug, &err);
	if (rc == 0)
		return 0;
	log_error("%s", err.message);
	return err_exit_status(err.code);
}

int main(int argc, char **argv)
{
	char config_path[PATH_MAX];
	const char *config = NULL;
	bool debug = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'c') {
			/* absolute, for the workers; what is not there is said by config_load() */
			config = realpath(optarg, config_path) ? config_path : optarg;
		} else if (option == 'd') {
			debug = true;
		} else if (option == 'V') {
			return puts("xenferryd " PACKAGE_VERSION) < 0;
		} else if (option == OPTION_REFERENCE) {
			config_reference(stdout);
			return 0;
		} else {
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : err_exit_status(ERR_USAGE);
		}
	}
	log_init("xenferryd", debug);
	if (optind < argc) {
		fputs(usage_text, stderr);
		return err_exit_status(ERR_USAGE);
	}
	return run(config, debug);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pool-certificates: says for which hosts, and leaves the making to xenferry-certificates. No
 * daemon is asked.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "hosts.h"

#define DAYS_DEFAULT "825" /* two years and a quarter, as browsers bear it at most */
#define WORD_SIZE (HOST_NAME_SIZE + 2 * HOST_ADDRESS_SIZE)

struct request {
	struct hosts hosts;
	char words[HOSTS_MAX][WORD_SIZE]; /* HOST/NAME/NAME */
	size_t count;
};

static int add_place(struct request *request, const struct host_place *place, struct err *err)
{
	char *word;
	bool named = strcmp(place->certificate, place->name) != 0;
	bool addressed = strcmp(place->address, place->name) != 0 &&
			 strcmp(place->address, place->certificate) != 0;

	if (request->count >= HOSTS_MAX)
		return err_set(err, ERR_USAGE, -E2BIG, "more than %d hosts", HOSTS_MAX);
	word = request->words[request->count];
	if (strchr(place->address, '%'))
		addressed = false; /* a zone is one machine's own */
	snprintf(word, WORD_SIZE, "%s%s%s%s%s", place->name, named ? "/" : "",
		 named ? place->certificate : "", addressed ? "/" : "",
		 addressed ? place->address : "");
	request->count++;
	return 0;
}

/* `text`: names or addresses, with commas between; those in the list have all their names. */
static int add_named(struct request *request, char *text, struct err *err)
{
	char *rest = text, *name;
	int rc = 0;

	while (rc == 0 && (name = strsep(&rest, ","))) {
		struct host_place place;

		rc = hosts_resolve(&request->hosts, name, HOST_PORT_DEFAULT, &place, err);
		if (rc == 0)
			rc = add_place(request, &place, err);
	}
	return rc;
}

static int add_listed(struct request *request, const char *file, struct err *err)
{
	int rc = 0;

	if (request->hosts.count == 0)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "for which hosts? There are none in %s: write hosts=NAME,NAME",
			       file);
	for (size_t i = 0; rc == 0 && i < request->hosts.count; i++)
		rc = add_place(request, &request->hosts.places[i], err);
	return rc;
}

/* Becomes the program; returns only when that fails. */
static int make(const struct config *config, struct request *request, const char *folder,
		const char *days, struct err *err)
{
	char program[CONFIG_PATH_MAX + 32];
	char *argv[HOSTS_MAX + 4];
	size_t count = 0;

	snprintf(program, sizeof(program), "%s/xenferry-certificates", config->libexec_dir);
	argv[count++] = program;
	argv[count++] = (char *)(uintptr_t)folder; /* execv() takes no const, and changes nothing */
	argv[count++] = (char *)(uintptr_t)days;
	for (size_t i = 0; i < request->count; i++)
		argv[count++] = request->words[i];
	argv[count] = NULL;
	execv(program, argv);
	return err_errno(err, "%s cannot be started; is xenferry installed whole?", program);
}

int cli_pool_certificates(const struct cli_args *args, struct err *err)
{
	CLEANUP_FREE struct request *request = calloc(1, sizeof(*request));
	CLEANUP_FREE char *names = NULL;
	const char *days = cli_text(args, "days");
	struct config config;
	int rc;

	if (!request)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	rc = config_load(args->config, &config, err);
	if (rc == 0)
		rc = hosts_load(config.hosts_file, HOST_PORT_DEFAULT, &request->hosts, err);
	if (rc < 0)
		return rc;
	if (!cli_text(args, "hosts")) {
		rc = add_listed(request, config.hosts_file, err);
	} else {
		names = strdup(cli_text(args, "hosts"));
		rc = names ? add_named(request, names, err) :
			     err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	}
	return rc < 0 ? rc
		      : make(&config, request, cli_text(args, "out"), days ?: DAYS_DEFAULT, err);
}

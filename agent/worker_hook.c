/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode of xenferry-worker that runs one of the host's own hooks, for the daemon, which must not
 * wait for one.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "hook_folder.h"
#include "log.h"

#define INVENTORY "/etc/xensource-inventory"
#define MACHINE_ID "/etc/machine-id"
#define HOST_UUID_SIZE 37
#define HOOKS_MS 60000 /* all programs of the hook together, as in a migration */

static void note(void *context, const char *sentence)
{
	(void)context;
	log_info("%s", sentence);
}

/* XAPI's own of this host: INSTALLATION_UUID='…' */
static bool read_inventory(char uuid[HOST_UUID_SIZE])
{
	CLEANUP_FILE FILE *file = fopen(INVENTORY, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "INSTALLATION_UUID='%36[0-9a-f-]'", uuid) == 1)
			return true;
	return false;
}

/* systemd's of this machine, in the form of a UUID. */
static bool read_machine_id(char uuid[HOST_UUID_SIZE])
{
	CLEANUP_FILE FILE *file = fopen(MACHINE_ID, "re");
	char digits[33] = "";

	if (!file || fscanf(file, "%32[0-9a-f]", digits) != 1 || strlen(digits) != 32)
		return false;
	snprintf(uuid, HOST_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
		 digits + 16, digits + 20);
	return true;
}

int run_hook(const struct config *config, char **arguments)
{
	struct hook_call call = { .reason = arguments[1] };
	char uuid[HOST_UUID_SIZE] = "";
	struct hook_folder folder;
	struct err err;
	int rc = 0;

	if (!hook_find(arguments[0], &call.hook) || strncmp(arguments[0], "host-", 5) != 0)
		rc = err_set(&err, ERR_USAGE, -EINVAL, "the host has no hook '%s'", arguments[0]);
	else if (!read_inventory(uuid) && !read_machine_id(uuid))
		rc = err_set(&err, ERR_FAILED, -ENOENT,
			     "neither " INVENTORY " nor " MACHINE_ID " has a UUID of this host");
	call.uuid = uuid;
	hook_folder_init(&folder, &clock_system, config->hooks_dir, config->hook_timeout_ms, note,
			 NULL);
	if (rc == 0)
		rc = folder.hooks.ops->run(&folder.hooks, &call,
					   clock_after_ms(&clock_system, HOOKS_MS), true, &err);
	if (rc == 0)
		return 0;
	log_error("%s", err.message);
	return err_exit_status(err.code);
}

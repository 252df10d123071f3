/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "create.h"
#include "log.h"
#include "options.h"
#include "program.h"

static int check(const struct creation *creation, struct err *err)
{
	if (!guest_uuid_is_valid(creation->uuid))
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is no UUID", creation->uuid);
	return 0;
}

int main(int argc, char **argv)
{
	struct creation creation = {
		.memory_mib = 64,
		.fill_percent = 100,
		.disk_mib = 8,
	};
	struct creation_host host = { .host = NULL };
	const char *folder = NULL, *rundir = NULL, *scripts = SITE_SCRIPTS_DIR;
	uint64_t timeout_s = 60;
	const struct option_row table[] = {
		{ "folder", "DIR", "the host's folder", true, .text = &folder },
		{ "store", "RUNDIR", "its xenstored's", true, .text = &rundir },
		{ "name", "NAME", "the guest's", true, .text = &creation.name },
		{ "uuid", "UUID", "the guest's", true, .text = &creation.uuid },
		{ "memory-mib", "N", "its memory, 16 to 3072 [64]", .number = &creation.memory_mib,
		  .min = PROGRAM_PAGES_MIN / 256, .max = PROGRAM_PAGES_MAX / 256 },
		{ "fill-percent", "N", "of it that is not zero to begin with [100]",
		  .number = &creation.fill_percent, .max = 100 },
		{ "vbd", "[xvdN=]PATH[,...]", "a disk; made if it is not there",
		  .list = &creation.vbds },
		{ "vif", "mac=M,ip=A[,bridge=B]", "a network card [xenbr0]",
		  .list = &creation.vifs },
		{ "disk-mib", "N", "the size of a disk that is made [8]",
		  .number = &creation.disk_mib, .min = 1, .max = 1048576 },
		{ "scripts", "DIR", "hotplug scripts [" SITE_SCRIPTS_DIR "]", .text = &scripts },
		{ "timeout-s", "N", "for the guest to be connected [60]", .number = &timeout_s,
		  .min = 1, .max = 3600 },
		{ 0 },
	};
	struct err err = { .code = ERR_NONE };
	int rc = options_parse(table, "simcreate", argc, argv, NULL, &err);
	uint32_t domid;

	log_init("simcreate", false);
	if (rc > 0)
		return 0;
	if (!rc)
		rc = check(&creation, &err);
	if (!rc)
		rc = creation_open(&host, folder, rundir, scripts, &err);
	if (!rc)
		rc = creation_make(&host, &creation,
				   clock_after_ms(&clock_system, timeout_s * 1000), &domid, &err);
	creation_close(&host);
	if (rc) {
		log_error("%s", err.message);
		return err_exit_status(err.code);
	}
	printf("%u\n", domid);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"
#include "create.h"
#include "log.h"
#include "options.h"

int main(int argc, char **argv)
{
	struct creation_host host = { .host = NULL };
	const char *folder = NULL, *rundir = NULL, *vm = NULL, *scripts = SITE_SCRIPTS_DIR;
	uint64_t timeout_s = 60;
	const struct option_row table[] = {
		{ "folder", "DIR", "the host's folder", true, .text = &folder },
		{ "store", "RUNDIR", "its xenstored's", true, .text = &rundir },
		{ "vm", "NAME|UUID|DOMID", "the guest", true, .text = &vm },
		{ "scripts", "DIR", "hotplug scripts [" SITE_SCRIPTS_DIR "]", .text = &scripts },
		{ "timeout-s", "N", "for its devices to let go [60]", .number = &timeout_s,
		  .min = 1, .max = 3600 },
		{ 0 },
	};
	struct err err = { .code = ERR_NONE };
	int rc = options_parse(table, "simdestroy", argc, argv, NULL, &err);

	log_init("simdestroy", false);
	if (rc > 0)
		return 0;
	if (!rc)
		rc = creation_open(&host, folder, rundir, scripts, &err);
	if (!rc)
		rc = creation_end(&host, vm, clock_after_ms(&clock_system, timeout_s * 1000), &err);
	creation_close(&host);
	if (rc)
		log_error("%s", err.message);
	return rc ? err_exit_status(err.code) : 0;
}

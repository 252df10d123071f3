/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processors of a simulated host: one process for each domain, from when it is made until it
 * is gone, so that a guest which arrives is picked up the moment it is unpaused.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "guest.h"
#include "hypervisor.h"
#include "log.h"
#include "options.h"

#define LOOK_US 100000     /* between two looks for children that ended */
#define END_TIMEOUT_MS 5000 /* for children to end */

struct processor {
	pid_t pid; /* 0: none */
	uint32_t domid;
};

struct machine {
	const char *folder;
	const struct guest_options *options;
	struct sim_host *host;
	struct processor processors[SIM_DOMAINS_MAX];
	uint32_t newest; /* the highest domid so far; they are never given twice */
	bool violated;
};

/* ---- a child ---- */

static int run_child(const struct machine *machine, uint32_t domid, pid_t parent)
{
	struct err err = { .code = ERR_NONE };
	int rc;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		return 2;
	rc = guest_run(machine->folder, domid, machine->options, &clock_system, &err);
	if (rc < 0 && rc != -ECANCELED)
		log_error("domain %u: %s", domid, err.message[0] ? err.message : strerror(-rc));
	return rc < 0 && rc != -ECANCELED ? 2 : rc == 1;
}

static void start_processor(struct machine *machine, uint32_t domid)
{
	pid_t parent = getpid();

	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		struct processor *processor = &machine->processors[i];

		if (processor->pid)
			continue;
		processor->domid = domid;
		processor->pid = fork();
		if (processor->pid == 0)
			_exit(run_child(machine, domid, parent));
		if (processor->pid < 0) {
			log_error("domain %u: fork: %s", domid, strerror(errno));
			processor->pid = 0;
		}
		return;
	}
}

/* ---- all of them ---- */

static void note_end(struct machine *machine, struct processor *processor, int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 2) {
		log_error("domain %u: its processor ended (status %#x)", processor->domid,
			  (unsigned)status);
		guest_note_death(machine->host, processor->domid, machine->options);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		machine->violated = true;
	processor->pid = 0;
}

static bool reap(struct machine *machine)
{
	bool left = false;

	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++) {
		struct processor *processor = &machine->processors[i];
		int status;

		if (processor->pid && waitpid(processor->pid, &status, WNOHANG) == processor->pid)
			note_end(machine, processor, status);
		left |= processor->pid != 0;
	}
	return left;
}

static void start_new(struct machine *machine)
{
	struct sim_domain domain;

	while (sim_domain_next(machine->host, machine->newest + 1, &domain) == 0) {
		machine->newest = domain.domid;
		start_processor(machine, domain.domid);
	}
}

static void run(struct machine *machine)
{
	uint32_t seen;

	do {
		seen = sim_host_changes(machine->host);
		start_new(machine);
		(void)reap(machine);
		(void)sim_host_wait(machine->host, seen, &clock_system,
				    clock_now_us(&clock_system) + LOOK_US);
	} while (clock_wait(&clock_system, NULL, 0, 0, true) != -ECANCELED);
}

static void end(struct machine *machine)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, END_TIMEOUT_MS);

	for (size_t i = 0; i < SIM_DOMAINS_MAX; i++)
		if (machine->processors[i].pid)
			kill(machine->processors[i].pid, SIGTERM);
	while (reap(machine) && clock_now_us(&clock_system) < deadline_us)
		clock_sleep_us(&clock_system, 2000);
	sim_host_close(machine->host);
}

int main(int argc, char **argv)
{
	struct guest_options guest = {
		.dirty_pages_per_s = 500,
		.working_set_pages = 4096,
		.queue_depth = 8,
		.blocks_per_s = 200,
		.suspend_cost_us = 0,
		.resume_cost_us = 0,
	};
	struct machine machine = { .options = &guest };
	const char *store = NULL;
	const struct option_row table[] = {
		{ "folder", "DIR", "the host's folder", true, .text = &machine.folder },
		{ "lease-dir", "DIR", "a folder for locks that all hosts share", true,
		  .text = &guest.lease_folder },
		{ "verdicts", "DIR", "where guests say what they found; shared, too", true,
		  .text = &guest.verdict_folder },
		{ "store", "RUNDIR", "not needed: guests reach xenstored through their memory",
		  .text = &store },
		{ "dirty-pages-per-s", "N", "how fast a guest dirties memory [500]",
		  .number = &guest.dirty_pages_per_s, .max = 1000000 },
		{ "working-set-pages", "N", "how much of it [4096]",
		  .number = &guest.working_set_pages, .min = 1, .max = UINT32_MAX },
		{ "queue-depth", "N", "requests in flight to a disk [8]",
		  .number = &guest.queue_depth, .min = 1, .max = 32 },
		{ "blocks-per-s", "N", "requests to each disk [200]",
		  .number = &guest.blocks_per_s, .max = 100000 },
		{ "suspend-cost-us", "N", "what a guest takes to stop [0]",
		  .number = &guest.suspend_cost_us, .max = 60000000 },
		{ "resume-cost-us", "N", "what it takes for each device after a move [0]",
		  .number = &guest.resume_cost_us, .max = 60000000 },
		{ 0 },
	};
	struct err err = { .code = ERR_NONE };
	int rc = options_parse(table, "simguest", argc, argv, NULL, &err);

	log_init("simguest", false);
	if (rc > 0)
		return 0;
	if (rc == 0)
		rc = clock_catch_cancel();
	if (rc == 0)
		rc = sim_host_open(machine.folder, &machine.host, &err);
	if (rc < 0) {
		log_error("%s", err.message);
		return err_exit_status(err.code ? err.code : ERR_FAILED);
	}
	run(&machine);
	end(&machine);
	return machine.violated;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

/* clang-format off */
#define PARAMS { "params", CLI_TEXT, false, "<field,...|all>", "the fields to show, in order" }
#define SELECTORS \
	{ "<selectors>", CLI_SELECTORS, false, "<value>", \
	  "a field of params=all, as name-label, or vm: records alone that have this value" }
#define GUEST { "vm", CLI_TEXT, true, "<name|uuid|domid>", "the guest" }
#define SAVED { "file", CLI_TEXT, true, "<path>", "the file, by an absolute path" }
#define COMPRESS \
	{ "compress", CLI_TEXT, false, "<none|lz4|zstd|auto>", "none: the file has the form of xl's" }
#define ASYNC \
	{ "async", CLI_BOOLEAN, false, "true", "print the job's uuid and do not wait" }
#define THIS_HOST \
	{ "host", CLI_TEXT, false, "<name>", "this host's own name: each is emptied by its agent" }
#define TARGETS \
	{ "targets", CLI_TEXT, false, "<name,...>", "where they may go; all of the host list" }
#define UUID { "uuid", CLI_TEXT, true, "<uuid>", "the migration" }

const struct cli_verb cli_verbs[] = {
	{ "vm-list", "list the guests of this host", cli_vm_list, NULL,
	  { PARAMS, SELECTORS } },
	{ "vm-migrate",
	  "move a running guest to another host; silent when it has gone well",
	  cli_vm_migrate,
	  NULL,
	  {
		  { "vm", CLI_TEXT, true, "<name|uuid|domid>", "the guest" },
		  { "host", CLI_TEXT, true, "<name|address[:port]>",
		    "where it goes: a name in the host list, or an address" },
		  { "live", CLI_BOOLEAN, false, "true",
		    "it keeps running meanwhile; must be said, for there is no other way" },
		  { "plan", CLI_TEXT, false, "<name>", "the order of the steps, see plan-list" },
		  { "policy", CLI_TEXT, false, "<name>", "when copying ends, see policy-list" },
		  { "downtime-limit-ms", CLI_NUMBER, false, "<ms>",
		    "what the guest may miss, in milliseconds, in the place of the policy's limits" },
		  { "compress", CLI_TEXT, false, "<none|lz4|zstd|auto>",
		    "how memory is compressed on its way" },
		  { "numa-node", CLI_TEXT, false, "<auto|off|node>",
		    "on which NUMA node of this host memory is copied" },
		  { "channels", CLI_NUMBER, false, "<n>",
		    "connections that memory goes over, 1 to 16; 0: as the delay asks for" },
		  { "verify", CLI_BOOLEAN, false, "true",
		    "compare all memory at both ends, at the cost of downtime" },
		  { "bandwidth-mibps", CLI_NUMBER, false, "<MiB/s>",
		    "how fast its memory is sent, in MiB (1048576 bytes) per second; 0: no limit" },
		  { "limit-last-pass", CLI_BOOLEAN, false, "true",
		    "hold the pass in the blackout to it, too, at the cost of the guest's time" },
		  { "pause-before-switchover", CLI_BOOLEAN, false, "true",
		    "copy, and suspend the guest when migration-continue says so" },
		  { "timeout-s", CLI_NUMBER, false, "<seconds>", "what the copy may take, in seconds" },
		  { "timeout-action", CLI_TEXT, false, "<abort|suspend>",
		    "then give up (unless said), or suspend the guest whatever it misses" },
		  { "probe", CLI_TEXT, false, "<address>",
		    "ping the guest there meanwhile, and report the packet gap" },
		  { "dry-run", CLI_BOOLEAN, false, "true",
		    "only ask whether it could go, and how long that would take" },
		  ASYNC,
	  } },
	{ "vm-suspend", "put a guest into a file; it is gone from this host then",
	  cli_vm_suspend, NULL, { GUEST, SAVED, COMPRESS, ASYNC } },
	{ "vm-resume", "let a guest go on that is in a file, also one of xl save's; which stays",
	  cli_vm_resume, NULL, { SAVED, ASYNC } },
	{ "vm-checkpoint", "put a guest as it is now into a file; it runs on",
	  cli_vm_checkpoint, NULL, { GUEST, SAVED, COMPRESS, ASYNC } },
	{ "migration-list", "list the running and the past migrations of this host",
	  cli_migration_list, NULL, { PARAMS, SELECTORS } },
	{ "migration-param-list", "show all of one migration", cli_migration_param_list, NULL,
	  { UUID } },
	{ "migration-param-get", "show one field of a migration", cli_migration_param_get, NULL,
	  { UUID, { "param-name", CLI_TEXT, true, "<field>", "a field of migration-param-list" } } },
	{ "migration-wait", "wait until a migration has ended, and end as it has",
	  cli_migration_wait, NULL,
	  { UUID,
	    { "timeout", CLI_NUMBER, false, "<seconds>", "give up waiting then; it goes on" } } },
	{ "migration-cancel", "tell a migration to undo everything; the guest stays where it is",
	  cli_migration_cancel, NULL, { UUID } },
	{ "migration-resolve",
	  "answer a doubt in the other host's place; see docs/ARBITERS.md for what has to be true",
	  cli_migration_resolve, NULL,
	  { UUID,
	    { "outcome", CLI_TEXT, true, "<source|target>",
	      "source: the target is fenced and the guest never ran there; target: the guest is the "
	      "target's, the copy at the source goes" } } },
	{ "migration-timeline", "show what a migration did when, and where its downtime went",
	  cli_migration_timeline, NULL,
	  { UUID, { "format", CLI_TEXT, false, "<text|json|svg|zipkin>",
		    "svg: one picture; zipkin: spans, as xapi writes its own" } } },
	{ "host-list", "list the other hosts of the pool, and what they have", cli_host_list, NULL,
	  { PARAMS } },
	{ "host-evacuate",
	  "move all guests away; silent when it has gone well, goes on after a failure",
	  cli_host_evacuate,
	  NULL,
	  {
		  THIS_HOST,
		  TARGETS,
		  { "order", CLI_TEXT, false, "<largest|smallest|dirty-rate|priority>",
		    "who goes first; largest unless said" },
		  { "batch-size", CLI_NUMBER, false, "<n>",
		    "guests that copy at once; 3 unless configured. One is suspended at a time" },
		  { "dry-run", CLI_BOOLEAN, false, "true",
		    "only show where each would go, and how long that would take" },
		  { "async", CLI_BOOLEAN, false, "true", "begin, and do not wait" },
	  } },
	{ "host-evacuate-wait", "wait until this host is empty, or nothing more can be done",
	  cli_host_evacuate_wait, NULL,
	  { { "timeout", CLI_NUMBER, false, "<seconds>", "give up waiting then; it goes on" } } },
	{ "host-evacuate-cancel", "begin no more; guests that are under way go on",
	  cli_host_evacuate_cancel, NULL, { { .name = NULL } } },
	{ "host-evacuate-timeline", "show which guest went when, and where",
	  cli_host_evacuate_timeline, NULL,
	  { { "format", CLI_TEXT, false, "<text|json|svg>", "svg: one picture" } } },
	{ "host-get-vms-which-prevent-evacuation", "show every reason why a guest cannot go",
	  cli_host_prevented, NULL, { THIS_HOST, TARGETS } },
	{ "event-wait", "print what happens to this host's migrations, a line each, as it happens",
	  cli_event_wait, NULL,
	  { { "timeout", CLI_NUMBER, false, "<seconds>", "end then; else it goes on" } } },
	{ "diagnostics", "print all that the agent knows of itself, its guests and its migrations: JSON",
	  cli_diagnostics, NULL, { { .name = NULL } } },
	{ "migration-param-set", "change what a migration that runs is to do",
	  cli_migration_param_set, NULL,
	  { UUID,
	    { "bandwidth-mibps", CLI_NUMBER, true, "<MiB/s>",
	      "how fast memory is sent, in MiB (1048576 bytes) per second; 0: no limit" } } },
	{ "migration-continue", "let a migration go on that pauses before it suspends its guest",
	  cli_migration_continue, NULL, { UUID } },
	{ "dirty-rate", "measure how fast a guest dirties its memory, and move nothing", cli_dirty_rate,
	  NULL,
	  { { "vm", CLI_TEXT, true, "<name|uuid|domid>", "the guest" },
	    { "seconds", CLI_NUMBER, false, "<seconds>", "how long, 1 to 60; 1 unless said" } } },
	{ "policy-list", "list the policies, built in and one's own", cli_policy_list, NULL,
	  { PARAMS } },
	{ "policy-show", "show a policy, as the file that it is or could be", cli_policy_show, NULL,
	  { { "policy", CLI_TEXT, true, "<name>", "the policy" } } },
	{ "policy-check", "say what is wrong with a policy's file, by line and key; nothing, if nothing",
	  cli_policy_check, NULL, { { "file", CLI_TEXT, true, "<path>", "the file" } } },
	{ "plan-list", "list the plans, or the steps that plans are made of", cli_plan_list, NULL,
	  { PARAMS, { "steps", CLI_BOOLEAN, false, "true", "the steps" } } },
	{ "plan-show", "show a plan step by step, and what a failure costs at each",
	  cli_plan_show, NULL, { { "plan", CLI_TEXT, true, "<name>", "the plan" } } },
	{ "plan-check", "hold a file with a plan of your own against the rules, and show it",
	  cli_plan_check, NULL, { { "file", CLI_TEXT, true, "<file>", "see PLANS OF YOUR OWN" } } },
	{ "transport",
	  "a byte pipe to a host's xl, by TLS: xl migrate -s 'xenferry transport' GUEST HOST",
	  cli_transport, "HOST ...",
	  { { "bandwidth-mibps", CLI_NUMBER, false, "<MiB/s>",
	      "how fast at most, in MiB (1048576 bytes) per second; said before HOST" } } },
	{ "pool-certificates",
	  "make the certificates by which the pool's hosts know each other, or renew them",
	  cli_pool_certificates,
	  NULL,
	  {
		  { "out", CLI_TEXT, true, "<folder>",
		    "where: <folder>/<host>/ goes to /etc/xenferry/tls on that host; "
		    "<folder>/ca.key to a safe place" },
		  { "hosts", CLI_TEXT, false, "<name,...>",
		    "for these; unless said, for all of the host list" },
		  { "days", CLI_NUMBER, false, "<number>", "how long they are good for: 825" },
	  } },
	{ "help", "show the verbs, or one of them", cli_help, "verb",
	  { { "all", CLI_BOOLEAN, false, "true", "all verbs with all they take" },
	    { "format", CLI_TEXT, false, "<text|pod>", "pod: for the man page" } } },
	{ .name = NULL },
};
/* clang-format on */

static int fail(const struct err *err)
{
	fprintf(stderr, "xenferry: %s\n", err->message);
	return err_exit_status(err->code);
}

/* What stands in the table cannot be called by a word: `--help` is "help" and the verb. */
static int show_help(struct cli_args *args, struct err *err)
{
	struct cli_args help = { .verbs = args->verbs, .verb = cli_find_verb(cli_verbs, "help") };

	help.word = args->verb ? args->verb->name : NULL;
	return cli_help(&help, err);
}

int cli_main(int count, char **words)
{
	struct cli_args args;
	struct err err = { .code = ERR_NONE };
	int rc = cli_parse(cli_verbs, count, words, &args, &err);

	if (rc < 0)
		return fail(&err);
	log_init("xenferry", args.debug);
	signal(SIGPIPE, SIG_IGN);
	if (args.version)
		printf("xenferry %s\n", PACKAGE_VERSION);
	else if (args.help || !args.verb)
		rc = show_help(&args, &err);
	else
		rc = args.verb->run(&args, &err);
	if (rc < 0)
		return fail(&err);
	if (fflush(stdout) != 0)
		return fail(&(struct err){ ERR_FAILED, "the output cannot be written" });
	return 0;
}

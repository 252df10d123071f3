/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry(1): the verbs, one row each in cli.c, from which also the help and the man page come.
 * Data goes to stdout, progress and errors to stderr.
 */
#ifndef XENFERRY_CLI_H
#define XENFERRY_CLI_H

#include "cli_args.h"
#include "err.h"

/* The table of verbs, ended by one without a name. */
extern const struct cli_verb cli_verbs[];

/* Does what the words after the program's name say; returns the exit status. */
int cli_main(int count, char **words);

/* cli_migrate.c */
int cli_vm_migrate(const struct cli_args *args, struct err *err);
int cli_vm_suspend(const struct cli_args *args, struct err *err);
int cli_vm_resume(const struct cli_args *args, struct err *err);
int cli_vm_checkpoint(const struct cli_args *args, struct err *err);
int cli_migration_wait(const struct cli_args *args, struct err *err);
struct json_value;
struct json_writer;
/*
 * What went wrong with a migration that has ended, or 0; where the guest has moved with a flaw, a
 * line on stderr says so.
 */
int cli_migration_judge(const struct json_value *record, struct err *err);

/* cli_records.c */
int cli_vm_list(const struct cli_args *args, struct err *err);
int cli_migration_list(const struct cli_args *args, struct err *err);
int cli_migration_param_list(const struct cli_args *args, struct err *err);
int cli_migration_param_get(const struct cli_args *args, struct err *err);
int cli_migration_param_set(const struct cli_args *args, struct err *err);
int cli_migration_continue(const struct cli_args *args, struct err *err);
int cli_migration_resolve(const struct cli_args *args, struct err *err);
int cli_migration_cancel(const struct cli_args *args, struct err *err);
/* The record of the migration uuid=: *record is a part of *answer, which is to be freed. */
int cli_migration_record(const struct cli_args *args, struct json_value **answer,
			 const struct json_value **record, struct err *err);

/* cli_evacuate.c */
int cli_host_list(const struct cli_args *args, struct err *err);
int cli_host_evacuate(const struct cli_args *args, struct err *err);
int cli_host_evacuate_wait(const struct cli_args *args, struct err *err);
int cli_host_evacuate_cancel(const struct cli_args *args, struct err *err);
int cli_host_evacuate_timeline(const struct cli_args *args, struct err *err);
int cli_host_prevented(const struct cli_args *args, struct err *err);
/* Every reason why a guest of a plan (host.plan) cannot go, as an array. */
void cli_write_prevented(const struct json_value *plan, struct json_writer *writer);

/* cli_events.c */
int cli_event_wait(const struct cli_args *args, struct err *err);

/* cli_timeline.c */
int cli_migration_timeline(const struct cli_args *args, struct err *err);
/* A record's timeline in one of the verb's formats, as a text to free(). */
int cli_timeline_text(const struct json_value *record, const char *format, char **text,
		      struct err *err);

/* cli_diagnostics.c */
int cli_diagnostics(const struct cli_args *args, struct err *err);
/*
 * The agent, its guests, migrations and evacuation as one object; what cannot be had says why in
 * its place. Only an agent that does not answer at all is a failure. Blocks up to 48 seconds.
 */
int cli_write_diagnostics(const struct cli_args *args, struct json_writer *writer,
			  struct err *err);

/* cli_dirty_rate.c: a worker is asked, not the daemon */
int cli_dirty_rate(const struct cli_args *args, struct err *err);

/* cli_policy.c: no daemon is asked */
int cli_policy_list(const struct cli_args *args, struct err *err);
int cli_policy_show(const struct cli_args *args, struct err *err);
int cli_policy_check(const struct cli_args *args, struct err *err);

/* cli_plan.c: no daemon is asked */
int cli_plan_list(const struct cli_args *args, struct err *err);
int cli_plan_show(const struct cli_args *args, struct err *err);
int cli_plan_check(const struct cli_args *args, struct err *err);

/* cli_transport.c: the target's agent is asked, not the daemon */
int cli_transport(const struct cli_args *args, struct err *err);

/* cli_certificates.c: no daemon is asked */
int cli_pool_certificates(const struct cli_args *args, struct err *err);

/* cli_help.c */
int cli_help(const struct cli_args *args, struct err *err);

#endif

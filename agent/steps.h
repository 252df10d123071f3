/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a migration, one function for each side's part. plan_table.c puts them into rows;
 * see step_fn in plan.h for their contract.
 */
#ifndef XENFERRY_STEPS_H
#define XENFERRY_STEPS_H

#include "plan.h"

/* steps_source.c and steps_copy.c, in the order of the handover plan */
step_fn source_describe;
step_fn source_watch_disks, source_unwatch_disks;
step_fn source_copy, source_stop_copy;
step_fn source_suspend, source_resume;
step_fn source_finish_copy;
step_fn source_drain;
step_fn source_close_disks, source_replug_disks;
step_fn source_unplug_vifs, source_replug_vifs;
step_fn source_write_release, source_take_back;
step_fn source_leave_bridges;
step_fn source_tear_down;

/* steps_target.c */
step_fn target_create, target_destroy;
step_fn target_plug_all, target_plug_vifs, target_plug_vbds, target_unplug;
step_fn target_plug_vbds_in_turn, target_plug_vifs_in_turn;
step_fn target_hold_disks, target_release_disks;
step_fn target_receive, target_stop_receive;
step_fn target_introduce;
step_fn target_forget_macs;
step_fn target_unpause;
step_fn target_announce;
step_fn target_await_network;
step_fn target_settle;

/* steps_hooks.c: the site's own programs are asked, and told */
step_fn source_ask_hooks, target_ask_hooks, target_tell_hooks_undone;
step_fn source_tell_hooks_moved, target_tell_hooks_moved;
step_fn source_tell_hooks_gone;
step_fn source_ask_hooks_suspend, target_ask_hooks_resume, tell_hooks_resumed;

/* steps_file.c: into a file, or out of one, with the migration's own steps between them */
step_fn source_open_file, source_drop_file;
step_fn source_go_on, source_finish_file, source_publish_file;
step_fn target_read_file;
step_fn commit_guest;

/* Adds every reason why it cannot be moved; as host_ops.describe, and keeps it. */
struct reasons;
int describe_guest(struct migration *m, struct reasons *reasons);
/* Keeps what recovery needs to know of the guest. */
step_fn keep_guest;

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registry of steps and the built-in plans: the whole migration on one screen.
 */
#include "plan.h"

#include <string.h>

#include "steps.h"

#define BOTH(source, target) { [SIDE_SOURCE] = (source), [SIDE_TARGET] = (target) }
#define SOURCE(function) BOTH(function, NULL)
#define TARGET(function) BOTH(NULL, function)
#define NEITHER BOTH(NULL, NULL)

#define DAY_MS (24 * 60 * 60 * 1000)

enum step_id {
	DESCRIBE_GUEST, ASK_HOOKS, CREATE_DOMAIN, PLUG_DEVICES, HOLD_DISKS, WATCH_DISKS,
	COPY_MEMORY, SUSPEND_GUEST, STOP_AND_COPY, DRAIN_DISKS, CLOSE_DISKS, UNPLUG_VIFS,
	WRITE_RELEASE, INTRODUCE_DOMAIN, FORGET_MACS, PLUG_VBDS, PLUG_VIFS, PLUG_VBDS_IN_TURN,
	PLUG_VIFS_IN_TURN,
	UNPAUSE_GUEST, ANNOUNCE_GUEST, AWAIT_NETWORK, RELEASE_DISKS, SETTLE_GUEST,
	TELL_HOOKS_MOVED, TEAR_DOWN_SOURCE, TELL_HOOKS_GONE,
	OPEN_FILE, RESUME_GUEST, FINISH_FILE, READ_FILE, TAKE_GUEST, PUBLISH_FILE,
	ASK_HOOKS_SUSPEND, ASK_HOOKS_RESUME, TELL_HOOKS_RESUMED, STEPS
};

/* clang-format off */
static const struct step steps[STEPS] = {
	[DESCRIBE_GUEST] =    { "describe-guest",     SOURCE(source_describe),                 NEITHER,                                     30000,
		STEP_DESCRIBES, "describe the guest and offer it" },
	[ASK_HOOKS] =         { "ask-hooks",          BOTH(source_ask_hooks, target_ask_hooks), TARGET(target_tell_hooks_undone),            60000,
		STEP_ASKS_HOOKS, "run the hooks vm-pre-migrate, any of which may say no" },
	[CREATE_DOMAIN] =     { "create-domain",      TARGET(target_create),                   TARGET(target_destroy),                      30000,
		STEP_CREATES, "create the domain, claim its memory, write its nodes" },
	[PLUG_DEVICES] =      { "plug-devices",       TARGET(target_plug_all),                 TARGET(target_unplug),                       60000,
		STEP_PLUGS_EARLY | STEP_PLUGS_VIFS | STEP_RUNS_SCRIPTS, "plug the VIFs and the raw-block VBDs, all at once" },
	[HOLD_DISKS] =        { "hold-disks",         TARGET(target_hold_disks),               NEITHER,                                     10000,
		STEP_HOLDS, "hold the VBDs back, so that the VIFs connect first" },
	[WATCH_DISKS] =       { "watch-disks",        SOURCE(source_watch_disks),              SOURCE(source_unwatch_disks),                10000,
		STEP_WATCHES, "map the disks' rings, read-only" },
	[COPY_MEMORY] =       { "copy-memory",        BOTH(source_copy, target_receive),       BOTH(source_stop_copy, target_stop_receive), DAY_MS,
		STEP_COPIES, "copy memory while the guest runs" },
	[SUSPEND_GUEST] =     { "suspend-guest",      SOURCE(source_suspend),                  SOURCE(source_resume),                       30000,
		STEP_SUSPENDS, "suspend the guest" },
	[STOP_AND_COPY] =     { "stop-and-copy",      SOURCE(source_finish_copy),              NEITHER,                                     60000,
		STEP_FINISHES_COPY, "send the last dirty pages and the state" },
	[DRAIN_DISKS] =       { "drain-disks",        SOURCE(source_drain),                    NEITHER,                                     10000,
		STEP_DRAINS, "wait until no request is outstanding on any disk" },
	[CLOSE_DISKS] =       { "close-disks",        SOURCE(source_close_disks),              SOURCE(source_replug_disks),                 60000,
		STEP_CLOSES_DISKS | STEP_RUNS_SCRIPTS, "close the disks' backends, under the resting frontends" },
	[UNPLUG_VIFS] =       { "unplug-vifs",        SOURCE(source_unplug_vifs),              SOURCE(source_replug_vifs),                  60000,
		STEP_CLOSES_VIFS | STEP_RUNS_SCRIPTS, "close the VIFs' backends, under the resting frontends" },
	[WRITE_RELEASE] =     { "write-release",      SOURCE(source_write_release),            SOURCE(source_take_back),                     5000,
		STEP_RELEASES, "write down that the guest may be given away" },
	[INTRODUCE_DOMAIN] =  { "introduce-domain",   TARGET(target_introduce),                NEITHER,                                      5000,
		STEP_INTRODUCES, "introduce the domain to xenstored" },
	[FORGET_MACS] =       { "forget-macs",        TARGET(target_forget_macs),              NEITHER,                                      5000,
		0, "make the bridges forget where the guest was" },
	[PLUG_VBDS] =         { "plug-vbds",          TARGET(target_plug_vbds),                NEITHER,                                     60000,
		STEP_PLUGS_LATE | STEP_RUNS_SCRIPTS, "plug the VBDs, all at once" },
	[PLUG_VIFS] =         { "plug-vifs",          TARGET(target_plug_vifs),                TARGET(target_unplug),                       60000,
		STEP_PLUGS_VIFS | STEP_RUNS_SCRIPTS, "plug the VIFs, all at once" },
	[PLUG_VBDS_IN_TURN] = { "plug-vbds-in-turn",  TARGET(target_plug_vbds_in_turn),        NEITHER,                                     60000,
		STEP_PLUGS_LATE | STEP_RUNS_SCRIPTS, "plug the VBDs, one after another" },
	[PLUG_VIFS_IN_TURN] = { "plug-vifs-in-turn",  TARGET(target_plug_vifs_in_turn),        NEITHER,                                     60000,
		STEP_PLUGS_VIFS | STEP_RUNS_SCRIPTS, "plug the VIFs, one after another" },
	[UNPAUSE_GUEST] =     { "unpause-guest",      BOTH(source_leave_bridges, target_unpause), NEITHER,                                      5000,
		STEP_UNPAUSES, "take the old VIFs off their bridges; let the guest run" },
	[ANNOUNCE_GUEST] =    { "announce-guest",     TARGET(target_announce),                 NEITHER,                                      5000,
		STEP_NEEDS_RUNNING, "tell the network where the guest is" },
	[AWAIT_NETWORK] =     { "await-network",      TARGET(target_await_network),            NEITHER,                                      5000,
		STEP_NEEDS_RUNNING, "leave the CPU to the guest until its VIFs are connected" },
	[RELEASE_DISKS] =     { "release-disks",      TARGET(target_release_disks),            NEITHER,                                      5000,
		STEP_LETS_CONNECT | STEP_NEEDS_RUNNING, "let the VBDs connect" },
	[SETTLE_GUEST] =      { "settle-guest",       TARGET(target_settle),                   NEITHER,                                     10000,
		STEP_SETTLES | STEP_NEEDS_RUNNING, "give the guest its own name and its console" },
	[TELL_HOOKS_MOVED] =  { "tell-hooks-moved",   BOTH(source_tell_hooks_moved, target_tell_hooks_moved), NEITHER,                       60000,
		STEP_TELLS_MOVED | STEP_NEEDS_RUNNING, "run the hooks vm-pre-shutdown; vm-post-migrate" },
	[TEAR_DOWN_SOURCE] =  { "tear-down-source",   SOURCE(source_tear_down),                NEITHER,                                    120000,
		STEP_DESTROYS | STEP_RUNS_SCRIPTS, "unplug and destroy what the guest left behind" },
	[TELL_HOOKS_GONE] =   { "tell-hooks-gone",    SOURCE(source_tell_hooks_gone),          NEITHER,                                     60000,
		STEP_TELLS_GONE | STEP_NEEDS_RUNNING, "run the hooks vm-post-destroy" },
	[OPEN_FILE] =         { "open-file",          SOURCE(source_open_file),                SOURCE(source_drop_file),                    10000,
		STEP_FILES, "begin the file, under another name" },
	[RESUME_GUEST] =      { "resume-guest",       SOURCE(source_go_on),                    NEITHER,                                     30000,
		STEP_FILES, "let the guest go on" },
	[FINISH_FILE] =       { "finish-file",        SOURCE(source_finish_file),              NEITHER,                                    600000,
		STEP_FILES, "make the file durable" },
	[READ_FILE] =         { "read-file",          TARGET(target_read_file),                NEITHER,                                     30000,
		STEP_FILES | STEP_DESCRIBES, "read from the file which guest it has" },
	[TAKE_GUEST] =        { "take-guest",         BOTH(commit_guest, commit_guest),        NEITHER,                                      5000,
		STEP_FILES, "write down where the guest is from now on" },
	[PUBLISH_FILE] =      { "publish-file",       SOURCE(source_publish_file),             NEITHER,                                     10000,
		STEP_FILES | STEP_PUBLISHES, "give the file its name" },
	[ASK_HOOKS_SUSPEND] = { "ask-hooks-suspend",  SOURCE(source_ask_hooks_suspend),        NEITHER,                                     60000,
		STEP_FILES | STEP_ASKS_HOOKS, "run the hooks vm-pre-suspend, any of which may say no" },
	[ASK_HOOKS_RESUME] =  { "ask-hooks-resume",   TARGET(target_ask_hooks_resume),         NEITHER,                                     60000,
		STEP_FILES | STEP_ASKS_HOOKS, "run the hooks vm-pre-resume, any of which may say no" },
	[TELL_HOOKS_RESUMED] = { "tell-hooks-resumed", BOTH(tell_hooks_resumed, tell_hooks_resumed), NEITHER,                                 60000,
		STEP_FILES, "run the hooks vm-post-resume" },
};

#define ROW(id, sync) { &steps[id], SYNC_##sync }

static const struct plan plans[] = {
	{
		.name = "handover",
		.summary = "devices are plugged while memory copies, disks drained and not closed, the source torn down last",
		.rows = {
			ROW(DESCRIBE_GUEST,   SP0),
			ROW(ASK_HOOKS,        NONE),
			ROW(CREATE_DOMAIN,    NONE),
			ROW(PLUG_DEVICES,     NONE),
			ROW(HOLD_DISKS,       SP1),
			ROW(WATCH_DISKS,      NONE),
			ROW(COPY_MEMORY,      NONE),
			ROW(SUSPEND_GUEST,    NONE),
			ROW(STOP_AND_COPY,    NONE),
			ROW(DRAIN_DISKS,      NONE),
			ROW(INTRODUCE_DOMAIN, SP2),
			ROW(WRITE_RELEASE,    SP3),
			ROW(UNPAUSE_GUEST,    NONE),
			ROW(FORGET_MACS,      NONE),
			ROW(ANNOUNCE_GUEST,   NONE),
			ROW(AWAIT_NETWORK,    NONE),
			ROW(RELEASE_DISKS,    SP4),
			ROW(SETTLE_GUEST,     NONE),
			ROW(TELL_HOOKS_MOVED, NONE),
			ROW(TEAR_DOWN_SOURCE, NONE),
			ROW(TELL_HOOKS_GONE,  SP5),
		},
	}, {
		.name = "xenserver-6.2",
		.summary = "everything is plugged after SP3, one device after another, while the guest stands still",
		.rows = {
			ROW(DESCRIBE_GUEST,    SP0),
			ROW(ASK_HOOKS,         NONE),
			ROW(CREATE_DOMAIN,     SP1),
			ROW(WATCH_DISKS,       NONE),
			ROW(COPY_MEMORY,       NONE),
			ROW(SUSPEND_GUEST,     NONE),
			ROW(STOP_AND_COPY,     NONE),
			ROW(DRAIN_DISKS,       NONE),
			ROW(WRITE_RELEASE,     NONE),
			ROW(INTRODUCE_DOMAIN,  SP2),
			ROW(FORGET_MACS,       SP3),
			ROW(PLUG_VBDS_IN_TURN, NONE),
			ROW(PLUG_VIFS_IN_TURN, NONE),
			ROW(UNPAUSE_GUEST,     SP4),
			ROW(SETTLE_GUEST,      NONE),
			ROW(TELL_HOOKS_MOVED,  NONE),
			ROW(TEAR_DOWN_SOURCE,  NONE),
			ROW(TELL_HOOKS_GONE,   SP5),
		},
	}, {
		.name = "xenopsd",
		.summary = "VIFs are plugged early; the source's disks are closed before SP3, the target's plugged after it",
		.rows = {
			ROW(DESCRIBE_GUEST,   SP0),
			ROW(ASK_HOOKS,        NONE),
			ROW(CREATE_DOMAIN,    NONE),
			ROW(PLUG_VIFS,        SP1),
			ROW(WATCH_DISKS,      NONE),
			ROW(COPY_MEMORY,      NONE),
			ROW(SUSPEND_GUEST,    NONE),
			ROW(STOP_AND_COPY,    NONE),
			ROW(DRAIN_DISKS,      NONE),
			ROW(CLOSE_DISKS,      NONE),
			ROW(WRITE_RELEASE,    NONE),
			ROW(INTRODUCE_DOMAIN, SP2),
			ROW(FORGET_MACS,      SP3),
			ROW(PLUG_VBDS,        NONE),
			ROW(UNPAUSE_GUEST,    NONE),
			ROW(ANNOUNCE_GUEST,   SP4),
			ROW(SETTLE_GUEST,     NONE),
			ROW(TELL_HOOKS_MOVED, NONE),
			ROW(TEAR_DOWN_SOURCE, NONE),
			ROW(TELL_HOOKS_GONE,  SP5),
		},
	}, {
		.name = "xenserver-5.5",
		.summary = "the source closes disks and VIFs right after the suspend; the target plugs both after SP3",
		.rows = {
			ROW(DESCRIBE_GUEST,    SP0),
			ROW(ASK_HOOKS,         NONE),
			ROW(CREATE_DOMAIN,     SP1),
			ROW(WATCH_DISKS,       NONE),
			ROW(COPY_MEMORY,       NONE),
			ROW(SUSPEND_GUEST,     NONE),
			ROW(DRAIN_DISKS,       NONE),
			ROW(CLOSE_DISKS,       NONE),
			ROW(UNPLUG_VIFS,       NONE),
			ROW(STOP_AND_COPY,     NONE),
			ROW(WRITE_RELEASE,     NONE),
			ROW(INTRODUCE_DOMAIN,  SP2),
			ROW(FORGET_MACS,       SP3),
			ROW(PLUG_VBDS_IN_TURN, NONE),
			ROW(PLUG_VIFS_IN_TURN, NONE),
			ROW(UNPAUSE_GUEST,     SP4),
			ROW(SETTLE_GUEST,      NONE),
			ROW(TELL_HOOKS_MOVED,  NONE),
			ROW(TEAR_DOWN_SOURCE,  NONE),
			ROW(TELL_HOOKS_GONE,   SP5),
		},
	},
};

/* Into a file and out of one. The points stand where a migration has them; nobody is met there. */
static const struct plan file_plans[] = {
	{
		.name = "suspend",
		.summary = "the guest goes into a file and is gone from this host",
		.rows = {
			ROW(DESCRIBE_GUEST,      SP0),
			ROW(ASK_HOOKS_SUSPEND,   NONE),
			ROW(OPEN_FILE,           SP1),
			ROW(WATCH_DISKS,         NONE),
			ROW(COPY_MEMORY,         NONE),
			ROW(SUSPEND_GUEST,       NONE),
			ROW(STOP_AND_COPY,       NONE),
			ROW(DRAIN_DISKS,         NONE),
			ROW(FINISH_FILE,         SP2),
			ROW(TAKE_GUEST,          SP3),
			ROW(PUBLISH_FILE,        SP4),
			ROW(TELL_HOOKS_MOVED,    NONE),
			ROW(TEAR_DOWN_SOURCE,    NONE),
			ROW(TELL_HOOKS_GONE,     SP5),
		},
	}, {
		.name = "checkpoint",
		.summary = "the guest as it is at one moment goes into a file, and runs on",
		.rows = {
			ROW(DESCRIBE_GUEST,      SP0),
			ROW(ASK_HOOKS_SUSPEND,   NONE),
			ROW(OPEN_FILE,           SP1),
			ROW(WATCH_DISKS,         NONE),
			ROW(COPY_MEMORY,         NONE),
			ROW(SUSPEND_GUEST,       NONE),
			ROW(STOP_AND_COPY,       NONE),
			ROW(DRAIN_DISKS,         NONE),
			ROW(RESUME_GUEST,        NONE),
			ROW(FINISH_FILE,         SP2),
			ROW(TAKE_GUEST,          SP3),
			ROW(PUBLISH_FILE,        NONE),
			ROW(TELL_HOOKS_RESUMED,  SP5),
		},
	}, {
		.name = "resume",
		.summary = "the guest comes out of a file",
		.rows = {
			ROW(READ_FILE,           SP0),
			ROW(CREATE_DOMAIN,       NONE),
			ROW(ASK_HOOKS_RESUME,    NONE),
			ROW(PLUG_VIFS,           NONE),
			ROW(PLUG_VBDS,           SP1),
			ROW(COPY_MEMORY,         NONE),
			ROW(INTRODUCE_DOMAIN,    SP2),
			ROW(TAKE_GUEST,          SP3),
			ROW(FORGET_MACS,         NONE),
			ROW(UNPAUSE_GUEST,       NONE),
			ROW(ANNOUNCE_GUEST,      NONE),
			ROW(AWAIT_NETWORK,       SP4),
			ROW(SETTLE_GUEST,        NONE),
			ROW(TELL_HOOKS_RESUMED,  SP5),
		},
	},
};
/* clang-format on */

#define PLANS (sizeof(plans) / sizeof(plans[0]))
#define FILE_PLANS (sizeof(file_plans) / sizeof(file_plans[0]))

const struct plan *plan_at(size_t index)
{
	return index < PLANS ? &plans[index] : NULL;
}

const struct plan *plan_find(const char *name)
{
	for (size_t i = 0; i < PLANS; i++)
		if (strcmp(plans[i].name, name) == 0)
			return &plans[i];
	return NULL;
}

const struct step *plan_step(const char *name)
{
	for (size_t i = 0; i < STEPS; i++)
		if (strcmp(steps[i].name, name) == 0)
			return &steps[i];
	return NULL;
}

const struct step *plan_step_at(size_t index)
{
	return index < OPEN_FILE ? &steps[index] : NULL;
}

const struct plan *plan_file_at(size_t index)
{
	return index < FILE_PLANS ? &file_plans[index] : NULL;
}

const struct plan *plan_find_file(const char *name)
{
	for (size_t i = 0; i < FILE_PLANS; i++)
		if (strcmp(file_plans[i].name, name) == 0)
			return &file_plans[i];
	return NULL;
}

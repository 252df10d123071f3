/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

#define FILE_FAULTS (BIT(FAILS) | BIT(FAILS_DONE) | BIT(SLOW) | ANY_DEATH)
#define READ_US (900 * MS) /* all of the image */

static struct world *world_of(struct saved_file *file)
{
	return PROCESS_OF(file, migration.file)->world;
}

bool sim_file_plan_is(const struct world *world, const char *name)
{
	return world->file.in_use && strcmp(world->plan->name, name) == 0;
}

void sim_file_init(struct world *world)
{
	bool there = strcmp(world->plan->name, "resume") == 0;

	world->file = (struct sim_file){
		.in_use = plan_row_with(world->plan, STEP_FILES) < plan_count(world->plan),
		.whole = there,
		.named = there,
		.name_durable = there,
	};
}

void sim_file_reset(struct world *world)
{
	struct sim_file *file = &world->file;

	if (file->named && !file->name_durable) {
		file->named = false;
		file->part = true;
	}
}

bool sim_file_has_guest(const struct world *world)
{
	return world->file.whole && (world->file.part || world->file.named);
}

struct saved_file sim_file_of(struct process *process)
{
	struct saved_file file = { .ops = NULL, .fd = -1 };

	if (!process->world->file.in_use)
		return file;
	return (struct saved_file){
		.ops = &sim_file_ops, .path = "/saves/g1", .part = "/saves/.g1.part", .fd = -1,
	};
}

/* ---- the table ---- */

/* One call, as sim_call() is for the host's. */
static int file_call(struct saved_file *base, const char *what, unsigned faults,
		     int (*effect)(struct sim_file *file, struct err *err), struct err *err)
{
	struct process *process = PROCESS_OF(base, migration.file);
	struct world *world = process->world;
	enum fault fault;
	int rc = 0;

	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, what, SYNC_NONE, faults);
	if (process->dead || !world_spend(process, 5 * MS))
		return -ESHUTDOWN;
	if (fault != FAULT_FAILS)
		rc = effect(&world->file, err);
	world_event(process, "%s%s", what, rc < 0 || fault == FAULT_FAILS ? ": fails" : "");
	if (fault == FAULT_KILLED_AFTER)
		return world_kill(process, false);
	if (fault == FAULT_FAILS || fault == FAULT_FAILS_DONE)
		return err_set(err, ERR_FAILED, -ENOSPC, "%s: no space left on device", what);
	return rc;
}

static int begin_file(struct sim_file *file, struct err *err)
{
	if (file->part || file->named)
		return err_set(err, ERR_REFUSED, -EEXIST, "there is such a file");
	file->part = true;
	return 0;
}

static int create(struct saved_file *file, const struct description *guest, struct err *err)
{
	(void)guest;
	return file_call(file, "begin the file", FILE_FAULTS, begin_file, err);
}

static int make_durable(struct sim_file *file, struct err *err)
{
	(void)err;
	file->whole = true;
	return 0;
}

static int finish(struct saved_file *file, struct err *err)
{
	struct world *world = world_of(file);

	if (world->memory.whole_us > world->now_us && !PROCESS_OF(file, migration.file)->dead)
		world_violation(world, "the file is finished, and the image is not in it");
	return file_call(file, "make the file durable", FILE_FAULTS, make_durable, err);
}

/* The name is there at once, and durable when the folder has been written. */
static int rename_file(struct sim_file *file, struct err *err)
{
	if (!file->part)
		return file->named ? 0 : err_set(err, ERR_FAILED, -ENOENT, "there is no file");
	file->part = false;
	file->named = true;
	return 0;
}

static int sync_folder(struct sim_file *file, struct err *err)
{
	(void)err;
	file->name_durable = file->named;
	return 0;
}

static int publish(struct saved_file *file, struct err *err)
{
	int rc = file_call(file, "rename the file", FILE_FAULTS, rename_file, err);

	return rc < 0 ? rc : file_call(file, "write the folder", FILE_FAULTS, sync_folder, err);
}

static int remove_file(struct sim_file *file, struct err *err)
{
	(void)err;
	file->part = file->whole = false;
	return 0;
}

static void drop(struct saved_file *file)
{
	(void)file_call(file, "remove the file", ANY_DEATH | BIT(SLOW), remove_file, NULL);
}

static int nothing(struct sim_file *file, struct err *err)
{
	(void)file;
	(void)err;
	return 0;
}

static int open_file(struct saved_file *file, struct description *guest, struct err *err)
{
	int rc = file_call(file, "read the file", LOOK_FAULTS, nothing, err);

	if (rc == 0)
		sim_host_describe_guest(guest);
	return rc;
}

const struct saved_file_ops sim_file_ops = { create, finish, publish, drop, open_file };

/* ---- in the peer's place ---- */

static int open_memory(struct peer *peer, uint64_t deadline_us, int *fd, struct err *err)
{
	struct process *process = PROCESS_OF(peer, peer);
	struct world *world = process->world;

	(void)deadline_us;
	(void)err;
	if (process->dead)
		return -ESHUTDOWN;
	world->memory.opened_us = world->now_us;
	if (process->side == SIDE_TARGET) /* all of it is there */
		world->memory.whole_us =
			world->now_us + chooser_time_us(world->chooser, READ_US);
	*fd = -1;
	return 0;
}

static int ask(struct peer *peer, uint64_t deadline_us, enum outcome *outcome, struct err *err)
{
	(void)deadline_us;
	(void)outcome;
	world_violation(PROCESS_OF(peer, peer)->world, "a file is asked who owns the guest");
	return err_set(err, ERR_FAILED, -EINVAL, "a file knows nothing of that");
}

const struct peer_ops sim_file_peer_ops = { open_memory, ask };

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define SYNC_US (3 * MS)
#define FULL_US (30 * SECOND)

static const struct {
	const char *word;
	bool durable;
} events[JOURNAL_EVENTS] = {
#define X(event, word, durable, meaning) [JOURNAL_##event] = { "journal " word, durable },
	JOURNAL_TABLE(X)
#undef X
};

static struct sim_journal *journal_of(struct process *process)
{
	return &process->world->journals[process->side];
}

static int write_failed(struct process *process, const char *what, struct err *err)
{
	journal_of(process)->failed = true;
	world_event(process, "%s: cannot be written", what);
	return err_set(err, ERR_FAILED, -EIO, "write the journal: disk full");
}

/* The disk may have the line though it says that it failed: until another is written after it. */
static int append_fails(struct process *process, const struct journal_entry *entry,
			enum fault fault, struct err *err)
{
	struct sim_journal *journal = journal_of(process);

	if (fault == FAULT_FAILS_DONE) {
		journal->durable = journal->written;
		journal_note(&journal->durable, entry);
	}
	if (fault == FAULT_FULL) {
		journal->full_until_us = process->world->now_us + FULL_US;
		world_fault_until(process->world, journal->full_until_us);
	}
	return write_failed(process, events[entry->event].word, err);
}

static int append(struct journal *base, const struct journal_entry *entry, struct err *err)
{
	struct process *process = PROCESS_OF(base, journal);
	struct sim_journal *journal = journal_of(process);
	const char *what = events[entry->event].word;
	bool durable = events[entry->event].durable;
	enum fault fault;

	if (process->dead)
		return -ESHUTDOWN;
	if (process->world->now_us < journal->full_until_us)
		return write_failed(process, what, err);
	fault = world_strike(process, what, SYNC_NONE,
			     BIT(FAILS) | (durable ? BIT(FAILS_DONE) | BIT(FULL) : 0) | BIT(SLOW) |
				     ANY_DEATH);
	if (process->dead || !world_spend(process, durable ? SYNC_US : MS))
		return -ESHUTDOWN;
	if (fault == FAULT_FAILS || fault == FAULT_FAILS_DONE || fault == FAULT_FULL)
		return append_fails(process, entry, fault, err);
	if (process->world->journal_gaps >> entry->event & 1u)
		return 0;
	journal_note(&journal->written, entry);
	if (durable)
		journal->durable = journal->written; /* and all that was written before */
	world_event(process, "%s %s", what, entry->text);
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

static int keep_guest(struct journal *base, const void *bytes, size_t size, struct err *err)
{
	struct process *process = PROCESS_OF(base, journal);
	struct sim_journal *journal = journal_of(process);
	enum fault fault;

	if (process->dead)
		return -ESHUTDOWN;
	fault = world_strike(process, "keep the description", SYNC_NONE,
			     BIT(FAILS) | BIT(SLOW) | ANY_DEATH);
	if (process->dead || !world_spend(process, SYNC_US))
		return -ESHUTDOWN;
	if (fault == FAULT_FAILS)
		return write_failed(process, "keep the description", err);
	free(journal->guest);
	journal->guest = malloc(size);
	if (!journal->guest)
		abort();
	memcpy(journal->guest, bytes, size);
	journal->guest_size = size;
	world_event(process, "the guest's description is kept");
	return fault == FAULT_KILLED_AFTER ? world_kill(process, false) : 0;
}

static void close_journal(struct journal *journal)
{
	(void)journal;
}

const struct journal_ops sim_journal_ops = {
	.append = append,
	.keep_guest = keep_guest,
	.close = close_journal,
};

void sim_journal_init(struct sim_journal *journal)
{
	free(journal->guest);
	*journal = (struct sim_journal){ .guest = NULL };
}

bool sim_journal_lags(const struct sim_journal *journal)
{
	return journal->written.row != journal->durable.row;
}

void sim_journal_lose(struct sim_journal *journal)
{
	journal->written = journal->durable;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal with anything in it, torn lines included: it is read, and what is appended to it
 * afterwards is read again.
 */
#include <assert.h>

#include "fake_clock.h"
#include "fuzz.h"
#include "journal.h"
#include "migration.h"
#include "recover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folder = fuzz_folder("journal", data, size);
	const struct journal_entry never = { .event = JOURNAL_NEVER };
	struct journal_state before, after;
	struct journal *journal = NULL;
	struct fake_clock clock;

	fake_clock_init(&clock);
	assert(journal_read(folder, &before, NULL) == 0);
	(void)recover_outcome(&before);
	assert(journal_open(folder, &clock.clock, &journal, NULL) == 0);
	assert(journal->ops->append(journal, &never, NULL) == 0);
	journal->ops->close(journal);
	assert(journal_read(folder, &after, NULL) == 0);
	assert(after.never && after.taken == before.taken && after.done == before.done);
	assert(after.released == before.released && after.row == before.row);
	return 0;
}

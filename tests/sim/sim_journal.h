/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job's journal in memory (struct journal_ops): what was written, and what of it a crash leaves.
 */
#ifndef XENFERRY_SIM_JOURNAL_H
#define XENFERRY_SIM_JOURNAL_H

#include "journal.h"

struct sim_journal {
	struct journal_state written, durable;
	uint8_t *guest;
	size_t guest_size;
	bool failed; /* a line could not be written */
	uint64_t full_until_us; /* nor can any other */
};

extern const struct journal_ops sim_journal_ops;

void sim_journal_init(struct sim_journal *journal);
/* Something was written that is not durable: a row. */
bool sim_journal_lags(const struct sim_journal *journal);
/* Only what is durable is left. */
void sim_journal_lose(struct sim_journal *journal);

#endif

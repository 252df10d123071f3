/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of what earlier handovers have cost: what is taken is within bounds, and kept as it is. */
#include <assert.h>

#include "fuzz.h"
#include "handover_costs.h"

#define LONGEST_MS 600000.0

static bool is_bounded(double ms)
{
	return ms >= 0 && ms <= LONGEST_MS; /* no NaN either */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folder = fuzz_folder("costs/B.handover.json", data, size);
	struct costs costs, again, guess;
	struct err err = { .code = ERR_NONE };

	costs_read(folder, "B", "handover", &costs);
	assert(is_bounded(costs.fixed_ms) && is_bounded(costs.deviation_ms) &&
	       is_bounded(costs.suspend_ms));
	assert(costs_margin_ms(&costs, LONGEST_MS) >= 0);
	costs_read(folder, "C", "handover", &guess); /* from the one that is known */
	assert(is_bounded(guess.fixed_ms) && is_bounded(guess.suspend_ms) && guess.samples == 0);
	assert(costs_write(folder, "B", "handover", &costs, &err) == 0);
	costs_read(folder, "B", "handover", &again);
	assert(again.samples == costs.samples);
	assert(again.send_bytes_per_s == costs.send_bytes_per_s);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "failure_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLACES_MAX (4 * PLAN_ROWS_MAX)
#define STANDSTILL_SHOWN_US (2 * SECOND)

/* The columns: faults that look the same to an operator. */
static const struct column {
	const char *title;
	unsigned faults;
} columns[] = {
	{ "fails", BIT(FAILS) | BIT(FAILS_HALF_DONE) | BIT(FAILS_DONE) },
	{ "hangs", BIT(HANGS) },
	{ "worker killed", BIT(KILLED_BEFORE) | BIT(KILLED_AFTER) },
	{ "host reset", BIT(RESET) },
	{ "operator cancels", BIT(CANCELLED) },
	{ "message lost, late or twice, connection cut",
	  BIT(LOST) | BIT(DELAYED) | BIT(TWICE) | BIT(CUT_BEFORE) | BIT(CUT_AFTER) },
	{ "network gone for 5 minutes", BIT(PARTITION) },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* How a run can end. */
enum ending { AT_SOURCE, AT_TARGET, AT_TARGET_DOUBT, AT_SOURCE_DOUBT, LOST_WITH_HOST, ENDINGS };

static const char *const ending_texts[ENDINGS] = {
	[AT_SOURCE] = "source",
	[AT_TARGET] = "target",
	[AT_TARGET_DOUBT] = "doubt, then target",
	[AT_SOURCE_DOUBT] = "doubt, then source",
	[LOST_WITH_HOST] = "gone with its host",
};

struct cell {
	unsigned endings; /* bits */
	uint64_t standstill_us; /* the longest */
};

/* A step or a point, at one side. */
struct place {
	size_t row;
	enum sync_point point;
	enum side side;
	struct cell cells[COLUMNS];
	char words[160]; /* what the source's operator is told when it fails */
};

struct table {
	struct place places[PLACES_MAX];
	size_t count;
};

/* ---- filling it ---- */

static enum ending ending_of(const struct world *world)
{
	bool doubt = world->processes[SIDE_SOURCE].doubt_shown;

	if (world->hosts[SIDE_TARGET].domain == DOMAIN_RUNNING)
		return doubt ? AT_TARGET_DOUBT : AT_TARGET;
	if (world->hosts[SIDE_SOURCE].domain == DOMAIN_RUNNING)
		return doubt ? AT_SOURCE_DOUBT : AT_SOURCE;
	return LOST_WITH_HOST;
}

/* What comes later comes later: the row, its step before its point, the source first. */
static bool is_before(const struct place *place, const struct strike *strike)
{
	size_t row = place->row + 1, of_row = strike->row + 1; /* outside: 0 */

	if (row != of_row)
		return row < of_row;
	if (place->point != strike->point)
		return place->point < strike->point;
	return place->side < strike->side;
}

static struct place *place_of(struct table *table, const struct strike *strike)
{
	size_t at = 0;
	struct place *place;

	while (at < table->count && is_before(&table->places[at], strike))
		at++;
	place = &table->places[at];
	if (at < table->count && place->row == strike->row && place->point == strike->point &&
	    place->side == strike->side)
		return place;
	if (table->count == PLACES_MAX)
		return &table->places[PLACES_MAX - 1];
	memmove(place + 1, place, (table->count++ - at) * sizeof(*place));
	*place = (struct place){ .row = strike->row, .point = strike->point, .side = strike->side };
	return place;
}

static void note_run(struct table *table, const struct world *world)
{
	const struct strike *strike = &world->strikes[0];
	const struct process *source = &world->processes[SIDE_SOURCE];
	struct place *place = place_of(table, strike);

	for (size_t i = 0; i < COLUMNS; i++) {
		struct cell *cell = &place->cells[i];

		if (!(columns[i].faults >> strike->fault & 1u))
			continue;
		cell->endings |= 1u << ending_of(world);
		if (world->standstill_us > cell->standstill_us)
			cell->standstill_us = world->standstill_us;
		if (i == 0 && !place->words[0] && source->rc < 0)
			snprintf(place->words, sizeof(place->words), "%.150s", source->err.message);
	}
}

/* ---- printing it ---- */

static void print_cell(const struct cell *cell)
{
	const char *comma = "";

	if (!cell->endings) {
		printf(" |");
		return;
	}
	for (enum ending ending = 0; ending < ENDINGS; ending++)
		if (cell->endings >> ending & 1u) {
			printf("%s%s", *comma ? comma : " ", ending_texts[ending]);
			comma = " or ";
		}
	if (cell->standstill_us >= STANDSTILL_SHOWN_US)
		printf(" (%" PRIu64 " s)", cell->standstill_us / SECOND);
	printf(" |");
}

static void print_place(const struct place *place, const struct plan *plan)
{
	if (place->row == ROW_OUTSIDE)
		printf("| before the plan | %s |", side_name(place->side));
	else if (!plan->rows[place->row].step)
		printf("| the last line | %s |", side_name(place->side));
	else if (place->point != SYNC_NONE)
		printf("| **%s %s** | %s |", sync_label(place->point), sync_name(place->point),
		       side_name(place->side));
	else
		printf("| %s | %s |", plan->rows[place->row].step->name, side_name(place->side));
	for (size_t i = 0; i < COLUMNS; i++)
		print_cell(&place->cells[i]);
	printf(" %s |\n", place->words);
}

static void print_table(const struct table *table, const struct plan *plan)
{
	printf("\n## Plan `%s`\n\n| step or point | at |", plan->name);
	for (size_t i = 0; i < COLUMNS; i++)
		printf(" %s |", columns[i].title);
	printf(" when it fails, the source says |\n|---|---|");
	for (size_t i = 0; i <= COLUMNS; i++)
		printf("---|");
	printf("\n");
	for (size_t i = 0; i < table->count; i++)
		print_place(&table->places[i], plan);
}

static const char heading[] =
	"# What comes of a failure\n"
	"\n"
	"Made by `tests/simulate --failure-table` from all runs with one fault; `make\n"
	"check` holds it against the code. Each cell says where the guest runs in the\n"
	"end, over all the faults of that kind at that place:\n"
	"\n"
	"* **source**: everything was taken back, at both hosts; the guest goes on where\n"
	"  it was. The command ends with status 1 (3 when the operator cancelled, 7 when\n"
	"  the target refused).\n"
	"* **target**: the guest was the target's already, and the migration goes on\n"
	"  there to its end, without the peer if need be. Status 0.\n"
	"* **doubt, then …**: the source could not learn in time whether the target had\n"
	"  taken the guest. It says *in-doubt* (status 6), keeps its copy suspended, asks\n"
	"  on, and settles when it hears.\n"
	"* **gone with its host**: the host was reset that had the guest, as with any\n"
	"  guest of that host. The other side does not run it, and everything is cleaned\n"
	"  up; that host says *lost* (status 8) when it is back.\n"
	"\n"
	"In brackets: the longest time that the guest ran nowhere, when that was two\n"
	"seconds or more. A step *hangs* when it does nothing until its deadline, or,\n"
	"where a call has none, for a quarter of an hour. A worker that is killed is\n"
	"followed by a recovery one second later, a host that is reset comes back after\n"
	"two minutes.\n";

int failure_table(struct world *world, struct chooser *chooser)
{
	const struct plan *plan;

	fputs(heading, stdout);
	world->no_arbiter = true;
	for (size_t i = 0; (plan = plan_at(i)); i++) {
		static struct table table;

		table.count = 0;
		chooser_all(chooser, 1);
		while (chooser_next(chooser)) {
			world_run(world, chooser, plan);
			if (world->violation[0])
				return 1;
			if (world->strike_count == 1)
				note_run(&table, world);
		}
		print_table(&table, plan);
	}
	return 0;
}

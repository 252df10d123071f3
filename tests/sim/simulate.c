/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * simulate: migrations of the production core, both sides in one process, under every fault. It
 * ends with 0 when nothing that must never be has been seen; else it prints the run, with the
 * command that repeats it, and ends with 1.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure_table.h"
#include "mutants.h"
#include "plan_file.h"
#include "plan_maker.h"
#include "world.h"

#define RANDOM_FAULTS 5 /* at most, in one run */

enum what { SIMULATE, ANY_PLAN, MUTATE, FAILURE_TABLE };

struct options {
	enum what what;
	bool exhaustive, random, json;
	unsigned faults;
	uint64_t seed, runs;
	const char *plan, *replay, *mutant;
};

struct counts {
	uint64_t runs, completed, undone, in_doubt, violations;
};

static struct world world;
static struct chooser chooser;

static const char usage_text[] =
	"usage: simulate --exhaustive [--faults N] [--plan NAME] [--mutant NAME] [--json]\n"
	"       simulate --random SEED --runs N [--plan NAME] [--mutant NAME] [--json]\n"
	"       simulate --any-plan SEED --runs N [--faults N] [--json]\n"
	"       simulate --replay TRACE\n"
	"       simulate --mutants [--plan NAME]\n"
	"       simulate --failure-table\n"
	"\n"
	"  --exhaustive     all runs with at most N faults (1), at every place, of every kind\n"
	"  --random SEED    runs with up to 5 faults each, and times that vary\n"
	"  --any-plan SEED  as --exhaustive, of N plans made at random that pass the rules\n"
	"  --plan NAME      of this plan alone; without it of all. Or a file with a plan, *.json,\n"
	"                   or any-SEED, one that --any-plan makes\n"
	"  --replay TRACE   one run again, an event a line\n"
	"  --mutant NAME    with this mistake planted\n"
	"  --mutants        plants each mistake in turn; fails when one is not found\n"
	"  --failure-table  what comes of each fault in each step, as a table for the docs\n"
	"  --json           the counts as one JSON object; in_doubt: the operator was told of a\n"
	"                   doubt, which was settled later\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return 2;
}

/* ---- plans ---- */

/* A built-in plan, one made at random, or one in a file; NULL when there is none. */
static const struct plan *named_plan(const char *name)
{
	static struct plan plan;
	struct err err;
	uint64_t seed;

	if (sscanf(name, "any-%" SCNu64, &seed) == 1) {
		plan_make(seed, &plan);
		return &plan;
	}
	if (!strstr(name, ".json"))
		return plan_find(name) ? plan_find(name) : plan_find_file(name);
	if (plan_read_file(name, &plan, &err) < 0 || plan_check(&plan, &err) < 0) {
		fprintf(stderr, "simulate: %s\n", err.message);
		return NULL;
	}
	return &plan;
}

/* Between two hosts, then with a file. */
static const struct plan *any_plan_at(size_t index)
{
	size_t plans = 0;

	while (plan_at(plans))
		plans++;
	return index < plans ? plan_at(index) : plan_file_at(index - plans);
}

/* The plans that are asked for, one by one. */
static const struct plan *plan_asked(const char *name, size_t index)
{
	if (!name)
		return any_plan_at(index);
	return index == 0 ? named_plan(name) : NULL;
}

/* ---- one run ---- */

static void count_run(struct counts *counts)
{
	bool moved = world.hosts[SIDE_TARGET].domain == DOMAIN_RUNNING ||
		     (world.file.in_use && world.hosts[SIDE_TARGET].domain == DOMAIN_NONE &&
		      world.processes[SIDE_SOURCE].status == STATUS_COMPLETED);

	counts->runs++;
	counts->completed += moved;
	counts->undone += !moved;
	counts->in_doubt += world.processes[SIDE_SOURCE].doubt_shown;
}

static void run_once(const struct plan *plan, const struct mutant *mutant)
{
	world.journal_gaps = mutant ? mutant->journal_gaps : 0;
	world.hasty = mutant && mutant->hasty;
	world_run(&world, &chooser, mutant ? &mutant->plan : plan);
}

/* Once more, from the answers that it was given, with every event told. */
static void replay(const char *trace, const struct plan *plan, const struct mutant *mutant,
		   FILE *out)
{
	if (!chooser_replay(&chooser, trace) || !chooser_next(&chooser))
		return;
	world.tells = out;
	run_once(plan, mutant);
	world.tells = NULL;
}

static void show_violation(const struct plan *plan, const struct mutant *mutant, FILE *out)
{
	char trace[TRACE_MAX];

	chooser_trace(&chooser, trace);
	fprintf(out, "plan %s: %s\n\n", plan->name, world.violation);
	replay(trace, plan, mutant, out);
	fprintf(out, "\nto repeat: simulate --replay %s@%s%s%s\n", plan->name, trace,
		mutant ? " --mutant " : "", mutant ? mutant->name : "");
}

/* ---- many runs ---- */

/* This plan's share of the random runs. */
static uint64_t share(const struct options *options, const struct plan *plan)
{
	uint64_t plans = 0, index = 0;

	for (const struct plan *other; (other = any_plan_at(plans)); plans++)
		index = other == plan ? plans : index;
	return options->plan ? options->runs
			     : options->runs / plans + (index < options->runs % plans);
}

/* All runs of one plan, until a violation. */
static void sweep(const struct options *options, const struct plan *plan,
		  const struct mutant *mutant, struct counts *counts)
{
	if (options->exhaustive)
		chooser_all(&chooser, options->faults);
	else
		chooser_random(&chooser, options->seed, share(options, plan), RANDOM_FAULTS);
	while (chooser_next(&chooser)) {
		run_once(plan, mutant);
		count_run(counts);
		if (world.violation[0]) {
			counts->violations++;
			return;
		}
	}
}

static bool find_mutant(struct mutant *mutant, const struct plan *plan, const char *name)
{
	for (size_t i = 0; mutant_make(mutant, plan, i); i++)
		if (strcmp(mutant->name, name) == 0)
			return true;
	return false;
}

static void print_counts(const struct options *options, const struct counts *counts)
{
	const char *format =
		options->json
			? "{\"runs\": %" PRIu64 ", \"completed\": %" PRIu64 ", \"undone\": %" PRIu64
			  ", \"in_doubt\": %" PRIu64 ", \"violations\": %" PRIu64 "}\n"
			: "%" PRIu64 " runs: %" PRIu64 " completed, %" PRIu64 " undone (%" PRIu64
			  " were in doubt for a while), %" PRIu64 " violations\n";

	printf(format, counts->runs, counts->completed, counts->undone, counts->in_doubt,
	       counts->violations);
}

static int simulate(const struct options *options)
{
	struct counts counts = { 0 };
	static struct mutant mutant;
	const struct plan *plan;

	for (size_t i = 0; counts.violations == 0 && (plan = plan_asked(options->plan, i)); i++) {
		bool mutate = options->mutant && find_mutant(&mutant, plan, options->mutant);

		if (options->mutant && !mutate)
			continue;
		sweep(options, plan, mutate ? &mutant : NULL, &counts);
		if (counts.violations > 0)
			show_violation(plan, mutate ? &mutant : NULL,
				       options->json ? stderr : stdout);
	}
	print_counts(options, &counts);
	if (counts.runs == 0)
		fprintf(stderr, "simulate: there is no such plan or mutant\n");
	return counts.runs > 0 && counts.violations == 0 ? 0 : 1;
}

/* Whether the rules suffice: no plan that passes them may do harm. */
static int simulate_any(const struct options *options)
{
	const struct options all = { .exhaustive = true, .faults = options->faults };
	struct counts counts = { 0 };

	for (uint64_t i = 0; i < options->runs && counts.violations == 0; i++) {
		char name[PLAN_NAME_MAX];
		const struct plan *plan;

		snprintf(name, sizeof(name), "any-%" PRIu64, options->seed + i);
		plan = named_plan(name);
		sweep(&all, plan, NULL, &counts);
		if (counts.violations > 0)
			show_violation(plan, NULL, options->json ? stderr : stdout);
	}
	print_counts(options, &counts);
	return counts.violations == 0 ? 0 : 1;
}

/* ---- the self-test ---- */

static int mutate(const struct options *options)
{
	struct options all = { .exhaustive = true };
	static struct mutant mutant;
	const struct plan *plan;
	unsigned missed = 0;

	for (size_t p = 0; (plan = plan_asked(options->plan, p)); p++)
		for (size_t i = 0; mutant_make(&mutant, plan, i); i++) {
			struct counts counts = { 0 };

			all.faults = options->faults > mutant.faults ? options->faults
								     : mutant.faults;
			sweep(&all, plan, &mutant, &counts);
			missed += counts.violations == 0;
			printf("%s %s %s: %s\n", counts.violations ? "found " : "MISSED",
			       plan->name, mutant.name, world.violation);
		}
	return missed == 0 ? 0 : 1;
}

/* ---- replay ---- */

/* "PLAN@SEED:..." */
static int replay_trace(const struct options *options)
{
	const char *at = strchr(options->replay, '@');
	static struct mutant mutant;
	bool mutated = false;
	char name[PLAN_NAME_MAX] = "";
	const struct plan *plan;

	if (at && (size_t)(at - options->replay) < sizeof(name))
		memcpy(name, options->replay, (size_t)(at - options->replay));
	plan = named_plan(name);
	if (!plan || !chooser_replay(&chooser, at + 1))
		return usage();
	if (options->mutant)
		mutated = find_mutant(&mutant, plan, options->mutant);
	replay(at + 1, plan, mutated ? &mutant : NULL, stdout);
	return world.violation[0] ? 1 : 0;
}

/* ---- options ---- */

static bool parse(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "any-plan", required_argument, NULL, 'a' },
		{ "exhaustive", no_argument, NULL, 'e' },
		{ "failure-table", no_argument, NULL, 't' },
		{ "faults", required_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "mutant", required_argument, NULL, 'm' },
		{ "mutants", no_argument, NULL, 'M' },
		{ "plan", required_argument, NULL, 'p' },
		{ "random", required_argument, NULL, 'r' },
		{ "replay", required_argument, NULL, 'y' },
		{ "runs", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (letter) {
		case 'a':
			options->what = ANY_PLAN;
			options->seed = strtoull(optarg, NULL, 10);
			break;
		case 'e': options->exhaustive = true; break;
		case 't': options->what = FAILURE_TABLE; break;
		case 'f': options->faults = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'j': options->json = true; break;
		case 'm': options->mutant = optarg; break;
		case 'M': options->what = MUTATE; break;
		case 'p': options->plan = optarg; break;
		case 'r':
			options->random = true;
			options->seed = strtoull(optarg, NULL, 10);
			break;
		case 'y': options->replay = optarg; break;
		case 'n': options->runs = strtoull(optarg, NULL, 10); break;
		default: return false;
		}
	return optind == argc;
}

static int run(const struct options *options)
{
	if (options->replay)
		return replay_trace(options);
	switch (options->what) {
	case ANY_PLAN:
		return simulate_any(options);
	case MUTATE:
		return mutate(options);
	case FAILURE_TABLE:
		return failure_table(&world, &chooser);
	case SIMULATE:
		break;
	}
	return options->exhaustive || options->random ? simulate(options) : usage();
}

int main(int argc, char **argv)
{
	struct options options = { .faults = 1, .runs = 1000 };
	int status = parse(&options, argc, argv) ? run(&options) : usage();

	world_fini(&world);
	return status;
}

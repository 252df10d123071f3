/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan-list, plan-show, plan-check: plans are data, so here is what they say of themselves. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli_print.h"
#include "config.h"
#include "json.h"
#include "plan.h"
#include "plan_file.h"

static const struct cli_field plan_fields[] = {
	{ "name", "name", true },
	{ "summary", "summary", true },
	{ "after-failure", "after_failure", true },
	{ NULL, NULL, false },
};

static const struct cli_field step_fields[] = {
	{ "name", "name", true },
	{ "summary", "summary", true },
	{ "source", "source", true },
	{ "target", "target", true },
	{ NULL, NULL, false },
};

/* ---- as JSON ---- */

static void put_row(struct json_writer *writer, const struct plan *plan, size_t row)
{
	const struct plan_row *at = &plan->rows[row];

	json_object_begin(writer);
	json_put_string(writer, "name", at->step->name);
	json_put_string(writer, "summary", at->step->summary);
	json_put_string(writer, "phase", phase_name(plan_phase(plan, row)));
	json_put_boolean(writer, "source", at->step->run[SIDE_SOURCE] != NULL);
	json_put_boolean(writer, "target", at->step->run[SIDE_TARGET] != NULL);
	json_put_string(writer, "sync_point", sync_label(at->sync));
	json_put_boolean(writer, "in_blackout", plan_in_blackout(plan, row));
	json_put_boolean(writer, "runs_scripts", at->step->traits & STEP_RUNS_SCRIPTS);
	json_put_integer(writer, "timeout_ms", at->step->timeout_ms);
	json_put_string(writer, "failure_costs", plan_cost(plan, row));
	if (at->sync != SYNC_NONE)
		json_put_string(writer, "loss_costs", plan_cost_at(plan, at->sync));
	json_object_end(writer);
}

static void put_plan(struct json_writer *writer, const struct plan *plan, bool with_steps)
{
	json_object_begin(writer);
	json_put_string(writer, "name", plan->name);
	json_put_string(writer, "summary", plan->summary);
	json_put_string(writer, "after_failure", plan_after_failure(plan));
	if (plan_needs(plan))
		json_put_string(writer, "needs", plan_needs(plan));
	if (with_steps) {
		json_key(writer, "steps");
		json_array_begin(writer);
		for (size_t row = 0; row < plan_count(plan); row++)
			put_row(writer, plan, row);
		json_array_end(writer);
	}
	json_object_end(writer);
}

/* An operator's own plans; one that is wrong is told of, and left out. */
static void put_own_plans(struct json_writer *writer, const struct config *config)
{
	char *names[PLAN_FOLDER_MAX];
	size_t count = plan_folder_names(config->plans_dir, names);

	for (size_t i = 0; i < count; i++) {
		struct plan plan;
		struct err err;

		if (plan_load(config->plans_dir, names[i], &plan, &err) == 0)
			put_plan(writer, &plan, false);
		else
			fprintf(stderr, "xenferry: %s\n", err.message);
		free(names[i]);
	}
}

static void put_plans(struct json_writer *writer, const struct config *config)
{
	const struct plan *plan;

	json_array_begin(writer);
	for (size_t i = 0; (plan = plan_at(i)); i++)
		put_plan(writer, plan, false);
	put_own_plans(writer, config);
	json_array_end(writer);
}

static void put_steps(struct json_writer *writer)
{
	const struct step *step;

	json_array_begin(writer);
	for (size_t i = 0; (step = plan_step_at(i)); i++) {
		json_object_begin(writer);
		json_put_string(writer, "name", step->name);
		json_put_string(writer, "summary", step->summary);
		json_put_boolean(writer, "source", step->run[SIDE_SOURCE] != NULL);
		json_put_boolean(writer, "target", step->run[SIDE_TARGET] != NULL);
		json_object_end(writer);
	}
	json_array_end(writer);
}

int cli_plan_list(const struct cli_args *args, struct err *err)
{
	bool steps = cli_boolean(args, "steps");
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *list = NULL;
	struct cli_columns columns;
	struct config config;
	const char *text;
	size_t size;
	int rc = cli_choose(steps ? step_fields : plan_fields, cli_text(args, "params"), &columns,
			    err);

	if (rc == 0)
		rc = config_load(args->config, &config, err);
	if (rc < 0)
		return rc;
	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (steps)
		put_steps(writer);
	else
		put_plans(writer, &config);
	text = json_text(writer, &size);
	list = json_parse(text, size, err);
	if (!list)
		return -ENOMEM;
	if (args->json)
		cli_print_json(stdout, list);
	else
		cli_print_list(stdout, list, &columns, args->minimal);
	return 0;
}

/* ---- as a table ---- */

static void print_row(FILE *out, const struct plan *plan, size_t row)
{
	const struct plan_row *at = &plan->rows[row];
	char meets[32] = "";

	if (at->sync != SYNC_NONE)
		snprintf(meets, sizeof(meets), "%s %s", sync_label(at->sync), sync_name(at->sync));
	fprintf(out, "%-9s %s %-18s %-6s  %-6s  %-12s  %s\n", phase_name(plan_phase(plan, row)),
		plan_in_blackout(plan, row) ? "*" : " ", at->step->name,
		at->step->run[SIDE_SOURCE] ? "source" : "",
		at->step->run[SIDE_TARGET] ? "target" : "", meets, plan_cost(plan, row));
	if (at->sync != SYNC_NONE && plan_cost_at(plan, at->sync) != plan_cost(plan, row))
		fprintf(out, "%-47s%-12s  %s\n", "", "  lost there",
			plan_cost_at(plan, at->sync));
}

static void print_blackout(FILE *out, const struct plan *plan)
{
	unsigned steps = 0, scripts = 0;

	for (size_t row = 0; row < plan_count(plan); row++) {
		steps += plan_in_blackout(plan, row);
		scripts += plan_in_blackout(plan, row) &&
			   (plan->rows[row].step->traits & STEP_RUNS_SCRIPTS) != 0;
	}
	fprintf(out, "\n* in the blackout: %u steps, of which %u run scripts\n", steps, scripts);
}

static void print_plan(FILE *out, const struct plan *plan)
{
	fprintf(out, "%s: %s\nafter a failure before the commit: %s\n", plan->name, plan->summary,
		plan_after_failure(plan));
	if (plan_needs(plan))
		fprintf(out, "%s\n", plan_needs(plan));
	fprintf(out, "\n");
	fprintf(out, "%-9s   %-18s %-6s  %-6s  %-12s  %s\n", "phase", "step", "runs", "at",
		"then meets", "a failure costs");
	for (size_t row = 0; row < plan_count(plan); row++)
		print_row(out, plan, row);
	print_blackout(out, plan);
	fprintf(out, "\n");
	for (size_t row = 0; row < plan_count(plan); row++)
		if (plan->rows[row].sync != SYNC_NONE)
			fprintf(out, "%s %-9s %s\n", sync_label(plan->rows[row].sync),
				sync_name(plan->rows[row].sync),
				sync_meaning(plan->rows[row].sync));
}

static int show(const struct cli_args *args, const struct plan *plan, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = NULL;

	if (!args->json) {
		print_plan(stdout, plan);
		return 0;
	}
	writer = json_writer_new(false);
	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	put_plan(writer, plan, true);
	printf("%s\n", json_text(writer, NULL));
	return 0;
}

int cli_plan_show(const struct cli_args *args, struct err *err)
{
	struct config config;
	struct plan plan;
	int rc = config_load(args->config, &config, err);

	if (rc == 0)
		rc = plan_load(config.plans_dir, cli_text(args, "plan"), &plan, err);
	return rc == 0 ? show(args, &plan, err) : rc;
}

int cli_plan_check(const struct cli_args *args, struct err *err)
{
	struct plan plan;
	int rc = plan_read_file(cli_text(args, "file"), &plan, err);

	if (rc == 0)
		rc = plan_check(&plan, err);
	if (rc == 0 && plan_find(plan.name))
		rc = err_set(err, ERR_USAGE, -EEXIST, "the name %s is a built-in plan's",
			     plan.name);
	return rc == 0 ? show(args, &plan, err) : rc;
}

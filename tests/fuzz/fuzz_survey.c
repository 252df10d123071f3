/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A survey of the pool, in which is what other hosts have answered, as a plan takes it in: once,
 * and once more, as when guests have come meanwhile. Who is placed fits, and is where it may be.
 */
#include <assert.h>
#include <string.h>

#include "cleanup.h"
#include "evacuation_plan.h"
#include "fuzz.h"

static bool wanted[EVACUEES_MAX];

static bool is_barred(const struct evacuee *guest)
{
	return guest->barred[guest->target / 8] >> guest->target % 8 & 1;
}

/* `placed`: these just now, so that what they need is gone from what was free. */
static void check(const struct evacuation_plan *plan)
{
	assert(plan->host_count <= HOSTS_MAX && plan->guest_count <= EVACUEES_MAX);
	for (size_t i = 0; i < plan->guest_count; i++) {
		const struct evacuee *guest = &plan->guests[i];

		assert(guest->target == PLACEMENT_NONE || guest->target < plan->host_count);
		assert(guest->target == PLACEMENT_NONE || !is_barred(guest));
	}
	for (size_t i = 0; i < plan->reason_count; i++)
		assert(plan->reasons[i].guest < plan->guest_count && plan->reasons[i].message);
}

static void take(struct evacuation_plan *plan, const struct json_value *survey,
		 const struct hosts *hosts, const struct guest_rules *rules)
{
	size_t known = plan->guest_count;
	struct err err = { .code = ERR_NONE };
	int left;

	if (evacuation_plan_take(plan, survey, hosts, rules, &err) < 0) {
		assert(err.message[0]);
		return;
	}
	for (size_t i = 0; i < EVACUEES_MAX; i++)
		wanted[i] = i >= known;
	left = evacuation_plan_place(plan, wanted);
	assert(left >= 0 && (size_t)left <= plan->guest_count - known);
	if (known == 0)
		check(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_rule rule[] = {
		{ .name = "g1", .apart = "db", .priority = 7 },
		{ .name = "g2", .apart = "db", .tags = ",ssd," },
		{ .name = "g3", .together = "web" },
		{ .name = "g4", .together = "web", .pinned = "its dongle is here" },
	};
	const struct guest_rules rules = { .rules = rule,
					   .count = sizeof(rule) / sizeof(rule[0]) };
	static const struct hosts hosts = { .count = 0 };
	CLEANUP_JSON_VALUE struct json_value *survey = json_parse((const char *)data, size, NULL);
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct evacuation_plan plan;

	if (!survey)
		return 0;
	assert(writer && evacuation_plan_init(&plan, NULL) == 0);
	take(&plan, survey, &hosts, &rules);
	if (plan.guest_count > 0)
		evacuation_plan_replace(&plan, 0);
	take(&plan, survey, &hosts, &rules);
	json_object_begin(writer);
	for (size_t i = 0; i < plan.guest_count; i++)
		evacuation_plan_write_reasons(&plan, i, writer);
	json_object_end(writer);
	evacuation_plan_fini(&plan);
	return 0;
}

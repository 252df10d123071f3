/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <state>/evacuation.json, as a daemon that was restarted reads it, and writes it again. */
#include <assert.h>
#include <stdlib.h>

#include "evacuation.h"
#include "fake_clock.h"
#include "fuzz.h"

static void check(const struct evacuation *evacuation)
{
	assert(evacuation->plan.guest_count <= EVACUEES_MAX);
	assert(evacuation->plan.host_count <= HOSTS_MAX);
	assert(evacuation->request.copying_max >= 1);
	for (size_t i = 0; i < evacuation->plan.guest_count; i++) {
		const struct schedule_guest *guest = &evacuation->guests[i];

		assert(guest->target == SCHEDULE_NOWHERE ||
		       guest->target < evacuation->plan.host_count);
		assert(guest->state <= SCHEDULE_WAITING || guest->state >= SCHEDULE_MOVED ||
		       evacuation->movers[i].job[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JSON_VALUE struct json_value *saved = json_parse((const char *)data, size, NULL);
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	static struct config config;
	struct fake_clock clock;
	struct jobs jobs = { .setup = { .config = &config, .clock = &clock.clock } };
	struct evacuation evacuation = { .jobs = &jobs };

	if (!saved)
		return 0;
	fake_clock_init(&clock);
	assert(evacuation_plan_init(&evacuation.plan, NULL) == 0);
	evacuation.guests = calloc(EVACUEES_MAX, sizeof(*evacuation.guests));
	evacuation.movers = calloc(EVACUEES_MAX, sizeof(*evacuation.movers));
	assert(evacuation.guests && evacuation.movers && writer);
	if (evacuation_read(&evacuation, saved) == 0)
		check(&evacuation);
	evacuation_write(&evacuation, writer);
	for (size_t i = 0; i < evacuation.plan.guest_count; i++)
		free(evacuation.movers[i].error);
	free(evacuation.guests);
	free(evacuation.movers);
	evacuation_plan_fini(&evacuation.plan);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a peer may say at each synchronisation point, and after an ABORT. The first byte chooses the
 * side and the point; the rest is the payload.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fake_migration.h"
#include "fuzz.h"
#include "meet.h"

#define AFTER_ABORT SYNC_POINTS

static const uint8_t *said;
static size_t said_size;
static enum wire_type said_type;
static enum sync_point said_point;

static int hear(struct link *link, uint64_t deadline_us, bool cancellable, struct message *message,
		struct err *err)
{
	(void)link;
	(void)deadline_us;
	(void)cancellable;
	(void)err;
	*message = (struct message){ .type = said_type, .point = (uint16_t)said_point,
				     .size = said_size };
	if (said_size > 0) {
		message->payload = malloc(said_size);
		assert(message->payload);
		memcpy(message->payload, said, said_size);
	}
	return 0;
}

static int say(struct link *link, enum wire_type type, uint16_t point, const void *payload,
	       size_t size, uint64_t deadline_us, struct err *err)
{
	(void)link;
	(void)type;
	(void)point;
	(void)payload;
	(void)deadline_us;
	(void)err;
	assert(size <= WIRE_PAYLOAD_MAX);
	return 0;
}

static const struct link_ops ops = { .send = say, .receive = hear };

static void check_record(const struct record *record)
{
	assert(record->step_count <= RECORD_STEPS_MAX);
	for (size_t i = 0; i < record->step_count; i++)
		assert(record->steps[i].name && record->steps[i].phase <= PHASE_CLEAN);
	assert(memchr(record->source, '\0', sizeof(record->source)));
	assert(memchr(record->target, '\0', sizeof(record->target)));
}

static void check_plan(const struct message *offer)
{
	struct plan plan = { .name = "" };
	struct err err = { .code = ERR_NONE };

	if (meet_read_plan(offer, &plan, &err) < 0) {
		assert(err.code != ERR_NONE && err.message[0]);
		return;
	}
	assert(plan.name[0] && plan_check(&plan, NULL) == 0);
}

static void meet_at(struct fake_migration *fake, enum sync_point point)
{
	struct migration *m = &fake->migration;
	struct err err = { .code = ERR_NONE };

	said_point = point;
	said_type = sync_speaker(point) == m->side ? WIRE_ANSWER : WIRE_SYNC;
	if (meet(m, point, clock_after_ms(m->clock, 1000), &err) < 0)
		assert(err.code != ERR_NONE && err.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_migration fake;
	struct link link = { &ops };
	enum sync_point point;

	if (size == 0)
		return 0;
	fake_migration_init(&fake, data[0] & 1 ? SIDE_TARGET : SIDE_SOURCE, "handover");
	message_fini(&fake.migration.offer);
	fake.migration.link = &link;
	said = data + 1;
	said_size = size - 1;
	point = SYNC_SP0 + (data[0] >> 1) % (AFTER_ABORT - SYNC_NONE);
	if (point == AFTER_ABORT) {
		said_type = WIRE_ABORTED;
		said_point = SYNC_NONE;
		meet_after_abort(&fake.migration);
	} else {
		meet_at(&fake, point);
	}
	check_record(&fake.record);
	check_plan(&(struct message){ .type = WIRE_SYNC,
				      .point = SYNC_SP0,
				      .payload = (uint8_t *)said,
				      .size = said_size });
	fake_migration_fini(&fake);
	return 0;
}

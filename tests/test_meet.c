/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "plan_wire.h"
#include "tlv.h"

/* Numbers of handshake/PROTOCOL.md. */
enum { PLAN = 1, HOST = 3, SUSPENDED = 6, RUNNING = 7, STEP = 8, TROUBLE = 9, MEETING = 10,
       PORT = 16, SLOW_CHANNEL = 18, PLAN_ROW = 20, LATER = 99 };
enum { STEP_NAME = 1, STEP_PHASE = 2, STEP_START = 3, STEP_END = 4, MEETING_POINT = 1 };

/* A side that hears at a point, or in answer, what the test says. */
struct listener {
	struct fake_migration fake;
	struct link link;
	struct tlv_writer said;
	struct err err;
};

static struct tlv_writer *words;
static enum wire_type type;
static enum sync_point at;

static int hear(struct link *link, uint64_t deadline_us, bool cancellable, struct message *message,
		struct err *err)
{
	(void)link;
	(void)deadline_us;
	(void)cancellable;
	(void)err;
	*message = (struct message){ .type = type, .point = (uint16_t)at, .size = words->size };
	message->payload = malloc(words->size + 1);
	assert_non_null(message->payload);
	if (words->size > 0)
		memcpy(message->payload, words->bytes, words->size);
	return 0;
}

static int say(struct link *link, enum wire_type said, uint16_t point, const void *payload,
	       size_t size, uint64_t deadline_us, struct err *err)
{
	(void)link;
	(void)said;
	(void)point;
	(void)payload;
	(void)size;
	(void)deadline_us;
	(void)err;
	return 0;
}

static const struct link_ops ops = { .send = say, .receive = hear };

static void listen_as(struct listener *listener, enum side side)
{
	memset(listener, 0, sizeof(*listener));
	fake_migration_init(&listener->fake, side, "handover");
	message_fini(&listener->fake.migration.offer);
	listener->link.ops = &ops;
	listener->fake.migration.link = &listener->link;
	tlv_writer_init(&listener->said, MEET_PAYLOAD_MAX);
	words = &listener->said;
}

static void stop(struct listener *listener)
{
	tlv_writer_fini(&listener->said);
	fake_migration_fini(&listener->fake);
}

static int meet_at(struct listener *listener, enum sync_point point)
{
	struct migration *m = &listener->fake.migration;

	at = point;
	type = sync_speaker(point) == m->side ? WIRE_ANSWER : WIRE_SYNC;
	return meet(m, point, clock_after_ms(m->clock, 1000), &listener->err);
}

/* ---- versions ---- */

static const struct {
	enum side side;
	enum sync_point point;
} heard[] = {
	{ SIDE_SOURCE, SYNC_SP0 }, { SIDE_SOURCE, SYNC_SP1 }, { SIDE_TARGET, SYNC_SP3 },
	{ SIDE_SOURCE, SYNC_SP3 }, { SIDE_SOURCE, SYNC_SP4 }, { SIDE_SOURCE, SYNC_SP5 },
};

static void a_field_of_a_later_version_is_skipped(void **state)
{
	struct listener listener;

	(void)state;
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
		listen_as(&listener, heard[i].side);
		tlv_put_string(&listener.said, LATER, "what it may mean");
		assert_int_equal(meet_at(&listener, heard[i].point), 0);
		stop(&listener);
	}
}

static void a_field_that_is_required_and_not_known_is_refused(void **state)
{
	struct listener listener;

	(void)state;
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
		listen_as(&listener, heard[i].side);
		tlv_put_u64(&listener.said, LATER | TLV_REQUIRED, 1);
		assert_int_equal(meet_at(&listener, heard[i].point), -ENOTSUP);
		assert_int_equal(listener.err.code, ERR_INCOMPATIBLE);
		assert_non_null(strstr(listener.err.message, "99"));
		stop(&listener);
	}
}

/* ---- SP0 ---- */

static void an_offer_with_a_damaged_description_is_refused(void **state)
{
	struct listener listener;
	size_t mark;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	mark = tlv_begin(&listener.said, 2 | TLV_REQUIRED);
	tlv_put_string(&listener.said, 1 | TLV_REQUIRED, "a/b");
	tlv_end(&listener.said, mark);
	tlv_put_u64(&listener.said, LATER, 1);

	assert_int_equal(meet_at(&listener, SYNC_SP0), -EBADMSG);

	assert_non_null(strstr(listener.err.message, "the guest's description"));
	assert_int_equal(fake_count(&listener.fake, "keep guest"), 0);
	stop(&listener);
}

static void an_offer_without_a_guest_is_refused(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	tlv_put_u64(&listener.said, LATER, 1);

	assert_int_equal(meet_at(&listener, SYNC_SP0), -EBADMSG);
	assert_non_null(strstr(listener.err.message, "no guest"));
	assert_int_equal(fake_count(&listener.fake, "examine"), 0);
	stop(&listener);
}

static void a_source_that_cannot_say_its_name_is_refused_whatever_its_certificate_says(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	snprintf(listener.fake.migration.settings.peer_name,
		 sizeof(listener.fake.migration.settings.peer_name), "B");
	tlv_put_string(&listener.said, HOST, "a\nb");

	assert_true(meet_at(&listener, SYNC_SP0) < 0);
	assert_non_null(strstr(listener.err.message, "field 3 is malformed"));
	stop(&listener);
}

static void a_source_is_called_what_its_certificate_says(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	snprintf(listener.fake.migration.settings.peer_name,
		 sizeof(listener.fake.migration.settings.peer_name), "B");
	tlv_put_string(&listener.said, HOST, "A");

	(void)meet_at(&listener, SYNC_SP0);
	assert_string_equal(listener.fake.record.source, "B");
	stop(&listener);
}

/* The last field has a byte less than it says. */
static void a_message_that_was_cut_is_refused(void **state)
{
	struct listener listener;
	struct message offer;
	struct plan plan;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	tlv_put_string(&listener.said, LATER, "what it may mean");
	listener.said.size--;
	assert_true(meet_at(&listener, SYNC_SP5) < 0);
	assert_non_null(strstr(listener.err.message, "malformed"));
	offer = (struct message){ .type = WIRE_SYNC, .point = SYNC_SP0,
				  .payload = listener.said.bytes, .size = listener.said.size };
	assert_true(meet_read_plan(&offer, &plan, &listener.err) < 0);
	stop(&listener);
}

static struct message first_word(struct listener *listener, enum wire_type of,
				 enum sync_point point)
{
	return (struct message){ .type = of, .point = (uint16_t)point,
				 .payload = listener->said.bytes, .size = listener->said.size };
}

static void only_an_offer_names_a_plan(void **state)
{
	struct listener listener;
	struct message offer;
	struct plan plan;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	tlv_put_string(&listener.said, HOST, "A");
	tlv_put_string(&listener.said, PLAN | TLV_REQUIRED, "handover");
	offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
	assert_int_equal(meet_read_plan(&offer, &plan, &listener.err), 0);
	offer.point = SYNC_SP3;
	assert_int_equal(meet_read_plan(&offer, &plan, &listener.err), -EPROTO);
	offer = first_word(&listener, WIRE_ANSWER, SYNC_SP0);
	assert_int_equal(meet_read_plan(&offer, &plan, &listener.err), -EPROTO);
	assert_non_null(strstr(listener.err.message, "no offer"));
	stop(&listener);
}

static void a_name_that_no_plan_of_this_host_has_is_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} names[] = {
		{ "of-tomorrow", "does not know the plan 'of-tomorrow'" },
		{ "../handover", "no offer" },
		{ "hand\nover", "no offer" },
	};
	struct listener listener;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct message offer;
		struct plan plan;

		listen_as(&listener, SIDE_TARGET);
		tlv_put_string(&listener.said, PLAN, names[i].name);
		offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
		assert_true(meet_read_plan(&offer, &plan, &listener.err) < 0);
		assert_int_equal(listener.err.code, ERR_INCOMPATIBLE);
		assert_non_null(strstr(listener.err.message, names[i].why));
		stop(&listener);
	}
}

static void an_offered_plan_that_breaks_a_rule_is_refused(void **state)
{
	struct plan broken = *plan_find("handover"), plan;
	struct listener listener;
	struct message offer;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	broken.rows[3] = (struct plan_row){ .step = NULL };
	tlv_put_string(&listener.said, PLAN, "of-mine");
	plan_encode(&broken, PLAN_ROW, &listener.said);
	offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
	assert_true(meet_read_plan(&offer, &plan, &listener.err) < 0);
	assert_int_equal(listener.err.code, ERR_INCOMPATIBLE);
	stop(&listener);
}

static void a_port_that_is_none_is_not_asked(void **state)
{
	struct listener listener;
	struct message offer;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	tlv_put_string(&listener.said, HOST, "A");
	tlv_put_u64(&listener.said, PORT, 8002);
	offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
	assert_int_equal(meet_read_port(&offer), 8002);
	tlv_put_u64(&listener.said, PORT, 65536);
	offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
	assert_int_equal(meet_read_port(&offer), 0);
	tlv_put_string(&listener.said, PORT, "8002");
	offer = first_word(&listener, WIRE_SYNC, SYNC_SP0);
	assert_int_equal(meet_read_port(&offer), 0);
	stop(&listener);
}

static void a_guest_too_large_to_describe_is_not_offered(void **state)
{
	struct listener listener;
	struct description *guest = &listener.fake.migration.guest;
	char key[NODE_KEY_MAX], value[NODE_VALUE_MAX];

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (guest->device_count = 0; guest->device_count < 16; guest->device_count++)
		for (unsigned i = 0; i < DEVICE_NODES_MAX; i++) {
			snprintf(key, sizeof(key), "key-%u", i);
			assert_int_equal(
				device_add_backend_node(&guest->devices[guest->device_count], key,
							value), 0);
		}

	assert_int_equal(meet_at(&listener, SYNC_SP0), -EMSGSIZE);
	assert_non_null(strstr(listener.err.message, "SP0"));
	stop(&listener);
}

/* ---- SP3, SP4 ---- */

static void a_time_of_another_form_is_refused_and_nothing_is_taken(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_TARGET);
	tlv_put_string(&listener.said, SUSPENDED, "now");
	assert_int_equal(meet_at(&listener, SYNC_SP3), -EBADMSG);
	assert_false(listener.fake.migration.taken);
	assert_int_equal(fake_count(&listener.fake, "journal taken"), 0);
	stop(&listener);

	listen_as(&listener, SIDE_SOURCE);
	tlv_put_string(&listener.said, RUNNING, "now");
	assert_int_equal(meet_at(&listener, SYNC_SP4), -EBADMSG);
	assert_int_equal(listener.fake.record.running_us, 0);
	stop(&listener);
}

/* ---- SP5's answer ---- */

static void put_step(struct tlv_writer *writer, const char *name, uint64_t end_us)
{
	size_t mark = tlv_begin(writer, STEP);

	tlv_put_string(writer, STEP_NAME, name);
	tlv_put_u64(writer, STEP_START, 1000);
	tlv_put_u64(writer, STEP_END, end_us);
	tlv_put_u64(writer, LATER, 1);
	tlv_end(writer, mark);
}

static void a_step_that_has_not_ended_is_shown_so(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	listener.fake.migration.clock_offset_us = 100;
	put_step(&listener.said, "create-domain", 2000);
	put_step(&listener.said, "no-such-step", 2000);
	put_step(&listener.said, "settle-guest", 0);

	assert_int_equal(meet_at(&listener, SYNC_SP5), 0);

	assert_int_equal(listener.fake.record.step_count, 2);
	assert_int_equal(listener.fake.record.steps[0].start_us, 900);
	assert_int_equal(listener.fake.record.steps[0].end_us, 1900);
	assert_int_equal(listener.fake.record.steps[1].end_us, 0);
	stop(&listener);
}

static void a_phase_of_a_later_version_is_the_last_one(void **state)
{
	struct listener listener;
	size_t mark;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	mark = tlv_begin(&listener.said, STEP);
	tlv_put_string(&listener.said, STEP_NAME, "settle-guest");
	tlv_put_u64(&listener.said, STEP_PHASE, PHASE_CLEAN + 1);
	tlv_end(&listener.said, mark);

	assert_int_equal(meet_at(&listener, SYNC_SP5), 0);
	assert_int_equal(listener.fake.record.steps[0].phase, PHASE_CLEAN);
	stop(&listener);
}

static void a_timeline_takes_no_more_steps_than_there_is_room_for(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	for (unsigned i = 0; i < 2 * RECORD_STEPS_MAX; i++)
		put_step(&listener.said, "create-domain", 2000);

	assert_int_equal(meet_at(&listener, SYNC_SP5), 0);
	assert_int_equal(listener.fake.record.step_count, RECORD_STEPS_MAX);
	stop(&listener);
}

/* Bytes that are no field, or a field of another form, within a nested one. */
static void a_damaged_timeline_is_refused(void **state)
{
	static const struct {
		uint16_t field, inner;
	} damaged[] = { { STEP, STEP_NAME }, { STEP, STEP_START }, { MEETING, MEETING_POINT } };
	struct listener listener;

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		size_t mark;

		listen_as(&listener, SIDE_SOURCE);
		mark = tlv_begin(&listener.said, damaged[i].field);
		tlv_put_bytes(&listener.said, damaged[i].inner, "\x01", 1);
		tlv_end(&listener.said, mark);
		assert_int_equal(meet_at(&listener, SYNC_SP5), -EBADMSG);
		stop(&listener);

		listen_as(&listener, SIDE_SOURCE);
		tlv_put_bytes(&listener.said, damaged[i].field, "xy", 2);
		assert_int_equal(meet_at(&listener, SYNC_SP5), -EBADMSG);
		stop(&listener);
	}
}

static void a_point_that_is_not_known_is_not_shown(void **state)
{
	struct listener listener;
	size_t mark;

	(void)state;
	for (uint64_t point = SYNC_POINTS; point <= 77; point += 77 - SYNC_POINTS) {
		listen_as(&listener, SIDE_SOURCE);
		mark = tlv_begin(&listener.said, MEETING);
		tlv_put_u64(&listener.said, MEETING_POINT, point);
		tlv_put_u64(&listener.said, LATER, 1);
		tlv_end(&listener.said, mark);
		assert_int_equal(meet_at(&listener, SYNC_SP5), 0);
		stop(&listener);
	}
}

static void the_first_trouble_is_the_one_that_is_told(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	tlv_put_string(&listener.said, TROUBLE, "a disk stays held");
	tlv_put_string(&listener.said, TROUBLE, "and another");
	assert_int_equal(meet_at(&listener, SYNC_SP5), 0);
	assert_string_equal(listener.fake.record.error.message, "at the target: a disk stays held");
	stop(&listener);

	listen_as(&listener, SIDE_SOURCE);
	tlv_put_string(&listener.said, TROUBLE, "a line\nand a forged one");
	assert_int_equal(meet_at(&listener, SYNC_SP5), -EBADMSG);
	assert_int_equal(listener.fake.record.error.code, ERR_NONE);
	stop(&listener);
}

static void a_slow_channel_of_the_targets_is_in_the_sources_record(void **state)
{
	struct listener listener;

	(void)state;
	listen_as(&listener, SIDE_SOURCE);
	tlv_put_u64(&listener.said, SLOW_CHANNEL, 3);
	assert_int_equal(meet_at(&listener, SYNC_SP5), 0);
	assert_int_equal(listener.fake.record.slow_channel, 3);
	stop(&listener);

	listen_as(&listener, SIDE_SOURCE);
	tlv_put_u64(&listener.said, SLOW_CHANNEL, MEMORY_CHANNELS_MAX + 1);
	assert_int_equal(meet_at(&listener, SYNC_SP5), -EBADMSG);
	assert_int_equal(listener.fake.record.slow_channel, 0);
	stop(&listener);

	listen_as(&listener, SIDE_SOURCE);
	tlv_put_bytes(&listener.said, SLOW_CHANNEL, "xy", 2);
	assert_int_equal(meet_at(&listener, SYNC_SP5), -EBADMSG);
	stop(&listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_of_a_later_version_is_skipped),
		cmocka_unit_test(a_field_that_is_required_and_not_known_is_refused),
		cmocka_unit_test(an_offer_with_a_damaged_description_is_refused),
		cmocka_unit_test(an_offer_without_a_guest_is_refused),
		cmocka_unit_test(
			a_source_that_cannot_say_its_name_is_refused_whatever_its_certificate_says),
		cmocka_unit_test(a_source_is_called_what_its_certificate_says),
		cmocka_unit_test(a_message_that_was_cut_is_refused),
		cmocka_unit_test(only_an_offer_names_a_plan),
		cmocka_unit_test(a_name_that_no_plan_of_this_host_has_is_refused),
		cmocka_unit_test(an_offered_plan_that_breaks_a_rule_is_refused),
		cmocka_unit_test(a_port_that_is_none_is_not_asked),
		cmocka_unit_test(a_guest_too_large_to_describe_is_not_offered),
		cmocka_unit_test(a_time_of_another_form_is_refused_and_nothing_is_taken),
		cmocka_unit_test(a_step_that_has_not_ended_is_shown_so),
		cmocka_unit_test(a_phase_of_a_later_version_is_the_last_one),
		cmocka_unit_test(a_timeline_takes_no_more_steps_than_there_is_room_for),
		cmocka_unit_test(a_damaged_timeline_is_refused),
		cmocka_unit_test(a_point_that_is_not_known_is_not_shown),
		cmocka_unit_test(the_first_trouble_is_the_one_that_is_told),
		cmocka_unit_test(a_slow_channel_of_the_targets_is_in_the_sources_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

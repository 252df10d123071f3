/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inquiry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "domain_fixture.h"
#include "fake_migration.h"
#include "tlv.h"

/* A host that is asked, and the connection to it: what is said is answered at once. */
struct pair {
	struct link asker, asked;
	struct fake_migration fake;
	struct message question, reply;
	bool spoiled; /* the reply is cut */
};

static struct pair *pair; /* of the test that runs */

static struct message copy_of(enum wire_type type, const void *payload, size_t size)
{
	struct message message = { .type = type, .size = size };

	message.payload = malloc(size + 1);
	assert_non_null(message.payload);
	if (size > 0)
		memcpy(message.payload, payload, size);
	return message;
}

static int hand_over(struct message *from, struct message *to, struct err *err)
{
	if (!from->payload)
		return err_set(err, ERR_FAILED, -ECONNRESET, "the connection is closed");
	*to = *from;
	*from = (struct message){ 0 };
	return 0;
}

static int asked_receive(struct link *link, uint64_t deadline_us, bool cancellable,
			 struct message *message, struct err *err)
{
	(void)link;
	(void)deadline_us;
	(void)cancellable;
	return hand_over(&pair->question, message, err);
}

static int asked_send(struct link *link, enum wire_type type, uint16_t point, const void *payload,
		      size_t size, uint64_t deadline_us, struct err *err)
{
	(void)link;
	(void)point;
	(void)deadline_us;
	(void)err;
	message_fini(&pair->reply);
	pair->reply = copy_of(type, payload, pair->spoiled ? size - 1 : size);
	return 0;
}

static const struct link_ops asked_ops = { .send = asked_send, .receive = asked_receive };

static int asker_send(struct link *link, enum wire_type type, uint16_t point, const void *payload,
		      size_t size, uint64_t deadline_us, struct err *err)
{
	struct err ignored;

	(void)link;
	(void)point;
	(void)deadline_us;
	(void)err;
	pair->question = copy_of(type, payload, size);
	(void)inquiry_serve(&pair->asked, &pair->fake.clock.clock, &pair->fake.host, "B",
			    &ignored);
	return 0;
}

static int asker_receive(struct link *link, uint64_t deadline_us, bool cancellable,
			 struct message *message, struct err *err)
{
	(void)link;
	(void)deadline_us;
	(void)cancellable;
	return hand_over(&pair->reply, message, err);
}

static const struct link_ops asker_ops = { .send = asker_send, .receive = asker_receive };

static int set_up(void **state)
{
	pair = calloc(1, sizeof(*pair));
	pair->asker.ops = &asker_ops;
	pair->asked.ops = &asked_ops;
	fake_migration_init(&pair->fake, SIDE_TARGET, "handover");
	return domain_fixture_set_up(state);
}

static int tear_down(void **state)
{
	fake_migration_fini(&pair->fake);
	message_fini(&pair->question);
	message_fini(&pair->reply);
	free(pair);
	return domain_fixture_tear_down(state);
}

static int ask_host(struct inquiry_host *host, struct err *err)
{
	*host = (struct inquiry_host){ .name = "" };
	return inquiry_ask_host(&pair->asker, &pair->fake.clock.clock, host, err);
}

static int ask_guest(const struct domain_fixture *f, struct reasons *reasons, struct err *err)
{
	*reasons = (struct reasons){ .count = 0 };
	return inquiry_ask_guest(&pair->asker, &pair->fake.clock.clock, &f->guest, false, reasons,
				 err);
}

static void a_host_says_what_it_has(void **state)
{
	struct inquiry_host host;
	struct err err;

	(void)state;
	assert_int_equal(ask_host(&host, &err), 0);
	assert_string_equal(host.name, "B");
	assert_int_equal(host.free_bytes, FAKE_FREE_BYTES);
	assert_int_equal(host.guest_count, 1);
	inquiry_host_fini(&host);
}

static void a_guest_that_it_could_take_has_no_reason_against_it(void **state)
{
	struct reasons reasons;
	struct err err;

	assert_int_equal(ask_guest(*state, &reasons, &err), 0);
	assert_int_equal(reasons.count, 0);
}

static void every_reason_against_a_guest_comes_with_its_code(void **state)
{
	struct reasons reasons;
	struct err err;

	pair->fake.fail_at = "examine";
	assert_int_equal(ask_guest(*state, &reasons, &err), 0);
	assert_int_equal(reasons.count, 2);
	assert_int_equal(reasons.list[0].code, ERR_NO_MEMORY);
	assert_string_equal(reasons.list[1].message, "the name is taken");
}

static void an_answer_that_is_cut_is_none(void **state)
{
	struct inquiry_host host;
	struct err err;

	(void)state;
	pair->spoiled = true;
	assert_int_equal(ask_host(&host, &err), -EPROTO);
	inquiry_host_fini(&host);
}

static void a_host_that_cannot_look_gives_up(void **state)
{
	struct inquiry_host host;
	struct err err;

	(void)state;
	pair->fake.fail_at = "free_memory";
	assert_int_equal(ask_host(&host, &err), -EPROTO); /* an ABORT, which a link would read */
	assert_int_equal(pair->reply.size, 0);
	inquiry_host_fini(&host);
}

static void a_host_may_not_name_guests_without_end(void **state)
{
	struct inquiry_host host = { .name = "" };
	struct tlv_writer writer;
	struct message reply;

	(void)state;
	tlv_writer_init(&writer, WIRE_PAYLOAD_MAX);
	tlv_put_u64(&writer, 4, 1);
	for (int i = 0; i <= INQUIRY_GUESTS_MAX; i++)
		tlv_put_string(&writer, 5, "g");
	reply = (struct message){ .type = WIRE_REPLY, .payload = writer.bytes,
				  .size = writer.size };
	assert_int_equal(inquiry_read_host(&reply, &host), -EBADMSG);
	inquiry_host_fini(&host);
	tlv_writer_fini(&writer);
}

static void what_is_no_question_ends_it(void **state)
{
	struct err err;

	(void)state;
	pair->question = copy_of(WIRE_SYNC, "", 0);
	assert_int_equal(inquiry_serve(&pair->asked, &pair->fake.clock.clock, &pair->fake.host,
				       "B", &err), -EPROTO);
	pair->question = copy_of(WIRE_QUESTION, "\0\2\0\0\0\1x", 7); /* no description */
	assert_int_not_equal(inquiry_serve(&pair->asked, &pair->fake.clock.clock,
					   &pair->fake.host, "B", &err), 0);
	assert_int_equal(pair->reply.type, WIRE_ABORT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_says_what_it_has),
		TEST(a_guest_that_it_could_take_has_no_reason_against_it),
		TEST(every_reason_against_a_guest_comes_with_its_code),
		TEST(an_answer_that_is_cut_is_none),
		TEST(a_host_that_cannot_look_gives_up),
		TEST(a_host_may_not_name_guests_without_end),
		TEST(what_is_no_question_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"

/* The description that a journal would have kept. */
static void keep_guest(struct tlv_writer *writer)
{
	struct description guest;

	description_init(&guest);
	snprintf(guest.name, sizeof(guest.name), "g1");
	snprintf(guest.uuid, sizeof(guest.uuid), FAKE_GUEST_UUID);
	snprintf(guest.xen_version, sizeof(guest.xen_version), "4.17");
	guest.type = GUEST_PVH;
	guest.vcpus = 1;
	guest.pages_max = guest.pages_now = 1024;
	tlv_writer_init(writer, DESCRIPTION_MAX);
	description_encode(&guest, writer);
	assert_int_equal(tlv_writer_status(writer), 0);
}

/* Recovers a job of which the journal says `state`. */
static int recover(struct fake_migration *fake, const struct journal_state *state, struct err *err)
{
	struct tlv_writer guest;
	int rc;

	keep_guest(&guest);
	fake->migration.link = NULL;
	*err = (struct err){ ERR_NONE, "" };
	rc = recover_run(&fake->migration, state, guest.bytes, guest.size, err);
	tlv_writer_fini(&guest);
	return rc;
}

static void a_source_that_died_before_release_lets_its_guest_go_on(void **state)
{
	struct journal_state journal = { .begun = true, .row = 7 };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	assert_true(recover(&fake, &journal, &err) < 0);
	assert_int_equal(err.code, ERR_FAILED);
	assert_int_equal(fake_count(&fake, "resume"), 1);
	assert_int_equal(fake_count(&fake, "ask"), 0);
	assert_int_equal(fake_count(&fake, "journal undone"), 1);
	fake_migration_fini(&fake);
}

/* Its guest stands still, and each line that is made durable is time. */
static void a_source_that_died_suspended_writes_nothing_before_its_guest_goes_on(void **state)
{
	struct journal_state journal = { .begun = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	journal.row = (uint32_t)plan_row_with(fake.migration.plan, STEP_FINISHES_COPY);
	assert_true(recover(&fake, &journal, &err) < 0);
	assert_true(fake_index(&fake, "resume") < fake_index(&fake, "journal undone"));
	assert_int_equal(fake_count(&fake, "journal taken-back"), 0);
	fake_migration_fini(&fake);
}

static void a_source_that_died_after_release_asks_first(void **state)
{
	struct journal_state journal = { .begun = true, .row = 9, .released = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.outcomes[1] = OUTCOME_TAKEN;
	assert_int_equal(recover(&fake, &journal, &err), 0);
	assert_int_equal(fake_count(&fake, "ask"), 2);
	assert_int_equal(fake_count(&fake, "resume"), 0);
	assert_int_equal(fake_count(&fake, "destroy"), 1);
	fake_migration_fini(&fake);
}

static void a_source_that_was_torn_down_already_is_done(void **state)
{
	struct journal_state journal = { .begun = true, .row = 16, .released = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.guest_gone = true;
	fake.outcomes[0] = OUTCOME_TAKEN;
	assert_int_equal(recover(&fake, &journal, &err), 0);
	assert_int_equal(fake_count(&fake, "leave_bridges"), 0);
	assert_int_equal(fake_count(&fake, "hook vm-pre-shutdown suspend"), 0);
	assert_int_equal(fake_count(&fake, "hook vm-post-destroy suspend"), 1);
	assert_int_equal(fake_count(&fake, "journal done"), 1);
	fake_migration_fini(&fake);
}

static void a_target_that_died_before_the_commit_never_runs_the_guest(void **state)
{
	struct journal_state journal = { .begun = true, .row = 10 };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	assert_true(recover(&fake, &journal, &err) < 0);
	assert_true(fake_index(&fake, "journal never") < fake_index(&fake, "destroy"));
	assert_int_equal(fake_count(&fake, "unpause"), 0);
	fake_migration_fini(&fake);
}

static void a_target_that_died_after_the_commit_goes_on(void **state)
{
	struct journal_state journal = { .begun = true, .row = 11, .taken = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	assert_int_equal(recover(&fake, &journal, &err), 0);
	assert_int_equal(fake_count(&fake, "unpause"), 1);
	assert_int_equal(fake_count(&fake, "settle"), 1);
	fake_migration_fini(&fake);
}

/* The doubt was answered at the source while this host was away. */
static void a_target_whose_guest_was_resolved_elsewhere_gives_its_copy_up(void **state)
{
	struct journal_state journal = { .begun = true, .row = 15, .taken = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.outcomes[0] = OUTCOME_NEVER;
	assert_int_equal(recover(&fake, &journal, &err), -ECANCELED);
	assert_int_equal(fake_count(&fake, "unpause"), 0);
	assert_true(fake_index(&fake, "ask") < fake_index(&fake, "journal resolved-source"));
	assert_true(fake_index(&fake, "journal resolved-source") < fake_index(&fake, "unplug"));
	assert_true(fake_index(&fake, "unplug") < fake_index(&fake, "destroy"));
	assert_int_equal(fake_count(&fake, "journal undone"), 1);
	fake_migration_fini(&fake);
}

static void who_died_after_an_arbiters_word_follows_it_and_asks_nobody(void **state)
{
	struct journal_state kept = { .begun = true, .row = 9, .released = true, .never = true };
	struct journal_state gone = { .begun = true, .row = 9, .released = true, .taken = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	assert_int_equal(recover(&fake, &kept, &err), -ECANCELED);
	assert_int_equal(fake_count(&fake, "resume"), 1);
	assert_int_equal(fake_count(&fake, "ask"), 0);
	fake_migration_fini(&fake);
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	assert_int_equal(recover(&fake, &gone, &err), 0);
	assert_int_equal(fake_count(&fake, "resume"), 0);
	assert_int_equal(fake_count(&fake, "destroy"), 1);
	assert_int_equal(fake_count(&fake, "ask"), 0);
	fake_migration_fini(&fake);
}

/* As after a reset of the host: no call may reach domain 0 in the guest's place. */
static void a_guest_that_is_gone_is_said_to_be_lost_and_left_alone(void **state)
{
	static const struct journal_state journals[] = {
		[SIDE_SOURCE] = { .begun = true, .row = 7 },
		[SIDE_TARGET] = { .begun = true, .row = 11, .taken = true },
	};

	(void)state;
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		struct fake_migration fake;
		struct err err;

		fake_migration_init(&fake, side, "handover");
		fake.guest_gone = true;
		assert_true(recover(&fake, &journals[side], &err) < 0);
		assert_int_equal(err.code, ERR_LOST);
		assert_int_equal(fake_count(&fake, "resume"), 0);
		assert_int_equal(fake_count(&fake, "unpause"), 0);
		assert_int_equal(fake_count(&fake, "settle"), 0);
		fake_migration_fini(&fake);
	}
}

static void a_host_that_cannot_be_looked_at_leaves_a_doubt(void **state)
{
	struct journal_state journal = { .begun = true, .row = 7 };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "find";
	assert_true(recover(&fake, &journal, &err) < 0);
	assert_int_equal(err.code, ERR_IN_DOUBT);
	assert_int_equal(fake_count(&fake, "journal undone"), 0);
	fake_migration_fini(&fake);
}

static void what_was_settled_is_left_alone(void **state)
{
	struct journal_state done = { .begun = true, .row = 16, .done = true };
	struct journal_state undone = { .begun = true, .row = 7, .undone = true };
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	assert_int_equal(recover(&fake, &done, &err), 0);
	assert_int_equal(recover(&fake, &undone, &err), -ECANCELED);
	assert_int_equal(fake.log_count, 0);
	fake_migration_fini(&fake);
}

static void who_asks_is_told_what_is_durable(void **state)
{
	(void)state;
	assert_int_equal(recover_outcome(&(struct journal_state){ .begun = true }),
			 OUTCOME_UNDECIDED);
	assert_int_equal(recover_outcome(&(struct journal_state){ .taken = true }), OUTCOME_TAKEN);
	assert_int_equal(recover_outcome(&(struct journal_state){ .never = true }), OUTCOME_NEVER);
	assert_int_equal(recover_outcome(&(struct journal_state){ .taken = true, .never = true }),
			 OUTCOME_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_that_died_before_release_lets_its_guest_go_on),
		cmocka_unit_test(
			a_source_that_died_suspended_writes_nothing_before_its_guest_goes_on),
		cmocka_unit_test(a_source_that_died_after_release_asks_first),
		cmocka_unit_test(a_source_that_was_torn_down_already_is_done),
		cmocka_unit_test(a_target_that_died_before_the_commit_never_runs_the_guest),
		cmocka_unit_test(a_target_that_died_after_the_commit_goes_on),
		cmocka_unit_test(a_target_whose_guest_was_resolved_elsewhere_gives_its_copy_up),
		cmocka_unit_test(who_died_after_an_arbiters_word_follows_it_and_asks_nobody),
		cmocka_unit_test(a_guest_that_is_gone_is_said_to_be_lost_and_left_alone),
		cmocka_unit_test(a_host_that_cannot_be_looked_at_leaves_a_doubt),
		cmocka_unit_test(what_was_settled_is_left_alone),
		cmocka_unit_test(who_asks_is_told_what_is_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

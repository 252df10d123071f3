/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doubt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"

/* Says what it is told to say. */
struct fake_arbiter {
	struct arbiter arbiter;
	enum outcome outcome;
	unsigned asked;
	enum outcome told;
};

static int decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
		  struct err *err)
{
	struct fake_arbiter *fake = (struct fake_arbiter *)arbiter;

	(void)deadline_us;
	(void)err;
	fake->asked++;
	*verdict = (struct verdict){ fake->outcome, "an oracle" };
	return 0;
}

static int tell(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		struct err *err)
{
	(void)deadline_us;
	(void)err;
	((struct fake_arbiter *)arbiter)->told = outcome;
	return 0;
}

static const struct arbiter_ops arbiter_ops = { .decide = decide, .tell = tell };

struct doubtful {
	struct fake_migration fake;
	struct fake_arbiter arbiter;
	struct err err;
};

/* A migration whose peer is silent, and an arbiter that says `outcome`. */
static void begin(struct doubtful *d, enum side side, enum outcome outcome)
{
	*d = (struct doubtful){ .arbiter = { { &arbiter_ops }, .outcome = outcome } };
	fake_migration_init(&d->fake, side, "handover");
	d->fake.fail_at = "ask";
	d->fake.migration.arbiter = &d->arbiter.arbiter;
}

static uint64_t in_minutes(const struct doubtful *d, uint64_t minutes)
{
	return clock_after_ms(d->fake.migration.clock, minutes * 60000);
}

static void a_doubt_that_nobody_answers_stays_a_doubt(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_UNDECIDED);
	assert_int_equal(doubt_settle(&d.fake.migration, in_minutes(&d, 1), &d.err), -ETIMEDOUT);
	assert_int_equal(d.err.code, ERR_IN_DOUBT);
	assert_int_equal(d.fake.record.status, STATUS_IN_DOUBT);
	assert_int_equal(fake_count(&d.fake, "resume"), 0);
	fake_migration_fini(&d.fake);
}

static void the_peer_is_asked_first_and_an_arbiter_only_when_the_doubt_lasts(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_NEVER);
	d.fake.fail_at = NULL;
	d.fake.outcomes[2] = OUTCOME_TAKEN;
	assert_int_equal(doubt_settle(&d.fake.migration, in_minutes(&d, 1), &d.err), 0);
	assert_int_equal(d.arbiter.asked, 0);
	assert_true(d.fake.migration.taken);
	fake_migration_fini(&d.fake);
}

static void what_an_arbiter_says_is_durable_and_told_before_it_is_followed(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_NEVER);
	d.fake.migration.released = true;
	assert_int_equal(doubt_settle(&d.fake.migration, in_minutes(&d, 1), &d.err),
			 -ECONNABORTED);
	assert_int_equal(fake_count(&d.fake, "journal resolved-source"), 1);
	assert_int_equal(d.arbiter.told, OUTCOME_NEVER);
	assert_false(d.fake.migration.released);
	assert_non_null(strstr(d.err.message, "an oracle"));
	fake_migration_fini(&d.fake);
}

static void a_word_that_cannot_be_written_down_is_not_followed(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_NEVER);
	d.fake.fail_at = "journal resolved-source";
	d.fake.migration.released = true;
	assert_int_equal(doubt_settle(&d.fake.migration, in_minutes(&d, 1), &d.err), -ETIMEDOUT);
	assert_true(d.fake.migration.released);
	assert_int_equal(d.arbiter.told, OUTCOME_UNDECIDED);
	fake_migration_fini(&d.fake);
}

static void a_copy_that_is_older_than_the_disks_is_resumed_for_nobody(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_NEVER);
	d.fake.migration.released = d.fake.migration.taken = true; /* the target has said so */
	assert_int_equal(doubt_settle(&d.fake.migration, in_minutes(&d, 1), &d.err), -ETIMEDOUT);
	assert_int_equal(fake_count(&d.fake, "journal resolved-source"), 0);
	assert_non_null(strstr(d.fake.record.error.message, "outcome=target"));
	fake_migration_fini(&d.fake);
}

static void a_target_asks_once_while_its_guest_waits(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_TARGET, OUTCOME_UNDECIDED);
	assert_int_equal(doubt_disowned(&d.fake.migration, 0, &d.err), 0);
	assert_int_equal(fake_count(&d.fake, "ask"), 1);
	fake_migration_fini(&d.fake);
}

static void a_target_whose_guest_was_resolved_elsewhere_never_runs_it(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_TARGET, OUTCOME_UNDECIDED);
	d.fake.fail_at = NULL;
	d.fake.outcomes[0] = OUTCOME_NEVER;
	assert_int_equal(doubt_disowned(&d.fake.migration, 0, &d.err), 1);
	assert_int_equal(fake_count(&d.fake, "journal resolved-source"), 1);
	assert_false(d.fake.migration.taken);
	fake_migration_fini(&d.fake);
}

static void who_is_told_otherwise_names_the_conflict(void **state)
{
	struct doubtful d;

	(void)state;
	begin(&d, SIDE_SOURCE, OUTCOME_UNDECIDED);
	d.fake.fail_at = NULL;
	for (size_t i = 0; i < FAKE_OUTCOMES; i++)
		d.fake.outcomes[i] = OUTCOME_NEVER;
	d.fake.migration.resolved = OUTCOME_NEVER;
	doubt_confirm(&d.fake.migration);
	assert_int_equal(d.fake.record.error.code, ERR_NONE);
	for (size_t i = 0; i < FAKE_OUTCOMES; i++)
		d.fake.outcomes[i] = OUTCOME_TAKEN;
	d.fake.asked = 0;
	d.fake.outcomes_repeat = true;
	doubt_confirm(&d.fake.migration);
	assert_non_null(strstr(d.fake.record.error.message, "CONFLICT"));
	fake_migration_fini(&d.fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_doubt_that_nobody_answers_stays_a_doubt),
		cmocka_unit_test(the_peer_is_asked_first_and_an_arbiter_only_when_the_doubt_lasts),
		cmocka_unit_test(what_an_arbiter_says_is_durable_and_told_before_it_is_followed),
		cmocka_unit_test(a_word_that_cannot_be_written_down_is_not_followed),
		cmocka_unit_test(a_copy_that_is_older_than_the_disks_is_resumed_for_nobody),
		cmocka_unit_test(a_target_asks_once_while_its_guest_waits),
		cmocka_unit_test(a_target_whose_guest_was_resolved_elsewhere_never_runs_it),
		cmocka_unit_test(who_is_told_otherwise_names_the_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

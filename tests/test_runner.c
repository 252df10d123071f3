/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dry_run.h"
#include "fake_migration.h"
#include "meet.h"
#include "tlv.h"

static const char *const plans[] = { "handover", "xenserver-6.2", "xenopsd", "xenserver-5.5" };
#define PLANS (sizeof(plans) / sizeof(plans[0]))

/* What has to be undone when it was done, or half done: on which side, by what. */
static const struct {
	enum side side;
	const char *done, *undone;
} undos[] = {
	{ SIDE_SOURCE, "watch_disks", "unwatch_disks" },
	{ SIDE_SOURCE, "save_begin", "stream_stop" },
	{ SIDE_SOURCE, "save_begin", "cap 35" },
	{ SIDE_SOURCE, "close 1", "replug 1" },
	{ SIDE_SOURCE, "close 2", "replug 2" },
	{ SIDE_SOURCE, "journal released", "journal taken-back" },
	{ SIDE_TARGET, "create", "destroy" },
	{ SIDE_TARGET, "hook vm-pre-migrate destination", "hook vm-post-destroy destination" },
	{ SIDE_TARGET, "plug 3", "unplug" },
	{ SIDE_TARGET, "plug 2", "unplug" },
	{ SIDE_TARGET, "restore_begin", "stream_stop" },
};
#define UNDOS (sizeof(undos) / sizeof(undos[0]))

static int run(struct fake_migration *fake, enum side side, const char *plan, const char *fail_at,
	       struct err *err)
{
	fake_migration_init(fake, side, plan);
	fake->fail_at = fail_at;
	*err = (struct err){ ERR_NONE, "" };
	return plan_run(&fake->migration, 0, err);
}

static void a_plan_runs_to_its_end_on_either_side(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS; i++)
		for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
			struct fake_migration fake;
			struct err err;

			assert_int_equal(run(&fake, side, plans[i], NULL, &err), 0);
			assert_int_equal(fake.record.sync_point, SYNC_SP5);
			assert_int_equal(fake_count(&fake, "journal done"), 1);
			assert_int_equal(fake_count(&fake, "abort"), 0);
			fake_migration_fini(&fake);
		}
}

static void the_target_commits_then_answers_then_unpauses(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS; i++) {
		struct fake_migration fake;
		struct err err;

		assert_int_equal(run(&fake, SIDE_TARGET, plans[i], NULL, &err), 0);
		assert_true(fake_index(&fake, "hear SP3") < fake_index(&fake, "journal taken"));
		assert_true(fake_index(&fake, "journal taken") < fake_index(&fake, "answer SP3"));
		assert_true(fake_index(&fake, "answer SP3") < fake_index(&fake, "unpause"));
		fake_migration_fini(&fake);
	}
}

static void the_source_writes_its_release_down_before_it_says_it(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_SOURCE, "handover", NULL, &err), 0);
	assert_true(fake_index(&fake, "drain") < fake_index(&fake, "journal released"));
	assert_true(fake_index(&fake, "journal released") < fake_index(&fake, "say SP3"));
	assert_true(fake_index(&fake, "hear SP4") < fake_index(&fake, "destroy"));
	fake_migration_fini(&fake);
}

/* Every undo whose deed is in the log must be in it, after it. */
static void assert_undone(const struct fake_migration *fake, const char *fail_at)
{
	for (size_t i = 0; i < UNDOS; i++) {
		size_t done = fake_index(fake, undos[i].done);

		if (undos[i].side != fake->migration.side || done == FAKE_LOG_MAX)
			continue;
		if (fake_index(fake, undos[i].undone) == FAKE_LOG_MAX ||
		    fake_index(fake, undos[i].undone) < done)
			fail_msg("failed at %s: %s without %s", fail_at, undos[i].done,
				 undos[i].undone);
	}
}

static void assert_source_runs(const struct fake_migration *fake, const char *fail_at)
{
	if (fake_count(fake, "suspend") == 0)
		return;
	if (fake_count(fake, "resume") != 1)
		fail_msg("failed at %s: no resume", fail_at);
	if (fake_count(fake, "replug 1") > 0)
		assert_true(fake_index(fake, "replug 1") < fake_index(fake, "resume"));
	if (fake_count(fake, "replug 2") > 0)
		assert_true(fake_index(fake, "replug 2") < fake_index(fake, "resume"));
	assert_int_equal(fake_count(fake, "destroy"), 0);
}

/* Where a log of a good run may be cut: each entry before the point of no return. */
static size_t last_that_may_fail(const struct fake_migration *good)
{
	return fake_index(good, good->migration.side == SIDE_SOURCE ? "say SP3" : "answer SP3");
}

static bool can_fail(const char *entry)
{
	return strcmp(entry, "unwatch_disks") != 0 && strcmp(entry, "stream_stop") != 0;
}

static void fail_once_at(const struct fake_migration *good, size_t at)
{
	const char *fail_at = good->log[at];
	struct fake_migration fake;
	struct err err;

	assert_true(run(&fake, good->migration.side, good->migration.plan->name, fail_at,
			&err) < 0);
	assert_true(err.code != ERR_NONE && err.message[0]);
	assert_undone(&fake, fail_at);
	assert_int_equal(fake_count(&fake, "journal undone"), 1);
	if (fake.migration.side == SIDE_SOURCE) {
		assert_source_runs(&fake, fail_at);
	} else {
		assert_int_equal(fake_count(&fake, "unpause"), 0);
		assert_int_equal(fake_count(&fake, "journal never"), 1);
		assert_true(fake_index(&fake, "journal never") < fake_index(&fake, "abort"));
	}
	fake_migration_fini(&fake);
}

static void a_failure_anywhere_before_commit_undoes_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLANS; i++)
		for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
			struct fake_migration good;
			struct err err;

			assert_int_equal(run(&good, side, plans[i], NULL, &err), 0);
			for (size_t at = 0; at < last_that_may_fail(&good); at++)
				if (can_fail(good.log[at]))
					fail_once_at(&good, at);
			fake_migration_fini(&good);
		}
}

static void a_peer_that_gives_up_is_told_when_we_have_undone(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "hear SP2";
	fake.fail_rc = -ECONNABORTED;
	assert_int_equal(plan_run(&fake.migration, 0, &err), -ECONNABORTED);
	assert_int_equal(fake_count(&fake, "abort"), 0);
	assert_int_equal(fake_count(&fake, "resume"), 1);
	assert_true(fake_index(&fake, "resume") < fake_index(&fake, "aborted"));
	fake_migration_fini(&fake);
}

static void a_refusal_names_every_reason_and_touches_nothing(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_TARGET, "handover", "examine", &err), -EPERM);
	assert_int_equal(err.code, ERR_NO_MEMORY);
	assert_non_null(strstr(err.message, "too little memory; the name is taken"));
	assert_int_equal(fake_count(&fake, "create"), 0);
	fake_migration_fini(&fake);
}

static int reach(void *context, struct err *err)
{
	(void)context;
	(void)err;
	return 0;
}

static int do_not_reach(void *context, struct err *err)
{
	(void)context;
	return err_set(err, ERR_NO_PEER, -EHOSTUNREACH, "nobody answers");
}

static void a_dry_run_ends_with_the_verdict(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	assert_int_equal(dry_run_ask(&fake.migration, reach, NULL, &err), 0);
	assert_int_equal(fake_count(&fake, "say SP0"), 1);
	assert_int_equal(fake_count(&fake, "watch_disks"), 0);
	assert_int_equal(fake.record.dry_run.hook_count, 3); /* each folder has one */
	assert_string_equal(fake.record.dry_run.hooks[0].name, "vm-pre-migrate/10a");
	assert_true(fake.record.dry_run.total_ms > fake.record.dry_run.downtime_ms);
	fake_migration_fini(&fake);
}

static void a_dry_run_goes_on_looking_after_the_first_reason(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "describe";
	fake.fail_rc = -EPERM;
	assert_int_equal(dry_run_ask(&fake.migration, do_not_reach, NULL, &err), -EPERM);
	assert_int_equal(fake.record.dry_run.reasons.count, 2);
	assert_int_equal(err_exit_status(err.code), err_exit_status(ERR_REFUSED));
	fake_migration_fini(&fake);
}

/* An offer that says nothing but that it only asks; the payload is the migration's to free. */
static struct message only_a_question(void)
{
	struct message offer = { .type = WIRE_SYNC, .point = SYNC_SP0 };
	struct tlv_writer writer;

	tlv_writer_init(&writer, 4096);
	tlv_put_u64(&writer, DRY_RUN_FIELD_ASKED | TLV_REQUIRED, 1);
	offer.payload = malloc(writer.size);
	assert_non_null(offer.payload);
	memcpy(offer.payload, writer.bytes, writer.size);
	offer.size = writer.size;
	tlv_writer_fini(&writer);
	return offer;
}

static void a_target_that_is_only_asked_tells_each_reason_and_touches_nothing(void **state)
{
	struct fake_migration source, target;
	struct err err;

	(void)state;
	fake_migration_init(&target, SIDE_TARGET, "handover");
	snprintf(target.migration.guest.uuid, sizeof(target.migration.guest.uuid), FAKE_GUEST_UUID);
	message_fini(&target.migration.offer);
	target.migration.offer = only_a_question();
	assert_true(dry_run_is_asked(&target.migration.offer));
	target.fail_at = "examine";
	target.fail_rc = -EPERM;
	assert_int_equal(meet(&target.migration, SYNC_SP0, UINT64_MAX, &err), 0);
	assert_int_equal(target.record.dry_run.reasons.count, 2);
	assert_int_equal(fake_count(&target, "create"), 0);

	fake_migration_init(&source, SIDE_SOURCE, "handover");
	source.answers[SYNC_SP0] = target.said[SYNC_SP0];
	assert_int_equal(dry_run_ask(&source.migration, reach, NULL, &err), -EPERM);
	assert_int_equal(source.record.dry_run.reasons.count, 2);
	assert_int_equal(err.code, ERR_NO_MEMORY);
	assert_string_equal(source.record.dry_run.reasons.list[1].message, "the name is taken");
	fake_migration_fini(&source);
	fake_migration_fini(&target);
}

static void a_failure_after_the_offer_is_no_refusal_any_more(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "hear SP1";
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(err_exit_status(err.code), 1);
	fake_migration_fini(&fake);
}

static void a_cancel_before_the_suspend_undoes_and_says_cancelled(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "watch_disks";
	fake.fail_rc = -ECANCELED;
	assert_int_equal(plan_run(&fake.migration, 0, &err), -ECANCELED);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_int_equal(fake_count(&fake, "suspend"), 0);
	assert_int_equal(fake_count(&fake, "abort"), 1);
	fake_migration_fini(&fake);
}

/* Whatever it does just then, also while the guest is suspended. */
static void a_cancel_anywhere_before_sp3_undoes_and_after_it_changes_nothing(void **state)
{
	struct fake_migration good, fake;
	size_t given;
	struct err err;

	(void)state;
	assert_int_equal(run(&good, SIDE_SOURCE, "handover", NULL, &err), 0);
	given = fake_index(&good, "say SP3");
	for (size_t i = 0; i < good.log_count; i++) {
		bool before = i + 2 < given; /* the last look is the one before SP2 is heard */
		int rc;

		fake_migration_init(&fake, SIDE_SOURCE, "handover");
		fake.cancel_at = good.log[i];
		err = (struct err){ 0 };
		rc = plan_run(&fake.migration, 0, &err);
		if (before)
			assert_undone(&fake, good.log[i]);
		if (before)
			assert_int_equal(err.code, ERR_CANCELLED);
		if (i >= given)
			assert_int_equal(rc, 0);
		if (fake_count(&fake, "suspend") > 0)
			assert_int_equal(fake_count(&fake, "resume"), rc < 0 ? 1 : 0);
		fake_migration_fini(&fake);
	}
	fake_migration_fini(&good);
}

/* Ending the child may take long; the guest is not to crawl so long. */
static void the_guest_has_its_own_pace_before_the_copy_is_ended(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_true(run(&fake, SIDE_SOURCE, "handover", "stream_next 1", &err) < 0);
	assert_int_equal(fake_count(&fake, "cap 35"), 1);
	assert_true(fake_index(&fake, "cap 35") < fake_index(&fake, "stream_stop"));
	fake_migration_fini(&fake);
}

static void in_doubt_the_source_asks_and_goes_on_when_it_was_taken(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "hear SP3";
	fake.fail_rc = -ECONNRESET;
	fake.outcomes[2] = OUTCOME_TAKEN; /* undecided twice */
	assert_int_equal(plan_run(&fake.migration, 0, &err), 0);
	assert_int_equal(fake_count(&fake, "ask"), 3);
	assert_int_equal(fake_count(&fake, "resume"), 0);
	assert_int_equal(fake_count(&fake, "destroy"), 1);
	fake_migration_fini(&fake);
}

static void in_doubt_the_source_resumes_only_when_told_never(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "say SP3";
	fake.fail_rc = -EPIPE;
	fake.outcomes[1] = OUTCOME_NEVER;
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(fake_count(&fake, "ask"), 2);
	assert_int_equal(fake_count(&fake, "resume"), 1);
	assert_int_equal(fake_count(&fake, "destroy"), 0);
	fake_migration_fini(&fake);
}

static void a_target_that_loses_its_peer_after_commit_goes_on_alone(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "answer SP3";
	fake.fail_rc = -EPIPE;
	assert_int_equal(plan_run(&fake.migration, 0, &err), 0);
	assert_int_equal(fake_count(&fake, "drop link"), 1);
	assert_int_equal(fake_count(&fake, "unpause"), 1);
	assert_int_equal(fake_count(&fake, "settle"), 1);
	fake_migration_fini(&fake);
}

static void after_commit_a_step_is_tried_again_and_then_only_said(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_TARGET, "handover", "settle", &err), 0);
	assert_int_equal(fake_count(&fake, "settle"), 3 + 5);
	assert_int_equal(fake.record.error.code, ERR_FAILED);
	fake_migration_fini(&fake);
}

static void what_failed_after_commit_and_works_at_the_end_is_no_error(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "settle";
	fake.fail_times = 4;
	assert_int_equal(plan_run(&fake.migration, 0, &err), 0);
	assert_int_equal(fake_count(&fake, "settle"), 5);
	assert_int_equal(fake.record.error.code, ERR_NONE);
	assert_true(fake_index(&fake, "answer SP5") < fake_index(&fake, "journal done"));
	fake_migration_fini(&fake);
}

/* The peer's payloads are the test's to make here: what a target says, a source hears. */
static void what_failed_at_the_target_after_commit_is_heard_at_the_source(void **state)
{
	struct fake_migration source, target;
	struct err err;

	(void)state;
	assert_int_equal(run(&target, SIDE_TARGET, "handover", "settle", &err), 0);
	fake_migration_init(&source, SIDE_SOURCE, "handover");
	source.answers[SYNC_SP5] = target.said[SYNC_SP5];
	assert_int_equal(plan_run(&source.migration, 0, &err), 0);
	assert_int_equal(source.record.error.code, ERR_FAILED);
	assert_non_null(strstr(source.record.error.message, "at the target: settle-guest"));
	assert_true(source.record.step_count > target.record.step_count); /* its timeline as well */
	fake_migration_fini(&source);
	fake_migration_fini(&target);
}

static void a_guest_that_cannot_be_unpaused_is_said_to_be_lost(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_true(run(&fake, SIDE_TARGET, "handover", "unpause", &err) < 0);
	assert_int_equal(err.code, ERR_LOST);
	assert_int_equal(fake_count(&fake, "destroy"), 0);
	fake_migration_fini(&fake);
}

/* The target has said SP2 and hears nothing of the source until SP3: all that lies in between. */
static void the_target_waits_as_long_as_the_source_may_take(void **state)
{
	struct fake_migration fake;
	uint64_t closing_ms = plan_step("drain-disks")->timeout_ms +
			      plan_step("close-disks")->timeout_ms +
			      plan_step("unplug-vifs")->timeout_ms;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_TARGET, "xenserver-5.5", NULL, &err), 0);
	assert_true(fake.patience_ms[SYNC_SP3] > closing_ms);
	fake_migration_fini(&fake);
	assert_int_equal(run(&fake, SIDE_TARGET, "handover", NULL, &err), 0);
	assert_true(fake.patience_ms[SYNC_SP3] <= 30000);
	fake_migration_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_runs_to_its_end_on_either_side),
		cmocka_unit_test(the_target_commits_then_answers_then_unpauses),
		cmocka_unit_test(the_target_waits_as_long_as_the_source_may_take),
		cmocka_unit_test(the_source_writes_its_release_down_before_it_says_it),
		cmocka_unit_test(a_failure_anywhere_before_commit_undoes_everything),
		cmocka_unit_test(a_peer_that_gives_up_is_told_when_we_have_undone),
		cmocka_unit_test(a_refusal_names_every_reason_and_touches_nothing),
		cmocka_unit_test(a_dry_run_ends_with_the_verdict),
		cmocka_unit_test(a_dry_run_goes_on_looking_after_the_first_reason),
		cmocka_unit_test(a_target_that_is_only_asked_tells_each_reason_and_touches_nothing),
		cmocka_unit_test(a_failure_after_the_offer_is_no_refusal_any_more),
		cmocka_unit_test(a_cancel_before_the_suspend_undoes_and_says_cancelled),
		cmocka_unit_test(a_cancel_anywhere_before_sp3_undoes_and_after_it_changes_nothing),
		cmocka_unit_test(the_guest_has_its_own_pace_before_the_copy_is_ended),
		cmocka_unit_test(in_doubt_the_source_asks_and_goes_on_when_it_was_taken),
		cmocka_unit_test(in_doubt_the_source_resumes_only_when_told_never),
		cmocka_unit_test(a_target_that_loses_its_peer_after_commit_goes_on_alone),
		cmocka_unit_test(after_commit_a_step_is_tried_again_and_then_only_said),
		cmocka_unit_test(what_failed_after_commit_and_works_at_the_end_is_no_error),
		cmocka_unit_test(what_failed_at_the_target_after_commit_is_heard_at_the_source),
		cmocka_unit_test(a_guest_that_cannot_be_unpaused_is_said_to_be_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

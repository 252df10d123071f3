/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One side of a migration over fakes: a host, a link with a willing peer, a journal. All of them
 * write what is done into one log, "create", "say SP1", "journal taken", and fail where they are
 * told to.
 */
#ifndef XENFERRY_TEST_FAKE_MIGRATION_H
#define XENFERRY_TEST_FAKE_MIGRATION_H

#include "fake_clock.h"
#include "migration.h"

#define FAKE_LOG_MAX 128
#define FAKE_OUTCOMES 8
#define FAKE_FREE_BYTES (UINT64_C(3) << 30)
#define FAKE_GUEST_UUID "6f1d2c3b-0000-4000-8000-000000000001"

struct fake_migration {
	struct migration migration;
	struct record record;
	struct fake_clock clock;
	struct host host;
	struct hooks hooks;
	struct link link;
	struct peer peer;
	struct journal journal;
	struct record_sink sink;

	char log[FAKE_LOG_MAX][48];
	uint64_t log_us[FAKE_LOG_MAX]; /* when */
	size_t log_count;

	const char *fail_at;      /* a pattern of log entries that fail, half done; NULL: none */
	int fail_rc;
	const char *cancel_at;    /* the log entry at which the operator cancels; NULL: never */
	unsigned fail_times;      /* so often, then it works; 0: always */
	bool guest_gone;          /* list() does not find it */
	enum sync_point last;     /* the last point that was said or heard */
	bool owes_answer;         /* the peer has to answer it */
	bool aborted;             /* this side gave up: all that the peer has to say is ABORTED */
	struct fake_payload {
		uint8_t bytes[4096];
		size_t size;
	} said[SYNC_POINTS], answers[SYNC_POINTS]; /* this side's; the peer's, empty if not set */
	uint64_t patience_ms[SYNC_POINTS]; /* how long each point was going to be waited for */
	enum outcome outcomes[FAKE_OUTCOMES]; /* what ask() answers, in order */
	bool outcomes_repeat;     /* the last of them for ever */
	size_t asked;
	unsigned stream_events;   /* handed out so far */
	bool doubt_shown;         /* people were told of a doubt */
};

/* A migration of `side` along `plan`, at its start. */
void fake_migration_init(struct fake_migration *fake, enum side side, const char *plan);
void fake_migration_fini(struct fake_migration *fake);

/* How often `entry` stands in the log. */
size_t fake_count(const struct fake_migration *fake, const char *entry);
/* The index of the first `entry` in the log; FAKE_LOG_MAX when there is none. */
size_t fake_index(const struct fake_migration *fake, const char *entry);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arbiter_open: the operator first, then the one that is configured. The operator's word lies in
 * the job's folder, where migration-resolve put it.
 */
#include "arbiter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"

#define CHAIN_MAX 2
#define RESOLUTION_BYTES_MAX 4096

const char *outcome_side(enum outcome outcome)
{
	static const char *const sides[] = { [OUTCOME_UNDECIDED] = "",
					     [OUTCOME_TAKEN] = "target",
					     [OUTCOME_NEVER] = "source" };

	return sides[outcome];
}

enum outcome outcome_of_side(const char *side)
{
	if (strcmp(side, "target") == 0)
		return OUTCOME_TAKEN;
	return strcmp(side, "source") == 0 ? OUTCOME_NEVER : OUTCOME_UNDECIDED;
}

int arbiter_tell_nobody(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
			struct err *err)
{
	(void)arbiter;
	(void)outcome;
	(void)deadline_us;
	(void)err;
	return 0;
}

void arbiter_free(struct arbiter *arbiter)
{
	free(arbiter);
}

/* ---- the operator ---- */

struct operator {
	struct arbiter arbiter;
	const struct job *job;
};

static int operator_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			   struct err *err)
{
	const struct operator *operator = (const struct operator *)arbiter;
	CLEANUP_JSON_VALUE struct json_value *resolution = NULL;
	char path[JOB_FOLDER_MAX + 32];
	const char *side;

	(void)deadline_us;
	snprintf(path, sizeof(path), "%s/" JOB_RESOLUTION, operator->job->folder);
	*verdict = (struct verdict){ OUTCOME_UNDECIDED, "the operator" };
	if (access(path, F_OK) < 0)
		return 0;
	resolution = json_parse_file(path, RESOLUTION_BYTES_MAX, err);
	side = json_get_string(resolution, "outcome");
	if (!side)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "%s cannot be read: say migration-resolve again", path);
	verdict->outcome = outcome_of_side(side);
	return 0;
}

/* The operator of one host says it at that host. */
static const struct arbiter_ops operator_ops = {
	.decide = operator_decide, .tell = arbiter_tell_nobody, .close = arbiter_free
};

int arbiter_operator_open(const struct arbiter_setup *setup, struct arbiter **arbiter,
			  struct err *err)
{
	struct operator *operator = calloc(1, sizeof(*operator));

	if (!operator)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an arbiter");
	*operator = (struct operator){ { &operator_ops }, setup->job };
	*arbiter = &operator->arbiter;
	return 0;
}

/* ---- one after another ---- */

struct chain {
	struct arbiter arbiter;
	struct arbiter *members[CHAIN_MAX];
	size_t count;
};

/* The first that decides. What one could not say is told only when no other decides. */
static int chain_decide(struct arbiter *arbiter, uint64_t deadline_us, struct verdict *verdict,
			struct err *err)
{
	const struct chain *chain = (const struct chain *)arbiter;
	int first_rc = 0;

	*verdict = (struct verdict){ .outcome = OUTCOME_UNDECIDED };
	for (size_t i = 0; i < chain->count && verdict->outcome == OUTCOME_UNDECIDED; i++) {
		struct arbiter *member = chain->members[i];
		struct err why = { ERR_NONE, "" };
		int rc = member->ops->decide(member, deadline_us, verdict, &why);

		if (rc == 0)
			continue;
		verdict->outcome = OUTCOME_UNDECIDED;
		if (first_rc == 0 && err)
			*err = why;
		first_rc = first_rc < 0 ? first_rc : rc;
	}
	return verdict->outcome == OUTCOME_UNDECIDED ? first_rc : 0;
}

static int chain_tell(struct arbiter *arbiter, enum outcome outcome, uint64_t deadline_us,
		      struct err *err)
{
	const struct chain *chain = (const struct chain *)arbiter;
	int rc = 0;

	for (size_t i = 0; i < chain->count && rc == 0; i++)
		rc = chain->members[i]->ops->tell(chain->members[i], outcome, deadline_us, err);
	return rc;
}

static void chain_close(struct arbiter *arbiter)
{
	struct chain *chain = (struct chain *)arbiter;

	for (size_t i = 0; i < chain->count; i++)
		chain->members[i]->ops->close(chain->members[i]);
	free(chain);
}

static int chain_join(struct arbiter *arbiter, uint64_t deadline_us, struct err *err)
{
	const struct chain *chain = (const struct chain *)arbiter;
	int rc = 0;

	for (size_t i = 0; i < chain->count && rc == 0; i++)
		if (chain->members[i]->ops->join)
			rc = chain->members[i]->ops->join(chain->members[i], deadline_us, err);
	return rc;
}

static const struct arbiter_ops chain_ops = { chain_decide, chain_tell, chain_close, chain_join };

typedef int open_fn(const struct arbiter_setup *setup, struct arbiter **arbiter, struct err *err);

static open_fn *const kinds[][CHAIN_MAX] = {
	[ARBITER_NONE] = { NULL },
	[ARBITER_OPERATOR] = { arbiter_operator_open },
	[ARBITER_LEASE] = { arbiter_operator_open, arbiter_lease_open },
	[ARBITER_SANLOCK] = { arbiter_operator_open, arbiter_sanlock_open },
	[ARBITER_COMMAND] = { arbiter_operator_open, arbiter_command_open },
};

int arbiter_open(const struct arbiter_setup *setup, struct arbiter **arbiter, struct err *err)
{
	open_fn *const *openers = kinds[setup->config->arbiter];
	struct chain *chain;
	int rc = 0;

	if (!openers[0])
		return 0;
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an arbiter");
	chain->arbiter.ops = &chain_ops;
	for (size_t i = 0; i < CHAIN_MAX && openers[i] && rc == 0; i++) {
		rc = openers[i](setup, &chain->members[i], err);
		chain->count += rc == 0;
	}
	if (rc < 0) {
		chain_close(&chain->arbiter);
		return rc;
	}
	*arbiter = &chain->arbiter;
	return 0;
}

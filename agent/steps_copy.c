/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's copy: source_copy starts the child and goes from one of its questions to the next,
 * deciding by the policy (policy.h), slowing the guest when that says so, and hearing what the
 * operator says meanwhile; source_finish_copy is the last pass, in the blackout; source_stop_copy
 * undoes both.
 */
#include "steps.h"

#include <errno.h>

#include "log.h"
#include "meet.h"
#include "memory.h"
#include "migration.h"

/* One sends what was written while it was paused, the next what was written during that. */
#define CATCH_UP_PASSES 2
#define LOOK_EVERY_MS 100 /* at the operator's orders, when the child has nothing to say */

/* ---- what people see ---- */

static void note_counts(struct record *record, const struct stream_event *event)
{
	record->wire_bytes = event->wire_bytes;
	record->transferred_bytes = event->memory_bytes + event->zero_pages * 4096;
	record->zero_pages = event->zero_pages;
	record->verified_pages = event->verified_pages;
	record->late_pages = event->late_pages;
	record->verify_us = event->verify_us;
}

static void note_progress(struct migration *m, const struct stream_event *event)
{
	struct record *record = m->record;

	note_counts(record, event);
	record_progress(record, record->transferred_bytes, clock_now_us(m->clock));
	record->dirty_bytes_per_s = m->policy.dirty_bytes_per_s;
	record->downtime_limit_ms = m->policy.limit_ms;
	record->throttle_percent = m->throttle_percent;
	record->predicted_downtime_ms = m->policy.predicted_downtime_ms == UINT32_MAX ?
						0 : m->policy.predicted_downtime_ms;
	migration_publish(m, false);
}

/* A pass begins with what is dirty, in the first one all of memory, and ends when it is sent. */
static void note_pass(struct migration *m, const struct stream_event *event)
{
	uint64_t dirty_bytes = m->record->memory_bytes, now_us = clock_now_us(m->clock);

	note_counts(m->record, event);
	if (event->iteration > 0)
		dirty_bytes = event->dirty_pages > 0 ? (uint64_t)event->dirty_pages * 4096 : 0;
	if (event->sent)
		record_pass_end(m->record, m->record->transferred_bytes, now_us);
	else
		record_pass_start(m->record, dirty_bytes, m->record->transferred_bytes, now_us);
}

/* ---- the guest's pace ---- */

/* A cap that cannot be set is no reason to give up: the copy may converge without. */
static void throttle(struct migration *m)
{
	uint32_t percent = m->policy.converge.throttle_percent;
	struct err err;

	if (percent == m->throttle_percent || m->cannot_throttle)
		return;
	if (m->host->ops->cap(m->host, &m->guest,
			      converge_cap(m->guest.cpu_cap_percent, m->guest.vcpus, percent),
			      &err) < 0) {
		log_warning("job %s: the guest cannot be slowed down: %s", m->record->uuid,
			    err.message);
		m->cannot_throttle = true;
		return;
	}
	m->throttle_percent = percent;
}

/* ---- the operator, and time ---- */

static int obey(struct migration *m, struct err *err)
{
	struct steering *steering = &m->settings.steering;
	struct order order;

	if (!m->orders || !m->orders->ops->take(m->orders, &order))
		return 0;
	m->may_switch |= order.go_on;
	if (order.bandwidth_mibps < 0 ||
	    steering_bandwidth(order.bandwidth_mibps, &steering->limit, NULL) < 0)
		return 0;
	m->policy.limited = steering->limit.bytes_per_s > 0 && !steering->limit.last_pass_too;
	m->record->bandwidth_bytes_per_s = steering->limit.bytes_per_s;
	return m->host->ops->stream_limit(m->host, &steering->limit, err);
}

static int check_timeout(struct migration *m, struct err *err)
{
	const struct steering *steering = &m->settings.steering;

	if (steering->timeout_s == 0 || clock_now_us(m->clock) < m->copy_timeout_us)
		return 0;
	if (!steering->timeout_suspends)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       "the copy took longer than timeout-s=%u and is given up, as "
			       "timeout-action= says", steering->timeout_s);
	m->policy.stop_at_once = m->may_switch = true;
	return 0;
}

/* The child's next event, or -EAGAIN when it is time to look around. */
static int next_event(struct migration *m, struct stream_event *event, struct err *err)
{
	uint64_t look_us = clock_after_ms(m->clock, LOOK_EVERY_MS);
	uint64_t until_us = m->orders && look_us < m->deadline_us ? look_us : m->deadline_us;
	int rc = m->host->ops->stream_next(m->host, meet_fd(m), until_us, true,
					   event, err);

	return rc == -ETIMEDOUT && until_us < m->deadline_us ? -EAGAIN : rc;
}

static int look_around(struct migration *m, struct err *err)
{
	int rc = obey(m, err);

	return rc < 0 ? rc : check_timeout(m, err);
}

/* Everything fits, and the operator wants to say when: the child waits for its answer so long. */
static int await_permission(struct migration *m, struct err *err)
{
	m->record->awaits_continue = true;
	migration_publish(m, true);
	while (!m->may_switch) {
		struct stream_event event;
		int rc = next_event(m, &event, err);

		if (rc == 0 && event.kind == STREAM_PEER)
			rc = meet_hear_abort(m, err);
		else if (rc == 0 && event.kind == STREAM_FINISHED)
			rc = err_set(err, ERR_FAILED, -EIO, "sending memory ended early: %s",
				     event.message);
		if (rc == 0 || rc == -EAGAIN)
			rc = look_around(m, err);
		if (rc < 0)
			return rc;
	}
	m->record->awaits_continue = false;
	return 0;
}

/* ---- questions ---- */

static int decide(struct migration *m, const struct stream_event *event, struct err *err)
{
	enum stream_decision decision;
	int rc = look_around(m, err);

	if (rc < 0)
		return rc;
	decision = policy_decide(&m->policy, event, clock_now_us(m->clock), err);
	note_pass(m, event);
	note_progress(m, event);
	if (decision == STREAM_ABORT && m->file.path[0])
		decision = STREAM_STOP; /* nobody waits for this guest */
	if (decision == STREAM_ABORT)
		return -ETIMEDOUT;
	throttle(m);
	if (decision == STREAM_STOP && !m->may_switch) {
		rc = await_permission(m, err);
		if (rc < 0)
			return rc;
		/* the guest ran on meanwhile, and none of this was a stall */
		m->caught_up_at = event->iteration + CATCH_UP_PASSES;
		policy_forgive(&m->policy, m->caught_up_at - 1);
	}
	if (decision == STREAM_STOP && event->iteration < m->caught_up_at &&
	    !m->policy.stop_at_once)
		decision = STREAM_CONTINUE;
	return m->host->ops->stream_reply(m->host, decision, err);
}

static int take_event(struct migration *m, const struct stream_event *event, struct err *err)
{
	switch (event->kind) {
	case STREAM_PROGRESS:
		note_progress(m, event);
		return look_around(m, err);
	case STREAM_ITERATION:
		return decide(m, event, err);
	case STREAM_PEER:
		return meet_hear_abort(m, err);
	case STREAM_FINISHED:
		return err_set(err, ERR_FAILED, -EIO, "sending memory ended early: %s",
			       event->message);
	case STREAM_SUSPEND:
		break;
	}
	return 0;
}

/* Ends when the library asks for the guest to be suspended; the answer is source_suspend(). */
static int copy_until_suspend(struct migration *m, struct err *err)
{
	struct stream_event event;
	int rc;

	do {
		rc = next_event(m, &event, err);
		if (rc == -EAGAIN) {
			event.kind = STREAM_PROGRESS;
			rc = look_around(m, err);
		} else if (rc == 0) {
			rc = take_event(m, &event, err);
		}
		if (rc < 0)
			return rc;
	} while (event.kind != STREAM_SUSPEND);
	note_counts(m->record, &event);
	record_pass_end(m->record, m->record->transferred_bytes, clock_now_us(m->clock));
	return 0;
}

int source_copy(struct migration *m, struct err *err)
{
	const struct steering *steering = &m->settings.steering;
	struct memory_path path;
	int rc = policy_check(steering->downtime_limit_ms, &m->settings.costs, err);

	if (rc == 0 && m->tracking)
		rc = m->tracking->ops->claim(m->tracking, m->guest.uuid, err);
	if (rc == 0)
		rc = memory_open(m, m->deadline_us, &path, err);
	if (rc < 0)
		return rc;
	if (m->tracking)
		path.held_fd = m->tracking->fd;
	policy_init(&m->policy, &steering->policy, steering->downtime_limit_ms,
		    &m->settings.costs);
	m->policy.limited = steering->limit.bytes_per_s > 0 && !steering->limit.last_pass_too;
	m->record->bandwidth_bytes_per_s = steering->limit.bytes_per_s;
	m->may_switch = !steering->pause_before_switchover;
	m->copy_timeout_us = clock_after_ms(m->clock, steering->timeout_s * UINT64_C(1000));
	rc = m->host->ops->save_begin(m->host, &m->guest, &path, err);
	if (rc == 0 && steering->limit.bytes_per_s > 0)
		rc = m->host->ops->stream_limit(m->host, &steering->limit, err);
	return rc < 0 ? rc : copy_until_suspend(m, err);
}

/* The guest's own pace comes first: ending the child may take a while. */
int source_stop_copy(struct migration *m, struct err *err)
{
	int rc = m->guest.domid ?
			 m->host->ops->cap(m->host, &m->guest, m->guest.cpu_cap_percent, err) : 0;

	m->host->ops->stream_stop(m->host);
	return rc == -EOPNOTSUPP ? 0 : rc;
}

/*
 * The peer may speak before our own child has ended: SP2, which is heard at its point, or that it
 * gives up. Then its child goes, and ours fails.
 */
int source_finish_copy(struct migration *m, struct err *err)
{
	int peer_fd = meet_fd(m);
	bool peer_spoke = false;
	struct stream_event event;

	record_pass_start(m->record, m->policy.remaining_bytes, m->record->transferred_bytes,
			  m->record->suspended_us);
	do {
		int rc = m->host->ops->stream_next(m->host, peer_spoke ? -1 : peer_fd,
						   m->deadline_us, true, &event, err);

		if (rc < 0)
			return rc;
		note_counts(m->record, &event);
		peer_spoke |= event.kind == STREAM_PEER;
	} while (event.kind != STREAM_FINISHED);
	record_pass_end(m->record, m->record->transferred_bytes, clock_now_us(m->clock));
	if (!event.ok && peer_spoke && meet_hear_abort(m, err) == -ECONNABORTED)
		return -ECONNABORTED;
	if (!event.ok)
		return err_set(err, ERR_FAILED, -EIO, "sending the last pages failed: %s",
			       event.message);
	m->record->remaining_bytes = 0;
	m->record->eta_ms = 0;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's steps, in the order of the handover plan: describe, watch_disks, copy, suspend,
 * finish_copy, drain (and close_disks, unplug_vifs), write_release, leave_bridges, tear_down.
 */
#include "steps.h"

#include <errno.h>
#include <stdio.h>

#include "meet.h"
#include "memory.h"
#include "migration.h"
#include "tlv.h"

#define CHECK_DISKS_MS 10000 /* how long a deep queue may keep us from suspending */
#define FIXED_COST_MS 60     /* suspend, hand over and resume: what no faster copy can save */

/* Keeps what recovery needs to know of the guest. */
static int keep_guest(struct migration *m, struct err *err)
{
	struct tlv_writer writer;
	int rc;

	tlv_writer_init(&writer, DESCRIPTION_MAX);
	description_encode(&m->guest, &writer);
	rc = tlv_writer_status(&writer);
	if (rc < 0)
		err_set(err, ERR_REFUSED, rc, "the guest's description is larger than %u bytes",
			DESCRIPTION_MAX);
	else
		rc = m->journal->ops->keep_guest(m->journal, writer.bytes, writer.size, err);
	tlv_writer_fini(&writer);
	return rc;
}

int source_describe(struct migration *m, struct err *err)
{
	int rc = m->host->ops->describe(m->host, m->settings.vm, &m->guest, err);

	if (rc < 0)
		return rc;
	snprintf(m->record->guest_uuid, sizeof(m->record->guest_uuid), "%s", m->guest.uuid);
	snprintf(m->record->guest_name, sizeof(m->record->guest_name), "%s", m->guest.name);
	m->record->memory_bytes = m->guest.pages_now * 4096;
	return keep_guest(m, err);
}

int source_watch_disks(struct migration *m, struct err *err)
{
	return m->host->ops->watch_disks(m->host, &m->guest, err);
}

int source_unwatch_disks(struct migration *m, struct err *err)
{
	(void)err;
	m->host->ops->unwatch_disks(m->host);
	return 0;
}

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

static int decide(struct migration *m, const struct stream_event *event, struct err *err)
{
	enum stream_decision decision =
		policy_decide(&m->policy, event, clock_now_us(m->clock), err);

	note_pass(m, event);
	note_progress(m, event);
	if (decision == STREAM_ABORT)
		return -ETIMEDOUT;
	return m->host->ops->stream_reply(m->host, decision, err);
}

/* Ends when the library asks for the guest to be suspended; the answer is source_suspend(). */
static int copy_until_suspend(struct migration *m, struct err *err)
{
	for (;;) {
		struct stream_event event;
		int rc = m->host->ops->stream_next(m->host, m->link->ops->fd(m->link),
						   m->deadline_us, true, &event, err);

		if (rc < 0)
			return rc;
		switch (event.kind) {
		case STREAM_PROGRESS:
			note_progress(m, &event);
			break;
		case STREAM_ITERATION:
			rc = decide(m, &event, err);
			break;
		case STREAM_SUSPEND:
			note_counts(m->record, &event);
			record_pass_end(m->record, m->record->transferred_bytes,
					clock_now_us(m->clock));
			return 0;
		case STREAM_PEER:
			rc = meet_hear_abort(m, err);
			break;
		case STREAM_FINISHED:
			return err_set(err, ERR_FAILED, -EIO, "sending memory ended early: %s",
				       event.message);
		}
		if (rc < 0)
			return rc;
	}
}

int source_copy(struct migration *m, struct err *err)
{
	struct memory_path path;
	int rc = memory_open(m, m->deadline_us, &path, err);

	if (rc < 0)
		return rc;
	policy_init(&m->policy, m->settings.downtime_limit_ms, FIXED_COST_MS);
	rc = m->host->ops->save_begin(m->host, &m->guest, &path, err);
	return rc < 0 ? rc : copy_until_suspend(m, err);
}

int source_stop_copy(struct migration *m, struct err *err)
{
	(void)err;
	m->host->ops->stream_stop(m->host);
	return 0;
}

int source_suspend(struct migration *m, struct err *err)
{
	uint64_t now_us = clock_now_us(m->clock);
	int rc = clock_wait(m->clock, NULL, 0, now_us, true);

	if (rc < 0)
		return err_set(err, ERR_CANCELLED, rc, "cancelled before the guest was suspended");
	rc = m->host->ops->check_disks(m->host, m->settings.drain_ms,
				       clock_after_ms(m->clock, CHECK_DISKS_MS), err);
	if (rc < 0)
		return rc;
	rc = m->host->ops->suspend(m->host, &m->guest, m->deadline_us, &m->record->suspended_us,
				   err);
	return rc < 0 ? rc : m->host->ops->stream_reply(m->host, 1, err);
}

int source_resume(struct migration *m, struct err *err)
{
	int rc = m->host->ops->resume(m->host, &m->guest, err);

	if (rc < 0) {
		err->code = ERR_LOST;
		return err_prefix(err, rc, "the guest does not resume");
	}
	if (m->record->suspended_us)
		m->record->running_us = clock_now_us(m->clock);
	return 0;
}

/*
 * The peer may speak before our own child has ended: SP2, which is heard at its point, or that it
 * gives up. Then its child goes, and ours fails.
 */
int source_finish_copy(struct migration *m, struct err *err)
{
	int peer_fd = m->link->ops->fd(m->link);
	bool peer_spoke = false;
	struct stream_event event;

	record_pass_start(m->record, 0, m->record->transferred_bytes, m->record->suspended_us);
	do {
		int rc = m->host->ops->stream_next(m->host, peer_spoke ? -1 : peer_fd,
						   m->deadline_us, false, &event, err);

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

int source_drain(struct migration *m, struct err *err)
{
	return m->host->ops->drain(m->host, &m->guest,
				   clock_after_ms(m->clock, m->settings.drain_ms), err);
}

int source_close_disks(struct migration *m, struct err *err)
{
	m->host->ops->unwatch_disks(m->host); /* a mapped ring would keep the guest's grant busy */
	return m->host->ops->close_devices(m->host, &m->guest, 1u << DEVICE_VBD, m->deadline_us,
					   err);
}

int source_replug_disks(struct migration *m, struct err *err)
{
	return m->host->ops->replug(m->host, &m->guest, 1u << DEVICE_VBD, m->deadline_us, err);
}

int source_unplug_vifs(struct migration *m, struct err *err)
{
	return m->host->ops->close_devices(m->host, &m->guest, 1u << DEVICE_VIF, m->deadline_us,
					   err);
}

int source_replug_vifs(struct migration *m, struct err *err)
{
	return m->host->ops->replug(m->host, &m->guest, 1u << DEVICE_VIF, m->deadline_us, err);
}

/*
 * Before SP2 is heard, so that the disk is written while the target restores: a crash from here on
 * is a doubt, which the target settles.
 */
int source_write_release(struct migration *m, struct err *err)
{
	return m->journal->ops->append(
		m->journal, &(struct journal_entry){ .event = JOURNAL_RELEASED }, err);
}

int source_take_back(struct migration *m, struct err *err)
{
	return m->journal->ops->append(
		m->journal, &(struct journal_entry){ .event = JOURNAL_TAKEN_BACK }, err);
}

int source_leave_bridges(struct migration *m, struct err *err)
{
	return m->host->ops->leave_bridges(m->host, &m->guest, err);
}

int source_tear_down(struct migration *m, struct err *err)
{
	int rc;

	m->host->ops->unwatch_disks(m->host);
	m->host->ops->stream_stop(m->host);
	rc = m->host->ops->unplug(m->host, &m->guest, m->deadline_us, err);
	return rc < 0 ? rc : m->host->ops->destroy(m->host, &m->guest, err);
}

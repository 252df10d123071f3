/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The source's steps beside the copy's (steps_copy.c), in the order of the handover plan: describe,
 * watch_disks, suspend, drain (and close_disks, unplug_vifs), write_release, leave_bridges,
 * tear_down.
 */
#include "steps.h"

#include <errno.h>
#include <stdio.h>

#include "meet.h"
#include "memory.h"
#include "migration.h"
#include "tlv.h"

#define CHECK_DISKS_MS 10000 /* how long a deep queue may keep us from suspending */
/* To clean up takes a CPU that a guest which goes on, and what serves it, need first. */
#define LEAVE_CPU_US 100000

int keep_guest(struct migration *m, struct err *err)
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

int describe_guest(struct migration *m, struct reasons *reasons)
{
	struct err why;
	int rc = m->host->ops->describe(m->host, m->settings.vm, &m->guest, reasons);

	if (rc < 0)
		return rc;
	snprintf(m->record->guest_uuid, sizeof(m->record->guest_uuid), "%s", m->guest.uuid);
	snprintf(m->record->guest_name, sizeof(m->record->guest_name), "%s", m->guest.name);
	m->record->memory_bytes = m->guest.pages_now * 4096;
	rc = keep_guest(m, &why);
	if (rc < 0)
		*reasons_next(reasons) = why;
	return rc;
}

int source_describe(struct migration *m, struct err *err)
{
	struct reasons reasons = { .count = 0 };
	int rc = describe_guest(m, &reasons);

	if (reasons.count == 0)
		return rc;
	reasons_join(&reasons, err);
	return rc < 0 ? rc : -EPERM;
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
	if (m->record->suspended_us) {
		m->record->running_us = clock_now_us(m->clock);
		clock_sleep_us(m->clock, LEAVE_CPU_US);
	}
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

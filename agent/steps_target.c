/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's steps, in the order of the handover plan: create, plug, receive, introduce,
 * forget_macs, unpause, announce, await_network, settle.
 */
#include "steps.h"

#include <errno.h>

#include "meet.h"
#include "memory.h"
#include "migration.h"

#define OPEN_MEMORY_MS 100000  /* until the source has asked its hooks and opens the connection */
/* Looks are rare, to leave the CPU to the guest: after 10 ms, 30 ms more, then every 100 ms. */
#define LOOK_FIRST_US 10000
#define LOOK_AGAIN_MAX_US 100000
#define ANNOUNCE_AGAIN_MIN_US 100000

#define BOTH_KINDS (1u << DEVICE_VBD | 1u << DEVICE_VIF)

int target_create(struct migration *m, struct err *err)
{
	return m->host->ops->create(m->host, &m->guest, err);
}

int target_destroy(struct migration *m, struct err *err)
{
	return m->host->ops->destroy(m->host, &m->guest, err);
}

int target_plug_all(struct migration *m, struct err *err)
{
	return m->host->ops->plug(m->host, &m->guest, BOTH_KINDS, false, m->deadline_us, err);
}

int target_hold_disks(struct migration *m, struct err *err)
{
	return m->host->ops->hold_disks(m->host, &m->guest, m->deadline_us, err);
}

int target_release_disks(struct migration *m, struct err *err)
{
	return m->host->ops->release_disks(m->host, &m->guest, err);
}

int target_plug_vbds(struct migration *m, struct err *err)
{
	return m->host->ops->plug(m->host, &m->guest, 1u << DEVICE_VBD, false, m->deadline_us, err);
}

int target_plug_vifs(struct migration *m, struct err *err)
{
	return m->host->ops->plug(m->host, &m->guest, 1u << DEVICE_VIF, false, m->deadline_us, err);
}

int target_plug_vbds_in_turn(struct migration *m, struct err *err)
{
	return m->host->ops->plug(m->host, &m->guest, 1u << DEVICE_VBD, true, m->deadline_us, err);
}

int target_plug_vifs_in_turn(struct migration *m, struct err *err)
{
	return m->host->ops->plug(m->host, &m->guest, 1u << DEVICE_VIF, true, m->deadline_us, err);
}

int target_unplug(struct migration *m, struct err *err)
{
	return m->host->ops->unplug(m->host, &m->guest, m->deadline_us, err);
}

static int finish_receive(struct migration *m, const struct stream_event *event, struct err *err)
{
	if (!event->ok)
		return err_set(err, ERR_FAILED, -EIO, "receiving memory failed: %s",
			       event->message);
	m->store_pfn = event->store_pfn;
	m->console_pfn = event->console_pfn;
	return 0;
}

int target_receive(struct migration *m, struct err *err)
{
	struct memory_path path;
	int rc = memory_open(m, clock_after_ms(m->clock, OPEN_MEMORY_MS), &path, err);

	if (rc == 0)
		rc = m->host->ops->restore_begin(m->host, &m->guest, &path, err);
	while (rc == 0) {
		struct stream_event event;

		rc = m->host->ops->stream_next(m->host, meet_fd(m), m->deadline_us, true, &event,
					       err);
		if (rc < 0)
			break;
		m->record->wire_bytes = event.wire_bytes;
		m->record->slow_channel = event.slow_channel;
		if (event.kind == STREAM_FINISHED)
			return finish_receive(m, &event, err);
		if (event.kind == STREAM_PEER)
			rc = meet_hear_abort(m, err);
	}
	return rc;
}

int target_stop_receive(struct migration *m, struct err *err)
{
	(void)err;
	m->host->ops->stream_stop(m->host);
	return 0;
}

int target_introduce(struct migration *m, struct err *err)
{
	return m->host->ops->introduce(m->host, &m->guest, m->store_pfn, m->console_pfn, err);
}

int target_forget_macs(struct migration *m, struct err *err)
{
	return m->host->ops->forget_macs(m->host, &m->guest, err);
}

int target_unpause(struct migration *m, struct err *err)
{
	int rc = m->host->ops->unpause(m->host, &m->guest, err);

	if (rc == 0)
		m->record->running_us = clock_now_us(m->clock);
	return rc;
}

int target_announce(struct migration *m, struct err *err)
{
	return m->host->ops->announce(m->host, &m->guest, err);
}

/*
 * Looks now and then whether the guest's VIFs are connected, announcing it again in growing
 * intervals: a switch may have missed the first frame. A guest that does not connect is not a
 * failure of the migration: it runs.
 */
int target_await_network(struct migration *m, struct err *err)
{
	uint64_t look_us = LOOK_FIRST_US, gap_us = ANNOUNCE_AGAIN_MIN_US;
	uint64_t announce_us = clock_now_us(m->clock) + gap_us;
	int rc = 0;

	do {
		clock_sleep_us(m->clock, look_us);
		look_us = 3 * look_us < LOOK_AGAIN_MAX_US ? 3 * look_us : LOOK_AGAIN_MAX_US;
		if (clock_now_us(m->clock) >= announce_us) {
			rc = m->host->ops->announce(m->host, &m->guest, err);
			gap_us *= 2;
			announce_us += gap_us;
		}
	} while (m->host->ops->vifs_connected(m->host, &m->guest) == 0 &&
		 clock_now_us(m->clock) < m->deadline_us);
	return rc;
}

int target_settle(struct migration *m, struct err *err)
{
	return m->host->ops->settle(m->host, &m->guest, err);
}

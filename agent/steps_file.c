/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a guest that goes into a file, or comes out of one: open_file, the migration's own
 * steps for its memory, finish_file, commit_guest, publish_file; or
 * read_file and commit_guest.
 */
#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "migration.h"
#include "peer.h"

/* ---- into a file ---- */

int source_open_file(struct migration *m, struct err *err)
{
	m->memory = (struct memory_terms){
		.filtered = m->file.framed, .compress = m->settings.memory.compress, .channels = 1,
		.numa = m->settings.memory.numa,
	};
	return m->file.ops->create(&m->file, &m->guest, err);
}

int source_drop_file(struct migration *m, struct err *err)
{
	(void)err;
	m->file.ops->drop(&m->file);
	return 0;
}

/* As before the copy: at its own pace, and with nobody in its disks' rings. */
int source_go_on(struct migration *m, struct err *err)
{
	int rc = source_resume(m, err);

	if (rc < 0) {
		err->code = ERR_FAILED; /* the suspend's undo tries again */
		return rc;
	}
	m->host->ops->unwatch_disks(m->host);
	return source_stop_copy(m, err);
}

int source_finish_file(struct migration *m, struct err *err)
{
	return m->file.ops->finish(&m->file, err);
}

int source_publish_file(struct migration *m, struct err *err)
{
	return m->file.ops->publish(&m->file, err);
}

/* ---- out of one ---- */

int target_read_file(struct migration *m, struct err *err)
{
	struct reasons reasons = { .count = 0 };
	int rc = m->file.ops->open(&m->file, &m->guest, err);

	if (rc < 0)
		return rc;
	m->memory = (struct memory_terms){ .filtered = m->file.framed, .channels = 1 };
	m->record->memory_bytes = m->guest.pages_now * 4096;
	snprintf(m->record->guest_uuid, sizeof(m->record->guest_uuid), "%s", m->guest.uuid);
	snprintf(m->record->guest_name, sizeof(m->record->guest_name), "%s", m->guest.name);
	/* nobody else has its disks now, so that any of them may be plugged */
	m->host->ops->examine(m->host, &m->guest, true, &reasons);
	if (reasons.count > 0) {
		*err = reasons.list[0];
		return -EPERM;
	}
	return keep_guest(m, err);
}

/* ---- both ---- */

/*
 * The commit. Into a file: from here on the guest is there and never resumes; out of one: it runs
 * here.
 */
int commit_guest(struct migration *m, struct err *err)
{
	int rc;

	m->committing = true;
	rc = m->journal->ops->append(m->journal, &(struct journal_entry){ .event = JOURNAL_TAKEN },
				     err);
	m->taken = rc == 0;
	return rc;
}

/* ---- the file in the peer's place ---- */

static int open_memory(struct peer *base, uint64_t deadline_us, int *fd, struct err *err)
{
	const struct peer_file *peer = (const struct peer_file *)base;

	(void)deadline_us;
	*fd = fcntl(peer->file->fd, F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? err_errno(err, "open %s once more", peer->file->path) : 0;
}

static int ask_nobody(struct peer *base, uint64_t deadline_us, enum outcome *outcome,
		      struct err *err)
{
	(void)base, (void)deadline_us, (void)outcome;
	return err_set(err, ERR_FAILED, -EINVAL, "a file knows nothing of who owns the guest");
}

static const struct peer_ops file_ops = { .open_memory = open_memory, .ask = ask_nobody };

void peer_file_init(struct peer_file *peer, const struct saved_file *file)
{
	*peer = (struct peer_file){ { &file_ops }, file };
}

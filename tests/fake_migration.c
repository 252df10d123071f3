/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_migration.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync.h"

/* The seams are the first members that they are found through. */
#define CONTAINER(pointer, member) \
	((struct fake_migration *)((char *)(pointer) - offsetof(struct fake_migration, member)))

/* Writes the entry down; fails when this is the place. */
__attribute__((format(printf, 3, 4)))
static int enter(struct fake_migration *fake, struct err *err, const char *format, ...)
{
	char *entry;
	va_list args;

	if (fake->log_count >= FAKE_LOG_MAX)
		abort();
	entry = fake->log[fake->log_count];
	va_start(args, format);
	vsnprintf(entry, sizeof(fake->log[0]), format, args);
	va_end(args);
	fake->log_us[fake->log_count++] = fake->clock.now_us;
	if (fake->cancel_at && strcmp(entry, fake->cancel_at) == 0)
		fake->clock.cancelled = true;
	if (!fake->fail_at || fnmatch(fake->fail_at, entry, FNM_EXTMATCH) != 0)
		return 0;
	if (fake->fail_times > 0 && --fake->fail_times == 0)
		fake->fail_at = NULL;
	return err_set(err, ERR_FAILED, fake->fail_rc, "told to fail at %s", entry);
}

/* ---- the host ---- */

#define HOST_OP(name, ...) \
	static int host_##name(__VA_ARGS__) \
	{ \
		return enter(CONTAINER(host, host), err, #name); \
	}

#define GUEST struct host *host, const struct description *guest __attribute__((unused))
#define UNTIL uint64_t deadline_us __attribute__((unused))

HOST_OP(watch_disks, GUEST, struct err *err)
HOST_OP(drain, GUEST, UNTIL, struct err *err)
HOST_OP(resume, GUEST, struct err *err)
HOST_OP(leave_bridges, GUEST, struct err *err)
HOST_OP(forget_macs, GUEST, struct err *err)
HOST_OP(unpause, GUEST, struct err *err)
HOST_OP(hold_disks, GUEST, UNTIL, struct err *err)
HOST_OP(release_disks, GUEST, struct err *err)
HOST_OP(announce, GUEST, struct err *err)
HOST_OP(settle, GUEST, struct err *err)
HOST_OP(unplug, GUEST, UNTIL, struct err *err)
HOST_OP(destroy, GUEST, struct err *err)

static int host_find(struct host *host, const char *uuid, uint32_t *domid, bool *running,
		     struct err *err)
{
	struct fake_migration *fake = CONTAINER(host, host);
	int rc = enter(fake, err, "find");

	if (rc < 0)
		return rc;
	*domid = !fake->guest_gone && strcmp(uuid, FAKE_GUEST_UUID) == 0 ? 7 : 0;
	*running = false;
	return 0;
}

static int host_list(struct host *host, int (*each)(const struct guest_summary *, void *),
		     void *data, struct err *err)
{
	struct fake_migration *fake = CONTAINER(host, host);
	const struct guest_summary guest = { .uuid = FAKE_GUEST_UUID, .domid = 7 };
	int rc = enter(fake, err, "list");

	return rc == 0 && !fake->guest_gone ? each(&guest, data) : rc;
}

static int host_describe(struct host *host, const char *vm, struct description *guest,
			 struct reasons *reasons)
{
	struct err why;
	int rc = enter(CONTAINER(host, host), &why, "describe");

	if (rc < 0)
		*reasons_next(reasons) = why;
	snprintf(guest->name, sizeof(guest->name), "%s", vm);
	snprintf(guest->uuid, sizeof(guest->uuid), FAKE_GUEST_UUID);
	guest->type = GUEST_PVH;
	guest->vcpus = 1;
	guest->cpu_cap_percent = 35;
	guest->domid = 7;
	return rc;
}

static void host_examine(struct host *host, const struct description *guest, bool late_disks,
			 struct reasons *reasons)
{
	struct err err;

	(void)guest;
	(void)late_disks;
	if (enter(CONTAINER(host, host), &err, "examine") == 0)
		return;
	err_set(&reasons->list[0], ERR_NO_MEMORY, -ENOMEM, "too little memory");
	err_set(&reasons->list[1], ERR_REFUSED, -EEXIST, "the name is taken");
	reasons->count = 2;
}

static int host_free_memory(struct host *host, uint64_t *bytes, struct err *err)
{
	*bytes = FAKE_FREE_BYTES;
	return enter(CONTAINER(host, host), err, "free_memory");
}

static int host_create(struct host *host, struct description *guest, struct err *err)
{
	guest->domid = 9;
	return enter(CONTAINER(host, host), err, "create");
}

static int host_plug(struct host *host, const struct description *guest, unsigned kinds,
		     bool in_turn, uint64_t deadline_us, struct err *err)
{
	(void)guest;
	(void)deadline_us;
	return enter(CONTAINER(host, host), err, "plug %u%s", kinds, in_turn ? " in turn" : "");
}

static int host_restore_begin(struct host *host, const struct description *guest,
			      const struct memory_path *path, struct err *err)
{
	(void)guest;
	(void)path;
	return enter(CONTAINER(host, host), err, "restore_begin");
}

static int host_save_begin(struct host *host, const struct description *guest,
			   const struct memory_path *path, struct err *err)
{
	(void)guest;
	(void)path;
	return enter(CONTAINER(host, host), err, "save_begin");
}

static void host_unwatch_disks(struct host *host)
{
	(void)enter(CONTAINER(host, host), NULL, "unwatch_disks");
}

/* A saver asks once what to do, then for the suspend, then is done; a restorer is done at once. */
static int host_stream_next(struct host *host, int peer_fd, uint64_t deadline_us, bool cancellable,
			    struct stream_event *event, struct err *err)
{
	static const enum stream_event_kind saving[] = { STREAM_ITERATION, STREAM_SUSPEND,
							 STREAM_FINISHED };
	struct fake_migration *fake = CONTAINER(host, host);
	bool source = fake->migration.side == SIDE_SOURCE;

	(void)peer_fd;
	(void)deadline_us;
	if (cancellable && fake->clock.cancelled)
		return err_set(err, ERR_CANCELLED, -ECANCELED, "cancelled");
	*event = (struct stream_event){ .ok = true, .iteration = 1, .dirty_pages = 0 };
	event->kind = source ? saving[fake->stream_events++] : STREAM_FINISHED;
	return enter(fake, err, "stream_next %d", (int)event->kind);
}

static int host_stream_reply(struct host *host, int answer, struct err *err)
{
	return enter(CONTAINER(host, host), err, "stream_reply %d", answer);
}

static int host_measure_dirt(GUEST, uint64_t duration_us, uint64_t *pages, uint64_t *took_us,
			     struct err *err)
{
	*pages = 0;
	*took_us = duration_us;
	return enter(CONTAINER(host, host), err, "measure_dirt");
}

static int host_cap(GUEST, uint32_t cap_percent, struct err *err)
{
	return enter(CONTAINER(host, host), err, "cap %u", cap_percent);
}

static int host_stream_limit(struct host *host, const struct stream_limit *limit, struct err *err)
{
	return enter(CONTAINER(host, host), err, "stream_limit %llu%s",
		     (unsigned long long)limit->bytes_per_s, limit->last_pass_too ? " all" : "");
}

static void host_stream_stop(struct host *host)
{
	(void)enter(CONTAINER(host, host), NULL, "stream_stop");
}

static int host_check_disks(struct host *host, uint32_t drain_ms, uint64_t deadline_us,
			    struct err *err)
{
	(void)drain_ms;
	(void)deadline_us;
	return enter(CONTAINER(host, host), err, "check_disks");
}

static int host_suspend(struct host *host, const struct description *guest, uint64_t deadline_us,
			uint64_t *suspended_at_us, struct err *err)
{
	struct fake_migration *fake = CONTAINER(host, host);
	int rc;

	(void)guest;
	(void)deadline_us;
	rc = enter(fake, err, "suspend");
	if (rc == 0)
		*suspended_at_us = fake->clock.now_us;
	return rc;
}

static int host_close_devices(struct host *host, const struct description *guest, unsigned kinds,
			      uint64_t deadline_us, struct err *err)
{
	(void)guest;
	(void)deadline_us;
	return enter(CONTAINER(host, host), err, "close %u", kinds);
}

static int host_replug(struct host *host, const struct description *guest, unsigned kinds,
		       uint64_t deadline_us, struct err *err)
{
	(void)guest;
	(void)deadline_us;
	return enter(CONTAINER(host, host), err, "replug %u", kinds);
}

static int host_introduce(struct host *host, const struct description *guest, uint64_t store_pfn,
			  uint64_t console_pfn, struct err *err)
{
	(void)guest;
	(void)store_pfn;
	(void)console_pfn;
	return enter(CONTAINER(host, host), err, "introduce");
}

static int host_vifs_connected(struct host *host, const struct description *guest)
{
	(void)guest;
	(void)enter(CONTAINER(host, host), NULL, "vifs_connected");
	return 1;
}

static void host_close(struct host *host)
{
	(void)host;
}

static const struct host_ops host_ops = {
	.find = host_find,
	.list = host_list,
	.describe = host_describe,
	.examine = host_examine,
	.free_memory = host_free_memory,
	.create = host_create,
	.plug = host_plug,
	.hold_disks = host_hold_disks,
	.release_disks = host_release_disks,
	.restore_begin = host_restore_begin,
	.watch_disks = host_watch_disks,
	.unwatch_disks = host_unwatch_disks,
	.save_begin = host_save_begin,
	.stream_next = host_stream_next,
	.stream_reply = host_stream_reply,
	.measure_dirt = host_measure_dirt,
	.cap = host_cap,
	.stream_limit = host_stream_limit,
	.stream_stop = host_stream_stop,
	.check_disks = host_check_disks,
	.suspend = host_suspend,
	.resume = host_resume,
	.drain = host_drain,
	.close_devices = host_close_devices,
	.replug = host_replug,
	.leave_bridges = host_leave_bridges,
	.introduce = host_introduce,
	.forget_macs = host_forget_macs,
	.unpause = host_unpause,
	.announce = host_announce,
	.vifs_connected = host_vifs_connected,
	.settle = host_settle,
	.unplug = host_unplug,
	.destroy = host_destroy,
	.close = host_close,
};

/* ---- the site's programs ---- */

static int hooks_run(struct hooks *hooks, const struct hook_call *call, uint64_t deadline_us,
		     bool cancellable, struct err *err)
{
	(void)deadline_us;
	(void)cancellable;
	return enter(CONTAINER(hooks, hooks), err, "hook %s %s%s", hook_name(call->hook),
		     call->reason, call->domid ? " of a domain" : "");
}

static int hooks_look(struct hooks *hooks, enum hook hook, hook_seen_fn *seen, void *context,
		      struct err *err)
{
	const struct err fine = { ERR_NONE, "" };
	int rc = enter(CONTAINER(hooks, hooks), err, "look for %s", hook_name(hook));

	if (rc == 0)
		seen(context, "vm-pre-migrate/10a", &fine);
	return rc;
}

static const struct hooks_ops hooks_ops = { hooks_run, hooks_look };

/* ---- the link: a peer that does its part ---- */

static int link_send(struct link *link, enum wire_type type, uint16_t point, const void *payload,
		     size_t size, uint64_t deadline_us, struct err *err)
{
	struct fake_migration *fake = CONTAINER(link, link);

	(void)deadline_us;
	if (size <= sizeof(fake->said[point].bytes) && size > 0) {
		memcpy(fake->said[point].bytes, payload, size);
		fake->said[point].size = size;
	}
	switch (type) {
	case WIRE_SYNC:
		fake->last = point;
		fake->owes_answer = sync_answered(point);
		return enter(fake, err, "say %s", sync_label(point));
	case WIRE_ANSWER:
		return enter(fake, err, "answer %s", sync_label(point));
	case WIRE_ABORT:
		fake->aborted = true;
		return enter(fake, err, "abort");
	default:
		fake->aborted = true;
		return enter(fake, err, "aborted");
	}
}

static int link_receive(struct link *link, uint64_t deadline_us, bool cancellable,
			struct message *message, struct err *err)
{
	struct fake_migration *fake = CONTAINER(link, link);

	if (cancellable && fake->clock.cancelled)
		return err_set(err, ERR_CANCELLED, -ECANCELED, "cancelled");
	if (fake->aborted) {
		*message = (struct message){ .type = WIRE_ABORTED };
		return 0;
	}
	if (!fake->owes_answer)
		fake->last++;
	*message = (struct message){ .type = fake->owes_answer ? WIRE_ANSWER : WIRE_SYNC,
				     .point = (uint16_t)fake->last };
	if (fake->owes_answer && fake->answers[fake->last].size > 0) {
		message->size = fake->answers[fake->last].size;
		message->payload = malloc(message->size);
		if (!message->payload)
			abort();
		memcpy(message->payload, fake->answers[fake->last].bytes, message->size);
	}
	fake->owes_answer = false;
	fake->patience_ms[fake->last] = (deadline_us - fake->clock.now_us) / 1000;
	return enter(fake, err, "hear %s", sync_label(fake->last));
}

static int link_fd(const struct link *link)
{
	(void)link;
	return -1;
}

static void link_close(struct link *link)
{
	(void)enter(CONTAINER(link, link), NULL, "drop link");
}

static const struct link_ops link_ops = { link_send, link_receive, link_fd, link_close };

/* ---- the peer, the journal, the sink ---- */

static int peer_open_memory(struct peer *peer, uint64_t deadline_us, int *fd, struct err *err)
{
	(void)deadline_us;
	*fd = -1;
	return enter(CONTAINER(peer, peer), err, "open_memory");
}

static int peer_ask(struct peer *peer, uint64_t deadline_us, enum outcome *outcome,
		    struct err *err)
{
	struct fake_migration *fake = CONTAINER(peer, peer);

	(void)deadline_us;
	*outcome = fake->asked < FAKE_OUTCOMES ? fake->outcomes[fake->asked] : OUTCOME_UNDECIDED;
	fake->asked += !fake->outcomes_repeat || fake->asked + 1 < FAKE_OUTCOMES;
	return enter(fake, err, "ask");
}

static const struct peer_ops peer_ops = { peer_open_memory, peer_ask };

static int journal_append(struct journal *journal, const struct journal_entry *entry,
			  struct err *err)
{
	static const char *const words[] = {
#define X(event, word, durable, meaning) [JOURNAL_##event] = word,
		JOURNAL_TABLE(X)
#undef X
	};

	if (entry->event == JOURNAL_STEP || entry->event == JOURNAL_STEP_BLACKOUT)
		return 0; /* the steps themselves are in the log */
	return enter(CONTAINER(journal, journal), err, "journal %s", words[entry->event]);
}

static int journal_keep_guest(struct journal *journal, const void *bytes, size_t size,
			      struct err *err)
{
	(void)bytes;
	(void)size;
	return enter(CONTAINER(journal, journal), err, "keep guest");
}

static void journal_close(struct journal *journal)
{
	(void)journal;
}

static const struct journal_ops journal_ops = { journal_append, journal_keep_guest,
						journal_close };

static void sink_publish(struct record_sink *sink, const struct record *record, bool durable)
{
	struct fake_migration *fake = CONTAINER(sink, sink);

	(void)durable;
	fake->doubt_shown |= record->status == STATUS_IN_DOUBT;
}

static const struct record_sink_ops sink_ops = { sink_publish };

/* ---- the whole ---- */

/* The offer as a source would have said it. */
static void make_offer(struct migration *m)
{
	struct description guest;
	struct tlv_writer writer;
	size_t mark;

	description_init(&guest);
	snprintf(guest.name, sizeof(guest.name), "g1");
	snprintf(guest.uuid, sizeof(guest.uuid), FAKE_GUEST_UUID);
	snprintf(guest.xen_version, sizeof(guest.xen_version), "4.17");
	guest.type = GUEST_PVH;
	guest.vcpus = 1;
	guest.pages_max = guest.pages_now = 1024;
	tlv_writer_init(&writer, DESCRIPTION_MAX);
	mark = tlv_begin(&writer, 2 | TLV_REQUIRED);
	description_encode(&guest, &writer);
	tlv_end(&writer, mark);
	m->offer = (struct message){ .type = WIRE_SYNC, .point = SYNC_SP0,
				     .payload = writer.bytes, .size = writer.size };
	description_fini(&guest);
}

void fake_migration_init(struct fake_migration *fake, enum side side, const char *plan)
{
	struct migration *m = &fake->migration;

	*fake = (struct fake_migration){
		.host = { &host_ops },   .hooks = { &hooks_ops },
		.link = { &link_ops },   .peer = { &peer_ops },
		.journal = { &journal_ops }, .sink = { &sink_ops },
		.fail_rc = -EIO,
	};
	fake_clock_init(&fake->clock);
	description_init(&m->guest);
	m->side = side;
	m->plan = plan_find(plan);
	m->settings = (struct migration_settings){ .vm = "g1",
						   .drain_ms = 1000, .host_name = "A" };
	m->clock = &fake->clock.clock;
	m->host = &fake->host;
	m->hooks = &fake->hooks;
	m->link = &fake->link;
	m->peer = &fake->peer;
	m->journal = &fake->journal;
	m->record = &fake->record;
	m->sink = &fake->sink;
	fake->record.plan = m->plan;
	fake->record.side = side;
	if (side == SIDE_TARGET) {
		make_offer(m);
		fake->last = SYNC_SP0;
	}
}

void fake_migration_fini(struct fake_migration *fake)
{
	message_fini(&fake->migration.offer);
	description_fini(&fake->migration.guest);
}

size_t fake_count(const struct fake_migration *fake, const char *entry)
{
	size_t count = 0;

	for (size_t i = 0; i < fake->log_count; i++)
		count += strcmp(fake->log[i], entry) == 0;
	return count;
}

size_t fake_index(const struct fake_migration *fake, const char *entry)
{
	size_t i = 0;

	while (i < fake->log_count && strcmp(fake->log[i], entry) != 0)
		i++;
	return i < fake->log_count ? i : FAKE_LOG_MAX;
}

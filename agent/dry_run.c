/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dry_run.h"

#include <errno.h>
#include <stdio.h>

#include "meet.h"
#include "steps.h"
#include "tlv.h"

#define DESCRIBE_MS 30000
#define ANSWER_MS 60000
#define AROUND_MS 1000                  /* devices are plugged, the source is torn down */
#define ASSUMED_BYTES_PER_S 117000000u  /* 1 Gbit/s, less what its frames take */

/* ---- the hooks ---- */

static void add_hook(struct dry_run *dry_run, enum side side, const char *name)
{
	size_t i = dry_run->hook_count;

	if (i == DRY_RUN_HOOKS_MAX)
		return;
	dry_run->hooks[i].side = side;
	snprintf(dry_run->hooks[i].name, sizeof(dry_run->hooks[i].name), "%s", name);
	dry_run->hook_count++;
}

struct look {
	struct migration *migration;
	enum hook hook;
};

static void see_hook(void *context, const char *name, const struct err *err)
{
	const struct look *look = context;
	struct dry_run *dry_run = &look->migration->record->dry_run;

	add_hook(dry_run, look->migration->side, name);
	if (err->code != ERR_NONE && hook_vetoes(look->hook))
		*reasons_next(&dry_run->reasons) = *err;
}

void dry_run_look_for_hooks(struct migration *m)
{
	static const enum hook hooks[2][3] = {
		[SIDE_SOURCE] = { HOOK_VM_PRE_MIGRATE, HOOK_VM_PRE_SHUTDOWN, HOOK_VM_POST_DESTROY },
		[SIDE_TARGET] = { HOOK_VM_PRE_MIGRATE, HOOK_VM_POST_MIGRATE, HOOKS },
	};

	for (size_t i = 0; i < 3 && hooks[m->side][i] != HOOKS; i++) {
		struct look look = { m, hooks[m->side][i] };
		struct err err = { ERR_NONE, "" };

		if (m->hooks->ops->look(m->hooks, look.hook, see_hook, &look, &err) < 0 &&
		    hook_vetoes(look.hook))
			*reasons_next(&m->record->dry_run.reasons) = err;
	}
}

/* ---- what is said at SP0 ---- */

enum { REASON_CODE = 2, REASON_MESSAGE = 3 };

void dry_run_say_offer(const struct migration *m, struct tlv_writer *writer)
{
	if (m->record->dry_run.asked)
		tlv_put_u64(writer, DRY_RUN_FIELD_ASKED | TLV_REQUIRED, 1);
}

int dry_run_hear_offer(struct migration *m, const struct tlv_field *field)
{
	uint64_t value;

	m->record->dry_run.asked = true;
	return tlv_get_u64(field, &value);
}

bool dry_run_is_asked(const struct message *offer)
{
	struct tlv_reader reader;
	struct tlv_field field;

	tlv_reader_init(&reader, offer->payload, offer->size);
	while (tlv_next(&reader, &field) > 0)
		if (field.type == DRY_RUN_FIELD_ASKED)
			return true;
	return false;
}

void dry_run_say_verdict(const struct migration *m, struct tlv_writer *writer)
{
	const struct reasons *reasons = &m->record->dry_run.reasons;

	for (size_t i = 0; i < reasons->count; i++) {
		size_t mark = tlv_begin(writer, DRY_RUN_FIELD_REASON);

		tlv_put_string(writer, REASON_CODE, err_text(reasons->list[i].code));
		tlv_put_string(writer, REASON_MESSAGE, reasons->list[i].message);
		tlv_end(writer, mark);
	}
	for (size_t i = 0; i < m->record->dry_run.hook_count; i++)
		tlv_put_string(writer, DRY_RUN_FIELD_HOOK, m->record->dry_run.hooks[i].name);
}

static int hear_hook(struct dry_run *dry_run, const struct tlv_field *field)
{
	char name[sizeof(dry_run->hooks[0].name)];
	int rc = tlv_get_string(field, name, sizeof(name));

	if (rc == 0)
		add_hook(dry_run, SIDE_TARGET, name);
	return rc;
}

int dry_run_hear_verdict(struct migration *m, const struct tlv_field *field)
{
	char code[32] = "", message[ERR_MESSAGE_MAX] = "";
	struct tlv_reader reader;
	struct tlv_field inner;
	int rc;

	if (field->type == DRY_RUN_FIELD_HOOK)
		return hear_hook(&m->record->dry_run, field);
	tlv_reader_init(&reader, field->value, field->size);
	while ((rc = tlv_next(&reader, &inner)) > 0) {
		if (inner.type == REASON_CODE)
			rc = tlv_get_string(&inner, code, sizeof(code));
		else if (inner.type == REASON_MESSAGE)
			rc = tlv_get_string(&inner, message, sizeof(message));
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		(void)err_set(reasons_next(&m->record->dry_run.reasons), err_from_text(code),
			      -EPERM, "%s", message);
	return rc;
}

/* ---- the source's part ---- */

void dry_run_predict(struct dry_run *dry_run, uint64_t memory_bytes, const struct costs *costs)
{
	dry_run->measured = costs->send_bytes_per_s > 0;
	dry_run->send_bytes_per_s =
		dry_run->measured ? costs->send_bytes_per_s : ASSUMED_BYTES_PER_S;
	dry_run->downtime_ms = costs->fixed_ms;
	dry_run->total_ms = AROUND_MS + costs->fixed_ms +
			    (double)memory_bytes * 1000 / (double)dry_run->send_bytes_per_s;
}

/* The first reason's code: one that says that nothing was touched. */
static int refuse(const struct reasons *reasons, struct err *err)
{
	reasons_join(reasons, err);
	if (err_exit_status(err->code) != err_exit_status(ERR_REFUSED))
		err->code = ERR_REFUSED;
	return -EPERM;
}

int dry_run_ask(struct migration *m, int (*connect)(void *context, struct err *err),
		void *context, struct err *err)
{
	struct dry_run *dry_run = &m->record->dry_run;
	struct err why = { ERR_NONE, "" };
	int described, connected;

	dry_run->asked = true;
	m->deadline_us = clock_after_ms(m->clock, DESCRIBE_MS);
	described = describe_guest(m, &dry_run->reasons);
	dry_run_look_for_hooks(m);
	connected = connect(context, &why);
	if (connected < 0)
		*reasons_next(&dry_run->reasons) = why;
	if (described == 0 && connected == 0 &&
	    meet(m, SYNC_SP0, clock_after_ms(m->clock, ANSWER_MS), &why) < 0)
		*reasons_next(&dry_run->reasons) = why;
	if (dry_run->reasons.count > 0)
		return refuse(&dry_run->reasons, err);
	dry_run_predict(dry_run, m->record->memory_bytes, &m->settings.costs);
	return 0;
}

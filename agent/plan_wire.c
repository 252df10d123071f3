/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan_wire.h"

#include <errno.h>

#define STEP_MAX 64 /* of a name, with the NUL */

enum { FIELD_STEP = 1, FIELD_SYNC = 2 };

void plan_encode(const struct plan *plan, uint16_t field, struct tlv_writer *writer)
{
	for (const struct plan_row *row = plan->rows; row->step; row++) {
		size_t mark = tlv_begin(writer, field);

		tlv_put_string(writer, FIELD_STEP | TLV_REQUIRED, row->step->name);
		if (row->sync != SYNC_NONE)
			tlv_put_u64(writer, FIELD_SYNC | TLV_REQUIRED, row->sync);
		tlv_end(writer, mark);
	}
}

static int malformed(struct err *err)
{
	return err_set(err, ERR_INCOMPATIBLE, -EPROTO, "a row of the source's plan is malformed");
}

int plan_decode_row(const struct tlv_field *field, struct plan *plan, struct err *err)
{
	size_t row = plan_count(plan);
	uint64_t sync = SYNC_NONE;
	char name[STEP_MAX] = "";
	struct tlv_reader reader;
	struct tlv_field inner;
	int rc;

	if (row == PLAN_ROWS_MAX)
		return err_set(err, ERR_INCOMPATIBLE, -EPROTO,
			       "the source's plan has more than %d rows", PLAN_ROWS_MAX);
	tlv_reader_init(&reader, field->value, field->size);
	while ((rc = tlv_next(&reader, &inner)) > 0) {
		if (inner.type == FIELD_STEP)
			rc = tlv_get_string(&inner, name, sizeof(name));
		else if (inner.type == FIELD_SYNC)
			rc = tlv_get_u64(&inner, &sync);
		else
			rc = inner.required ? -ENOTSUP : 0;
		if (rc < 0)
			return malformed(err);
	}
	if (rc < 0 || sync >= SYNC_POINTS)
		return malformed(err);
	plan->rows[row].step = plan_step(name);
	plan->rows[row].sync = (enum sync_point)sync;
	if (!plan->rows[row].step)
		return err_set(err, ERR_INCOMPATIBLE, -ENOTSUP,
			       "the source's plan has a step '%s', which this host does not know: "
			       "is xenferry older here?", name);
	return 0;
}

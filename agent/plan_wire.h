/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan on the wire: the rows of the offer. The target follows what it hears, not a file of its
 * own, and holds it against the rules itself. handshake/PROTOCOL.md, field 20 of SP0.
 */
#ifndef XENFERRY_PLAN_WIRE_H
#define XENFERRY_PLAN_WIRE_H

#include "err.h"
#include "plan.h"
#include "tlv.h"

/* Adds one field of type `field` a row. */
void plan_encode(const struct plan *plan, uint16_t field, struct tlv_writer *writer);
/* Adds the row in `field` to `plan`. -EPROTO or -ENOTSUP, ERR_INCOMPATIBLE, names the step. */
int plan_decode_row(const struct tlv_field *field, struct plan *plan, struct err *err);

#endif

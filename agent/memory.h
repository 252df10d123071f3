/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way that memory takes: what the operator wishes, what both sides agree upon at SP0, and the
 * connections. handshake/PROTOCOL.md has the fields, devices/STREAM.md what a filtered stream is.
 */
#ifndef XENFERRY_MEMORY_H
#define XENFERRY_MEMORY_H

#include "migration.h"
#include "tlv.h"

/* The fields of SP0 and of its answer. */
enum memory_field {
	MEMORY_FIELD_CODECS = 12,   /* the stream is filtered; bit n: frames of codec n may come */
	MEMORY_FIELD_CHANNELS = 13, /* connections */
	MEMORY_FIELD_VERIFY = 14,   /* 1: pages are compared at the end */
};

/*
 * Source: adds to what is configured what a request wishes (compress, channels, verify,
 * numa_node; the daemon has checked it). A policy that compresses does so with auto, unless
 * somebody named a codec.
 */
void memory_wish(const struct json_value *request, const struct policy_rules *policy,
		 struct memory_terms *wish);

/*
 * Source: from the wish, and the connection's measured delay where the count of channels is left
 * to us, to what is offered. Says nothing when the stream needs no filter.
 */
void memory_say_offer(struct migration *m, struct tlv_writer *writer);
/* Target: one field of the offer; -ENOTSUP when it is none of these, -EBADMSG out of range. */
int memory_hear_offer(struct migration *m, const struct tlv_field *field);
void memory_say_answer(const struct migration *m, struct tlv_writer *writer);
/* Source: the answer's field, as above. */
int memory_hear_answer(struct migration *m, const struct tlv_field *field);
/*
 * Source: what was agreed upon, once all of the answer was heard. A target that knows no filter
 * gets libxenguest's own stream; -EOPNOTSUPP with `err` when that is not what was asked for.
 */
int memory_agree(struct migration *m, struct err *err);

/*
 * Opens the connections that were agreed upon. What is in `path` is the caller's only on success.
 * Errors as of peer_ops.open_memory().
 */
int memory_open(struct migration *m, uint64_t deadline_us, struct memory_path *path,
		struct err *err);

#endif

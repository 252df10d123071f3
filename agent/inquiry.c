/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inquiry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "tlv.h"

/* The fields of QUESTION and REPLY. handshake/PROTOCOL.md lists them. */
enum field {
	FIELD_GUEST = 2,      /* QUESTION: a guest's description; none: the host is asked about */
	FIELD_LATE = 3,       /* QUESTION: 1: the plan attaches disks late */
	FIELD_HOST = 3,       /* REPLY: the host's name */
	FIELD_FREE_BYTES = 4, /* REPLY: memory */
	FIELD_RUNS = 5,       /* REPLY, each: the name of a guest that is there */
	FIELD_REASON = 16,    /* REPLY, each: a reason against the guest, nested: */
	FIELD_REASON_CODE = 2,
	FIELD_REASON_MESSAGE = 3,
};

void inquiry_host_fini(struct inquiry_host *host)
{
	free(host->guests);
	*host = (struct inquiry_host){ .name = "" };
}

/* ---- who asks ---- */

int inquiry_open(const struct clock *clock, const struct host_place *place,
		 const struct tls_files *tls, uint64_t deadline_us, struct link **link,
		 struct err *err)
{
	struct wire_hello hello = { .version_oldest = WIRE_VERSION_OLDEST,
				    .version_newest = WIRE_VERSION, .kind = WIRE_INQUIRY };
	const struct link_place at = { place->address, place->port, tls, place->certificate };
	int fd = -1, rc;

	clock_random(clock, hello.nonce, sizeof(hello.nonce));
	rc = link_connect(clock, &at, &hello, deadline_us, &fd, err);
	return rc < 0 ? rc : link_open(clock, fd, hello.nonce, place->name, link, err);
}

/* Says what `writer` holds, which is freed, and hears the reply. */
static int ask(struct link *link, const struct clock *clock, struct tlv_writer *writer,
	       struct message *reply, struct err *err)
{
	uint64_t deadline_us = clock_after_ms(clock, INQUIRY_REPLY_MS);
	int rc = tlv_writer_status(writer);

	if (rc < 0)
		(void)err_set(err, ERR_FAILED, rc, "there is too much to ask");
	if (rc == 0)
		rc = link->ops->send(link, WIRE_QUESTION, 0, writer->bytes, writer->size,
				     deadline_us, err);
	tlv_writer_fini(writer);
	if (rc == 0)
		rc = link->ops->receive(link, deadline_us, true, reply, err);
	if (rc == 0 && reply->type != WIRE_REPLY)
		rc = err_set(err, ERR_FAILED, -EPROTO, "the host answers with %s",
			     wire_type_name(reply->type));
	return rc;
}

static int add_guest(const struct tlv_field *field, struct inquiry_host *host)
{
	if (host->guest_count == INQUIRY_GUESTS_MAX)
		return -EBADMSG;
	if (!host->guests)
		host->guests = calloc(INQUIRY_GUESTS_MAX, sizeof(*host->guests));
	return host->guests ? tlv_get_string(field, host->guests[host->guest_count++],
					     sizeof(*host->guests)) : -ENOMEM;
}

int inquiry_read_host(const struct message *reply, struct inquiry_host *host)
{
	struct tlv_reader reader;
	struct tlv_field field;
	bool said = false;
	int rc;

	tlv_reader_init(&reader, reply->payload, reply->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		rc = field.required ? -ENOTSUP : 0;
		if (field.type == FIELD_HOST)
			rc = tlv_get_string(&field, host->name, sizeof(host->name));
		else if (field.type == FIELD_RUNS)
			rc = add_guest(&field, host);
		else if (field.type == FIELD_FREE_BYTES)
			rc = tlv_get_u64(&field, &host->free_bytes);
		said |= field.type == FIELD_FREE_BYTES;
		if (rc < 0)
			return rc;
	}
	return rc < 0 || said ? rc : -EBADMSG;
}

int inquiry_ask_host(struct link *link, const struct clock *clock, struct inquiry_host *host,
		     struct err *err)
{
	CLEANUP_MESSAGE struct message reply = { 0 };
	struct tlv_writer writer;
	int rc;

	tlv_writer_init(&writer, WIRE_PAYLOAD_MAX);
	rc = ask(link, clock, &writer, &reply, err);
	if (rc == 0 && inquiry_read_host(&reply, host) < 0)
		rc = err_set(err, ERR_FAILED, -EPROTO, "what it says of itself is malformed");
	return rc;
}

static int read_reason(const struct tlv_field *field, struct reasons *reasons)
{
	char code[32] = "", message[ERR_MESSAGE_MAX] = "";
	struct tlv_reader reader;
	struct tlv_field inner;
	int rc;

	tlv_reader_init(&reader, field->value, field->size);
	while ((rc = tlv_next(&reader, &inner)) > 0) {
		if (inner.type == FIELD_REASON_CODE)
			rc = tlv_get_string(&inner, code, sizeof(code));
		else if (inner.type == FIELD_REASON_MESSAGE)
			rc = tlv_get_string(&inner, message, sizeof(message));
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		(void)err_set(reasons_next(reasons), err_from_text(code), -EPERM, "%s",
			      message[0] ? message : "it does not say why");
	return rc;
}

int inquiry_read_reasons(const struct message *reply, struct reasons *reasons)
{
	struct tlv_reader reader;
	struct tlv_field field;
	int rc;

	tlv_reader_init(&reader, reply->payload, reply->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		rc = field.required ? -ENOTSUP : 0;
		if (field.type == FIELD_REASON)
			rc = read_reason(&field, reasons);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int inquiry_ask_guest(struct link *link, const struct clock *clock,
		      const struct description *guest, bool late_disks, struct reasons *reasons,
		      struct err *err)
{
	CLEANUP_MESSAGE struct message reply = { 0 };
	struct tlv_writer writer;
	size_t mark;
	int rc;

	tlv_writer_init(&writer, WIRE_PAYLOAD_MAX);
	mark = tlv_begin(&writer, FIELD_GUEST | TLV_REQUIRED);
	description_encode(guest, &writer);
	tlv_end(&writer, mark);
	if (late_disks)
		tlv_put_u64(&writer, FIELD_LATE, 1);
	rc = ask(link, clock, &writer, &reply, err);
	if (rc == 0 && inquiry_read_reasons(&reply, reasons) < 0)
		rc = err_set(err, ERR_FAILED, -EPROTO, "its answer about %s is malformed",
			     guest->name);
	return rc;
}

/* ---- who is asked ---- */

struct naming {
	struct tlv_writer *writer;
	size_t count;
};

static int name_guest(const struct guest_summary *guest, void *data)
{
	struct naming *naming = data;

	if (naming->count++ < INQUIRY_GUESTS_MAX)
		tlv_put_string(naming->writer, FIELD_RUNS, guest->name);
	return 0;
}

static int tell_host(struct host *host, const char *host_name, struct tlv_writer *writer,
		     struct err *err)
{
	struct naming naming = { writer, 0 };
	uint64_t free_bytes = 0;
	int rc = host->ops->free_memory(host, &free_bytes, err);

	tlv_put_string(writer, FIELD_HOST, host_name);
	tlv_put_u64(writer, FIELD_FREE_BYTES, free_bytes);
	return rc < 0 ? rc : host->ops->list(host, name_guest, &naming, err);
}

static void tell_reasons(const struct reasons *reasons, struct tlv_writer *writer)
{
	for (size_t i = 0; i < reasons->count; i++) {
		size_t mark = tlv_begin(writer, FIELD_REASON);

		tlv_put_string(writer, FIELD_REASON_CODE, err_text(reasons->list[i].code));
		tlv_put_string(writer, FIELD_REASON_MESSAGE, reasons->list[i].message);
		tlv_end(writer, mark);
	}
}

/* Fills `guest`, initialised; *asked: there was one. */
static int read_question(const struct message *question, struct description *guest, bool *asked,
			 bool *late_disks, struct err *err)
{
	struct tlv_reader reader;
	struct tlv_field field;
	uint64_t value = 0;
	int rc;

	tlv_reader_init(&reader, question->payload, question->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		rc = field.required && field.type != FIELD_GUEST ? -ENOTSUP : 0;
		if (field.type == FIELD_GUEST && !*asked) {
			*asked = true;
			rc = description_decode(guest, field.value, field.size, err);
		} else if (field.type == FIELD_LATE) {
			rc = tlv_get_u64(&field, &value);
		}
		if (rc < 0)
			break;
	}
	*late_disks = value == 1;
	return rc < 0 ? err_set(err, ERR_INCOMPATIBLE, rc, "a question that is none of ours") : 0;
}

static int reply_to(const struct message *question, struct host *host, const char *host_name,
		    struct tlv_writer *writer, struct err *err)
{
	struct reasons reasons = { .count = 0 };
	bool asked = false, late_disks = false;
	struct description guest;
	int rc;

	description_init(&guest);
	rc = read_question(question, &guest, &asked, &late_disks, err);
	if (rc == 0 && asked) {
		host->ops->examine(host, &guest, late_disks, &reasons);
		tell_reasons(&reasons, writer);
	} else if (rc == 0) {
		rc = tell_host(host, host_name, writer, err);
	}
	description_fini(&guest);
	return rc;
}

static int serve_one(struct link *link, const struct clock *clock, struct host *host,
		     const char *host_name, struct err *err)
{
	CLEANUP_MESSAGE struct message question = { 0 };
	struct tlv_writer writer;
	int rc = link->ops->receive(link, clock_after_ms(clock, INQUIRY_IDLE_MS), true, &question,
				    err);

	if (rc == 0 && question.type != WIRE_QUESTION)
		rc = err_set(err, ERR_FAILED, -EPROTO, "%s where a question was to come",
			     wire_type_name(question.type));
	if (rc < 0)
		return rc;
	tlv_writer_init(&writer, WIRE_PAYLOAD_MAX);
	rc = reply_to(&question, host, host_name, &writer, err);
	if (rc == 0 && tlv_writer_status(&writer) < 0)
		rc = err_set(err, ERR_FAILED, -EMSGSIZE, "there is too much to reply");
	if (rc == 0)
		rc = link->ops->send(link, WIRE_REPLY, 0, writer.bytes, writer.size,
				     clock_after_ms(clock, INQUIRY_REPLY_MS), err);
	else
		link_send_abort(link, clock, err);
	tlv_writer_fini(&writer);
	return rc;
}

int inquiry_serve(struct link *link, const struct clock *clock, struct host *host,
		  const char *host_name, struct err *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < INQUIRY_QUESTIONS_MAX; i++)
		rc = serve_one(link, clock, host, host_name, err);
	return rc == -ECONNRESET ? 0 : rc;
}

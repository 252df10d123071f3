/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What hosts say to each other on an INQUIRY connection. The first byte chooses who hears it: who
 * is asked, who asked about a host, who asked about a guest; the rest is the payload.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_migration.h"
#include "fuzz.h"
#include "inquiry.h"

static const uint8_t *said; /* NULL: it has been */
static size_t said_size;

static int hear(struct link *link, uint64_t deadline_us, bool cancellable, struct message *message,
		struct err *err)
{
	(void)link;
	(void)deadline_us;
	(void)cancellable;
	if (!said)
		return err_set(err, ERR_FAILED, -ECONNRESET, "closed");
	*message = (struct message){ .type = WIRE_QUESTION, .size = said_size };
	message->payload = malloc(said_size + 1);
	assert(message->payload);
	memcpy(message->payload, said, said_size);
	said = NULL;
	return 0;
}

static int say(struct link *link, enum wire_type type, uint16_t point, const void *payload,
	       size_t size, uint64_t deadline_us, struct err *err)
{
	(void)link;
	(void)point;
	(void)payload;
	(void)deadline_us;
	(void)err;
	assert(type == WIRE_REPLY || type == WIRE_ABORT);
	assert(size <= WIRE_PAYLOAD_MAX);
	return 0;
}

static const struct link_ops ops = { .send = say, .receive = hear };

static void serve(void)
{
	struct err err = { .code = ERR_NONE };
	struct link link = { &ops };
	struct fake_migration fake;

	fake_migration_init(&fake, SIDE_TARGET, "handover");
	if (inquiry_serve(&link, &fake.clock.clock, &fake.host, "B", &err) < 0)
		assert(err.code != ERR_NONE && err.message[0]);
	fake_migration_fini(&fake);
}

static void read_host(struct message *reply)
{
	struct inquiry_host host = { .name = "" };

	(void)inquiry_read_host(reply, &host);
	assert(host.guest_count <= INQUIRY_GUESTS_MAX);
	assert(memchr(host.name, '\0', sizeof(host.name)));
	inquiry_host_fini(&host);
}

static void read_reasons(struct message *reply)
{
	struct reasons reasons = { .count = 0 };

	(void)inquiry_read_reasons(reply, &reasons);
	assert(reasons.count <= REASONS_MAX);
	for (size_t i = 0; i < reasons.count; i++)
		assert(reasons.list[i].message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message reply = { .type = WIRE_REPLY };

	if (size == 0)
		return 0;
	said_size = size - 1;
	said = data + 1;
	reply.payload = (uint8_t *)(uintptr_t)said; /* the cast: it is only read */
	reply.size = said_size;
	if (data[0] % 3 == 0)
		serve();
	else if (data[0] % 3 == 1)
		read_host(&reply);
	else
		read_reasons(&reply);
	return 0;
}

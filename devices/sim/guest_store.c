/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>

#define TIMEOUT_MS 10000

int guest_store_init(struct guest_store *store, struct sim_host *host, struct sim_memory *memory,
		     struct guest_events *events)
{
	uint32_t domid = sim_memory_domid(memory);
	uint64_t port;
	void *ring;
	int rc;

	*store = (struct guest_store){ .events = events, .memory = memory };
	rc = sim_param_get(host, domid, HVM_PARAM_STORE_PFN, &store->gfn);
	if (!rc)
		rc = sim_param_get(host, domid, HVM_PARAM_STORE_EVTCHN, &port);
	if (!rc && (port == 0 || port >= SIM_PORTS_MAX))
		rc = -ENOTCONN;
	if (!rc)
		rc = sim_memory_map(memory, &store->gfn, 1, PROT_READ | PROT_WRITE, NULL, &ring);
	if (rc)
		return rc;
	store->ring = ring;
	store->port = (uint32_t)port;
	return 0;
}

void guest_store_fini(struct guest_store *store)
{
	if (store->ring)
		sim_memory_unmap(store->ring, 1);
	store->ring = NULL;
}

/* ---- bytes ---- */

static void moved(struct guest_store *store)
{
	sim_memory_mark_dirty(store->memory, store->gfn);
	(void)sim_events_notify(store->events->events, store->port);
}

static int await(struct guest_store *store, uint64_t deadline_us)
{
	if (clock_now_us(store->events->clock) >= deadline_us)
		return -ETIMEDOUT;
	return guest_events_wait(store->events, deadline_us);
}

static int send(struct guest_store *store, const void *bytes, size_t size, uint64_t deadline_us)
{
	struct xenstore_domain_interface *ring = store->ring;
	const char *next = bytes;
	int rc = 0;

	while (size > 0 && !rc) {
		uint32_t produced = ring->req_prod;
		uint32_t used = produced - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);

		if (used > XENSTORE_RING_SIZE)
			return -EPROTO;
		if (used == XENSTORE_RING_SIZE) {
			rc = await(store, deadline_us);
			continue;
		}
		for (; size > 0 && used < XENSTORE_RING_SIZE; size--, used++)
			ring->req[MASK_XENSTORE_IDX(produced++)] = *next++;
		__atomic_store_n(&ring->req_prod, produced, __ATOMIC_RELEASE);
		moved(store);
	}
	return rc;
}

static int receive(struct guest_store *store, void *bytes, size_t size, uint64_t deadline_us)
{
	struct xenstore_domain_interface *ring = store->ring;
	char *next = bytes;
	int rc = 0;

	while (size > 0 && !rc) {
		uint32_t consumed = ring->rsp_cons;
		uint32_t there = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - consumed;

		if (there > XENSTORE_RING_SIZE)
			return -EPROTO;
		if (there == 0) {
			rc = await(store, deadline_us);
			continue;
		}
		for (; size > 0 && there > 0; size--, there--)
			*next++ = ring->rsp[MASK_XENSTORE_IDX(consumed++)];
		__atomic_store_n(&ring->rsp_cons, consumed, __ATOMIC_RELEASE);
		moved(store);
	}
	return rc;
}

/* ---- messages ---- */

struct message {
	struct xsd_sockmsg head;
	char body[XENSTORE_PAYLOAD_MAX + 1]; /* and a NUL after it */
};

static void note_watch(struct guest_store *store, const struct message *message)
{
	size_t path = strlen(message->body);
	unsigned long token;

	if (path + 1 >= message->head.len)
		return;
	token = strtoul(message->body + path + 1, NULL, 10);
	if (token < GUEST_STORE_TOKENS)
		store->fired |= UINT64_C(1) << token;
}

/* Reads one message; notes it when it is a watch's. */
static int next_message(struct guest_store *store, struct message *message, uint64_t deadline_us)
{
	int rc = receive(store, &message->head, sizeof(message->head), deadline_us);

	if (!rc && message->head.len > XENSTORE_PAYLOAD_MAX)
		rc = -EPROTO;
	if (!rc)
		rc = receive(store, message->body, message->head.len, deadline_us);
	if (rc)
		return rc;
	message->body[message->head.len] = '\0';
	if (message->head.type == XS_WATCH_EVENT)
		note_watch(store, message);
	return 0;
}

static int error_of(const struct message *message)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (strcmp(message->body, xsd_errors[i].errstring) == 0)
			return -xsd_errors[i].errnum;
	return -EIO;
}

/* Sends `size` bytes as a request and waits for its answer. */
static int ask(struct guest_store *store, uint32_t type, const void *bytes, size_t size,
	       struct message *answer)
{
	uint64_t deadline_us = clock_after_ms(store->events->clock, TIMEOUT_MS);
	const struct xsd_sockmsg head = {
		.type = type,
		.req_id = ++store->request,
		.tx_id = store->transaction,
		.len = (uint32_t)size,
	};
	int rc = send(store, &head, sizeof(head), deadline_us);

	if (!rc)
		rc = send(store, bytes, size, deadline_us);
	do {
		if (!rc)
			rc = next_message(store, answer, deadline_us);
	} while (!rc && answer->head.type == XS_WATCH_EVENT);
	if (rc)
		return rc;
	if (answer->head.req_id != store->request)
		return -EPROTO;
	return answer->head.type == XS_ERROR ? error_of(answer) : 0;
}

/* A request of two texts, each with its NUL unless `bare`, which leaves the second's out. */
static int ask_pair(struct guest_store *store, uint32_t type, const char *first,
		    const char *second, bool bare)
{
	char bytes[GUEST_STORE_VALUE_MAX * 2];
	size_t length = strlen(first) + 1, second_length = strlen(second) + !bare;
	struct message answer;

	if (length + second_length > sizeof(bytes))
		return -EMSGSIZE;
	memcpy(bytes, first, length);
	memcpy(bytes + length, second, second_length);
	return ask(store, type, bytes, length + second_length, &answer);
}

/* ---- requests ---- */

int guest_store_read(struct guest_store *store, const char *path, char *value, size_t size)
{
	struct message answer;
	int rc = ask(store, XS_READ, path, strlen(path) + 1, &answer);

	if (rc)
		return rc;
	if (answer.head.len >= size)
		return -EMSGSIZE;
	memcpy(value, answer.body, answer.head.len + 1);
	return 0;
}

int guest_store_write(struct guest_store *store, const char *path, const char *value)
{
	return ask_pair(store, XS_WRITE, path, value, true);
}

int guest_store_watch(struct guest_store *store, const char *path, uint32_t token)
{
	char text[16];
	int rc;

	snprintf(text, sizeof(text), "%" PRIu32, token);
	rc = ask_pair(store, XS_WATCH, path, text, false);
	return rc == -EEXIST ? 0 : rc;
}

int guest_store_unwatch(struct guest_store *store, const char *path, uint32_t token)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, token);
	return ask_pair(store, XS_UNWATCH, path, text, false);
}

int guest_store_begin(struct guest_store *store)
{
	struct message answer;
	int rc = ask(store, XS_TRANSACTION_START, "", 1, &answer);

	if (!rc)
		store->transaction = (uint32_t)strtoul(answer.body, NULL, 10);
	return rc;
}

int guest_store_end(struct guest_store *store)
{
	struct message answer;
	int rc = ask(store, XS_TRANSACTION_END, "T", 2, &answer);

	store->transaction = 0;
	return rc;
}

int guest_store_collect(struct guest_store *store)
{
	uint64_t deadline_us = clock_after_ms(store->events->clock, TIMEOUT_MS);
	struct xenstore_domain_interface *ring = store->ring;
	struct message message;
	int rc = 0;

	while (!rc && __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) != ring->rsp_cons) {
		rc = next_message(store, &message, deadline_us);
		/* nothing was asked, so nothing may be answered */
		if (!rc && message.head.type != XS_WATCH_EVENT)
			rc = -EPROTO;
	}
	return rc;
}

bool guest_store_take(struct guest_store *store, uint32_t token)
{
	uint64_t bit = UINT64_C(1) << token;
	bool fired = store->fired & bit;

	store->fired &= ~bit;
	return fired;
}

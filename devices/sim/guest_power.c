/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a guest starts, stops, and goes on: Linux's drivers/xen/manage.c. What it must find again is
 * noted in the processor's state when it stops, and compared when it goes on.
 */
#include "guest_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/hvm/params.h>

#include "cleanup.h"
#include "costs.h"

#define CONTEXT_MAGIC UINT64_C(0x3178746e6f636d73) /* "smcontx1" */
#define CALLBACK_VECTOR ((uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0xf3)
#define TRIES_MAX 16 /* of a transaction, as elsewhere */

/* The processor's state of a guest that stopped. */
struct context {
	uint64_t magic;
	uint8_t uuid[16];
	uint64_t hash;
	uint32_t suspends, reserved;
};

/* ---- the lease ---- */

/* A lock that the kernel takes back when its holder dies. */
static int take_lease(struct guest *guest)
{
	char path[VERDICT_PATH_MAX];
	CLEANUP_FD int fd = -1;

	if (guest->lease_fd >= 0)
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", guest->options->lease_folder, guest->uuid) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	guest->lease_fd = steal_fd(&fd);
	return 0;
}

void guest_release_lease(struct guest *guest)
{
	if (guest->lease_fd >= 0)
		close(guest->lease_fd);
	guest->lease_fd = -1;
}

static int lease(struct guest *guest)
{
	int rc = take_lease(guest);

	if (rc == -EBUSY)
		verdict_violation(&guest->verdict, VIOLATION_SECOND_COPY,
				  "the guest was started on %s while it ran elsewhere",
				  guest->verdict.host);
	return rc;
}

/* ---- finding the program ---- */

static int map_ram(struct guest *guest, const uint8_t uuid[16], struct err *err)
{
	uint64_t pages = 0;
	void *address;
	int rc = sim_memory_map_range(guest->memory, 0, 1, PROT_READ, &address);

	if (rc)
		return err_set(err, ERR_LOST, rc, "the domain has no frame 0");
	rc = program_recognise(address, uuid, &pages, err);
	sim_memory_unmap(address, 1);
	if (rc)
		return rc;
	rc = sim_memory_map_range(guest->memory, 0, pages, PROT_READ | PROT_WRITE, &address);
	if (rc)
		return err_set(err, ERR_LOST, rc, "cannot map the domain's memory: %s",
			       strerror(-rc));
	guest->ram = address;
	guest->pages = pages;
	return program_attach(&guest->program, guest->memory, guest->ram, err);
}

static int find_program(struct guest *guest)
{
	struct sim_domain domain;
	struct err err = { .code = ERR_NONE };
	int rc = sim_domain_get(guest->host, guest->domid, &domain);

	if (!rc)
		rc = map_ram(guest, domain.config.uuid, &err);
	if (rc == -ENOEXEC || rc == -EINVAL)
		verdict_violation(&guest->verdict, VIOLATION_PROGRAM, "%s", err.message);
	return rc;
}

static void make_devices(struct guest *guest)
{
	const struct program_state *state = guest->program.state;

	for (uint32_t i = 0; i < state->disk_count; i++)
		guest_disk_init(&guest->disks[i], &guest->program, i, guest->events.events,
				&guest->verdict, (uint32_t)guest->options->queue_depth);
	for (uint32_t i = 0; i < state->nic_count; i++)
		guest_nic_init(&guest->nics[i], &guest->program, i, guest->events.events,
			       &guest->verdict);
	frontends_init(&guest->frontends, &guest->program, &guest->store, guest->disks,
		       guest->nics, TOKEN_FRONTENDS);
}

/* ---- starting and going on ---- */

static void touch_state(struct guest *guest)
{
	program_touch(&guest->program, guest->program.state,
		      offsetof(struct program_state, disks));
}

static uint64_t silent_us(const struct guest *guest)
{
	return costs_number(sim_host_folder(guest->host), "guest_silent_ms") * UINT64_C(1000);
}

/*
 * What a kernel does in each domain that it finds itself in. The features are said at boot alone:
 * Linux does not say them again after a move.
 */
static int settle_in(struct guest *guest, bool moved)
{
	static const char *const features[] = {
		"control/feature-suspend", "control/feature-poweroff", "control/feature-reboot",
	};
	const struct frontend_costs costs = {
		.connect_us = moved ? guest->options->resume_cost_us : 0,
		.silent_us = moved ? silent_us(guest) : 0,
	};
	int rc = sim_param_set(guest->host, guest->domid, HVM_PARAM_CALLBACK_IRQ, CALLBACK_VECTOR);

	if (!rc)
		rc = guest_store_watch(&guest->store, "control/shutdown", TOKEN_SHUTDOWN);
	for (size_t i = 0; !rc && !moved && i < sizeof(features) / sizeof(features[0]); i++)
		rc = guest_store_write(&guest->store, features[i], "1");
	return rc ? rc : frontends_start(&guest->frontends, moved, clock_now_us(guest->clock),
					 &costs);
}

/* Whether memory is what it was when the guest stopped. */
static bool is_whole(struct guest *guest)
{
	const struct program_state *state = guest->program.state;
	struct context context;
	int size = sim_context_get(guest->host, guest->domid, &context, sizeof(context));

	if (size != (int)sizeof(context) || context.magic != CONTEXT_MAGIC ||
	    memcmp(context.uuid, state->uuid, sizeof(context.uuid)) != 0) {
		verdict_violation(&guest->verdict, VIOLATION_PROGRAM,
				  "the processor's state did not arrive");
		return false;
	}
	if (context.suspends == state->suspends && context.hash == program_hash(&guest->program))
		return true;
	verdict_violation(&guest->verdict, VIOLATION_PROGRAM,
			  "the program's state is not as it was when the guest stopped: it is that "
			  "of suspend %u, and should be that of %u", state->suspends,
			  context.suspends);
	return false;
}

static int go_on(struct guest *guest)
{
	struct program_state *state = guest->program.state;

	(void)is_whole(guest);
	state->moves++;
	touch_state(guest);
	program_sweep_begin(&guest->program);
	for (uint32_t i = 0; i < state->disk_count; i++)
		guest_disk_moved(&guest->disks[i]);
	return settle_in(guest, true);
}

static int start(struct guest *guest)
{
	int rc = find_program(guest);

	if (!rc)
		rc = guest_store_init(&guest->store, guest->host, guest->memory, &guest->events);
	if (rc)
		return rc;
	make_devices(guest);
	if (guest->program.state->starts > 0) {
		if (sim_domain_resumed(guest->host, guest->domid) > 0)
			verdict_violation(&guest->verdict, VIOLATION_RINGS,
					  "in a new domain the guest is told that nothing changed");
		return go_on(guest);
	}
	guest->program.state->starts++;
	touch_state(guest);
	return settle_in(guest, false);
}

/* The suspend returned 1: everything must be as it was. */
static int carry_on(struct guest *guest)
{
	int rc = frontends_check(&guest->frontends);

	(void)is_whole(guest);
	guest->program.state->cancelled++;
	touch_state(guest);
	if (rc != -ENOTCONN)
		return rc;
	verdict_violation(&guest->verdict, VIOLATION_RINGS,
			  "the guest is told that nothing changed, but a ring is not as it was, or "
			  "a backend not connected");
	return 0;
}

static int resume(struct guest *guest)
{
	int cancelled = sim_domain_resumed(guest->host, guest->domid);

	if (cancelled < 0)
		return cancelled;
	return cancelled ? carry_on(guest) : go_on(guest);
}

int guest_wake(struct guest *guest)
{
	enum guest_phase phase = guest->phase;
	int rc;

	if (phase == GUEST_ENDED)
		return 0;
	rc = lease(guest);
	if (rc)
		return rc;
	guest->tick_us = guest->woken_us = clock_now_us(guest->clock);
	guest->phase = GUEST_RUNNING;
	if (phase == GUEST_NEW)
		return start(guest);
	return phase == GUEST_SUSPENDED ? resume(guest) : 0;
}

/* ---- stopping ---- */

static int suspend(struct guest *guest)
{
	struct program_state *state = guest->program.state;
	struct context context = { .magic = CONTEXT_MAGIC };
	int rc;

	clock_sleep_us(guest->clock, guest->options->suspend_cost_us);
	state->suspends++;
	touch_state(guest);
	memcpy(context.uuid, state->uuid, sizeof(context.uuid));
	context.suspends = state->suspends;
	context.hash = program_hash(&guest->program);
	rc = sim_context_set(guest->host, guest->domid, &context, sizeof(context));
	if (rc)
		return rc;
	guest->phase = GUEST_SUSPENDED;
	guest_report(guest, "suspended");
	guest_release_lease(guest);
	return sim_domain_shutdown(guest->host, guest->domid, SIM_SUSPEND);
}

static int end(struct guest *guest, enum sim_shutdown reason)
{
	guest->phase = GUEST_ENDED;
	guest_report(guest, "stopped");
	guest_release_lease(guest);
	return sim_domain_shutdown(guest->host, guest->domid, reason);
}

static int power_off(struct guest *guest)
{
	return end(guest, SIM_POWEROFF);
}

static int reboot(struct guest *guest)
{
	return end(guest, SIM_REBOOT);
}

void guest_crash(struct guest *guest, const char *why, int rc)
{
	verdict_violation(&guest->verdict, VIOLATION_CRASH, "%s: %s", why, strerror(-rc));
	(void)end(guest, SIM_CRASH);
}

static const struct order {
	const char *word;
	int (*obey)(struct guest *guest);
} orders[] = {
	{ "suspend", suspend },
	{ "poweroff", power_off },
	{ "halt", power_off },
	{ "reboot", reboot },
};

static const struct order *find_order(const char *word)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].word, word) == 0)
			return &orders[i];
	return NULL;
}

/* Reads the order and empties the node, in one transaction. -EAGAIN on a conflict. */
static int take_order(struct guest *guest, const struct order **order)
{
	char word[32] = "";
	int rc = guest_store_begin(&guest->store), ended;

	if (rc)
		return rc;
	rc = guest_store_read(&guest->store, "control/shutdown", word, sizeof(word));
	*order = rc ? NULL : find_order(word);
	if (*order)
		rc = guest_store_write(&guest->store, "control/shutdown", "");
	ended = guest_store_end(&guest->store);
	return rc && rc != -ENOENT && rc != -EMSGSIZE ? rc : ended;
}

int guest_obey(struct guest *guest)
{
	const struct order *order = NULL;
	int rc = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && rc == -EAGAIN; i++)
		rc = take_order(guest, &order);
	return rc || !order ? rc : order->obey(guest);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest_machine.h"

#define TICK_US 10000          /* how often it works */
#define IDLE_US 1000000        /* how often one that does not run looks around */
#define LAG_MAX_US 100000      /* of work that it catches up with */
#define VERDICT_US 200000      /* how often it says what it found */
#define SWEEP_FAST 1024        /* pages that a tick checks after a move */
#define SWEEP_SLOW 8           /* and later */
#define SWEEP_AFTER_US 1000000 /* it reconnects first, but not for ever */

/* ---- reporting ---- */

static void add_devices(const struct guest *guest, struct verdict_facts *facts)
{
	const struct program_state *state = guest->program.state;

	for (uint32_t i = 0; i < state->disk_count; i++) {
		facts->vbds_connected += guest->disks[i].connected;
		facts->blocks_written += state->disks[i].written;
		facts->blocks_checked += state->disks[i].checked;
		facts->blocks_reissued += state->disks[i].reissued;
		facts->disk_verified &= guest_disk_is_swept(&guest->disks[i]);
	}
	for (uint32_t i = 0; i < state->nic_count; i++) {
		facts->vifs_connected += guest->nics[i].connected;
		facts->pings_answered += state->nics[i].pings;
	}
}

void guest_report(struct guest *guest, const char *status)
{
	const struct program_state *state = guest->program.state;
	struct verdict_facts facts = { .status = status, .domid = guest->domid };

	guest->verdict_us = clock_now_us(guest->clock);
	if (state) {
		facts.suspends = state->suspends;
		facts.moves = state->moves;
		facts.cancelled = state->cancelled;
		facts.vbds = state->disk_count;
		facts.vifs = state->nic_count;
		facts.uptime_ms = state->uptime_us / 1000;
		facts.memory_bytes = state->pages * SIM_PAGE_BYTES;
		facts.pages_dirtied = state->pages_dirtied;
		facts.pages_checked = state->pages_checked;
		facts.memory_verified = program_is_swept(&guest->program);
		facts.disk_verified = true;
		add_devices(guest, &facts);
	}
	(void)verdict_write(&guest->verdict, &facts);
}

/* ---- working ---- */

/* How much of something that comes `per_s` falls due in `us`; the rest stays in `credit`. */
static uint64_t fall_due(uint64_t *credit, uint64_t per_s, uint64_t us)
{
	uint64_t due;

	*credit += per_s * us;
	due = *credit / 1000000;
	*credit %= 1000000;
	return due;
}

static bool is_connected(const struct guest *guest)
{
	const struct program_state *state = guest->program.state;
	bool connected = true;

	for (uint32_t i = 0; i < state->disk_count; i++)
		connected &= guest->disks[i].connected;
	for (uint32_t i = 0; i < state->nic_count; i++)
		connected &= guest->nics[i].connected;
	return connected;
}

static void sweep(struct guest *guest, uint64_t now_us)
{
	bool hurry = !program_is_swept(&guest->program) &&
		     (is_connected(guest) || now_us - guest->woken_us > SWEEP_AFTER_US);
	uint64_t count = hurry ? SWEEP_FAST : SWEEP_SLOW;
	struct program_page page;

	if (program_sweep(&guest->program, &count, &page))
		return;
	if (page.garbage)
		verdict_violation(&guest->verdict, VIOLATION_PAGE,
				  "page %#llx holds something else than its version %u",
				  (unsigned long long)page.gfn, page.expected);
	else
		verdict_violation(&guest->verdict, VIOLATION_PAGE,
				  "page %#llx holds its version %u, and must hold %u",
				  (unsigned long long)page.gfn, page.found, page.expected);
}

/* A guest that the scheduler caps gets on so much more slowly. */
static uint64_t paced(const struct guest *guest, uint64_t per_s)
{
	struct sim_domain domain;
	uint64_t whole;

	if (sim_domain_get(guest->host, guest->domid, &domain) < 0 || domain.cap_percent == 0)
		return per_s;
	whole = domain.vcpus * UINT64_C(100);
	return domain.cap_percent < whole ? per_s * domain.cap_percent / whole : per_s;
}

static void tick(struct guest *guest, uint64_t now_us)
{
	const struct guest_options *options = guest->options;
	struct program_state *state = guest->program.state;
	uint64_t us = now_us - guest->tick_us < LAG_MAX_US ? now_us - guest->tick_us : LAG_MAX_US;
	uint64_t pages = fall_due(&guest->dirty_credit,
				  paced(guest, options->dirty_pages_per_s), us);
	uint64_t blocks = fall_due(&guest->block_credit, options->blocks_per_s, us);

	guest->tick_us = now_us;
	state->uptime_us += us;
	for (uint64_t i = 0; i < pages; i++)
		program_dirty(&guest->program, options->working_set_pages);
	for (uint32_t i = 0; i < state->disk_count; i++)
		guest_disk_issue(&guest->disks[i], (uint32_t)blocks);
	sweep(guest, now_us);
	if (now_us - guest->verdict_us >= VERDICT_US)
		guest_report(guest, "running");
}

static void answer_interrupts(struct guest *guest)
{
	const struct program_state *state = guest->program.state;

	for (uint32_t i = 0; i < state->disk_count; i++)
		if (guest->disks[i].port > 0 &&
		    guest_events_take(&guest->events, (uint32_t)guest->disks[i].port))
			guest_disk_work(&guest->disks[i]);
	for (uint32_t i = 0; i < state->nic_count; i++)
		if (guest->nics[i].port > 0 &&
		    guest_events_take(&guest->events, (uint32_t)guest->nics[i].port))
			guest_nic_work(&guest->nics[i]);
}

/* One round of a guest that runs. */
static int work(struct guest *guest)
{
	uint64_t now_us;
	int rc = 0;

	answer_interrupts(guest);
	if (guest_events_take(&guest->events, guest->store.port))
		rc = guest_store_collect(&guest->store);
	if (!rc)
		rc = frontends_step(&guest->frontends, clock_now_us(guest->clock));
	now_us = clock_now_us(guest->clock);
	if (!rc && now_us - guest->tick_us >= TICK_US)
		tick(guest, now_us);
	if (!rc && guest_store_take(&guest->store, TOKEN_SHUTDOWN))
		rc = guest_obey(guest);
	return rc;
}

/* ---- running ---- */

static uint64_t next_us(const struct guest *guest, bool runs)
{
	uint64_t now_us = clock_now_us(guest->clock), tick_us = guest->tick_us + TICK_US, due_us;

	if (!runs)
		return now_us + IDLE_US;
	due_us = frontends_due_us(&guest->frontends, now_us);
	return due_us < tick_us ? due_us : tick_us;
}

/* Whether the domain runs, and the guest in it with the lease: -ESRCH when it is gone. */
static int look(struct guest *guest, bool *runs)
{
	struct sim_domain domain;
	int rc;

	(void)guest_events_take(&guest->events, 0);
	rc = sim_domain_get(guest->host, guest->domid, &domain);
	if (rc)
		return rc;
	*runs = sim_domain_runs(&domain) && guest->phase != GUEST_ENDED;
	if (!*runs)
		guest_release_lease(guest);
	else if (guest->lease_fd < 0)
		return guest_wake(guest);
	return 0;
}

static int live(struct guest *guest)
{
	for (;;) {
		bool runs = false;
		int rc = look(guest, &runs);

		if (!rc && runs)
			rc = work(guest);
		/* the program may have stopped itself just now; it is looked at again first */
		if (!rc && runs && guest->lease_fd < 0)
			continue;
		if (!rc)
			rc = guest_events_wait(&guest->events, next_us(guest, runs));
		if (rc == -ESRCH || rc == -ECANCELED)
			return rc;
		if (rc)
			guest_crash(guest, "the guest cannot go on", rc);
	}
}

static void format_uuid(const uint8_t bytes[16], char text[VERDICT_UUID_SIZE])
{
	size_t used = 0;

	for (size_t i = 0; i < 16; i++)
		used += (size_t)snprintf(text + used, VERDICT_UUID_SIZE - used, "%s%02x",
					 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
					 bytes[i]);
}

void guest_note_death(struct sim_host *host, uint32_t domid, const struct guest_options *options)
{
	char uuid[VERDICT_UUID_SIZE];
	struct sim_domain domain;
	struct verdict verdict;

	if (sim_domain_get(host, domid, &domain))
		return;
	format_uuid(domain.config.uuid, uuid);
	if (verdict_init(&verdict, options->verdict_folder, sim_host_folder(host), uuid, NULL) == 0)
		verdict_violation(&verdict, VIOLATION_CRASH,
				  "the process that ran the guest on %s died", verdict.host);
	(void)sim_domain_shutdown(host, domid, SIM_CRASH);
}

static int open_guest(struct guest *guest, const char *folder, struct err *err)
{
	struct sim_domain domain;
	int rc = sim_host_open(folder, &guest->host, err);

	if (rc)
		return rc;
	rc = sim_domain_get(guest->host, guest->domid, &domain);
	if (rc)
		return rc;
	format_uuid(domain.config.uuid, guest->uuid);
	rc = verdict_init(&guest->verdict, guest->options->verdict_folder, folder, guest->uuid,
			  err);
	if (rc)
		return rc;
	rc = sim_memory_open(guest->host, guest->domid, &guest->memory);
	if (!rc)
		rc = guest_events_init(&guest->events, guest->host, guest->domid, guest->clock);
	return rc && rc != -ESRCH
		       ? err_set(err, ERR_FAILED, rc, "run domain %u: %s", guest->domid,
				 strerror(-rc))
		       : rc;
}

static void close_guest(struct guest *guest)
{
	guest_release_lease(guest);
	guest_store_fini(&guest->store);
	guest_events_fini(&guest->events);
	if (guest->ram)
		sim_memory_unmap(guest->ram, guest->pages);
	sim_memory_close(guest->memory);
	sim_host_close(guest->host);
}

int guest_run(const char *folder, uint32_t domid, const struct guest_options *options,
	      const struct clock *clock, struct err *err)
{
	struct guest guest = {
		.options = options,
		.clock = clock,
		.domid = domid,
		.lease_fd = -1,
	};
	int rc = open_guest(&guest, folder, err);

	if (!rc)
		rc = live(&guest);
	if (rc == -ESRCH) /* the domain is gone: this is how every guest ends on a host */
		rc = guest.verdict.recorded > 0;
	close_guest(&guest);
	return rc;
}

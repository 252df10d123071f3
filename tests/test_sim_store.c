/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Debian's xenstored, as it is installed, on simulated hosts. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xenstore.h>
#include <xen/io/xs_wire.h>

#include "cleanup.h"
#include "sim_place.h"

#define XENSTORED "/usr/lib/xen-4.17/bin/xenstored" /* not the wrapper, which asks for Xen */
#define SOON_MS 20000
#define LOOK_US 2000

/* A host with a store, and one domain that may be introduced to it. */
struct site {
	struct sim_place place;
	pid_t xenstored;
	struct xs_handle *store;
	uint32_t domid, port;
	struct sim_memory *memory;
};

/* ---- fixture ---- */

static void start_xenstored(struct site *site)
{
	char pid_file[PATH_MAX];

	snprintf(pid_file, sizeof(pid_file), "%s/pid", site->place.folder);
	sim_place_enter(&site->place);
	site->xenstored = fork();
	if (site->xenstored == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(XENSTORED, "xenstored", "-N", "--pid-file", pid_file, NULL);
		_exit(127);
	}
	sim_place_leave();
	assert_true(site->xenstored > 0);
}

static void connect_store(struct site *site)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, SOON_MS);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/socket", site->place.folder);
	assert_int_equal(setenv("XENSTORED_PATH", path, 1), 0);
	while (!(site->store = xs_open(0))) {
		assert_true(clock_now_us(&clock_system) < deadline_us);
		clock_sleep_us(&clock_system, LOOK_US);
	}
	unsetenv("XENSTORED_PATH");
}

static void make_domain(struct site *site)
{
	const struct sim_domain_config config = { .vcpus_max = 1 };
	struct sim_host *host = site->place.host;

	assert_int_equal(sim_domain_create(host, &config, &site->domid), 0);
	assert_int_equal(sim_domain_set_pages_max(host, site->domid, 8), 0);
	assert_int_equal(sim_populate_range(host, site->domid, SIM_SPECIAL_GFN, 8), 0);
	assert_int_equal(sim_memory_open(host, site->domid, &site->memory), 0);
	assert_int_equal(sim_grant_at(site->memory, SIM_GRANT_STORE, SIM_STORE_GFN, true), 0);
	site->port = (uint32_t)sim_port_allocate(host, site->domid, 0);
}

static int set_up(void **state)
{
	struct site *sites = calloc(2, sizeof(*sites));

	assert_non_null(sites);
	for (int i = 0; i < 2; i++) {
		sim_place_open(&sites[i].place, 1000);
		start_xenstored(&sites[i]);
		connect_store(&sites[i]);
		make_domain(&sites[i]);
	}
	*state = sites;
	return 0;
}

static int tear_down(void **state)
{
	struct site *sites = *state;

	for (int i = 0; i < 2; i++) {
		xs_close(sites[i].store);
		kill(sites[i].xenstored, SIGKILL);
		waitpid(sites[i].xenstored, NULL, 0);
		sim_memory_close(sites[i].memory);
		sim_place_close(&sites[i].place);
	}
	free(sites);
	return 0;
}

static void introduce(struct site *site)
{
	assert_true(xs_introduce_domain(site->store, site->domid, SIM_STORE_GFN, site->port));
}

/* Watches `path`, and takes the event that comes with every new watch. */
static void watch(struct site *site, const char *path)
{
	CLEANUP_FREE char **event = NULL;
	unsigned int count;

	assert_true(xs_watch(site->store, path, "token"));
	event = xs_read_watch(site->store, &count);
	assert_non_null(event);
}

static void assert_event(struct site *site, const char *path)
{
	struct pollfd fd = { .fd = xs_fileno(site->store), .events = POLLIN };
	CLEANUP_FREE char **event = NULL;
	unsigned int count;

	assert_int_equal(clock_wait(&clock_system, &fd, 1, clock_after_ms(&clock_system, SOON_MS),
				    false), 1);
	event = xs_read_watch(site->store, &count);
	assert_non_null(event);
	assert_string_equal(event[XS_WATCH_PATH], path);
}

/* ---- tests ---- */

static void two_hosts_have_two_stores(void **state)
{
	struct site *sites = *state;
	CLEANUP_FREE char *value = NULL;

	assert_true(xs_write(sites[0].store, XBT_NULL, "/here", "A", 1));
	value = xs_read(sites[0].store, XBT_NULL, "/here", NULL);
	assert_string_equal(value, "A");
	assert_null(xs_read(sites[1].store, XBT_NULL, "/here", NULL));
	assert_int_equal(errno, ENOENT);
}

static void a_suspend_is_released_and_once_more_when_it_was_resumed(void **state)
{
	struct site *site = *state;

	introduce(site);
	watch(site, "@releaseDomain");
	assert_int_equal(sim_domain_shutdown(site->place.host, site->domid, SIM_SUSPEND), 0);
	assert_event(site, "@releaseDomain");
	assert_int_equal(sim_domain_resume(site->place.host, site->domid), 0);
	assert_true(xs_resume_domain(site->store, site->domid));
	assert_int_equal(sim_domain_shutdown(site->place.host, site->domid, SIM_SUSPEND), 0);
	assert_event(site, "@releaseDomain");
}

static void a_destroyed_domain_is_released_and_its_nodes_go(void **state)
{
	struct site *site = *state;
	struct xs_permissions owner = { .id = site->domid, .perms = XS_PERM_NONE };

	introduce(site);
	assert_true(xs_write(site->store, XBT_NULL, "/own", "1", 1));
	assert_true(xs_set_permissions(site->store, XBT_NULL, "/own", &owner, 1));
	watch(site, "@releaseDomain");
	assert_int_equal(sim_domain_destroy(site->place.host, site->domid), 0);
	assert_event(site, "@releaseDomain");
	assert_null(xs_read(site->store, XBT_NULL, "/own", NULL));
}

static void a_domain_without_a_granted_ring_cannot_be_introduced(void **state)
{
	struct site *site = *state;

	sim_grant_end(site->memory, SIM_GRANT_STORE);
	assert_false(xs_introduce_domain(site->store, site->domid, SIM_STORE_GFN, site->port));
	assert_false(xs_introduce_domain(site->store, 4711, SIM_STORE_GFN, 1));
}

/* Reads a node as the guest's own driver would, when the value is known to have `size` bytes. */
static void ask(struct sim_events *events, uint32_t port, struct xenstore_domain_interface *ring,
		const char *path, char *answer, size_t size)
{
	struct xsd_sockmsg message = { .type = XS_READ, .len = (uint32_t)strlen(path) + 1 };
	uint64_t deadline_us = clock_after_ms(&clock_system, SOON_MS);
	struct pollfd fd = { .fd = sim_events_fd(events), .events = POLLIN };

	memcpy(ring->req, &message, sizeof(message));
	memcpy(ring->req + sizeof(message), path, message.len);
	__atomic_store_n(&ring->req_prod, (uint32_t)sizeof(message) + message.len,
			 __ATOMIC_RELEASE);
	assert_int_equal(sim_events_notify(events, port), 0);
	while (__atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) < sizeof(message) + size) {
		int event = sim_events_next(events);

		if (event > 0)
			sim_events_unmask(events, (uint32_t)event);
		else
			assert_int_equal(clock_wait(&clock_system, &fd, 1, deadline_us, false), 1);
	}
	memcpy(&message, ring->rsp, sizeof(message));
	assert_int_equal(message.type, XS_READ);
	memcpy(answer, ring->rsp + sizeof(message), size);
}

static void a_guest_reads_through_its_ring(void **state)
{
	struct site *site = *state;
	struct sim_events *events;
	struct xs_permissions everyone = { .id = 0, .perms = XS_PERM_READ };
	char answer[8] = "";
	void *ring;

	assert_true(xs_write(site->store, XBT_NULL, "/greeting", "welcome", 7));
	assert_true(xs_set_permissions(site->store, XBT_NULL, "/greeting", &everyone, 1));
	assert_int_equal(sim_events_open(site->place.host, site->domid, &events), 0);
	assert_int_equal(sim_memory_map_range(site->memory, SIM_STORE_GFN, 1,
					      PROT_READ | PROT_WRITE, &ring), 0);
	introduce(site);
	ask(events, site->port, ring, "/greeting", answer, 7);

	assert_string_equal(answer, "welcome");
	sim_memory_unmap(ring, 1);
	sim_events_close(events);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_hosts_have_two_stores),
		TEST(a_suspend_is_released_and_once_more_when_it_was_resumed),
		TEST(a_destroyed_domain_is_released_and_its_nodes_go),
		TEST(a_domain_without_a_granted_ring_cannot_be_introduced),
		TEST(a_guest_reads_through_its_ring),
	};

	if (access(XENSTORED, X_OK) < 0) {
		puts("SKIP: there is no " XENSTORED "; install xen-utils-4.17");
		return 77;
	}
	return cmocka_run_group_tests_name("sim_store", tests, NULL, NULL);
}

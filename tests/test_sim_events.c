/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event channels of a simulated host. */
#include "hypervisor.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim_place.h"

struct fixture {
	struct sim_place place;
	struct sim_host *host, *other; /* as two processes have it */
	uint32_t domid;
};

static int set_up(void **state)
{
	const struct sim_domain_config config = { .vcpus_max = 1 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	assert_non_null(fixture);
	sim_place_open(&fixture->place, 1000);
	fixture->host = fixture->place.host;
	assert_int_equal(sim_host_open(fixture->place.folder, &fixture->other, &err), 0);
	assert_int_equal(sim_domain_create(fixture->host, &config, &fixture->domid), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sim_host_close(fixture->other);
	sim_place_close(&fixture->place);
	free(fixture);
	return 0;
}

static bool is_readable(const struct sim_events *events)
{
	struct pollfd fd = { .fd = sim_events_fd(events), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void drain(struct sim_events *events)
{
	int port;

	while ((port = sim_events_next(events)) >= 0)
		sim_events_unmask(events, (uint32_t)port);
}

struct channel {
	struct sim_events *guest, *backend;
	uint32_t guest_port, backend_port;
};

static struct channel connect_both(struct fixture *fixture)
{
	struct channel channel;

	assert_int_equal(sim_events_open(fixture->host, fixture->domid, &channel.guest), 0);
	assert_int_equal(sim_events_open(fixture->other, 0, &channel.backend), 0);
	channel.guest_port = (uint32_t)sim_events_allocate(channel.guest, 0);
	channel.backend_port = (uint32_t)sim_events_bind(channel.backend, fixture->domid,
							 channel.guest_port);
	drain(channel.guest);
	drain(channel.backend);
	return channel;
}

static void disconnect_both(struct channel *channel)
{
	sim_events_close(channel->guest);
	sim_events_close(channel->backend);
}

static void a_notification_reaches_the_other_end(void **state)
{
	struct channel channel = connect_both(*state);

	assert_int_equal(sim_events_notify(channel.guest, channel.guest_port), 0);
	assert_true(is_readable(channel.backend));
	assert_int_equal(sim_events_next(channel.backend), channel.backend_port);
	assert_int_equal(sim_events_next(channel.backend), -EAGAIN);
	assert_int_equal(sim_events_notify(channel.backend, channel.backend_port), 0);
	assert_int_equal(sim_events_next(channel.guest), channel.guest_port);
	disconnect_both(&channel);
}

static void a_port_is_silent_until_unmasked_and_forgets_nothing(void **state)
{
	struct channel channel = connect_both(*state);

	for (int i = 0; i < 3; i++)
		assert_int_equal(sim_events_notify(channel.guest, channel.guest_port), 0);
	assert_int_equal(sim_events_next(channel.backend), channel.backend_port);
	assert_int_equal(sim_events_next(channel.backend), -EAGAIN);
	assert_int_equal(sim_events_unmask(channel.backend, channel.backend_port), 0);
	assert_int_equal(sim_events_next(channel.backend), channel.backend_port);
	assert_int_equal(sim_events_unmask(channel.backend, channel.backend_port), 0);
	assert_int_equal(sim_events_next(channel.backend), -EAGAIN);
	disconnect_both(&channel);
}

static void only_the_owner_uses_a_port(void **state)
{
	struct fixture *fixture = *state;
	struct channel channel = connect_both(fixture);
	struct sim_events *stranger;

	assert_int_equal(sim_events_open(fixture->host, 0, &stranger), 0);
	assert_int_equal(sim_events_notify(stranger, channel.backend_port), -EINVAL);
	assert_int_equal(sim_events_notify(stranger, UINT32_MAX), -EINVAL);
	assert_int_equal(sim_events_bind(stranger, fixture->domid, channel.guest_port), -EINVAL);
	assert_int_equal(sim_events_bind(stranger, fixture->domid, UINT32_MAX), -EINVAL);
	assert_int_equal(sim_events_bind(stranger, 4711, 1), -ESRCH);
	sim_events_close(stranger);
	disconnect_both(&channel);
}

static void a_port_that_was_let_go_may_be_bound_again(void **state)
{
	struct fixture *fixture = *state;
	struct channel channel = connect_both(fixture);

	assert_int_equal(sim_events_unbind(channel.backend, channel.backend_port), 0);
	assert_int_equal(sim_events_notify(channel.guest, channel.guest_port), 0);
	assert_false(is_readable(channel.backend));
	assert_true(sim_events_bind(channel.backend, fixture->domid, channel.guest_port) > 0);
	disconnect_both(&channel);
}

static void a_guest_hears_of_what_happened_before_it_listened(void **state)
{
	struct fixture *fixture = *state;
	int port = sim_port_allocate(fixture->host, fixture->domid, 0);
	struct sim_events *backend, *guest, *second;
	int mine;

	assert_int_equal(sim_events_open(fixture->host, 0, &backend), 0);
	mine = sim_events_bind(backend, fixture->domid, (uint32_t)port);
	assert_int_equal(sim_events_notify(backend, (uint32_t)mine), 0);
	assert_int_equal(sim_events_open(fixture->host, fixture->domid, &guest), 0);
	assert_int_equal(sim_events_next(guest), 0); /* the domain */
	assert_int_equal(sim_events_next(guest), port);
	assert_int_equal(sim_events_open(fixture->host, fixture->domid, &second), -EBUSY);
	sim_events_close(guest);
	sim_events_close(backend);
}

static void a_guest_hears_that_its_domain_changed(void **state)
{
	struct fixture *fixture = *state;
	struct channel channel = connect_both(fixture);

	assert_int_equal(sim_domain_unpause(fixture->host, fixture->domid), 0);
	assert_true(is_readable(channel.guest));
	assert_int_equal(sim_events_next(channel.guest), 0);
	disconnect_both(&channel);
}

#define FIRST_PORT 1

static void bind_everything(struct sim_host *host, uint32_t domid)
{
	struct sim_events *backend, *guest;

	sim_events_open(host, 0, &backend);
	sim_events_bind(backend, domid, FIRST_PORT);
	sim_events_bind_virq(backend, SIM_VIRQ_DOM_EXC);
	sim_events_open(host, domid, &guest);
}

static void the_ports_of_a_dead_process_are_free_again(void **state)
{
	struct fixture *fixture = *state;
	struct sim_events *next;

	assert_int_equal(sim_port_allocate(fixture->host, fixture->domid, 0), FIRST_PORT);
	sim_place_die_in(&fixture->place, bind_everything, fixture->domid);
	assert_int_equal(sim_events_open(fixture->host, 0, &next), 0);
	assert_true(sim_events_bind(next, fixture->domid, FIRST_PORT) > 0);
	assert_true(sim_events_bind_virq(next, SIM_VIRQ_DOM_EXC) > 0);
	sim_events_close(next);
	assert_int_equal(sim_events_open(fixture->host, fixture->domid, &next), 0);
	sim_events_close(next);
}

static void xenstored_hears_of_a_domain_that_ends(void **state)
{
	struct fixture *fixture = *state;
	struct sim_events *xenstored;
	int port;

	assert_int_equal(sim_events_open(fixture->other, 0, &xenstored), 0);
	port = sim_events_bind_virq(xenstored, SIM_VIRQ_DOM_EXC);
	assert_int_equal(sim_events_bind_virq(xenstored, SIM_VIRQ_DOM_EXC), -EEXIST);
	assert_int_equal(sim_domain_shutdown(fixture->host, fixture->domid, SIM_POWEROFF), 0);
	assert_int_equal(sim_events_next(xenstored), port);
	assert_int_equal(sim_events_unmask(xenstored, (uint32_t)port), 0);
	assert_int_equal(sim_domain_destroy(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_events_next(xenstored), port);
	sim_events_close(xenstored);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_notification_reaches_the_other_end),
		TEST(a_port_is_silent_until_unmasked_and_forgets_nothing),
		TEST(only_the_owner_uses_a_port),
		TEST(a_port_that_was_let_go_may_be_bound_again),
		TEST(a_guest_hears_of_what_happened_before_it_listened),
		TEST(a_guest_hears_that_its_domain_changed),
		TEST(the_ports_of_a_dead_process_are_free_again),
		TEST(xenstored_hears_of_a_domain_that_ends),
	};

	return cmocka_run_group_tests_name("sim_events", tests, NULL, NULL);
}

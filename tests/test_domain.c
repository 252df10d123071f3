/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "domain_fixture.h"

/* ---- creating and destroying ---- */

static void a_created_domain_is_what_was_described(void **state)
{
	struct domain_fixture *f = *state;
	uint8_t handle[DOMAIN_UUID_BYTES];

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_int_equal(f->guest.domid, 1);
	domain_uuid_bytes(UUID_1, handle);
	assert_memory_equal(f->xen.config.handle, handle, sizeof(handle));
	assert_int_equal(f->xen.config.max_vcpus, 2);
	assert_int_equal(f->xen.config.flags, f->guest.create_flags);
	assert_int_equal(f->xen.claimed_pages, 24592);
}

static void assert_node(struct domain_fixture *f, const char *path, const char *value)
{
	assert_true(fake_store_has(f->store, path));
	assert_string_equal(fake_store_value(f->store, path), value);
}

static void a_created_domain_has_the_nodes_its_guest_expects(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_node(f, "/local/domain/1/name", "g1--incoming");
	assert_node(f, "/local/domain/1/vm", "/vm/" UUID_1);
	assert_node(f, "/local/domain/1/domid", "1");
	assert_node(f, "/local/domain/1/memory/target", "98304");
	assert_node(f, "/local/domain/1/store/port", "1");
	assert_node(f, "/local/domain/1/store/ring-ref", "1044476");
	assert_node(f, "/local/domain/1/cpu/0/availability", "online");
	assert_node(f, "/local/domain/1/cpu/1/availability", "offline");
	assert_node(f, "/local/domain/1/control/platform-feature-xs_reset_watches", "1");
	assert_node(f, "/libxl/1/type", "pvh");
	assert_node(f, "/vm/" UUID_1 "/start_time", "1700000000.5");
	assert_node(f, "/local/domain/0/backend/console/1/0/frontend", "/local/domain/1/console");
	assert_node(f, "/local/domain/0/backend/vif/1/0/state", "1");
	assert_false(fake_store_has(f->store, "/local/domain/1/memory/videoram"));
}

static void the_console_waits_until_the_guest_is_settled(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);
	assert_false(fake_store_has(f->store, "/local/domain/1/console/port"));
	assert_false(fake_store_has(f->store, "/local/domain/1/console/ring-ref"));

	for (int times = 0; times < 2; times++) { /* repeatable */
		assert_int_equal(domain_settle(f->hypervisor, f->store, &f->guest, &f->err), 0);
		assert_node(f, "/local/domain/1/console/port", "2");
		assert_node(f, "/local/domain/1/console/ring-ref", "1044478");
		assert_node(f, "/local/domain/1/name", "g1");
		assert_node(f, "/vm/" UUID_1 "/name", "g1");
		assert_int_equal(f->xen.claimed_pages, 0);
	}
}

static void a_guest_may_write_what_is_its_own_and_nothing_else(void **state)
{
	static const struct {
		const char *path;
		enum store_access access;
	} expected[] = {
		{ "/local/domain/1", STORE_GUEST_READS },
		{ "/local/domain/1/name", STORE_GUEST_READS },
		{ "/local/domain/1/store/port", STORE_GUEST_READS },
		{ "/local/domain/1/control", STORE_GUEST_READS },
		{ "/local/domain/1/control/shutdown", STORE_GUEST_OWNS },
		{ "/local/domain/1/control/feature-suspend", STORE_GUEST_OWNS },
		{ "/local/domain/1/control/platform-feature-xs_reset_watches", STORE_GUEST_READS },
		{ "/local/domain/1/memory/target", STORE_GUEST_READS },
		{ "/local/domain/1/device", STORE_GUEST_READS },
		{ "/local/domain/1/device/vif/0", STORE_FRONTEND },
		{ "/local/domain/1/data", STORE_GUEST_OWNS },
		{ "/local/domain/1/console", STORE_GUEST_READS },
		{ "/local/domain/0/backend/console/1/0", STORE_GUEST_READS },
		{ "/vm/" UUID_1, STORE_GUEST_READS },
		{ "/libxl/1", STORE_PRIVATE },
		{ "/libxl/1/device/console/0/port", STORE_PRIVATE },
	};
	struct domain_fixture *f = *state;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(fake_store_has(f->store, expected[i].path));
		assert_int_equal(fake_store_access(f->store, expected[i].path), expected[i].access);
		if (expected[i].access != STORE_PRIVATE)
			assert_int_equal(fake_store_access_domid(f->store, expected[i].path), 1);
	}
}

static void nothing_is_inherited_from_an_earlier_owner_of_the_domid(void **state)
{
	struct domain_fixture *f = *state;

	store_mkdir(f->store, 1, STORE_GUEST_OWNS, "/local/domain/1");
	store_write(f->store, "evil", "/local/domain/1/memory/videoram");
	store_write(f->store, "evil", "/local/domain/0/backend/vbd/1/51712/params");

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_false(fake_store_has(f->store, "/local/domain/1/memory/videoram"));
	assert_false(fake_store_has(f->store, "/local/domain/0/backend/vbd/1"));
	assert_int_equal(fake_store_access(f->store, "/local/domain/1"), STORE_GUEST_READS);
}

static void a_uuid_that_was_taken_meanwhile_creates_nothing(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 3, UUID_1, "g1");

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), -EEXIST);

	assert_int_equal(f->guest.domid, 0);
	assert_int_equal(f->xen.count, 2);
}

static int destroy(struct domain_fixture *f)
{
	return domain_destroy(f->hypervisor, f->store, &f->clock.clock, &f->guest, &f->err);
}

static void destroy_leaves_the_host_as_create_found_it(void **state)
{
	struct domain_fixture *f = *state;
	CLEANUP_FREE char *before = fake_store_dump(f->store), *after = NULL;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);
	for (int times = 0; times < 2; times++) /* idempotent */
		assert_int_equal(destroy(f), 0);

	after = fake_store_dump(f->store);
	assert_string_equal(before, after);
	assert_int_equal(f->xen.count, 1);
}

/* Lets create fail at every call to Xen and at every change of the store, in turn. */
static void destroy_undoes_a_creation_that_failed_anywhere(void **state)
{
	struct domain_fixture *f = *state;
	CLEANUP_FREE char *before = fake_store_dump(f->store);
	int rc = -1;

	for (int i = 0; rc < 0; i++) {
		CLEANUP_FREE char *after = NULL;

		assert_true(i < 200);
		f->guest.domid = 0;
		f->xen.calls_left = i < 5 ? i : -1;
		fake_store_fail_after(f->store, i < 5 ? -1 : i - 5, EIO);
		rc = domain_create(f->hypervisor, f->store, &f->guest, &f->err);
		f->xen.calls_left = -1;
		fake_store_fail_after(f->store, -1, 0);
		assert_int_equal(destroy(f), 0);
		after = fake_store_dump(f->store);
		assert_string_equal(before, after);
		assert_int_equal(f->xen.count, 1);
	}
}

static void notice_late(struct fake_clock *clock, void *argument)
{
	struct domain_fixture *f = argument;

	if (clock->waits == 3)
		store_write(f->store, "2", "/local/domain/0/backend/vif/1/0/state");
}

/* In some plans nobody has plugged them: what a driver then writes would be there for ever. */
static void destroy_takes_no_device_away_that_its_driver_is_about_to_notice(void **state)
{
	struct domain_fixture *f = *state;

	f->clock.on_wait = notice_late;
	f->clock.argument = f;
	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_int_equal(destroy(f), 0);

	assert_int_equal(f->clock.waits, 3);
	assert_false(fake_store_has(f->store, "/local/domain/0/backend/vif/1"));
}

static void what_was_never_created_is_not_destroyed(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(destroy(f), 0);

	assert_int_equal(f->xen.count, 1);
	assert_true(fake_store_has(f->store, "/local/domain/0/name"));
}

static void a_domid_that_is_another_guests_by_now_is_left_alone(void **state)
{
	struct domain_fixture *f = *state;
	CLEANUP_FREE char *before = NULL, *after = NULL;

	domain_fixture_add(f, 7, UUID_2, "another");
	before = fake_store_dump(f->store);
	f->guest.domid = 7;

	assert_int_equal(destroy(f), 0);

	after = fake_store_dump(f->store);
	assert_string_equal(before, after);
	assert_int_equal(f->xen.destroys, 0);
}

static void a_second_domain_of_the_guest_keeps_what_both_share(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);
	store_write(f->store, "/vm/" UUID_1, "/local/domain/9/vm");

	assert_int_equal(destroy(f), 0);

	assert_true(fake_store_has(f->store, "/vm/" UUID_1 "/uuid"));
	assert_false(fake_store_has(f->store, "/local/domain/1"));
}

/* ---- starting ---- */

static void introduce_tells_xenstored_once_the_rings_are_where_they_were(void **state)
{
	struct domain_fixture *f = *state;
	uint64_t gfn;
	uint32_t port;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_int_equal(domain_introduce(f->store, &f->guest, FAKE_STORE_PFN, FAKE_CONSOLE_PFN + 1,
					  &f->err), -EBADMSG);
	assert_int_equal(fake_store_introduced(f->store, NULL, NULL), 0);
	assert_int_equal(domain_introduce(f->store, &f->guest, FAKE_STORE_PFN, FAKE_CONSOLE_PFN,
					  &f->err), 0);
	assert_int_equal(fake_store_introduced(f->store, &gfn, &port), 1);
	assert_int_equal(gfn, FAKE_STORE_PFN);
	assert_int_equal(port, 1);
}

static void unpause_may_be_repeated(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(domain_create(f->hypervisor, f->store, &f->guest, &f->err), 0);

	assert_int_equal(domain_unpause(f->hypervisor, &f->guest, &f->err), 0);
	assert_int_equal(domain_unpause(f->hypervisor, &f->guest, &f->err), 0);

	assert_int_equal(f->xen.unpauses, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, domain_fixture_set_up, domain_fixture_tear_down)
		TEST(a_created_domain_is_what_was_described),
		TEST(a_created_domain_has_the_nodes_its_guest_expects),
		TEST(the_console_waits_until_the_guest_is_settled),
		TEST(a_guest_may_write_what_is_its_own_and_nothing_else),
		TEST(nothing_is_inherited_from_an_earlier_owner_of_the_domid),
		TEST(a_uuid_that_was_taken_meanwhile_creates_nothing),
		TEST(destroy_leaves_the_host_as_create_found_it),
		TEST(destroy_undoes_a_creation_that_failed_anywhere),
		TEST(destroy_takes_no_device_away_that_its_driver_is_about_to_notice),
		TEST(what_was_never_created_is_not_destroyed),
		TEST(a_domid_that_is_another_guests_by_now_is_left_alone),
		TEST(a_second_domain_of_the_guest_keeps_what_both_share),
		TEST(introduce_tells_xenstored_once_the_rings_are_where_they_were),
		TEST(unpause_may_be_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

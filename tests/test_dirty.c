/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Measuring how fast a guest dirties memory: nothing of it stays, whichever way it ends. */
#include "dirty.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "fake_hypervisor.h"

#define UUID "6f1d2c3b-0000-4000-8000-000000000001"

struct scene {
	struct fake_hypervisor xen;
	struct fake_clock clock;
	struct description guest;
	uint64_t pages, took_us;
	struct err err;
};

static int measure(struct scene *scene)
{
	return dirty_measure(&scene->xen.hypervisor, &scene->clock.clock, &scene->guest, 2000000,
			     &scene->pages, &scene->took_us, &scene->err);
}

static void set(struct scene *scene)
{
	*scene = (struct scene){ .guest = { .name = "g1", .domid = 3 } };
	fake_hypervisor_init(&scene->xen);
	fake_hypervisor_add(&scene->xen, 3, UUID);
	fake_clock_init(&scene->clock);
	scene->xen.dirty_pages = 512;
}

static void counts_what_is_dirtied_and_leaves_nothing(void **state)
{
	struct scene scene;

	(void)state;
	set(&scene);
	assert_int_equal(measure(&scene), 0);
	assert_int_equal(scene.pages, 512);
	assert_int_equal(scene.took_us, 2000000);
	assert_false(scene.xen.tracked);
}

static void a_guest_that_is_tracked_is_left_alone(void **state)
{
	struct scene scene;

	(void)state;
	set(&scene);
	scene.xen.tracks_by_another = true;
	assert_int_equal(measure(&scene), -EBUSY);
	assert_int_equal(scene.err.code, ERR_REFUSED);
	assert_non_null(strstr(scene.err.message, "g1"));
}

static void a_failure_or_a_cancel_ends_the_tracking(void **state)
{
	struct scene scene;

	(void)state;
	set(&scene);
	scene.xen.dirty_pages = UINT64_MAX;
	assert_int_equal(measure(&scene), -EIO);
	assert_false(scene.xen.tracked);
	set(&scene);
	scene.clock.cancelled = true;
	assert_int_equal(measure(&scene), -ECANCELED);
	assert_false(scene.xen.tracked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_is_dirtied_and_leaves_nothing),
		cmocka_unit_test(a_guest_that_is_tracked_is_left_alone),
		cmocka_unit_test(a_failure_or_a_cancel_ends_the_tracking),
	};

	return cmocka_run_group_tests_name("dirty", tests, NULL, NULL);
}

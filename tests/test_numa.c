/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "numa.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Two nodes; domain 0 has two processors bound to each, and one that floats. */
static struct numa_view two_nodes(uint64_t memory_nodes, uint32_t cpus_on_0, uint32_t cpus_on_1)
{
	return (struct numa_view){
		.nodes = 2,
		.memory_nodes = memory_nodes,
		.guest_cpus = { cpus_on_0, cpus_on_1 },
		.cpus = 5,
		.cpu_node = { 0, 0, 1, 1, -1 },
	};
}

static void the_node_that_has_the_guests_memory_is_chosen(void **state)
{
	static const struct {
		uint64_t memory_nodes;
		uint32_t cpus_on_0, cpus_on_1;
		int node;
	} cases[] = {
		{ 1, 0, 0, 0 },  { 2, 0, 0, 1 }, { 2, 4, 0, 1 }, /* memory counts */
		{ 3, 1, 3, 1 },  { 3, 2, 2, 0 },		 /* of both: the processors */
		{ 3, 0, 0, -1 }, { 0, 4, 0, -1 },		 /* nothing tells them apart */
		{ 4, 0, 0, -1 },				 /* there is no such node */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct numa_view view = two_nodes(cases[i].memory_nodes, cases[i].cpus_on_0,
						  cases[i].cpus_on_1);

		assert_int_equal(numa_choose(&view, NUMA_AUTO), cases[i].node);
	}
}

static void a_setting_overrides_the_choice(void **state)
{
	struct numa_view view = two_nodes(1, 0, 0);

	(void)state;
	assert_int_equal(numa_choose(&view, NUMA_NODE + 1), 1);
	assert_int_equal(numa_choose(&view, NUMA_OFF), -1);
}

static void where_domain_0_floats_nobody_is_near(void **state)
{
	struct numa_view view = two_nodes(2, 0, 0);
	struct err err;

	(void)state;
	view.cpus = 2;
	assert_int_equal(numa_choose(&view, NUMA_AUTO), -1);
	assert_int_equal(numa_settle(&view, NUMA_AUTO, &err), 0);
	assert_int_equal(numa_settle(&view, NUMA_NODE + 1, &err), -ENODEV);
	assert_int_equal(err.code, ERR_REFUSED);
	assert_non_null(strstr(err.message, "NUMA node 1"));
}

static void a_machine_with_one_node_leaves_nothing_to_choose(void **state)
{
	struct numa_view view = two_nodes(1, 4, 0);

	(void)state;
	view.nodes = 1;
	assert_int_equal(numa_choose(&view, NUMA_AUTO), -1);
}

static void words_are_read_or_refused(void **state)
{
	static const char *const bad[] = { "", "on", "-1", "64", "1x", " 1", "autos" };
	unsigned numa = 99;

	(void)state;
	assert_int_equal(numa_from_text("off", &numa), 0);
	assert_int_equal(numa, NUMA_OFF);
	assert_int_equal(numa_from_text("auto", &numa), 0);
	assert_int_equal(numa, NUMA_AUTO);
	assert_int_equal(numa_from_text("63", &numa), 0);
	assert_int_equal(numa, NUMA_NODE + 63);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(numa_from_text(bad[i], &numa), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_node_that_has_the_guests_memory_is_chosen),
		cmocka_unit_test(a_setting_overrides_the_choice),
		cmocka_unit_test(where_domain_0_floats_nobody_is_near),
		cmocka_unit_test(a_machine_with_one_node_leaves_nothing_to_choose),
		cmocka_unit_test(words_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

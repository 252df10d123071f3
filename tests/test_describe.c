/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/sched.h>

#include <cmocka.h>

#include "domain_fixture.h"

static uint32_t select_domid(struct domain_fixture *f, const char *vm, int *rc)
{
	const struct guest_summary *found = NULL;
	struct domain_list list = { 0 };
	uint32_t domid;

	assert_int_equal(domain_list_read(f->hypervisor, f->store, &list, &f->err), 0);
	*rc = domain_select(&list, vm, &found, &f->err);
	domid = found ? found->domid : 0;
	domain_list_fini(&list);
	return domid;
}

/* ---- finding ---- */

static void a_uuid_goes_before_a_name_and_a_name_before_a_domid(void **state)
{
	struct domain_fixture *f = *state;
	int rc;

	domain_fixture_add(f, 3, UUID_1, "5");
	domain_fixture_add(f, 5, UUID_2, UUID_1);

	assert_int_equal(select_domid(f, UUID_1, &rc), 3);
	assert_int_equal(select_domid(f, "5", &rc), 3);
	assert_int_equal(select_domid(f, "3", &rc), 3);
	assert_int_equal(select_domid(f, UUID_2, &rc), 5);
}

static void a_guest_on_its_way_is_found_by_the_name_it_has_then(void **state)
{
	struct domain_fixture *f = *state;
	int rc;

	domain_fixture_add(f, 3, UUID_1, "g1--incoming");

	assert_int_equal(select_domid(f, "g1--incoming", &rc), 3);
	assert_int_equal(select_domid(f, "g1", &rc), 0);
	assert_int_equal(rc, -ENOENT);
	assert_int_equal(f->err.code, ERR_NO_GUEST);
}

static void a_name_that_two_guests_have_is_refused_with_their_uuids(void **state)
{
	struct domain_fixture *f = *state;
	int rc;

	domain_fixture_add(f, 3, UUID_1, "web");
	domain_fixture_add(f, 5, UUID_2, "web");

	select_domid(f, "web", &rc);

	assert_int_equal(rc, -ENOTUNIQ);
	assert_int_equal(f->err.code, ERR_REFUSED);
	assert_non_null(strstr(f->err.message, UUID_1));
	assert_non_null(strstr(f->err.message, UUID_2));
}

static void nothing_domain_0_and_the_dying_are_no_guests(void **state)
{
	static const char *const names[] = { "", "0", "Domain-0", "3", "g1" };
	struct domain_fixture *f = *state;
	int rc;

	domain_fixture_add(f, 3, UUID_1, "g1");
	fake_hypervisor_find(&f->xen, 3)->flags |= XEN_DOMINF_dying;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(select_domid(f, names[i], &rc), 0);
		assert_int_equal(rc, -ENOENT);
	}
}

static void the_list_has_every_guest_of_a_large_host(void **state)
{
	struct domain_fixture *f = *state;
	struct domain_list list = { 0 };

	for (uint32_t domid = 1; domid < FAKE_DOMAINS_MAX; domid++)
		fake_hypervisor_add(&f->xen, domid * 3, UUID_1);

	assert_int_equal(domain_list_read(f->hypervisor, f->store, &list, &f->err), 0);

	assert_int_equal(list.count, FAKE_DOMAINS_MAX - 1);
	assert_int_equal(list.guests[98].domid, 297);
	domain_list_fini(&list);
}

static void a_recovery_finds_its_guest_by_xen_alone(void **state)
{
	struct domain_fixture *f = *state;
	bool running = false;
	uint32_t domid;

	for (domid = 1; domid < FAKE_DOMAINS_MAX; domid++)
		fake_hypervisor_add(&f->xen, domid * 3, UUID_1);
	domain_uuid_bytes(UUID_2, fake_hypervisor_find(&f->xen, 297)->handle);

	assert_int_equal(domain_find(f->hypervisor, UUID_2, &domid, &running, &f->err), 0);
	assert_int_equal(domid, 297);
	assert_true(running);

	fake_hypervisor_find(&f->xen, 297)->flags |= XEN_DOMINF_paused;
	assert_int_equal(domain_find(f->hypervisor, UUID_2, &domid, &running, &f->err), 0);
	assert_int_equal(domid, 297);
	assert_false(running);

	fake_hypervisor_find(&f->xen, 297)->flags |= XEN_DOMINF_dying;
	assert_int_equal(domain_find(f->hypervisor, UUID_2, &domid, &running, &f->err), 0);
	assert_int_equal(domid, 0);
	assert_false(running);
}

static void a_uuid_survives_both_ways(void **state)
{
	uint8_t bytes[DOMAIN_UUID_BYTES];
	char text[GUEST_UUID_SIZE];

	(void)state;
	domain_uuid_bytes(UUID_1, bytes);
	domain_uuid_text(bytes, text);

	assert_int_equal(bytes[0], 0x6b);
	assert_int_equal(bytes[15], 0x01);
	assert_string_equal(text, UUID_1);
}

/* ---- describing ---- */

/* Whether one of the reasons has `words`. */
static bool has_reason(const struct domain_fixture *f, const char *words)
{
	for (size_t i = 0; i < f->reasons.count; i++)
		if (strstr(f->reasons.list[i].message, words))
			return true;
	return false;
}

static void a_description_has_what_xen_and_dom0_say(void **state)
{
	struct domain_fixture *f = *state;
	struct description *guest = &f->guest;

	description_fini(guest);
	description_init(guest);
	domain_fixture_add(f, 7, UUID_1, "g1");
	fake_hypervisor_find(&f->xen, 7)->max_vcpu_id = 2;
	store_write(f->store, "offline", "/local/domain/7/cpu/1/availability");
	store_write(f->store, "98304", "/local/domain/7/memory/static-max");
	store_write(f->store, "1700000000.5", "/vm/%s/start_time", UUID_1);

	assert_int_equal(domain_describe(f->hypervisor, f->store, "g1", guest, &f->reasons),
			 0);

	assert_int_equal(guest->domid, 7);
	assert_string_equal(guest->uuid, UUID_1);
	assert_int_equal(guest->type, GUEST_PVH);
	assert_int_equal(guest->vcpus, 3);
	assert_int_equal(guest->vcpus_online[0], 0x5);
	assert_int_equal(guest->create_flags,
			 XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off);
	assert_int_equal(guest->pages_now, 24592);
	assert_int_equal(guest->static_max_kib, 98304);
	assert_int_equal(guest->target_kib, 98368);
	assert_int_equal(guest->videoram_kib, -1);
	assert_int_equal(guest->store_pfn, FAKE_STORE_PFN);
	assert_string_equal(guest->start_time, "1700000000.5");
	assert_string_equal(guest->xen_version, "4.17");
	assert_null(guest->config);
}

static void a_guest_that_cannot_move_is_refused_and_told_why(void **state)
{
	static const struct {
		uint32_t flags, emulation, capabilities;
		const char *reason;
	} cases[] = {
		{ 0, 0, 0, "shadow" },
		{ 0, 0, XEN_SYSCTL_PHYSCAP_shadow, "PVH guests only" },
		{ XEN_DOMINF_hvm_guest, XEN_X86_EMU_ALL, 0, "device model" },
		{ XEN_DOMINF_hvm_guest | XEN_DOMINF_paused, XEN_X86_EMU_LAPIC, 0, "xl unpause" },
		{ XEN_DOMINF_hvm_guest | XEN_DOMINF_dying, XEN_X86_EMU_LAPIC, 0, "destroyed" },
		{ XEN_DOMINF_hvm_guest | XEN_DOMINF_shutdown |
			  SHUTDOWN_crash << XEN_DOMINF_shutdownshift,
		  XEN_X86_EMU_LAPIC, 0, "crash" },
		{ XEN_DOMINF_hvm_guest | XEN_DOMINF_shutdown |
			  SHUTDOWN_suspend << XEN_DOMINF_shutdownshift,
		  XEN_X86_EMU_LAPIC, 0, "suspended already" },
	};
	struct domain_fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		xc_domaininfo_t info = { .flags = cases[i].flags };

		info.arch_config.emulation_flags = cases[i].emulation;
		f->reasons.count = 0;
		domain_check_movable(&info, cases[i].capabilities, "g1", &f->reasons);
		assert_int_equal(f->reasons.count, 1);
		assert_int_equal(f->reasons.list[0].code, ERR_REFUSED);
		assert_true(has_reason(f, cases[i].reason));
	}
}

static void a_guest_that_has_moved_and_says_nothing_may_move_again(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 7, UUID_1, "g1");
	store_write(f->store, "", "/local/domain/7/control/feature-suspend");

	assert_int_equal(domain_describe(f->hypervisor, f->store, "g1", &f->guest, &f->reasons),
			 0);
	assert_int_equal(f->reasons.count, 0);
}

static void a_guest_that_says_it_cannot_suspend_is_refused(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 7, UUID_1, "g1");
	store_write(f->store, "0", "/local/domain/7/control/feature-suspend");

	assert_int_equal(domain_describe(f->hypervisor, f->store, "g1", &f->guest, &f->reasons),
			 0);

	assert_int_equal(f->reasons.count, 1);
	assert_true(has_reason(f, "feature-suspend"));
}

static void all_that_keeps_a_guest_here_is_told_at_once(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 7, UUID_1, "g1");
	store_write(f->store, "0", "/local/domain/7/control/feature-suspend");
	fake_hypervisor_find(&f->xen, 7)->flags |= XEN_DOMINF_paused;
	f->xen.vnuma = true;

	assert_int_equal(domain_describe(f->hypervisor, f->store, "g1", &f->guest, &f->reasons),
			 0);

	assert_int_equal(f->reasons.count, 3);
	assert_true(has_reason(f, "xl unpause g1"));
	assert_true(has_reason(f, "feature-suspend"));
	assert_true(has_reason(f, "vnuma="));
	assert_int_equal(f->guest.vcpus, 1); /* described, for the target to judge, too */
}

/* ---- judging ---- */

static void judge(struct domain_fixture *f)
{
	f->reasons.count = 0;
	domain_examine(f->hypervisor, f->store, &f->guest, &f->reasons);
}

static void a_host_with_room_has_no_reason(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 3, UUID_2, "another");

	judge(f);

	assert_int_equal(f->reasons.count, 0);
}

static void memory_counts_to_the_page_and_is_told_in_mib(void **state)
{
	struct domain_fixture *f = *state;
	uint64_t needed = 24592 + FAKE_PAGING_POOL_BYTES / 4096 + 512 + 2 * 32;

	f->xen.facts.pages_free = needed;
	judge(f);
	assert_int_equal(f->reasons.count, 0);

	f->xen.facts.pages_free = needed - 1;
	judge(f);
	assert_int_equal(f->reasons.count, 1);
	assert_int_equal(f->reasons.list[0].code, ERR_NO_MEMORY);
	assert_true(has_reason(f, "needs 100 MiB and Xen has 99 MiB"));
}

static void a_ballooned_guest_claims_what_it_may_take_meanwhile(void **state)
{
	struct domain_fixture *f = *state;

	assert_int_equal(domain_pages_claimed(&f->guest), 24592);
	f->guest.pages_now = 10000;
	assert_int_equal(domain_pages_claimed(&f->guest), 24576);
	f->guest.target_kib = 50000;
	assert_int_equal(domain_pages_claimed(&f->guest), 12500);
	f->guest.target_kib = UINT32_MAX;
	assert_int_equal(domain_pages_claimed(&f->guest), 24832);
}

static void a_guest_goes_to_the_same_xen_or_a_newer_one(void **state)
{
	static const struct {
		const char *here, *there;
		size_t reasons;
	} cases[] = {
		{ "4.17", "4.17", 0 }, { "4.18", "4.9", 0 }, { "5.0", "4.17", 0 },
		{ "4.9", "4.17", 1 }, { "4.17", "5.0", 1 }, { "4.17", "", 1 },
		{ "4.17", "4.17; rm", 1 },
	};
	struct domain_fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(f->xen.facts.version, sizeof(f->xen.facts.version), "%s", cases[i].here);
		snprintf(f->guest.xen_version, sizeof(f->guest.xen_version), "%s", cases[i].there);
		judge(f);
		assert_int_equal(f->reasons.count, cases[i].reasons);
	}
}

static void a_processor_that_can_less_is_a_reason(void **state)
{
	struct domain_fixture *f = *state;

	f->xen.cpu_leaf_max = 13;
	f->guest.cpu_policy.leaf_count = 1;
	f->guest.cpu_policy.leaves[0].eax = 13;
	judge(f);
	assert_int_equal(f->reasons.count, 0);

	f->guest.cpu_policy.leaves[0].eax = 20;
	judge(f);
	assert_int_equal(f->reasons.count, 1);
	assert_int_equal(f->reasons.list[0].code, ERR_INCOMPATIBLE);
	assert_true(has_reason(f, "Leaf 00000000"));

	f->guest.cpu_policy.leaf_count = 0; /* of an older source */
	judge(f);
	assert_int_equal(f->reasons.count, 0);
}

static void the_same_host_is_recognised(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 3, UUID_1, "g1");

	judge(f);

	assert_int_equal(f->reasons.count, 1);
	assert_true(has_reason(f, "same host"));
}

static void a_taken_uuid_and_taken_names_are_all_told(void **state)
{
	struct domain_fixture *f = *state;

	domain_fixture_add(f, 3, UUID_1, "left over");
	domain_fixture_add(f, 4, UUID_2, "g1");
	domain_fixture_add(f, 5, UUID_2, "g1--incoming");

	judge(f);

	assert_int_equal(f->reasons.count, 3);
	assert_true(has_reason(f, "xl destroy 3"));
	assert_true(has_reason(f, "domain 4"));
	assert_true(has_reason(f, "domain 5"));
}

static void another_type_and_unknown_features_are_incompatible(void **state)
{
	struct domain_fixture *f = *state;

	f->guest.create_flags |= XEN_DOMCTL_CDF_nested_virt;
	f->xen.facts.capabilities = XEN_SYSCTL_PHYSCAP_hvm;
	judge(f);
	assert_int_equal(f->reasons.count, 2);
	assert_true(has_reason(f, "creation flags"));
	assert_true(has_reason(f, "hardware-assisted paging"));

	f->guest.emulation_flags = XEN_X86_EMU_ALL;
	judge(f);
	assert_int_equal(f->reasons.count, 1);
	assert_int_equal(f->reasons.list[0].code, ERR_INCOMPATIBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, domain_fixture_set_up, domain_fixture_tear_down)
		TEST(a_uuid_goes_before_a_name_and_a_name_before_a_domid),
		TEST(a_guest_on_its_way_is_found_by_the_name_it_has_then),
		TEST(a_name_that_two_guests_have_is_refused_with_their_uuids),
		TEST(nothing_domain_0_and_the_dying_are_no_guests),
		TEST(the_list_has_every_guest_of_a_large_host),
		TEST(a_recovery_finds_its_guest_by_xen_alone),
		TEST(a_uuid_survives_both_ways),
		TEST(a_description_has_what_xen_and_dom0_say),
		TEST(a_guest_that_cannot_move_is_refused_and_told_why),
		TEST(a_guest_that_has_moved_and_says_nothing_may_move_again),
		TEST(a_guest_that_says_it_cannot_suspend_is_refused),
		TEST(all_that_keeps_a_guest_here_is_told_at_once),
		TEST(a_host_with_room_has_no_reason),
		TEST(memory_counts_to_the_page_and_is_told_in_mib),
		TEST(a_ballooned_guest_claims_what_it_may_take_meanwhile),
		TEST(a_guest_goes_to_the_same_xen_or_a_newer_one),
		TEST(a_processor_that_can_less_is_a_reason),
		TEST(the_same_host_is_recognised),
		TEST(a_taken_uuid_and_taken_names_are_all_told),
		TEST(another_type_and_unknown_features_are_incompatible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a toolstack sees of a simulated host: Debian's libxenctrl, libxenguest and libxengnttab
 * above, the hypervisor in shared memory below. The program starts itself once more, under the
 * preload library.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xengnttab.h>
#include <xen/hvm/params.h>

#include "cleanup.h"
#include "clock.h"
#include "sim_place.h"

#define MACHINE_PAGES 5000
#define NOBODY 4711
#define SYNC_US 20000 /* what a durable write costs on this host */

static struct sim_host *host; /* the same as the libraries' */

struct fixture {
	xc_interface *xch;
	uint32_t domid;
};

static int set_up(void **state)
{
	struct xen_domctl_createdomain config = {
		.handle = { 1, 2, 3 },
		.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = 2,
		.arch.emulation_flags = XEN_X86_EMU_LAPIC,
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->xch = xc_interface_open(NULL, NULL, 0);
	assert_non_null(fixture->xch);
	assert_int_equal(xc_domain_create(fixture->xch, &fixture->domid, &config), 0);
	assert_int_equal(xc_domain_max_vcpus(fixture->xch, fixture->domid, 2), 0);
	assert_int_equal(xc_domain_setmaxmem(fixture->xch, fixture->domid, 4 * 1000), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sim_domain_destroy(host, fixture->domid);
	xc_interface_close(fixture->xch);
	free(fixture);
	return 0;
}

/* ---- domains ---- */

static void a_new_domain_is_listed_paused_and_as_it_was_made(void **state)
{
	struct fixture *fixture = *state;
	const uint32_t expected = XEN_DOMINF_hvm_guest | XEN_DOMINF_hap | XEN_DOMINF_paused;
	xc_domaininfo_t infos[8];

	assert_int_equal(xc_domain_getinfolist(fixture->xch, 0, 8, infos), 2);
	assert_int_equal(infos[0].domain, 0);
	assert_true(infos[0].flags & XEN_DOMINF_running);
	assert_int_equal(infos[1].domain, fixture->domid);
	assert_int_equal(infos[1].flags, expected);
	assert_int_equal(infos[1].max_vcpu_id, 1);
	assert_int_equal(infos[1].max_pages, 1000);
	assert_int_equal(infos[1].handle[2], 3);
	assert_int_equal(infos[1].arch_config.emulation_flags, XEN_X86_EMU_LAPIC);
}

static void a_suspended_domain_says_so(void **state)
{
	struct fixture *fixture = *state;
	xc_dominfo_t info;

	assert_int_equal(xc_domain_unpause(fixture->xch, fixture->domid), 0);
	assert_int_equal(sim_domain_shutdown(host, fixture->domid, SIM_SUSPEND), 0);
	assert_int_equal(xc_domain_getinfo(fixture->xch, fixture->domid, 1, &info), 1);
	assert_int_equal(info.domid, fixture->domid);
	assert_true(info.shutdown);
	assert_int_equal(info.shutdown_reason, SHUTDOWN_suspend);
	assert_false(info.running);
}

static void resume(struct fixture *fixture, int fast)
{
	struct sim_domain domain;

	assert_int_equal(xc_domain_unpause(fixture->xch, fixture->domid), 0);
	assert_int_equal(xc_hvm_param_set(fixture->xch, fixture->domid, HVM_PARAM_CALLBACK_IRQ, 1),
			 0);
	assert_int_equal(sim_domain_shutdown(host, fixture->domid, SIM_SUSPEND), 0);
	assert_int_equal(xc_domain_resume(fixture->xch, fixture->domid, fast), 0);
	assert_int_equal(sim_domain_get(host, fixture->domid, &domain), 0);
	assert_true(sim_domain_runs(&domain));
}

static void a_fast_resume_cancels_the_guest_s_suspend(void **state)
{
	struct fixture *fixture = *state;

	resume(fixture, 1);
	assert_int_equal(sim_domain_resumed(host, fixture->domid), 1);
}

static void a_slow_resume_lets_the_guest_take_its_domain_for_new(void **state)
{
	struct fixture *fixture = *state;

	resume(fixture, 0);
	assert_int_equal(sim_domain_resumed(host, fixture->domid), 0);
}

static void what_is_not_there_is_esrch(void **state)
{
	struct fixture *fixture = *state;
	uint64_t value;

	assert_int_equal(xc_domain_unpause(fixture->xch, NOBODY), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(xc_domain_destroy(fixture->xch, NOBODY), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(xc_hvm_param_get(fixture->xch, NOBODY, HVM_PARAM_STORE_PFN, &value), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(xc_evtchn_alloc_unbound(fixture->xch, NOBODY, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(xc_domain_getinfolist(fixture->xch, NOBODY, 1, NULL), 0);
}

static void the_scheduler_s_cap_reaches_the_guest(void **state)
{
	struct xen_domctl_sched_credit2 asked = { .weight = 256, .cap = 40 }, told = { 0 };
	struct fixture *fixture = *state;
	struct sim_domain domain;

	assert_int_equal(xc_sched_credit2_domain_set(fixture->xch, fixture->domid, &asked), 0);
	assert_int_equal(xc_sched_credit2_domain_get(fixture->xch, fixture->domid, &told), 0);
	assert_int_equal(told.cap, 40);
	assert_int_equal(sim_domain_get(host, fixture->domid, &domain), 0);
	assert_int_equal(domain.cap_percent, 40);
}

/* ---- memory ---- */

static void claimed_memory_is_for_nobody_else(void **state)
{
	struct fixture *fixture = *state;
	xc_physinfo_t info;

	assert_int_equal(xc_domain_claim_pages(fixture->xch, fixture->domid, 900), 0);
	assert_int_equal(xc_physinfo(fixture->xch, &info), 0);
	assert_int_equal(info.total_pages, MACHINE_PAGES);
	assert_int_equal(info.free_pages, MACHINE_PAGES);
	assert_int_equal(info.outstanding_pages, 900);
	assert_int_equal(xc_domain_claim_pages(fixture->xch, fixture->domid, 0), 0);
}

static void memory_comes_in_extents_up_to_the_limit(void **state)
{
	struct fixture *fixture = *state;
	xen_pfn_t gfns[] = { 0, 512 }, one = 2000, count;
	int given = xc_domain_populate_physmap(fixture->xch, fixture->domid, 2, 9, 0, gfns);

	assert_int_equal(given, 1);
	assert_int_equal(xc_domain_populate_physmap_exact(fixture->xch, fixture->domid, 1, 0, 0,
							  &one), -1);
	assert_int_equal(xc_domain_nr_gpfns(fixture->xch, fixture->domid, &count), 0);
	assert_int_equal(count, 1000);
}

static void the_paging_pool_is_as_large_as_it_was_made(void **state)
{
	struct fixture *fixture = *state;
	uint64_t bytes = 0;

	assert_int_equal(xc_set_paging_mempool_size(fixture->xch, fixture->domid, 1 << 20), 0);
	assert_int_equal(xc_get_paging_mempool_size(fixture->xch, fixture->domid, &bytes), 0);
	assert_int_equal(bytes, 1 << 20);
	assert_int_equal(xc_set_paging_mempool_size(fixture->xch, fixture->domid, 4097), -1);
	assert_int_equal(errno, EINVAL);
}

static void a_ring_is_seen_through_its_grant(void **state)
{
	struct fixture *fixture = *state;
	xengnttab_handle *grants = xengnttab_open(NULL, 0);
	struct sim_memory *memory;
	uint32_t *seen, reference;
	void *ring;

	assert_non_null(grants);
	assert_int_equal(sim_populate_range(host, fixture->domid, 0, 10), 0);
	assert_int_equal(sim_memory_open(host, fixture->domid, &memory), 0);
	reference = (uint32_t)sim_grant(memory, 3, true);
	assert_int_equal(sim_memory_map_range(memory, 3, 1, PROT_READ | PROT_WRITE, &ring), 0);
	seen = xengnttab_map_grant_ref(grants, fixture->domid, reference, PROT_READ);
	assert_non_null(seen);
	*(uint32_t *)ring = 17;
	assert_int_equal(*seen, 17);
	assert_int_equal(xengnttab_unmap(grants, seen, 1), 0);
	assert_null(xengnttab_map_grant_ref(grants, fixture->domid, reference + 1, PROT_READ));
	assert_int_equal(errno, EINVAL);
	sim_memory_unmap(ring, 1);
	sim_memory_close(memory);
	xengnttab_close(grants);
}

/* ---- what a dom0's kernel says ---- */

static void read_text(const char *path, char text[32])
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	assert_true(fd >= 0);
	size = read(fd, text, 31);
	assert_true(size >= 0);
	text[size] = '\0';
}

static void a_disk_s_file_passes_for_a_block_device(void **state)
{
	char path[PATH_MAX], node[128], text[32];
	struct statx extended;
	struct stat status;
	uint32_t minor;

	(void)state;
	snprintf(path, sizeof(path), "%s/hypervisor", sim_host_folder(host));
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(sim_disk_add(host, path, &minor), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISBLK(status.st_mode));
	assert_int_equal(major(status.st_rdev), SIM_DISK_MAJOR);
	assert_int_equal(minor(status.st_rdev), minor);
	assert_int_equal(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended), 0);
	assert_true(S_ISBLK(extended.stx_mode));
	assert_int_equal(extended.stx_rdev_minor, minor);
	snprintf(node, sizeof(node), "/sys/dev/block/%u:%u/inflight", SIM_DISK_MAJOR, minor);
	read_text(node, text);
	assert_string_equal(text, "0 0\n");
}

static void a_backend_s_device_is_there_while_its_node_is(void **state)
{
	static const char device[] = "/sys/bus/xen-backend/devices/vbd-1-51712";
	const char *folder = device + strlen("/sys/");

	(void)state;
	assert_int_equal(access("/sys/bus/xen-backend/devices", F_OK), 0);
	assert_int_equal(access(device, F_OK), -1);
	assert_int_equal(sim_sys_write(host, "bus/xen-backend/devices/vbd-1-51712/state", "4"), 0);
	assert_int_equal(access(device, F_OK), 0);
	assert_int_equal(sim_sys_remove(host, folder), 0);
	assert_int_equal(access(device, F_OK), -1);
}

static void other_files_are_the_kernel_s(void **state)
{
	char text[32];

	(void)state;
	read_text("/proc/sys/kernel/ostype", text);
	assert_string_equal(text, "Linux\n");
	assert_int_equal(access("/sys/class", F_OK), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* ---- costs ---- */

static void a_durable_write_takes_as_long_as_the_host_says(void **state)
{
	uint64_t begin_us = clock_now_us(&clock_system);
	CLEANUP_FD int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	(void)fsync(fd);
	assert_true(clock_now_us(&clock_system) - begin_us >= SYNC_US);
}

static int test_under_preload(const char *folder)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_domain_is_listed_paused_and_as_it_was_made),
		TEST(a_suspended_domain_says_so),
		TEST(a_fast_resume_cancels_the_guest_s_suspend),
		TEST(a_slow_resume_lets_the_guest_take_its_domain_for_new),
		TEST(what_is_not_there_is_esrch),
		TEST(the_scheduler_s_cap_reaches_the_guest),
		TEST(claimed_memory_is_for_nobody_else),
		TEST(memory_comes_in_extents_up_to_the_limit),
		TEST(the_paging_pool_is_as_large_as_it_was_made),
		TEST(a_ring_is_seen_through_its_grant),
		TEST(a_disk_s_file_passes_for_a_block_device),
		TEST(a_backend_s_device_is_there_while_its_node_is),
		TEST(other_files_are_the_kernel_s),
		cmocka_unit_test(a_durable_write_takes_as_long_as_the_host_says),
	};
	struct err err;
	int failed;

	if (sim_host_open(folder, &host, &err) < 0) {
		puts(err.message);
		return EXIT_FAILURE;
	}
	failed = cmocka_run_group_tests_name("sim_preload", tests, NULL, NULL);
	sim_host_close(host);
	return failed;
}

static void write_costs(const struct sim_place *place)
{
	CLEANUP_FILE FILE *file = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/costs", place->folder);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fprintf(file, "sync_us=%d\n", SYNC_US) > 0);
}

int main(int argc, char **argv)
{
	struct sim_place place = { 0 };
	int status = -1;
	pid_t child;

	(void)argc;
	if (getenv(SIM_FOLDER_VARIABLE))
		return test_under_preload(getenv(SIM_FOLDER_VARIABLE));
	sim_place_open(&place, MACHINE_PAGES);
	write_costs(&place);
	sim_place_enter(&place);
	child = fork();
	if (child == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	sim_place_leave();
	if (child > 0)
		waitpid(child, &status, 0);
	sim_place_close(&place);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

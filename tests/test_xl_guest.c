/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is made of libxl's configuration, as Xen 4.17 writes it: a key with its default is absent.
 */
#include "xl_guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xenctrl.h>

#include "nodes.h"

#define UUID "0b7c6ba6-3f5c-4a3d-9a5b-1b1d0e8f6a11"
#define CREATION "\"type\": \"pvh\""
#define BUILD "\"max_memkb\": 98304, \"target_memkb\": 98304"
#define AVAILABLE "\"max_vcpus\": 3, \"avail_vcpus\": [0, 2]"
#define DISK \
	"\"pdev_path\": \"/dev/vg/g1\", \"vdev\": \"xvda\", \"format\": \"raw\", " \
	"\"readwrite\": 1"
#define NIC "\"devid\": 0, \"mac\": \"00:16:3e:00:00:01\", \"bridge\": \"xenbr1\""
#define ROOT "\"on_reboot\": \"restart\""

static const char usual[] =
	"{ \"c_info\": { " CREATION ", \"name\": \"g1\", \"uuid\": \"" UUID "\","
	" \"run_hotplug_scripts\": \"True\" },"
	" \"b_info\": { " AVAILABLE ", \"vcpu_hard_affinity\": [], " BUILD ","
	" \"sched_params\": { \"sched\": \"credit2\", \"weight\": 256, \"cap\": 0 },"
	" \"claim_mode\": \"True\", \"kernel\": \"/boot/vmlinuz\", \"type.pvh\": { },"
	" \"arch_arm\": { }, \"arch_x86\": { } },"
	" \"disks\": [ { " DISK " } ], \"nics\": [ { " NIC " } ], " ROOT " }";

struct scene {
	struct description guest;
	struct err err;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	description_init(&scene->guest);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	description_fini(&scene->guest);
	free(scene);
	return 0;
}

/* Describes what is usual, but for `old`, in whose place stands `new`. With the NUL, as xl. */
static int describe_with(struct scene *scene, const char *old, const char *new)
{
	const char *at = strstr(usual, old);
	char *text = malloc(sizeof(usual) + strlen(new));
	int size, rc;

	assert_non_null(at);
	assert_non_null(text);
	size = snprintf(text, sizeof(usual) + strlen(new), "%.*s%s%s", (int)(at - usual), usual,
			new, at + strlen(old));
	description_fini(&scene->guest);
	description_init(&scene->guest);
	rc = xl_guest_describe((uint8_t *)text, (size_t)size + 1, &scene->guest, &scene->err);
	free(text);
	return rc;
}

static int describe_usual(struct scene *scene)
{
	return describe_with(scene, "", "");
}

static const char *node(const struct device_node *nodes, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(nodes[i].key, key) == 0)
			return nodes[i].value;
	return "";
}

static const char *backend(const struct scene *scene, size_t device, const char *key)
{
	const struct device *of = &scene->guest.devices[device];

	return node(of->backend, of->backend_count, key);
}

static const char *frontend(const struct scene *scene, size_t device, const char *key)
{
	const struct device *of = &scene->guest.devices[device];

	return node(of->frontend, of->frontend_count, key);
}

/* ---- what is made of it ---- */

static void the_domain_is_the_one_that_libxl_would_make(void **state)
{
	struct scene *scene = *state;
	const struct description *guest = &scene->guest;

	assert_int_equal(describe_usual(scene), 0);
	assert_string_equal(guest->name, "g1");
	assert_string_equal(guest->uuid, UUID);
	assert_int_equal(guest->type, GUEST_PVH);
	assert_int_equal(guest->create_flags, XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap |
						      XEN_DOMCTL_CDF_oos_off);
	assert_int_equal(guest->emulation_flags, XEN_X86_EMU_LAPIC);
	assert_int_equal(guest->vcpus, 3);
	assert_int_equal(guest->vcpus_online[0], 5);
	assert_int_equal(guest->cpu_weight, 256);
	assert_int_equal(guest->pages_max, 24832); /* as seen on real Xen, at 96 MiB */
	assert_int_equal(guest->paging_pool_bytes, 4 * (3 * 256 + 96) * 1024);
	assert_int_equal(guest->static_max_kib, 98304);
	assert_int_equal(guest->target_kib, 98304);
	assert_int_equal(guest->videoram_kib, 0);
	assert_int_equal(guest->store_pfn, 0xfeffc);
	assert_int_equal(guest->console_pfn, 0xfefff);
	assert_string_equal(guest->dm_version, "qemu_xen");
}

static void its_configuration_is_kept_byte_for_byte(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(describe_usual(scene), 0);
	assert_int_equal(scene->guest.config_bytes, sizeof(usual));
	assert_memory_equal(scene->guest.config, usual, sizeof(usual));
}

static void what_it_says_goes_before_what_libxl_would_choose(void **state)
{
	struct scene *scene = *state;
	const struct description *guest = &scene->guest;

	assert_int_equal(describe_with(scene, BUILD, "\"max_memkb\": 204800, \"target_memkb\": "
						     "106496, \"video_memkb\": 8192, "
						     "\"shadow_memkb\": 4096"), 0);
	assert_int_equal(guest->static_max_kib, 204800);
	assert_int_equal(guest->target_kib, 98304);
	assert_int_equal(guest->videoram_kib, 8192);
	assert_int_equal(guest->pages_max, (106496 + 1024) / 4);
	assert_int_equal(guest->paging_pool_bytes, 4096 * 1024);

	assert_int_equal(describe_with(scene, CREATION, CREATION ", \"hap\": \"False\""), 0);
	assert_int_equal(guest->create_flags, XEN_DOMCTL_CDF_hvm);
	assert_int_equal(guest->paging_pool_bytes, 4 * (3 * 256 + 2 * 96) * 1024);
	assert_int_equal(describe_with(scene, AVAILABLE ",", ""), 0);
	assert_int_equal(guest->vcpus, 1);
	assert_int_equal(guest->vcpus_online[0], 1);
}

static void a_disk_has_the_nodes_that_libxl_gives_it(void **state)
{
	static const char *const nodes[][2] = {
		{ "params", "/dev/vg/g1" }, { "script", "/etc/xen/scripts/block" },
		{ "type", "phy" }, { "dev", "xvda" }, { "mode", "w" }, { "device-type", "disk" },
		{ "removable", "0" }, { "bootable", "1" }, { "discard-enable", "1" },
		{ "specification", "xen" },
	};
	struct scene *scene = *state;

	assert_int_equal(describe_usual(scene), 0);
	assert_int_equal(scene->guest.device_count, 2);
	assert_int_equal(scene->guest.devices[0].kind, DEVICE_VBD);
	assert_int_equal(scene->guest.devices[0].id, 51712);
	assert_int_equal(nodes_check(&scene->guest.devices[0], &scene->err), 0);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		assert_string_equal(backend(scene, 0, nodes[i][0]), nodes[i][1]);
	assert_string_equal(frontend(scene, 0, "virtual-device"), "51712");
	assert_string_equal(frontend(scene, 0, "device-type"), "disk");
	assert_string_equal(frontend(scene, 0, "trusted"), "1");
	assert_int_equal(describe_with(scene, DISK, DISK ", \"direct_io_safe\": true, \"trusted\": "
						    "\"False\", \"script\": \"block-drbd\""), 0);
	assert_string_equal(backend(scene, 0, "direct-io-safe"), "1");
	assert_string_equal(backend(scene, 0, "script"), "/etc/xen/scripts/block-drbd");
	assert_string_equal(frontend(scene, 0, "trusted"), "0");
	assert_int_equal(nodes_check(&scene->guest.devices[0], &scene->err), 0);
	assert_int_equal(describe_with(scene, ", \"readwrite\": 1", ", \"backend\": \"phy\""), 0);
	assert_string_equal(backend(scene, 0, "mode"), "r");
	assert_string_equal(backend(scene, 0, "discard-enable"), "0");
}

static void a_disk_is_known_by_its_number(void **state)
{
	static const struct {
		const char *vdev;
		uint32_t id; /* docs/man/xen-vbd-interface.7.pandoc; 0: refused */
	} rows[] = {
		{ "xvdb", 51728 },   { "xvda1", 51713 },	     { "xvdp15", 51967 },
		{ "xvdq", 1 << 28 | 16 << 8 }, { "xvda16", 1 << 28 | 16 }, { "xvdaa", 1 << 28 | 26 << 8 },
		{ "xvd", 0 },	     { "xvda256", 0 },		     { "xvdzzzzzz", 0 },
		{ "xvda-1", 0 },     { "hda", 0 },		     { "51712", 0 },
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = describe_with(scene, "xvda", rows[i].vdev);

		assert_int_equal(rc == 0 ? scene->guest.devices[0].id : 0, rows[i].id);
		if (rc < 0)
			assert_non_null(strstr(scene->err.message, "disks[0]: its vdev is"));
	}
}

static void a_nic_has_the_nodes_that_libxl_gives_it(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(describe_usual(scene), 0);
	assert_int_equal(scene->guest.devices[1].kind, DEVICE_VIF);
	assert_string_equal(backend(scene, 1, "mac"), "00:16:3e:00:00:01");
	assert_string_equal(backend(scene, 1, "bridge"), "xenbr1");
	assert_string_equal(backend(scene, 1, "script"), "/etc/xen/scripts/vif-bridge");
	assert_string_equal(backend(scene, 1, "mtu"), "");
	assert_string_equal(frontend(scene, 1, "mtu"), "1500");
	assert_string_equal(frontend(scene, 1, "mac"), "00:16:3e:00:00:01");
	assert_int_equal(describe_with(scene, NIC, NIC ", \"mtu\": 9000, \"ifname\": \"web\", "
						   "\"rate_bytes_per_interval\": 50000, "
						   "\"rate_interval_usecs\": 20000, "
						   "\"script\": \"/etc/xen/scripts/mine\""), 0);
	assert_string_equal(backend(scene, 1, "mtu"), "9000");
	assert_string_equal(frontend(scene, 1, "mtu"), "9000");
	assert_string_equal(backend(scene, 1, "vifname"), "web");
	assert_string_equal(backend(scene, 1, "rate"), "50000,20000");
	assert_string_equal(backend(scene, 1, "script"), "/etc/xen/scripts/mine");
	assert_int_equal(nodes_check(&scene->guest.devices[1], &scene->err), 0);
}

/* ---- what is refused, by name ---- */

/* A row: what of the usual configuration is replaced, by what, and what the refusal says. */
static void assert_refused(struct scene *scene, const char *const row[3])
{
	assert_true(describe_with(scene, row[0], row[1]) < 0);
	assert_int_equal(scene->err.code, ERR_INCOMPATIBLE);
	if (!strstr(scene->err.message, row[2]))
		fail_msg("\"%s\" does not say \"%s\"", scene->err.message, row[2]);
	assert_int_equal(scene->guest.device_count, 0);
}

static void what_cannot_be_made_is_refused_by_name(void **state)
{
	static const char *const rows[][3] = {
		{ CREATION, "\"type\": \"hvm\"", "its type is hvm" },
		{ CREATION, "\"type\": \"pv\"", "its type is pv" },
		{ CREATION, CREATION ", \"passthrough\": \"sync_pt\"", "passthrough is sync_pt" },
		{ BUILD, BUILD ", \"nested_hvm\": \"True\"", "nested_hvm is True" },
		{ BUILD, BUILD ", \"vpmu\": \"True\"", "vpmu is True" },
		{ BUILD, BUILD ", \"altp2m\": \"mixed\"", "altp2m is mixed" },
		{ BUILD, BUILD ", \"vmtrace_buf_kb\": 64", "vmtrace_buf_kb" },
		{ BUILD, BUILD ", \"event_channels\": 4096", "event_channels" },
		{ BUILD, BUILD ", \"max_grant_frames\": 65", "max_grant_frames" },
		{ BUILD, BUILD ", \"iomem\": [ { \"start\": 1 } ]", "it has iomem" },
		{ "\"arch_x86\": {", "\"arch_x86\": { \"msr_relaxed\": \"True\"", "msr_relaxed" },
		{ ROOT, "\"pcidevs\": [ { \"bus\": 3 } ]", "it has pcidevs" },
		{ ROOT, "\"vfbs\": [ { \"devid\": 0 } ]", "it has vfbs" },
		{ ROOT, "\"channels\": [ { \"devid\": 0 } ]", "it has channels" },
		{ ROOT, "\"flyingsaucers\": [ {} ]", "it has flyingsaucers" },
		{ "\"raw\"", "\"qcow2\"", "disks[0]: its format is qcow2" },
		{ DISK, DISK ", \"backend\": \"qdisk\"", "disks[0]: its backend is qdisk" },
		{ DISK, DISK ", \"backend_domid\": 3", "disks[0]: its backend is in a driver" },
		{ NIC, NIC ", \"backend_domname\": \"net\"", "nics[0]: its backend is in a driver" },
		{ "/dev/vg/g1", "", "disks[0]: its drive is empty" },
		{ NIC, NIC ", \"nictype\": \"vif_ioemu\"", "nics[0]: its nictype is vif_ioemu" },
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_refused(scene, rows[i]);
}

static void what_is_not_libxls_is_refused_by_its_key(void **state)
{
	static const char *const rows[][3] = {
		{ usual, "[]", "c_info" },
		{ usual, "", "its configuration" },
		{ usual, "{ \"c_info\": {}, \"b_info\": 7 }", "b_info" },
		{ "\"name\": \"g1\"", "\"name\": 7", "name" },
		{ "\"name\": \"g1\"", "\"name\": \"a/b\"", "name" },
		{ "\"name\": \"g1\",", "", "name" },
		{ UUID, "../../etc/passwd", "uuid" },
		{ UUID, UUID UUID, "uuid" },
		{ "\"max_vcpus\": 3", "\"max_vcpus\": 513", "max_vcpus" },
		{ "\"max_vcpus\": 3", "\"max_vcpus\": \"3\"", "max_vcpus" },
		{ "[0, 2]", "[0, 3]", "avail_vcpus" },
		{ "[0, 2]", "[-1]", "avail_vcpus" },
		{ "[0, 2]", "{}", "avail_vcpus" },
		{ "\"max_memkb\": 98304", "\"max_memkb\": 18446744073709551615", "max_memkb" },
		{ "\"target_memkb\": 98304", "\"target_memkb\": -4", "target_memkb" },
		{ "\"target_memkb\": 98304", "\"other\": 0", "target_memkb" },
		{ BUILD, BUILD ", \"video_memkb\": 98305", "video_memkb" },
		{ BUILD, BUILD ", \"shadow_memkb\": 1e3", "shadow_memkb" },
		{ CREATION, CREATION ", \"hap\": true", "hap" },
		{ CREATION, CREATION ", \"hap\": \"maybe\"", "hap" },
		{ "\"disks\": [ { " DISK " } ]", "\"disks\": 7", "disks" },
		{ "[ { " DISK " } ]", "[ 7 ]", "disks[0]: it is no object" },
		{ "[ { " DISK " } ]", "[ { " DISK " }, { " DISK " } ]", "device" },
		{ DISK, DISK ", \"direct_io_safe\": 1", "disks[0]: its direct_io_safe" },
		{ "\"devid\": 0, ", "", "nics[0]: its devid" },
		{ "\"mac\": \"00:16:3e:00:00:01\",", "", "nics[0]: its mac" },
		{ "xenbr1", "a\\nb", "device" },
	};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_refused(scene, rows[i]);
}

static void more_devices_than_a_guest_may_have_are_refused(void **state)
{
	char nics[GUEST_DEVICES_MAX * 3];
	struct scene *scene = *state;

	for (size_t i = 0; i < GUEST_DEVICES_MAX; i++)
		memcpy(nics + i * 3, "{},", 3);
	nics[sizeof(nics) - 1] = '\0';
	assert_true(describe_with(scene, "{ " NIC " }", nics) < 0);
	assert_non_null(strstr(scene->err.message, "more than 64 devices"));
}

static void a_path_longer_than_a_node_is_refused(void **state)
{
	char path[NODE_VALUE_MAX + 1];
	struct scene *scene = *state;

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_true(describe_with(scene, "/dev/vg/g1", path) < 0);
	assert_non_null(strstr(scene->err.message, "disks[0]: its params"));
	assert_true(describe_with(scene, "\"xenbr1\"", path) < 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_domain_is_the_one_that_libxl_would_make),
		TEST(its_configuration_is_kept_byte_for_byte),
		TEST(what_it_says_goes_before_what_libxl_would_choose),
		TEST(a_disk_has_the_nodes_that_libxl_gives_it),
		TEST(a_disk_is_known_by_its_number),
		TEST(a_nic_has_the_nodes_that_libxl_gives_it),
		TEST(what_cannot_be_made_is_refused_by_name),
		TEST(what_is_not_libxls_is_refused_by_its_key),
		TEST(more_devices_than_a_guest_may_have_are_refused),
		TEST(a_path_longer_than_a_node_is_refused),
	};

	return cmocka_run_group_tests_name("xl_guest", tests, NULL, NULL);
}

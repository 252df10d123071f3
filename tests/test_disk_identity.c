/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "fake_site.h"

struct fixture {
	struct fake_site *fake;
	struct stat status;
	struct disk_identity identity;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	fixture.fake = fake_site_new();
	fixture.status.st_mode = S_IFBLK;
	fixture.status.st_rdev = makedev(8, 16);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	fake_site_free(((struct fixture *)*state)->fake);
	return 0;
}

static void read_identity(struct fixture *f)
{
	disk_identity_read(f->fake->sys_dir, f->fake->disk, &f->status, &f->identity);
}

static void an_empty_disk_has_no_identity(void **state)
{
	struct fixture *f = *state;

	read_identity(f);

	assert_string_equal(f->identity.device, "");
	assert_string_equal(f->identity.content, "");
}

static void a_disk_is_known_by_what_its_maker_or_manager_calls_it(void **state)
{
	static const struct {
		const char *file, *text, *known_as;
	} disks[] = {
		{ "sys/dev/block/8:16/dm/uuid", "LVM-abcDEF\n", "LVM-abcDEF" },
		{ "sys/dev/block/8:16/device/wwid", "t10.ATA  one\a \n", "t10.ATA  one_" },
		{ "sys/dev/block/8:16/wwid", "eui.0025\n", "eui.0025" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		fake_site_write(f->fake, disks[i].file, disks[i].text);
		read_identity(f);
		assert_string_equal(f->identity.device, disks[i].known_as);
	}
}

static void a_partition_is_known_by_its_disk_and_its_start(void **state)
{
	struct fixture *f = *state;

	fake_site_write(f->fake, "sys/dev/block/wwid", "naa.6001\n");
	fake_site_write(f->fake, "sys/dev/block/8:16/start", "2048\n");
	read_identity(f);
	assert_string_equal(f->identity.device, "");

	fake_site_write(f->fake, "sys/dev/block/8:16/partition", "1\n");
	read_identity(f);
	assert_string_equal(f->identity.device, "naa.6001@2048");
}

static void a_file_has_no_number_of_the_kernels(void **state)
{
	struct fixture *f = *state;

	fake_site_write(f->fake, "sys/dev/block/8:16/wwid", "eui.0025\n");
	f->status.st_mode = S_IFREG;
	read_identity(f);

	assert_string_equal(f->identity.device, "");
}

static void the_outermost_format_says_which_disk_it_is(void **state)
{
	static const struct {
		uint64_t at;
		const char *sign, *known_as;
		uint64_t id_at;
	} formats[] = {
		{ 65600, "_BHRfS_M", "btrfs:61616161616161616161616161616161", 65568 },
		{ 1080, "\x53\xef", "ext:61616161616161616161616161616161", 1128 },
		{ 510, "\x55\xaa", "mbr:61616161", 440 },
		{ 512, "EFI PART", "gpt:61616161616161616161616161616161", 568 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		fake_site_write_disk(f->fake, formats[i].at, formats[i].sign,
				     strlen(formats[i].sign));
		fake_site_write_disk(f->fake, formats[i].id_at, "aaaaaaaaaaaaaaaa",
				     formats[i].id_at == 440 ? 4 : 16);
		read_identity(f);
		assert_string_equal(f->identity.content, formats[i].known_as);
	}
}

static void a_sign_without_an_id_says_nothing(void **state)
{
	struct fixture *f = *state;

	fake_site_write_disk(f->fake, 510, "\x55\xaa", 2);
	read_identity(f);

	assert_string_equal(f->identity.content, "");
}

static void only_what_can_be_compared_tells_two_disks_apart(void **state)
{
	static const struct {
		struct disk_identity a, b;
		bool differ;
	} pairs[] = {
		{ { "", "" }, { "", "" }, false },
		{ { "naa.6001", "" }, { "naa.6001", "" }, false },
		{ { "naa.6001", "" }, { "naa.6002", "" }, true },
		{ { "naa.6001", "" }, { "mpath-36002", "" }, false },
		{ { "LVM-aa", "" }, { "LVM-ab", "" }, true },
		{ { "naa.6001", "" }, { "", "" }, false },
		{ { "", "gpt:00" }, { "", "gpt:01" }, true },
		{ { "", "gpt:00" }, { "", "" }, false },
		{ { "", "gpt:00" }, { "", "ext:00" }, true },
		{ { "naa.6001", "gpt:00" }, { "naa.6001", "gpt:01" }, true },
	};
	const char *here, *there;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(disk_identity_differs(&pairs[i].a, &pairs[i].b, &here, &there),
				 pairs[i].differ);
		if (pairs[i].differ)
			assert_string_not_equal(here, there);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_disk_has_no_identity),
		TEST(a_disk_is_known_by_what_its_maker_or_manager_calls_it),
		TEST(a_partition_is_known_by_its_disk_and_its_start),
		TEST(a_file_has_no_number_of_the_kernels),
		TEST(the_outermost_format_says_which_disk_it_is),
		TEST(a_sign_without_an_id_says_nothing),
		TEST(only_what_can_be_compared_tells_two_disks_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

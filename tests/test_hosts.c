/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hosts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int load(const char *text, struct hosts *hosts, struct err *err)
{
	char path[] = "/tmp/test_hosts.XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	rc = hosts_load(path, 8002, hosts, err);
	unlink(path);
	return rc;
}

static void a_list_that_is_not_there_is_empty(void **state)
{
	struct hosts hosts;
	struct err err;

	(void)state;
	assert_int_equal(hosts_load("/nowhere/hosts.json", 8002, &hosts, &err), 0);
	assert_int_equal(hosts.count, 0);
}

static void a_row_without_a_port_has_the_default_one(void **state)
{
	struct hosts hosts;
	struct err err;

	(void)state;
	assert_int_equal(load("{\"hosts\": [{\"name\": \"B\", \"address\": \"192.168.50.12\"},"
			      "{\"name\": \"C\", \"address\": \"fe80::1%eth0\", \"port\": 9}]}",
			      &hosts, &err), 0);
	assert_int_equal(hosts.count, 2);
	assert_int_equal(hosts.places[0].port, 8002);
	assert_int_equal(hosts.places[1].port, 9);
}

static void a_list_of_another_form_is_refused(void **state)
{
	static const char *const texts[] = {
		"[]",
		"{\"hosts\": {}}",
		"{\"hosts\": [{\"name\": \"B\"}]}",
		"{\"hosts\": [{\"name\": \"-B\", \"address\": \"b\"}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"b c\"}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"b\", \"port\": 70000}]}",
		"{\"hosts\": [",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"192.168.50.300\"}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"fe80::1::2\"}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"b\", \"tags\": \"ssd\"}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"b\", \"tags\": [\"a,b\"]}]}",
		"{\"hosts\": [{\"name\": \"B\", \"address\": \"b\", \"link-mibps\": -1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct hosts hosts;
		struct err err = { .code = ERR_NONE };

		assert_int_equal(load(texts[i], &hosts, &err), -EINVAL);
		assert_non_null(strstr(err.message, "/tmp/test_hosts."));
	}
}

static void a_host_that_is_there_twice_is_refused_by_its_line(void **state)
{
	static const char *const seconds[] = {
		"{\"name\": \"B\", \"address\": \"other\"}",
		"{\"name\": \"C\", \"address\": \"b.example.org\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		char text[256];
		struct hosts hosts;
		struct err err;

		snprintf(text, sizeof(text), "{\"hosts\": [\n{\"name\": \"B\", \"address\": "
			 "\"b.example.org\"},\n%s]}", seconds[i]);
		assert_int_equal(load(text, &hosts, &err), -EINVAL);
		assert_non_null(strstr(err.message, ":3: "));
		assert_non_null(strstr(err.message, "as B"));
	}
}

static void a_host_has_the_tags_and_the_link_that_it_says(void **state)
{
	struct hosts hosts;
	struct err err;

	(void)state;
	assert_int_equal(load("{\"hosts\": [{\"name\": \"B\", \"address\": \"b\", \"tags\": "
			      "[\"ssd\", \"rack-1\"], \"link-mibps\": 1100}]}", &hosts, &err), 0);
	assert_true(host_has_tag(&hosts.places[0], "ssd"));
	assert_true(host_has_tag(&hosts.places[0], "rack-1"));
	assert_false(host_has_tag(&hosts.places[0], "rack"));
	assert_int_equal(hosts.places[0].link_mibps, 1100);
}

/* One row a way to name a host; `address` NULL: it is refused. */
static const struct naming {
	const char *text, *address;
	uint16_t port;
} namings[] = {
	{ "B", "192.168.50.12", 9002 },
	{ "B:7", "192.168.50.12", 7 },
	{ "b.example.org", "b.example.org", 8002 },
	{ "b.example.org:81", "b.example.org", 81 },
	{ "10.0.0.1", "10.0.0.1", 8002 },
	{ "10.0.0.1:81", "10.0.0.1", 81 },
	{ "fe80::1", "fe80::1", 8002 },
	{ "[fe80::1]", "fe80::1", 8002 },
	{ "[fe80::1%eth0]:81", "fe80::1%eth0", 81 },
	{ "", NULL, 0 },
	{ ":81", NULL, 0 },
	{ "b:", NULL, 0 },
	{ "b:0", NULL, 0 },
	{ "b:65536", NULL, 0 },
	{ "b:8x", NULL, 0 },
	{ "[fe80::1", NULL, 0 },
	{ "[fe80::1]81", NULL, 0 },
	{ "[]:81", NULL, 0 },
	{ "--help", NULL, 0 },
	{ "a b", NULL, 0 },
	{ "$(reboot)", NULL, 0 },
};

static void a_host_is_a_name_in_the_list_or_an_address(void **state)
{
	struct hosts hosts = { .count = 1 };
	const struct host_place listed = { .name = "B", .address = "192.168.50.12", .port = 9002,
					   .certificate = "B" };

	(void)state;
	hosts.places[0] = listed;
	for (size_t i = 0; i < sizeof(namings) / sizeof(namings[0]); i++) {
		struct host_place place = { .port = 0 };
		struct err err;
		int rc = hosts_resolve(&hosts, namings[i].text, 8002, &place, &err);

		if (!namings[i].address) {
			assert_int_equal(rc, -EINVAL);
			assert_int_equal(err.code, ERR_USAGE);
			assert_int_equal(place.port, 0);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(place.address, namings[i].address);
		assert_int_equal(place.port, namings[i].port);
	}
}

static void an_address_that_is_too_long_is_refused(void **state)
{
	struct hosts hosts = { .count = 0 };
	struct host_place place;
	char text[HOST_ADDRESS_SIZE + 1];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';

	assert_int_equal(hosts_resolve(&hosts, text, 8002, &place, &err), -EINVAL);
	text[sizeof(text) - 2] = '\0';
	assert_int_equal(hosts_resolve(&hosts, text, 8002, &place, &err), 0);
	assert_int_equal(strlen(place.name), HOST_NAME_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_is_not_there_is_empty),
		cmocka_unit_test(a_row_without_a_port_has_the_default_one),
		cmocka_unit_test(a_list_of_another_form_is_refused),
		cmocka_unit_test(a_host_that_is_there_twice_is_refused_by_its_line),
		cmocka_unit_test(a_host_has_the_tags_and_the_link_that_it_says),
		cmocka_unit_test(a_host_is_a_name_in_the_list_or_an_address),
		cmocka_unit_test(an_address_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

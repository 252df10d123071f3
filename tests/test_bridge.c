/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"

#define DOMID 7
#define VIFS 8
#define PORTS 12 /* besides the guest's own: more requests than a batch has */
#define SKIP 77

/* ---- a network of our own ---- */

/* Whether the program ends with status 0. */
static bool runs(const char *const argv[])
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}
#define RUNS(...) runs((const char *const[]){ __VA_ARGS__, NULL })

static bool write_file(const char *path, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* A network in which we may do everything, as anybody may have one. */
static bool enter_own_network(void)
{
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", getuid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       write_file("/proc/self/uid_map", map) &&
	       mount("sysfs", "/sys", "sysfs", 0, NULL) == 0 &&
	       RUNS("bridge", "-Version");
}

static void add_port(const char *name)
{
	assert_true(RUNS("ip", "link", "add", name, "type", "veth"));
	assert_true(RUNS("ip", "link", "set", name, "master", "br0", "up"));
}

static const char *numbered(char text[32], const char *format, unsigned number)
{
	snprintf(text, 32, format, number); // NOLINT(clang-diagnostic-format-nonliteral)
	return text;
}

static int set_up(void **state)
{
	char name[32];

	(void)state;
	assert_true(RUNS("ip", "link", "add", "br0", "type", "bridge"));
	for (unsigned i = 0; i < PORTS; i++)
		add_port(numbered(name, "port%u", i));
	for (unsigned i = 0; i < VIFS; i++)
		add_port(numbered(name, "vif7.%u", i));
	return 0;
}

static int tear_down(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < PORTS; i++)
		RUNS("ip", "link", "del", numbered(name, "port%u", i));
	for (unsigned i = 0; i < VIFS; i++)
		RUNS("ip", "link", "del", numbered(name, "vif7.%u", i));
	RUNS("ip", "link", "del", "br0");
	return 0;
}

static void learn(const char *mac, const char *port)
{
	assert_true(RUNS("bridge", "fdb", "replace", mac, "dev", port, "master", "static"));
}

static bool knows(const char *mac)
{
	return RUNS("bridge", "fdb", "get", mac, "br", "br0");
}

static bool is_on_bridge(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/master", name);
	return access(path, F_OK) == 0;
}

/* A guest with VIFs on br0, numbered from 0, and their MACs. */
static void describe(struct description *guest)
{
	char mac[32];

	description_init(guest);
	guest->domid = DOMID;
	for (uint32_t i = 0; i < VIFS; i++) {
		struct device *device = &guest->devices[guest->device_count++];

		*device = (struct device){ .kind = DEVICE_VIF, .id = i };
		device_add_backend_node(device, "bridge", "br0");
		device_add_backend_node(device, "mac", numbered(mac, "00:16:3e:00:00:%02x", i));
	}
}

/* ---- what it does to it ---- */

static void bridges_forget_every_mac_but_on_the_guests_own_ports(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct description guest;
	char mac[32], port[32];

	(void)state;
	describe(&guest);
	learn("00:16:3e:00:00:00", "vif7.0");
	for (unsigned i = 1; i < VIFS; i++)
		learn(numbered(mac, "00:16:3e:00:00:%02x", i),
		      numbered(port, "port%u", (PORTS - 1) * (i % 2)));
	learn("00:16:3e:00:00:99", "port3");
	assert_int_equal(bridge_forget_macs(&guest, &err), 0);
	for (unsigned i = 1; i < VIFS; i++)
		assert_false(knows(numbered(mac, "00:16:3e:00:00:%02x", i)));
	assert_true(knows("00:16:3e:00:00:00"));
	assert_true(knows("00:16:3e:00:00:99"));
	description_fini(&guest);
}

static void vifs_leave_their_bridge_and_nothing_else_does(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct description guest;
	char name[32];

	(void)state;
	describe(&guest);
	assert_true(RUNS("ip", "link", "del", "vif7.3")); /* the backend took it away already */
	assert_int_equal(bridge_leave_all(&guest, &err), 0);
	for (unsigned i = 0; i < VIFS; i++)
		assert_false(is_on_bridge(numbered(name, "vif7.%u", i)));
	assert_true(is_on_bridge("port0"));
	assert_int_equal(bridge_leave_all(&guest, &err), 0);
	description_fini(&guest);
}

static void a_vif_that_fails_is_named_and_the_others_go_on(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct description guest;

	(void)state;
	describe(&guest);
	free(guest.devices[2].backend[1].value);
	guest.devices[2].backend[1].value = strdup("01:00:00:00:00:00");
	learn("00:16:3e:00:00:01", "port0");
	learn("00:16:3e:00:00:05", "port0");
	assert_int_equal(bridge_forget_macs(&guest, &err), -EINVAL);
	assert_string_equal(err.message, "vif 2: cannot remove its MAC from the other ports of "
					 "bridge br0: it has no MAC address");
	assert_false(knows("00:16:3e:00:00:01"));
	assert_false(knows("00:16:3e:00:00:05"));
	description_fini(&guest);
}

static void what_is_no_bridge_of_linux_is_passed_over(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct description guest;

	(void)state;
	describe(&guest);
	for (unsigned i = 0; i < VIFS; i++) {
		free(guest.devices[i].backend[0].value);
		guest.devices[i].backend[0].value = strdup(i % 2 ? "port0" : "nosuch");
	}
	assert_int_equal(bridge_forget_macs(&guest, &err), 0);
	assert_int_equal(bridge_leave_all(&guest, &err), 0);
	assert_true(is_on_bridge("vif7.0"));
	description_fini(&guest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bridges_forget_every_mac_but_on_the_guests_own_ports),
		TEST(vifs_leave_their_bridge_and_nothing_else_does),
		TEST(a_vif_that_fails_is_named_and_the_others_go_on),
		TEST(what_is_no_bridge_of_linux_is_passed_over),
	};

	if (!enter_own_network()) {
		printf("skipped: no network namespace of one's own, or no iproute2\n");
		return SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

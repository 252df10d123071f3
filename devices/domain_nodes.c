/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's nodes in xenstore: those that libxl writes for a PVH guest (libxl__domain_make() in
 * tools/libs/light/libxl_create.c, libxl__build_post() in libxl_dom.c), so that the guest, xl and
 * xenconsoled all find what they expect.
 *
 * Entry points: domain_write_nodes(), domain_read_ports(), domain_remove_nodes().
 */
#include "domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define CONSOLE_LIMIT "1048576" /* bytes that xenconsoled keeps */

/* Directories below /local/domain/D, parents first. */
static const struct directory {
	const char *path;
	enum store_access access;
} directories[] = {
	{ "cpu", STORE_GUEST_READS },
	{ "memory", STORE_GUEST_READS },
	{ "device", STORE_GUEST_READS },
	{ "device/suspend", STORE_GUEST_READS },
	{ "device/suspend/event-channel", STORE_GUEST_OWNS },
	{ "control", STORE_GUEST_READS },
	{ "control/shutdown", STORE_GUEST_OWNS },
	{ "control/feature-poweroff", STORE_GUEST_OWNS },
	{ "control/feature-reboot", STORE_GUEST_OWNS },
	{ "control/feature-suspend", STORE_GUEST_OWNS },
	{ "control/sysrq", STORE_GUEST_OWNS },
	{ "data", STORE_GUEST_OWNS },
	{ "drivers", STORE_GUEST_OWNS },
	{ "feature", STORE_GUEST_OWNS },
	{ "attr", STORE_GUEST_OWNS },
	{ "error", STORE_GUEST_OWNS },
	{ "console", STORE_GUEST_READS },
};

/* Writes that stop at the first failure and remember where it was. */
struct writer {
	struct store *store;
	uint32_t domid;
	int rc;
	char path[STORE_PATH_MAX]; /* of the last attempt */
};

__attribute__((format(printf, 3, 4)))
static void put(struct writer *writer, const char *value, const char *format, ...)
{
	va_list args;

	if (writer->rc < 0)
		return;
	va_start(args, format);
	vsnprintf(writer->path, sizeof(writer->path), format, args);
	va_end(args);
	writer->rc = store_write(writer->store, value, "%s", writer->path);
}

__attribute__((format(printf, 3, 4)))
static void make(struct writer *writer, enum store_access access, const char *format, ...)
{
	va_list args;

	if (writer->rc < 0)
		return;
	va_start(args, format);
	vsnprintf(writer->path, sizeof(writer->path), format, args);
	va_end(args);
	writer->rc = store_mkdir(writer->store, writer->domid, access, "%s", writer->path);
}

/* Puts `value` at /local/domain/D/`name`. */
static void put_own(struct writer *writer, const char *name, const char *value)
{
	put(writer, value, "/local/domain/%u/%s", writer->domid, name);
}

static void put_own_number(struct writer *writer, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_own(writer, name, text);
}

/* ---- writing ---- */

static void put_identity(struct writer *writer, const struct description *guest)
{
	char incoming[GUEST_NAME_MAX + sizeof(DOMAIN_INCOMING)];
	char vm[GUEST_UUID_SIZE + sizeof("/vm/")];

	snprintf(incoming, sizeof(incoming), "%s%s", guest->name, DOMAIN_INCOMING);
	snprintf(vm, sizeof(vm), "/vm/%s", guest->uuid);
	make(writer, STORE_GUEST_READS, "/local/domain/%u", writer->domid);
	make(writer, STORE_GUEST_READS, "%s", vm);
	make(writer, STORE_PRIVATE, "/libxl/%u", writer->domid);
	put_own(writer, "vm", vm);
	put_own(writer, "name", incoming);
	put_own_number(writer, "domid", writer->domid);
	put(writer, incoming, "%s/name", vm);
	put(writer, guest->uuid, "%s/uuid", vm);
	if (guest->start_time[0])
		put(writer, guest->start_time, "%s/start_time", vm);
	put(writer, "pvh", "/libxl/%u/type", writer->domid);
	if (guest->dm_version[0])
		put(writer, guest->dm_version, "/libxl/%u/dm-version", writer->domid);
}

static void put_skeleton(struct writer *writer, const struct description *guest,
			 uint32_t store_port)
{
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		make(writer, directories[i].access, "/local/domain/%u/%s", writer->domid,
		     directories[i].path);
	/* the source has looked; Linux says it at boot alone, and would never move again */
	put_own(writer, "control/feature-suspend", "1");
	put_own(writer, "control/platform-feature-multiprocessor-suspend", "1");
	put_own(writer, "control/platform-feature-xs_reset_watches", "1");
	put_own_number(writer, "memory/static-max", guest->static_max_kib);
	put_own_number(writer, "memory/target", guest->target_kib);
	if (guest->videoram_kib >= 0)
		put_own_number(writer, "memory/videoram", (uint64_t)guest->videoram_kib);
	put_own_number(writer, "store/port", store_port);
	put_own_number(writer, "store/ring-ref", guest->store_pfn);
}

static void put_vcpus(struct writer *writer, const struct description *guest)
{
	for (uint32_t vcpu = 0; vcpu < guest->vcpus; vcpu++) {
		bool online = guest->vcpus_online[vcpu / 8] & 1u << vcpu % 8;

		put(writer, online ? "online" : "offline", "/local/domain/%u/cpu/%u/availability",
		    writer->domid, vcpu);
	}
}

/* One end of the console that a guest does not see: the backend's, or libxl's record. */
static void put_console_end(struct writer *writer, const char *end)
{
	char frontend[64], domid[16];

	snprintf(frontend, sizeof(frontend), "/local/domain/%u/console", writer->domid);
	snprintf(domid, sizeof(domid), "%" PRIu32, writer->domid);
	put(writer, frontend, "%s/frontend", end);
	put(writer, domid, "%s/frontend-id", end);
	put(writer, "1", "%s/online", end);
	put(writer, "1", "%s/state", end);
	put(writer, "vt100", "%s/protocol", end);
}

/* The console but for its port and its ring; the port is noted where only domain 0 reads. */
static void put_console(struct writer *writer, uint32_t console_port)
{
	char backend[64], libxl[64], port[16];

	snprintf(port, sizeof(port), "%" PRIu32, console_port);
	snprintf(backend, sizeof(backend), "/local/domain/0/backend/console/%u/0", writer->domid);
	snprintf(libxl, sizeof(libxl), "/libxl/%u/device/console/0", writer->domid);
	put_own(writer, "console/backend", backend);
	put_own(writer, "console/backend-id", "0");
	put_own(writer, "console/limit", CONSOLE_LIMIT);
	put_own(writer, "console/type", "xenconsoled");
	put_own(writer, "console/output", "pty");
	put_own(writer, "console/tty", "");
	make(writer, STORE_GUEST_READS, "%s", backend);
	put_console_end(writer, backend);
	make(writer, STORE_PRIVATE, "%s", libxl);
	put_console_end(writer, libxl);
	put(writer, backend, "%s/backend", libxl);
	put(writer, port, "%s/port", libxl);
}

/* All that is under this domid alone. */
static int remove_own(struct store *store, uint32_t domid, struct err *err)
{
	static const char *const backends[] = { "vbd", "vif", "console" };
	int rc = store_remove(store, "/local/domain/%u", domid);

	if (rc == 0)
		rc = store_remove(store, "/libxl/%u", domid);
	for (size_t i = 0; rc == 0 && i < sizeof(backends) / sizeof(backends[0]); i++)
		rc = store_remove(store, "/local/domain/0/backend/%s/%u", backends[i], domid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "xenstore: remove domain %u's nodes: %s", domid,
			       strerror(-rc));
	return 0;
}

int domain_write_nodes(struct store *store, const struct description *guest,
		       const struct domain_ports *ports, struct err *err)
{
	struct writer writer = { .store = store, .domid = guest->domid };
	int rc = remove_own(store, guest->domid, err);

	if (rc < 0)
		return rc;
	put_identity(&writer, guest);
	put_skeleton(&writer, guest, ports->store);
	put_vcpus(&writer, guest);
	put_console(&writer, ports->console);
	if (writer.rc < 0)
		return err_set(err, ERR_FAILED, writer.rc, "xenstore: write %s: %s", writer.path,
			       strerror(-writer.rc));
	return 0;
}

/* ---- reading back ---- */

int domain_read_ports(struct store *store, uint32_t domid, struct domain_ports *ports,
		      struct err *err)
{
	int64_t store_port = store_read_integer(store, 0, "/local/domain/%u/store/port", domid);
	int64_t console_port =
		store_read_integer(store, 0, "/libxl/%u/device/console/0/port", domid);

	if (store_port <= 0 || store_port > UINT32_MAX || console_port <= 0 ||
	    console_port > UINT32_MAX)
		return err_set(err, ERR_FAILED, -ENOENT,
			       "xenstore has no event channels of domain %u; did another tool "
			       "remove its nodes?", domid);
	ports->store = (uint32_t)store_port;
	ports->console = (uint32_t)console_port;
	return 0;
}

/* ---- removing ---- */

/* Whether a domain says that /vm/UUID is its own. */
static bool vm_is_used(struct store *store, const struct description *guest)
{
	CLEANUP_FREE char **domids = NULL;
	char vm[GUEST_UUID_SIZE + sizeof("/vm/")];
	unsigned int count = 0;

	snprintf(vm, sizeof(vm), "/vm/%s", guest->uuid);
	domids = store_directory(store, &count, "/local/domain");
	for (unsigned int i = 0; domids && i < count; i++) {
		CLEANUP_FREE char *used = store_read(store, "/local/domain/%s/vm", domids[i]);

		if (used && strcmp(used, vm) == 0)
			return true;
	}
	return false;
}

int domain_remove_nodes(struct store *store, const struct description *guest, struct err *err)
{
	int rc = remove_own(store, guest->domid, err);

	if (rc < 0 || vm_is_used(store, guest))
		return rc;
	rc = store_remove(store, "/vm/%s", guest->uuid);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "xenstore: remove /vm/%s: %s", guest->uuid,
			       strerror(-rc));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_site.h"

#include <assert.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fake_store.h"
#include "xenbus.h"

#define NOTE_AND_CONNECT \
	"echo \"$1\" \"$XENBUS_PATH\" >>\"$FOLDER/log\"\n" \
	"case $1 in add|online) : >\"$FOLDER/connected-$(echo \"$XENBUS_PATH\" | tr / -)\";; " \
	"esac\n"

/* ---- files ---- */

static void path_of(const struct fake_site *fake, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", fake->folder, name);
}

static void make_folders(const struct fake_site *fake, const char *name)
{
	char path[256];

	path_of(fake, name, path);
	for (char *slash = path + strlen(fake->folder) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	assert(mkdir(path, 0700) == 0 || errno == EEXIST);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "we");

	assert(file);
	fputs(text, file);
	fclose(file);
	assert(chmod(path, mode) == 0);
}

void fake_site_script(struct fake_site *fake, const char *name, const char *body)
{
	char path[256], text[2048];

	snprintf(path, sizeof(path), "%s/%s", fake->scripts_dir, name);
	snprintf(text, sizeof(text), "#!/bin/sh\nFOLDER=%s\n%s", fake->folder, body);
	write_file(path, text, 0700);
}

char *fake_site_read(struct fake_site *fake, const char *name)
{
	char *text = calloc(1, 65536), path[256];
	FILE *file;

	assert(text);
	path_of(fake, name, path);
	file = fopen(path, "re");
	if (!file)
		return text;
	text[fread(text, 1, 65535, file)] = '\0';
	fclose(file);
	return text;
}

void fake_site_remove(struct fake_site *fake, const char *name)
{
	char path[256];

	path_of(fake, name, path);
	unlink(path);
}

/* ---- the drivers ---- */

static void device_name(const struct device *device, char name[128])
{
	snprintf(name, 128, "sys/bus/xen-backend/devices/%s-%u-%u", device_kind_name(device->kind),
		 FAKE_DOMID, device->id);
}

static bool is_registered(const struct fake_site *fake, const struct device *device)
{
	char name[128], path[256];

	device_name(device, name);
	path_of(fake, name, path);
	return access(path, F_OK) == 0;
}

static void set_registered(const struct fake_site *fake, const struct device *device, bool is)
{
	char name[128], path[256];

	device_name(device, name);
	path_of(fake, name, path);
	if (is)
		mkdir(path, 0700);
	else
		rmdir(path);
}

static void set_state(struct fake_site *fake, const struct xenbus *bus, const char *state)
{
	store_write(fake->site.store, state, "%s/state", bus->backend);
}

/* The guest's end is gone: netback says that it closed, blkback just goes. */
static void lose_frontend(struct fake_site *fake, const struct device *device,
			  const struct xenbus *bus)
{
	if (device->kind == DEVICE_VIF)
		set_state(fake, bus, "6");
	set_registered(fake, device, false);
}

static bool is_plugged(struct fake_site *fake, const struct xenbus *bus)
{
	CLEANUP_FREE char *status =
		store_read(fake->site.store, "%s/hotplug-status", bus->backend);

	return status && strcmp(status, "connected") == 0;
}

static bool is_online(struct fake_site *fake, const struct xenbus *bus)
{
	return store_read_integer(fake->site.store, 0, "%s/online", bus->backend) == 1;
}

static void follow_frontend(struct fake_site *fake, const struct device *device,
			    const struct xenbus *bus)
{
	int frontend = (int)store_read_integer(fake->site.store, -1, "%s/state", bus->frontend);
	int backend = xenbus_state(fake->site.store, bus);

	if (frontend < 0)
		lose_frontend(fake, device, bus);
	else if (frontend == 4 && backend == 1)
		set_state(fake, bus, "2");
	else if (frontend == 4 && backend == 2 && is_plugged(fake, bus))
		set_state(fake, bus, "4"); /* to the ring of a guest that rests */
	else if (frontend == 6 && !is_online(fake, bus))
		lose_frontend(fake, device, bus);
	else if (frontend == 1 && (backend == 6 || backend == 1))
		set_state(fake, bus, "2");
	else if (frontend == 1 && device->kind == DEVICE_VIF)
		set_state(fake, bus, "2"); /* netback goes all the way round */
	else if (frontend == 6 && backend != 6)
		set_state(fake, bus, "6");
}

static void drive(struct fake_site *fake, const struct device *device)
{
	const struct xenbus bus = xenbus_of(FAKE_DOMID, device);
	struct store *store = fake->site.store;
	char name[128], path[256];

	if (!xenbus_exists(store, &bus)) {
		set_registered(fake, device, false);
		return;
	}
	if (!is_registered(fake, device)) {
		if (xenbus_state(store, &bus) != 1)
			return;
		set_registered(fake, device, true);
	}
	follow_frontend(fake, device, &bus);
	/* what the script would have written to xenstore */
	snprintf(name, sizeof(name), "connected-backend-%s-%u-%u", device_kind_name(device->kind),
		 FAKE_DOMID, device->id);
	path_of(fake, name, path);
	if (unlink(path) == 0)
		store_write(store, "connected", "%s/hotplug-status", bus.backend);
}

static void drive_all(struct fake_site *fake)
{
	for (enum device_kind kind = 0; kind < DEVICE_KINDS; kind++) {
		unsigned count = 0;
		CLEANUP_FREE char **ids =
			store_directory(fake->site.store, &count, "/local/domain/0/backend/%s/%u",
					device_kind_name(kind), FAKE_DOMID);

		for (unsigned i = 0; ids && i < count; i++) {
			struct device device = { .kind = kind };

			device.id = (uint32_t)strtoul(ids[i], NULL, 10);
			drive(fake, &device);
		}
	}
}

/* ---- the clock ---- */

static uint64_t now_us(const struct clock *clock)
{
	return clock_now_us(&clock_system) + ((const struct fake_site *)clock)->ahead_us;
}

static double wall_s(const struct clock *clock)
{
	(void)clock;
	return 0;
}

static int wait_for(const struct clock *clock, struct pollfd *fds, size_t count,
		    uint64_t deadline_us, bool cancellable)
{
	struct fake_site *fake = (struct fake_site *)clock;
	int ready =
		clock_wait(&clock_system, fds, count, deadline_us - fake->ahead_us, cancellable);

	if (!fake->drivers_stuck)
		drive_all(fake);
	if (fake->on_wait)
		fake->on_wait(fake, fake->data);
	return ready;
}

static void no_random(const struct clock *clock, void *bytes, size_t size)
{
	(void)clock;
	memset(bytes, 0, size);
}

static const struct clock_ops clock_ops = {
	.now_us = now_us,
	.wall_s = wall_s,
	.wait = wait_for,
	.random = no_random,
};

uint64_t fake_site_deadline(struct fake_site *fake, uint64_t ms)
{
	return clock_after_ms(&fake->clock, ms);
}

/* ---- the host ---- */

struct fake_site *fake_site_new(void)
{
	struct fake_site *fake = calloc(1, sizeof(*fake));

	assert(fake);
	fake->clock.ops = &clock_ops;
	snprintf(fake->folder, sizeof(fake->folder), "/tmp/fake-site-XXXXXX");
	assert(mkdtemp(fake->folder));
	snprintf(fake->scripts_dir, sizeof(fake->scripts_dir), "%s/scripts", fake->folder);
	snprintf(fake->sys_dir, sizeof(fake->sys_dir), "%s/sys", fake->folder);
	snprintf(fake->disk, sizeof(fake->disk), "%s/disk", fake->folder);
	make_folders(fake, "scripts");
	make_folders(fake, "sys/bus/xen-backend/devices");
	make_folders(fake, "sys/class/net/xenbr0/bridge");
	write_file(fake->disk, "", 0600);
	assert(truncate(fake->disk, FAKE_DISK_BYTES) == 0);
	fake_site_script(fake, "block", NOTE_AND_CONNECT);
	fake_site_script(fake, "vif-bridge", NOTE_AND_CONNECT);
	fake->site = (struct site){
		.store = fake_store_new(),
		.clock = &fake->clock,
		.scripts_dir = fake->scripts_dir,
		.sys_dir = fake->sys_dir,
	};
	return fake;
}

void fake_site_write_disk(struct fake_site *fake, uint64_t at, const void *bytes, size_t size)
{
	FILE *file = fopen(fake->disk, "r+e");

	assert(file);
	assert(fseek(file, (long)at, SEEK_SET) == 0);
	assert(fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

void fake_site_write(struct fake_site *fake, const char *name, const char *text)
{
	char folder[256], path[256];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(name, '/') - name), name);
	make_folders(fake, folder);
	path_of(fake, name, path);
	write_file(path, text, 0600);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

void fake_site_free(struct fake_site *fake)
{
	nftw(fake->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	fake_store_free(fake->site.store);
	free(fake);
}

static void add(struct device *device, const char *key, const char *value)
{
	assert(device_add_backend_node(device, key, value) == 0);
}

void fake_site_guest(struct fake_site *fake, struct description *guest)
{
	struct device *vbd = &guest->devices[0], *vif = &guest->devices[1];
	char script[128];

	description_init(guest);
	guest->domid = FAKE_DOMID;
	guest->device_count = 2;
	*vbd = (struct device){ .kind = DEVICE_VBD,
				.id = 51712,
				.attach = ATTACH_LATE,
				.size_bytes = FAKE_DISK_BYTES };
	*vif = (struct device){ .kind = DEVICE_VIF, .id = 0 };
	snprintf(script, sizeof(script), "%s/block", fake->scripts_dir);
	add(vbd, "params", fake->disk);
	add(vbd, "script", script);
	add(vbd, "dev", "xvda");
	add(vbd, "mode", "w");
	assert(device_add_frontend_node(vbd, "virtual-device", "51712") == 0);
	snprintf(script, sizeof(script), "%s/vif-bridge", fake->scripts_dir);
	add(vif, "mac", "00:16:3e:00:00:01");
	add(vif, "bridge", "xenbr0");
	add(vif, "script", script);
	assert(device_add_frontend_node(vif, "mac", "00:16:3e:00:00:01") == 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a hotplug script says, and what it leaves in xenstore: the first byte is its exit status,
 * the rest of the first line the node, all that follows its output.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "description.h"
#include "fake_site.h"
#include "fuzz.h"
#include "hotplug.h"

#define LINE_SIZE 512
#define ERROR_NODE "/local/domain/0/backend/vif/7/0/hotplug-error"

static struct fake_site *fake;
static struct description guest;

static void remove_site(void)
{
	fake_site_free(fake);
}

static void make_site(void)
{
	fake = fake_site_new();
	atexit(remove_site);
	description_init(&guest);
	fake_site_guest(fake, &guest);
	fake_site_script(fake, "vif-bridge",
			 "cat \"$FOLDER/output\"\nexit $(cat \"$FOLDER/status\")\n");
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fake->folder, name);
	file = fopen(path, "we");
	assert(file);
	assert(fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
	size_t length = end ? (size_t)(end - data - 1) : 0;
	const struct device *vif = NULL;
	struct err err = { .code = ERR_NONE };
	char line[LINE_SIZE], status[8];
	int rc;

	if (!fake)
		make_site();
	if (!end || length >= sizeof(line))
		return 0;
	memcpy(line, data + 1, length);
	line[length] = '\0';
	(void)store_write(fake->site.store, line, ERROR_NODE);
	snprintf(status, sizeof(status), "%u", data[0]);
	write_file("status", status, strlen(status));
	write_file("output", end + 1, size - length - 2);
	for (size_t i = 0; i < guest.device_count; i++)
		if (guest.devices[i].kind == DEVICE_VIF)
			vif = &guest.devices[i];
	rc = hotplug_run_all(&fake->site, FAKE_DOMID, &vif, 1, HOTPLUG_ADD,
			     fake_site_deadline(fake, 10000), &err);
	assert((rc == 0) == (data[0] == 0));
	for (const char *c = err.message; *c; c++)
		assert((unsigned char)*c >= ' ' && *c != 0x7f);
	return 0;
}

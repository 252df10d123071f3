/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that a guest is said to be in. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "saved_file.h"

/* A name of its own, for no link is followed. */
static char path[] = "/dev/shm/xenferry-fuzz.XX" "XXXX";
static int fd = -1;

static void remove_file(void)
{
	(void)unlink(path);
}

static void make_file(void)
{
	fd = mkstemp(path);
	assert(fd >= 0);
	atexit(remove_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct saved_file file = { .fd = -1 };
	struct err err = { .code = ERR_NONE };
	struct description guest;

	if (fd < 0)
		make_file();
	assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(file.path, sizeof(file.path), "%s", path);
	description_init(&guest);
	if (saved_file_open(&file, &guest, &err) < 0)
		assert(err.message[0]);
	else
		assert(guest.uuid[0] && lseek(file.fd, 0, SEEK_CUR) <= (off_t)size);
	saved_file_close(&file);
	description_fini(&guest);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"

/* ---- what the kernel says of the device ---- */

/* One line of sysfs, without blanks at its ends; false when there is none, or it is empty. */
static bool read_word(const char *sys_dir, dev_t number, const char *name,
		      char word[DISK_IDENTITY_MAX])
{
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];
	ssize_t size;

	snprintf(path, sizeof(path), "%s/dev/block/%u:%u/%s", sys_dir, major(number),
		 minor(number), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, word, DISK_IDENTITY_MAX - 1);
	while (size > 0 && (word[size - 1] == '\n' || word[size - 1] == ' '))
		size--;
	if (size <= 0)
		return false;
	word[size] = '\0';
	for (char *c = word; *c; c++) /* a maker may write anything */
		if (*c < ' ' || *c > '~')
			*c = '_';
	return true;
}

/* SCSI, NVMe, device mapper (LVM, multipath), MD; a partition has its disk's, and its start. */
static void ask_kernel(const char *sys_dir, dev_t number, char word[DISK_IDENTITY_MAX])
{
	static const char *const whole[] = { "wwid", "device/wwid", "dm/uuid", "md/uuid" };
	static const char *const parents[] = { "../wwid", "../device/wwid" };
	char start[DISK_IDENTITY_MAX];
	size_t used;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (read_word(sys_dir, number, whole[i], word))
			return;
	word[0] = '\0';
	if (!read_word(sys_dir, number, "partition", start) ||
	    !read_word(sys_dir, number, "start", start))
		return;
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		if (!read_word(sys_dir, number, parents[i], word))
			continue;
		used = strlen(word);
		snprintf(word + used, DISK_IDENTITY_MAX - used, "@%.20s", start);
		return;
	}
	word[0] = '\0';
}

/* ---- what its first blocks say ---- */

#define ALIGNMENT 4096 /* of reads past the page cache, which may hold what is no longer true */
#define LOOK_BYTES (17 * ALIGNMENT)

/* Where a format has its sign, and where the id that its maker drew by lot. */
static const struct {
	const char *name, *sign;
	size_t sign_at, sign_bytes, id_at, id_bytes;
} formats[] = {
	{ "gpt", "EFI PART", 512, 8, 568, 16 },
	{ "mbr", "\x55\xaa", 510, 2, 440, 4 },
	{ "lvm", "LABELONE", 512, 8, 544, 32 },
	{ "luks", "LUKS\xba\xbe", 0, 6, 168, 36 },
	{ "xfs", "XFSB", 0, 4, 32, 16 },
	{ "ext", "\x53\xef", 1080, 2, 1128, 16 },
	{ "btrfs", "_BHRfS_M", 65600, 8, 65568, 16 },
	{ "swap", "SWAPSPACE2", 4086, 10, 1036, 16 },
};

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static void note(const char *name, const uint8_t *id, size_t size, char word[DISK_IDENTITY_MAX])
{
	size_t used = (size_t)snprintf(word, DISK_IDENTITY_MAX, "%s:", name);

	for (size_t i = 0; i < size && used + 3 <= DISK_IDENTITY_MAX; i++)
		used += (size_t)snprintf(word + used, DISK_IDENTITY_MAX - used, "%02x", id[i]);
}

/* The first that fits: the outermost, as a file system on the whole disk has no table around it. */
static void look_into(const uint8_t *blocks, size_t size, char word[DISK_IDENTITY_MAX])
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const uint8_t *id = blocks + formats[i].id_at;

		if (formats[i].sign_at + formats[i].sign_bytes > size ||
		    formats[i].id_at + formats[i].id_bytes > size ||
		    memcmp(blocks + formats[i].sign_at, formats[i].sign, formats[i].sign_bytes))
			continue;
		if (is_zero(id, formats[i].id_bytes)) /* GRUB's boot sector without a table */
			continue;
		note(formats[i].name, id, formats[i].id_bytes, word);
		return;
	}
}

static void ask_disk(const char *path, char word[DISK_IDENTITY_MAX])
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECT | O_NONBLOCK | O_CLOEXEC);
	CLEANUP_FREE void *blocks = NULL;
	ssize_t size;

	if (fd < 0 && errno == EINVAL) /* a file system that knows its page cache only */
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || posix_memalign(&blocks, ALIGNMENT, LOOK_BYTES) != 0)
		return;
	size = pread(fd, blocks, LOOK_BYTES, 0);
	if (size > 0)
		look_into(blocks, (size_t)size, word);
}

/* ---- both ---- */

void disk_identity_read(const char *sys_dir, const char *path, const struct stat *status,
			struct disk_identity *identity)
{
	*identity = (struct disk_identity){ .device = "" };
	if (S_ISBLK(status->st_mode))
		ask_kernel(sys_dir, status->st_rdev, identity->device);
	ask_disk(path, identity->content);
}

/* "naa.6001…" and "naa.6002…" are two disks; "naa.6001…" and "mpath-36001…" may be one. */
static bool differ(const char *a, const char *b, const char *marks)
{
	size_t kind = strcspn(a, marks);

	return *a && *b && kind == strcspn(b, marks) && memcmp(a, b, kind) == 0 &&
	       strcmp(a, b) != 0;
}

bool disk_identity_differs(const struct disk_identity *a, const struct disk_identity *b,
			   const char **here, const char **there)
{
	bool by_device = differ(a->device, b->device, ".-");
	bool by_content = *a->content && *b->content && strcmp(a->content, b->content) != 0;

	*here = by_device ? a->device : a->content;
	*there = by_device ? b->device : b->content;
	return by_device || by_content;
}

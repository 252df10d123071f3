/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "saved_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "libxc_stream.h"
#include "xl_guest.h"

/* Xen: tools/xl/xl.h, struct save_file_header */
#define MAGIC_BYTES 32
#define BYTE_ORDER_MARK 0x01020304u
#define FLAG_JSON 1u     /* mandatory: xl's configuration is JSON */
#define FLAG_STREAM_V2 2u /* mandatory: libxl's stream follows */
#define OPTIONAL_MAX (GUEST_CONFIG_MAX + DESCRIPTION_MAX + 64u)

/* Xen: docs/specs/libxl-migration-stream.pandoc */
#define LIBXL_MAGIC 0x4c6962786c466d74ull /* "LibxlFmt" */
#define LIBXL_VERSION 2u
#define LIBXL_CONTEXT 1u
#define LIBXL_END 0u

static const char xl_magic[MAGIC_BYTES + 1] = "Xen saved domain, xl format\n \0 \r";
static const char our_magic[MAGIC_BYTES + 1] = "xenferry saved guest, frames\n\0 \r";
static const char our_mark[8] = { 'X', 'F', 'R', 'Y', 'G', 'S', 'T', '1' };

struct header {
	char magic[MAGIC_BYTES];
	uint32_t byte_order, mandatory, optional, optional_bytes;
};

struct libxl_header {
	uint64_t magic;
	uint32_t version, options;
	uint32_t record, length;
};

int saved_file_name(struct saved_file *file, const char *path, const char *uuid, struct err *err)
{
	const char *name = strrchr(path, '/');
	int size;

	*file = (struct saved_file){ .ops = &saved_file_ops, .fd = -1 };
	if (path[0] != '/' || !name[1])
		return err_set(err, ERR_USAGE, -EINVAL, "file wants the absolute path of a file");
	size = snprintf(file->part, sizeof(file->part), "%.*s/.%s.%s.part", (int)(name - path),
			path, name + 1, uuid);
	if (size < 0 || (size_t)size >= sizeof(file->part))
		return err_set(err, ERR_USAGE, -ENAMETOOLONG, "file: the path is too long");
	snprintf(file->path, sizeof(file->path), "%s", path);
	return 0;
}

void saved_file_close(struct saved_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* ---- writing ---- */

static int write_all(const struct saved_file *file, const void *bytes, size_t size,
		     struct err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t wrote = write(file->fd, (const char *)bytes + done, size - done);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return err_errno(err, "write %s", file->path);
		done += (size_t)wrote;
	}
	return 0;
}

/* xl reads its configuration and skips what follows: our mark, and the description. */
static int write_header(const struct saved_file *file, const struct description *guest,
			const struct tlv_writer *description, struct err *err)
{
	uint32_t config_bytes = (uint32_t)guest->config_bytes;
	struct header header = {
		.byte_order = BYTE_ORDER_MARK,
		.mandatory = FLAG_JSON | FLAG_STREAM_V2,
		.optional_bytes = (uint32_t)(sizeof(config_bytes) + guest->config_bytes +
					     sizeof(our_mark) + description->size),
	};
	int rc;

	memcpy(header.magic, file->framed ? our_magic : xl_magic, sizeof(header.magic));
	rc = write_all(file, &header, sizeof(header), err);
	if (rc == 0)
		rc = write_all(file, &config_bytes, sizeof(config_bytes), err);
	if (rc == 0)
		rc = write_all(file, guest->config, guest->config_bytes, err);
	if (rc == 0)
		rc = write_all(file, our_mark, sizeof(our_mark), err);
	if (rc == 0)
		rc = write_all(file, description->bytes, description->size, err);
	return rc;
}

static int write_beginning(const struct saved_file *file, const struct description *guest,
			   struct err *err)
{
	const struct libxl_header libxl = {
		.magic = htobe64(LIBXL_MAGIC),
		.version = htobe32(LIBXL_VERSION),
		.record = htole32(LIBXL_CONTEXT),
	};
	struct tlv_writer description;
	int rc;

	tlv_writer_init(&description, DESCRIPTION_MAX);
	description_encode(guest, &description);
	rc = tlv_writer_status(&description);
	if (rc < 0)
		err_set(err, ERR_REFUSED, rc, "the guest's description is larger than %u bytes",
			DESCRIPTION_MAX);
	else
		rc = write_header(file, guest, &description, err);
	tlv_writer_fini(&description);
	if (rc < 0 || file->framed)
		return rc;
	return write_all(file, &libxl, sizeof(libxl), err);
}

int saved_file_create(struct saved_file *file, const struct description *guest, struct err *err)
{
	if (access(file->path, F_OK) == 0)
		return err_set(err, ERR_REFUSED, -EEXIST,
			       "there is a file %s already: move it away, or name another",
			       file->path);
	file->fd = open(file->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file->fd < 0) {
		(void)err_errno(err, "make %s", file->path);
		err->code = ERR_REFUSED;
		return -errno;
	}
	return write_beginning(file, guest, err);
}

int saved_file_finish(struct saved_file *file, struct err *err)
{
	const uint32_t end[2] = { LIBXL_END, 0 };
	int rc = file->framed ? 0 : write_all(file, end, sizeof(end), err);

	if (rc == 0 && fsync(file->fd) < 0)
		rc = err_errno(err, "write %s", file->path);
	saved_file_close(file);
	return rc;
}

/* The name itself must be durable, too. */
static int sync_folder(const struct saved_file *file, struct err *err)
{
	char folder[SAVED_PATH_MAX];
	CLEANUP_FD int fd = -1;

	snprintf(folder, sizeof(folder), "%s", file->path);
	strrchr(folder, '/')[1] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, "write %s", folder);
	return 0;
}

int saved_file_publish(struct saved_file *file, struct err *err)
{
	if (renameat2(AT_FDCWD, file->part, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
		return sync_folder(file, err);
	if (errno == ENOENT && access(file->path, F_OK) == 0)
		return sync_folder(file, err); /* it was done before */
	return err_errno(err, "the guest is in %s, which cannot be renamed to %s", file->part,
			 file->path);
}

void saved_file_drop(struct saved_file *file)
{
	saved_file_close(file);
	if (file->part[0])
		(void)unlink(file->part);
}

/* ---- reading ---- */

static int read_all(const struct saved_file *file, void *bytes, size_t size, struct err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = read(file->fd, (char *)bytes + done, size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "read %s", file->path);
		if (got == 0)
			return err_set(err, ERR_INCOMPATIBLE, -EBADMSG, "%s is cut short",
				       file->path);
		done += (size_t)got;
	}
	return 0;
}

static int read_header(struct saved_file *file, struct header *header, struct err *err)
{
	int rc = read_all(file, header, sizeof(*header), err);

	if (rc < 0)
		return rc;
	file->framed = memcmp(header->magic, our_magic, sizeof(header->magic)) == 0;
	if (!file->framed && memcmp(header->magic, xl_magic, sizeof(header->magic)) != 0)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG, "%s is no saved guest",
			       file->path);
	if (header->byte_order != BYTE_ORDER_MARK ||
	    header->mandatory != (FLAG_JSON | FLAG_STREAM_V2) ||
	    header->optional_bytes > OPTIONAL_MAX)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "%s was saved in a form that is not known here", file->path);
	return 0;
}

/* What plain `xl save` wrote has xl's configuration, and nothing after it. */
static int take_xl_config(const struct saved_file *file, const uint8_t *config, size_t size,
			  struct description *guest, struct err *err)
{
	struct err why;
	int rc;

	if (size > GUEST_CONFIG_MAX)
		rc = err_set(&why, ERR_INCOMPATIBLE, -EFBIG,
			     "its configuration has more than %d bytes", GUEST_CONFIG_MAX);
	else
		rc = xl_guest_describe(config, size, guest, &why);
	if (rc < 0)
		return err_set(err, why.code, rc,
			       "%s was saved by xl: %s: resume it with 'xl restore'", file->path,
			       why.message);
	return 0;
}

/* The description, or what there is in its place, within the header's optional data. */
static int take_optional(const struct saved_file *file, const uint8_t *optional, size_t size,
			 struct description *guest, struct err *err)
{
	uint32_t config_bytes = 0;
	size_t at = sizeof(config_bytes);

	if (size >= at)
		memcpy(&config_bytes, optional, sizeof(config_bytes));
	if (size >= at && config_bytes == size - at && !file->framed)
		return take_xl_config(file, optional + at, config_bytes, guest, err);
	if (size < at || config_bytes > size - at ||
	    size - at - config_bytes < sizeof(our_mark) ||
	    memcmp(optional + at + config_bytes, our_mark, sizeof(our_mark)) != 0)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "%s says in no form that is known here which guest it has",
			       file->path);
	at += config_bytes + sizeof(our_mark);
	return description_decode(guest, optional + at, size - at, err);
}

static int skip_libxl(const struct saved_file *file, struct err *err)
{
	struct libxl_header libxl;
	int rc = read_all(file, &libxl, sizeof(libxl), err);

	if (rc < 0)
		return rc;
	if (be64toh(libxl.magic) != LIBXL_MAGIC || be32toh(libxl.version) != LIBXL_VERSION ||
	    libxl.options != 0 || le32toh(libxl.record) != LIBXL_CONTEXT || libxl.length != 0)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "%s has no stream of libxl's where it should", file->path);
	return 0;
}

/* Only the stream itself says which Xen wrote it; `fd` stays at its beginning. */
static int read_xen_version(const struct saved_file *file, struct description *guest,
			    struct err *err)
{
	uint8_t headers[LIBXC_IMAGE_BYTES + LIBXC_DOMAIN_BYTES];
	struct {
		uint32_t major, minor;
	} xen;
	struct libxc_stream stream = { .image = false };
	int rc = read_all(file, headers, sizeof(headers), err);

	if (rc == 0)
		rc = libxc_walk(&stream, headers, sizeof(headers), err);
	if (rc < 0)
		return rc;
	if (lseek(file->fd, -(off_t)sizeof(headers), SEEK_CUR) < 0)
		return err_errno(err, "read %s", file->path);
	memcpy(&xen, headers + LIBXC_IMAGE_BYTES + LIBXC_XEN_AT, sizeof(xen));
	snprintf(guest->xen_version, sizeof(guest->xen_version), "%" PRIu32 ".%" PRIu32,
		 le32toh(xen.major), le32toh(xen.minor));
	return 0;
}

int saved_file_open(struct saved_file *file, struct description *guest, struct err *err)
{
	CLEANUP_FREE uint8_t *optional = NULL;
	struct header header;
	int rc;

	file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file->fd < 0) {
		rc = err_errno(err, "read %s", file->path);
		err->code = ERR_REFUSED;
		return rc;
	}
	rc = read_header(file, &header, err);
	if (rc < 0)
		return rc;
	optional = malloc(header.optional_bytes + 1u);
	if (!optional)
		return err_errno(err, "read %s", file->path);
	rc = read_all(file, optional, header.optional_bytes, err);
	if (rc == 0)
		rc = take_optional(file, optional, header.optional_bytes, guest, err);
	if (rc == 0 && !file->framed)
		rc = skip_libxl(file, err);
	if (rc == 0 && !guest->xen_version[0])
		rc = read_xen_version(file, guest, err);
	return rc;
}

const struct saved_file_ops saved_file_ops = {
	.create = saved_file_create,
	.finish = saved_file_finish,
	.publish = saved_file_publish,
	.drop = saved_file_drop,
	.open = saved_file_open,
};

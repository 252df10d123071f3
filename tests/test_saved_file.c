/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "saved_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define UUID "0b7c6ba6-3f5c-4a3d-9a5b-1b1d0e8f6a11"

struct scene {
	char folder[64], path[128];
	struct saved_file file;
	struct description guest, read;
	struct err err;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	snprintf(scene->folder, sizeof(scene->folder), "/tmp/test_saved_file.XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	snprintf(scene->path, sizeof(scene->path), "%s/g1", scene->folder);
	description_init(&scene->guest);
	description_init(&scene->read);
	snprintf(scene->guest.name, sizeof(scene->guest.name), "g1");
	snprintf(scene->guest.uuid, sizeof(scene->guest.uuid), UUID);
	snprintf(scene->guest.xen_version, sizeof(scene->guest.xen_version), "4.17");
	scene->guest.type = GUEST_PVH;
	scene->guest.vcpus = 1;
	scene->guest.pages_max = scene->guest.pages_now = 256;
	scene->guest.static_max_kib = scene->guest.target_kib = 1024;
	scene->guest.config = (uint8_t *)strdup("{\"xl\": \"its own\"}");
	scene->guest.config_bytes = strlen((char *)scene->guest.config);
	assert_int_equal(saved_file_name(&scene->file, scene->path, UUID, &scene->err), 0);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	saved_file_drop(&scene->file);
	unlink(scene->path);
	assert_int_equal(rmdir(scene->folder), 0); /* and nothing is left in it */
	description_fini(&scene->guest);
	description_fini(&scene->read);
	free(scene);
	return 0;
}

static void save(struct scene *scene)
{
	assert_int_equal(saved_file_create(&scene->file, &scene->guest, &scene->err), 0);
	assert_int_equal(write(scene->file.fd, "memory", 6), 6);
	assert_int_equal(saved_file_finish(&scene->file, &scene->err), 0);
}

static void read_back(struct scene *scene)
{
	char memory[6];

	assert_int_equal(saved_file_open(&scene->file, &scene->read, &scene->err), 0);
	assert_string_equal(scene->read.uuid, UUID);
	assert_int_equal(scene->read.config_bytes, scene->guest.config_bytes);
	assert_int_equal(read(scene->file.fd, memory, sizeof(memory)), 6);
	assert_memory_equal(memory, "memory", 6);
	saved_file_close(&scene->file);
}

static void a_saved_guest_is_read_back_up_to_its_memory(void **state)
{
	struct scene *scene = *state;

	for (int framed = 0; framed < 2; framed++) {
		scene->file.framed = framed;
		save(scene);
		assert_int_equal(saved_file_publish(&scene->file, &scene->err), 0);
		scene->file.framed = !framed; /* the file itself says it */
		read_back(scene);
		assert_int_equal(scene->file.framed, framed);
		assert_int_equal(unlink(scene->path), 0);
		description_fini(&scene->read);
		description_init(&scene->read);
	}
}

static void the_file_has_its_name_only_when_it_is_whole(void **state)
{
	struct scene *scene = *state;

	save(scene);
	assert_int_equal(access(scene->path, F_OK), -1);
	assert_int_equal(saved_file_publish(&scene->file, &scene->err), 0);
	assert_int_equal(access(scene->path, F_OK), 0);
	assert_int_equal(saved_file_publish(&scene->file, &scene->err), 0); /* once more */
}

static void what_is_dropped_leaves_nothing(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(saved_file_create(&scene->file, &scene->guest, &scene->err), 0);
	saved_file_drop(&scene->file);
	assert_int_equal(access(scene->file.part, F_OK), -1);
	saved_file_drop(&scene->file);
}

static void a_file_that_is_there_is_never_replaced(void **state)
{
	struct scene *scene = *state;
	int fd;

	save(scene);
	fd = open(scene->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(saved_file_publish(&scene->file, &scene->err), -EEXIST);
	saved_file_drop(&scene->file);
	assert_int_equal(saved_file_create(&scene->file, &scene->guest, &scene->err), -EEXIST);
	assert_int_equal(scene->err.code, ERR_REFUSED);
}

static void only_an_absolute_path_names_a_file(void **state)
{
	struct saved_file file;
	char path[SAVED_PATH_MAX + 2];
	struct err err;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(saved_file_name(&file, "g1", UUID, &err), -EINVAL);
	assert_int_equal(saved_file_name(&file, "/tmp/", UUID, &err), -EINVAL);
	assert_int_equal(saved_file_name(&file, "", UUID, &err), -EINVAL);
	assert_int_equal(saved_file_name(&file, path, UUID, &err), -ENAMETOOLONG);
}

/* Every byte of the header may be wrong: it is refused or read, and nothing else happens. */
static void a_damaged_file_is_refused_or_read(void **state)
{
	struct scene *scene = *state;
	struct stat status;
	int fd;

	save(scene);
	assert_int_equal(saved_file_publish(&scene->file, &scene->err), 0);
	fd = open(scene->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fstat(fd, &status), 0);
	for (off_t at = 0; at < status.st_size; at++) {
		uint8_t byte, wrong;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		wrong = byte ^ 0x41;
		assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
		if (saved_file_open(&scene->file, &scene->read, &scene->err) < 0)
			assert_string_not_equal(scene->err.message, "");
		saved_file_close(&scene->file);
		description_fini(&scene->read);
		description_init(&scene->read);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	for (off_t size = 0; size < 48; size++) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_true(saved_file_open(&scene->file, &scene->read, &scene->err) < 0);
		saved_file_close(&scene->file);
	}
	close(fd);
}

/* ---- what plain `xl save` writes ---- */

#define XL_CONFIG(type) \
	"{ \"c_info\": { \"type\": \"" type "\", \"name\": \"g1\", \"uuid\": \"" UUID "\" }," \
	" \"b_info\": { \"max_memkb\": 98304, \"target_memkb\": 98304 } }"

/* libxl's header and context, libxenguest's two headers: of Xen 4.17. */
static const uint8_t xl_stream[] = {
	'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2, 0, 0, 0, 0,
	1, 0, 0, 0, 0, 0, 0, 0,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x58, 0x45, 0x4e, 0x46,
	0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0,
	2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 17, 0, 0, 0,
};

#define XL_STREAM_AT 24 /* where libxenguest's begins */

/* As xl writes it, with the NUL; `stream_bytes` of the stream. */
static void write_as_xl(const struct scene *scene, const char *config, size_t stream_bytes)
{
	static const char magic[32] = "Xen saved domain, xl format\n \0 \r";
	const uint32_t config_bytes = (uint32_t)strlen(config) + 1;
	const uint32_t rest[5] = { 0x01020304, 3, 0, 4 + config_bytes, config_bytes };
	int fd = open(scene->path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, magic, sizeof(magic)), sizeof(magic));
	assert_int_equal(write(fd, rest, sizeof(rest)), sizeof(rest));
	assert_int_equal(write(fd, config, config_bytes), config_bytes);
	assert_int_equal(write(fd, xl_stream, stream_bytes), stream_bytes);
	close(fd);
}

static void a_file_of_xl_alone_is_read_up_to_its_memory(void **state)
{
	struct scene *scene = *state;
	uint8_t stream[sizeof(xl_stream) - XL_STREAM_AT];

	write_as_xl(scene, XL_CONFIG("pvh"), sizeof(xl_stream));
	assert_int_equal(saved_file_open(&scene->file, &scene->read, &scene->err), 0);
	assert_string_equal(scene->read.uuid, UUID);
	assert_string_equal(scene->read.xen_version, "4.17");
	assert_string_equal((char *)scene->read.config, XL_CONFIG("pvh"));
	assert_false(scene->file.framed);
	assert_int_equal(read(scene->file.fd, stream, sizeof(stream)), sizeof(stream));
	assert_memory_equal(stream, xl_stream + XL_STREAM_AT, sizeof(stream));
	saved_file_close(&scene->file);
}

static void a_file_of_xls_that_cannot_be_resumed_here_is_left_to_xl(void **state)
{
	struct scene *scene = *state;

	write_as_xl(scene, XL_CONFIG("hvm"), sizeof(xl_stream));
	assert_true(saved_file_open(&scene->file, &scene->read, &scene->err) < 0);
	assert_int_equal(scene->err.code, ERR_INCOMPATIBLE);
	assert_non_null(strstr(scene->err.message, "its type is hvm"));
	assert_non_null(strstr(scene->err.message, "xl restore"));
	saved_file_close(&scene->file);
	write_as_xl(scene, "", sizeof(xl_stream));
	assert_true(saved_file_open(&scene->file, &scene->read, &scene->err) < 0);
	assert_non_null(strstr(scene->err.message, "xl restore"));
	saved_file_close(&scene->file);
}

static void a_file_of_xls_that_is_cut_short_is_refused(void **state)
{
	struct scene *scene = *state;

	for (size_t size = 0; size < sizeof(xl_stream); size++) {
		write_as_xl(scene, XL_CONFIG("pvh"), size);
		assert_int_equal(saved_file_open(&scene->file, &scene->read, &scene->err),
				 -EBADMSG);
		assert_non_null(strstr(scene->err.message, "cut short"));
		saved_file_close(&scene->file);
		description_fini(&scene->read);
		description_init(&scene->read);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_saved_guest_is_read_back_up_to_its_memory),
		TEST(the_file_has_its_name_only_when_it_is_whole),
		TEST(what_is_dropped_leaves_nothing),
		TEST(a_file_that_is_there_is_never_replaced),
		TEST(only_an_absolute_path_names_a_file),
		TEST(a_damaged_file_is_refused_or_read),
		TEST(a_file_of_xl_alone_is_read_up_to_its_memory),
		TEST(a_file_of_xls_that_cannot_be_resumed_here_is_left_to_xl),
		TEST(a_file_of_xls_that_is_cut_short_is_refused),
	};

	return cmocka_run_group_tests_name("saved_file", tests, NULL, NULL);
}

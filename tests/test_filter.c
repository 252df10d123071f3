/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Both ends of the filter, one in a process of its own: what libxenguest wrote comes out again,
 * byte for byte, and what was damaged on the way does not.
 */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "channels.h"
#include "codec_choice.h"
#include "packer.h"
#include "stream_maker.h"

#define PFN_LIMIT 100000

/* What the one who waits for the stream saw of the filter's memory, in pages. */
struct ending {
	unsigned calls;
	size_t mapped_then, mapped_after;
};

/* At the source and at the target; shared. */
static struct ending *endings;

struct scene {
	struct stream_maker stream, weeded;
	struct filter_options options;
	size_t channels;
	int source[CHANNELS_MAX], target[CHANNELS_MAX];
	struct filter_counters *sent, *received; /* shared */
	int arrived, expected;                   /* memory files */
	struct err err;
};

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->channels = 1;
	scene->sent = mmap(NULL, 2 * sizeof(*scene->sent), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(scene->sent, MAP_FAILED);
	scene->received = scene->sent + 1;
	scene->arrived = memfd_create("arrived", MFD_CLOEXEC);
	scene->expected = memfd_create("expected", MFD_CLOEXEC);
	assert_true(scene->arrived >= 0 && scene->expected >= 0);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	stream_maker_free(&scene->stream);
	stream_maker_free(&scene->weeded);
	munmap(scene->sent, 2 * sizeof(*scene->sent));
	close(scene->arrived);
	close(scene->expected);
	free(scene);
	return 0;
}

static void connect_channels(struct scene *scene)
{
	for (size_t i = 0; i < scene->channels; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
					    pair), 0);
		scene->source[i] = pair[0];
		scene->target[i] = pair[1];
	}
}

static void close_channels(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static size_t mapped_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%zu", &pages), 1);
	fclose(file);
	return pages;
}

static void note_end(struct ending *ending)
{
	ending->calls++;
	ending->mapped_then = mapped_pages();
}

static void note_end_at_source(int library_fd)
{
	assert_true(library_fd >= 0);
	note_end(&endings[0]);
}

static void note_end_at_target(int library_fd)
{
	assert_true(library_fd >= 0);
	note_end(&endings[1]);
}

/* The stream in a file that is read as libxenguest's pipe would be. */
static int stream_file(const struct scene *scene)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_int_equal(write(fd, scene->stream.bytes, scene->stream.size), scene->stream.size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Sends the stream, in a process of its own. */
static pid_t begin_send(struct scene *scene)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct filter_ends ends = { stream_file(scene), scene->source,
						  scene->channels, note_end_at_source };
		int rc;

		close_channels(scene->target, scene->channels);
		rc = filter_send(&clock_system, &ends, &scene->options, scene->sent,
				 &scene->sent->err);
		endings[0].mapped_after = mapped_pages();
		_exit(rc == 0 ? 0 : 1);
	}
	close_channels(scene->source, scene->channels);
	return pid;
}

static int receive(struct scene *scene)
{
	const struct filter_ends ends = { scene->arrived, scene->target, scene->channels,
					  note_end_at_target };
	int rc = filter_receive(&clock_system, &ends, PFN_LIMIT,
				scene->options.verify ? scene->expected : -1, scene->received,
				&scene->err);

	endings[1].mapped_after = mapped_pages();
	return rc;
}

/* Returns what the receiver returned; the sender must have fared as well. */
static int go(struct scene *scene)
{
	int rc, status;
	pid_t pid;

	memset(scene->sent, 0, 2 * sizeof(*scene->sent));
	memset(endings, 0, 2 * sizeof(*endings));
	connect_channels(scene);
	pid = begin_send(scene);
	rc = receive(scene);
	close_channels(scene->target, scene->channels);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (rc == 0)
		assert_int_equal(status, 0);
	return rc;
}

/* All of the stream, but for pages that were sent again though they had not changed. */
static void assert_arrived(const struct scene *scene)
{
	struct stream_maker weeded = { .size = 0 };
	void *bytes;

	make_weeded(&weeded, &scene->stream, PFN_LIMIT);
	assert_int_equal(lseek(scene->arrived, 0, SEEK_END), weeded.size);
	assert_int_equal(scene->received->stream_bytes, weeded.size);
	bytes = mmap(NULL, weeded.size, PROT_READ, MAP_SHARED, scene->arrived, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_int_equal(memcmp(bytes, weeded.bytes, weeded.size), 0);
	munmap(bytes, weeded.size);
	stream_maker_free(&weeded);
}

/* ---- there and back ---- */

static void a_stream_comes_out_byte_for_byte_whatever_the_compressor(void **state)
{
	struct scene *scene = *state;

	make_stream(&scene->stream, 5000, 4);
	for (unsigned compress = CODEC_NONE; compress <= COMPRESS_AUTO; compress++) {
		assert_int_equal(ftruncate(scene->arrived, 0), 0);
		lseek(scene->arrived, 0, SEEK_SET);
		scene->options.compress = compress;
		assert_int_equal(go(scene), 0);
		assert_arrived(scene);
		assert_int_equal(scene->sent->wire_bytes, scene->received->wire_bytes);
		assert_int_equal(scene->sent->stream_bytes, scene->stream.size);
	}
}

/* To give it back takes milliseconds of the blackout where a page's mapping is a hypercall. */
static void who_waits_for_the_end_hears_of_it_before_memory_is_given_back(void **state)
{
	struct scene *scene = *state;

	make_stream(&scene->stream, 3000, 3);
	assert_int_equal(go(scene), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(endings[i].calls, 1);
		assert_true(endings[i].mapped_then >=
			    endings[i].mapped_after + PACKER_CACHE_PAGES);
	}
}

static void a_stream_comes_out_in_order_over_any_number_of_channels(void **state)
{
	static const size_t counts[] = { 2, 3, 16 };
	struct scene *scene = *state;

	make_stream(&scene->stream, 3000, 3);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(ftruncate(scene->arrived, 0), 0);
		lseek(scene->arrived, 0, SEEK_SET);
		scene->channels = counts[i];
		scene->options.compress = CODEC_LZ4;
		assert_int_equal(go(scene), 0);
		assert_arrived(scene);
	}
}

static void zero_pages_cost_next_to_nothing(void **state)
{
	struct scene *scene = *state;
	uint64_t entries[LIBXC_PAGES_MAX];

	make_headers(&scene->stream);
	make_static_data(&scene->stream);
	for (uint64_t pfn = 0; pfn < 10 * LIBXC_PAGES_MAX; pfn++) {
		entries[pfn % LIBXC_PAGES_MAX] = pfn;
		if (pfn % LIBXC_PAGES_MAX == LIBXC_PAGES_MAX - 1)
			make_pages(&scene->stream, entries, LIBXC_PAGES_MAX, NULL);
	}
	make_state(&scene->stream);
	assert_int_equal(go(scene), 0);
	assert_arrived(scene);
	assert_int_equal(scene->sent->zero_pages, 10 * LIBXC_PAGES_MAX);
	assert_true(scene->sent->wire_bytes * 5000 < scene->stream.size);
}

/* The same two pages in each pass, the first of which `change` has its way with. */
static void make_passes(struct scene *scene, size_t passes, uint64_t type,
			void (*change)(uint8_t *page, size_t pass))
{
	uint8_t pages[2 * PAGE_BYTES];

	memset(pages, 'x', sizeof(pages));
	make_headers(&scene->stream);
	make_static_data(&scene->stream);
	for (size_t pass = 0; pass < passes; pass++) {
		const uint64_t entries[] = { 10 | (pass == 1 ? type << 60 : 0), 11 };

		if (change)
			change(pages, pass);
		if (libxc_has_data(entries[0]))
			make_pages(&scene->stream, entries, 2, pages);
		else
			make_pages(&scene->stream, entries, 2, pages + PAGE_BYTES);
	}
	make_state(&scene->stream);
}

static void write_a_bit(uint8_t *page, size_t pass)
{
	page[1000] = (uint8_t)pass;
}

static void swap_two_contents(uint8_t *page, size_t pass)
{
	memset(page, pass % 2 ? 'y' : 'z', PAGE_BYTES);
}

static void a_page_that_has_not_changed_is_not_sent_again(void **state)
{
	struct scene *scene = *state;

	make_passes(scene, 3, 0, NULL);
	assert_int_equal(go(scene), 0);
	assert_arrived(scene);
	assert_int_equal(scene->sent->same_pages, 4);
	assert_int_equal(scene->received->pages, 2);
}

static void a_page_is_compared_with_what_was_sent_last(void **state)
{
	struct scene *scene = *state;

	make_passes(scene, 5, 0, swap_two_contents);
	assert_int_equal(go(scene), 0);
	assert_arrived(scene);
	assert_int_equal(scene->received->pages, 2 + 4);
}

static void a_page_that_was_away_is_sent_again(void **state)
{
	struct scene *scene = *state;

	make_passes(scene, 3, 0xf, NULL); /* XTAB: not there in the second pass */
	assert_int_equal(go(scene), 0);
	assert_arrived(scene);
	assert_int_equal(scene->received->pages, 2 + 1);
}

static void a_page_that_has_changed_a_little_is_told_as_what_changed_in_it(void **state)
{
	struct scene *scene = *state;

	make_passes(scene, 6, 0, write_a_bit);
	assert_int_equal(go(scene), 0);
	assert_arrived(scene);
	/* whole in the first two passes, of which the second makes the cache know it */
	assert_int_equal(scene->sent->delta_pages, 4);
}

/* ---- at the end, compared ---- */

static void make_verified(struct scene *scene, uint8_t written_later)
{
	uint8_t pages[4 * PAGE_BYTES] = { 0 };
	const uint64_t entries[] = { 10, 11, 12, 13 };

	pages[PAGE_BYTES] = 1;
	make_headers(&scene->stream);
	make_static_data(&scene->stream);
	make_pages(&scene->stream, entries, 4, pages);
	make_record(&scene->stream, LIBXC_VERIFY, NULL, 0);
	pages[2 * PAGE_BYTES] = written_later;
	make_pages(&scene->stream, entries, 4, pages);
	make_state(&scene->stream);
}

static void what_pages_must_be_reaches_the_target_beside_the_stream(void **state)
{
	struct scene *scene = *state;
	struct page_expectation expected[5];
	uint8_t page[PAGE_BYTES] = { 1 };

	scene->options.verify = true;
	make_verified(scene, 0);
	assert_int_equal(go(scene), 0);
	assert_int_equal(pread(scene->expected, expected, sizeof(expected), 0),
			 4 * sizeof(expected[0]));
	assert_int_equal(expected[1].pfn, 11);
	assert_int_equal(expected[1].hash, page_hash(page));
	assert_int_equal(scene->sent->hashed_pages, 4);
	assert_int_equal(scene->sent->late_pages, 0);
	/* neither the word VERIFY nor the second copy */
	assert_int_equal(lseek(scene->arrived, 0, SEEK_END),
			 scene->stream.size - 8 - 16 - 4 * 8 - 4 * PAGE_BYTES);
}

static void a_page_that_a_backend_wrote_late_is_sent_again(void **state)
{
	struct scene *scene = *state;

	scene->options.verify = true;
	make_verified(scene, 9);
	assert_int_equal(go(scene), 0);
	assert_int_equal(scene->sent->late_pages, 1);
	assert_int_equal(scene->received->pages, 5);
}

static void hashes_that_were_not_agreed_upon_are_refused(void **state)
{
	struct scene *scene = *state;
	pid_t pid;

	scene->options.verify = true;
	make_verified(scene, 0);
	connect_channels(scene);
	pid = begin_send(scene);
	scene->options.verify = false;
	assert_int_equal(receive(scene), -EBADMSG);
	close_channels(scene->target, scene->channels);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- what goes wrong ---- */

static void a_library_that_stops_in_the_midst_is_told_to_the_source(void **state)
{
	struct scene *scene = *state;

	make_stream(&scene->stream, 300, 1);
	scene->stream.size -= 9;
	assert_int_equal(go(scene), -ECONNRESET);
	assert_non_null(strstr(scene->sent->err.message, "libxenguest stopped"));
	assert_non_null(strstr(scene->err.message, "ends early"));
}

static void a_page_outside_the_guest_never_reaches_the_library(void **state)
{
	struct scene *scene = *state;
	const uint64_t entry = PFN_LIMIT;

	make_headers(&scene->stream);
	make_static_data(&scene->stream);
	make_pages(&scene->stream, &entry, 1, NULL);
	make_state(&scene->stream);
	assert_int_equal(go(scene), -EBADMSG);
	assert_non_null(strstr(scene->err.message, "outside"));
	assert_int_equal(lseek(scene->arrived, 0, SEEK_END), 24 + 16 + 8 + 24 + 8);
}

static void what_libxenguest_may_not_write_is_not_sent(void **state)
{
	struct scene *scene = *state;

	make_headers(&scene->stream);
	make_record(&scene->stream, LIBXC_CHECKPOINT, NULL, 0);
	assert_true(go(scene) < 0);
	assert_non_null(strstr(scene->sent->err.message, "no place"));
}

/* All that one connection carries, in `wire`. */
static size_t record_wire(struct scene *scene, uint8_t **wire)
{
	size_t size = 0, room = 1 << 22;
	int status;
	pid_t pid;

	make_weeded(&scene->weeded, &scene->stream, PFN_LIMIT);
	*wire = malloc(room);
	assert_non_null(*wire);
	connect_channels(scene);
	pid = begin_send(scene);
	for (;;) {
		struct pollfd pollfd = { .fd = scene->target[0], .events = POLLIN };
		ssize_t got;

		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		got = read(scene->target[0], *wire + size, room - size);
		if (got <= 0)
			break;
		size += (size_t)got;
	}
	close_channels(scene->target, 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return size;
}

static int play_wire(struct scene *scene, const uint8_t *wire, size_t size)
{
	int fd = memfd_create("wire", MFD_CLOEXEC), rc;
	const struct filter_ends ends = { scene->arrived, &fd, 1, note_end_at_target };

	assert_int_equal(write(fd, wire, size), size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(ftruncate(scene->arrived, 0), 0);
	lseek(scene->arrived, 0, SEEK_SET);
	endings[1].calls = 0;
	rc = filter_receive(&clock_system, &ends, PFN_LIMIT, -1, scene->received, &scene->err);
	close(fd);
	return rc;
}

/* How much of the stream came out, which must be right as far as it goes. */
static size_t arrived_prefix(const struct scene *scene)
{
	off_t size = lseek(scene->arrived, 0, SEEK_END);
	uint8_t *bytes = size > 0 ? malloc((size_t)size) : NULL;

	assert_true(size >= 0 && (size_t)size <= scene->weeded.size);
	if (size > 0) {
		assert_non_null(bytes);
		assert_int_equal(pread(scene->arrived, bytes, (size_t)size, 0), size);
		assert_int_equal(memcmp(bytes, scene->weeded.bytes, (size_t)size), 0);
	}
	free(bytes);
	return (size_t)size;
}

static void no_damaged_byte_gets_through(void **state)
{
	struct scene *scene = *state;
	uint8_t *wire;
	size_t size;

	make_stream(&scene->stream, 200, 4);
	scene->options.compress = CODEC_ZSTD;
	size = record_wire(scene, &wire);
	assert_int_equal(play_wire(scene, wire, size), 0);
	for (size_t at = 0; at < size; at += at < 500 ? 1 : 211) {
		bool spare = at == 7;

		wire[at] ^= 0x20;
		if (play_wire(scene, wire, size) == 0) /* only bytes that mean nothing may change */
			assert_true(spare || arrived_prefix(scene) == scene->weeded.size);
		else
			(void)arrived_prefix(scene);
		wire[at] ^= 0x20;
	}
	free(wire);
}

static void a_stream_that_is_cut_is_never_taken_for_whole(void **state)
{
	struct scene *scene = *state;
	uint8_t *wire;
	size_t size;

	make_stream(&scene->stream, 100, 2);
	size = record_wire(scene, &wire);
	for (size_t cut = 1; cut < size; cut += cut < 500 ? 1 : 311) {
		assert_int_equal(play_wire(scene, wire, size - cut), -ECONNRESET);
		assert_int_equal(endings[1].calls, 0);
		(void)arrived_prefix(scene);
	}
	free(wire);
}

static void a_frame_that_comes_twice_is_refused(void **state)
{
	struct scene *scene = *state;
	uint8_t *wire, *twice;
	size_t size, first;

	make_stream(&scene->stream, 100, 1);
	size = record_wire(scene, &wire);
	first = FRAME_HEADER_BYTES + 40; /* the headers' frame */
	twice = malloc(first + size);
	assert_non_null(twice);
	memcpy(twice, wire, first);
	memcpy(twice + first, wire, size);
	assert_int_equal(play_wire(scene, twice, first + size), -EBADMSG);
	assert_non_null(strstr(scene->err.message, "twice"));
	assert_int_equal(play_wire(scene, wire + first, size - first), -ECONNRESET);
	free(wire);
	free(twice);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stream_comes_out_byte_for_byte_whatever_the_compressor),
		TEST(who_waits_for_the_end_hears_of_it_before_memory_is_given_back),
		TEST(a_stream_comes_out_in_order_over_any_number_of_channels),
		TEST(zero_pages_cost_next_to_nothing),
		TEST(a_page_that_has_not_changed_is_not_sent_again),
		TEST(a_page_is_compared_with_what_was_sent_last),
		TEST(a_page_that_was_away_is_sent_again),
		TEST(a_page_that_has_changed_a_little_is_told_as_what_changed_in_it),
		TEST(what_pages_must_be_reaches_the_target_beside_the_stream),
		TEST(a_page_that_a_backend_wrote_late_is_sent_again),
		TEST(hashes_that_were_not_agreed_upon_are_refused),
		TEST(a_library_that_stops_in_the_midst_is_told_to_the_source),
		TEST(a_page_outside_the_guest_never_reaches_the_library),
		TEST(what_libxenguest_may_not_write_is_not_sent),
		TEST(no_damaged_byte_gets_through),
		TEST(a_stream_that_is_cut_is_never_taken_for_whole),
		TEST(a_frame_that_comes_twice_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	endings = mmap(NULL, 2 * sizeof(*endings), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (endings == MAP_FAILED)
		return EXIT_FAILURE;
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain's memory and state moves between two simulated hosts through two xenferry-stream and
 * Debian's libxenguest, all as they are shipped. The test plays guest and worker.
 */
#include "stream.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>

#include "codec_choice.h"
#include "sim_place.h"

#define MACHINE_PAGES 20000
#define RAM_PAGES 3000
#define PAGES_MAX (RAM_PAGES + 8)
#define PVH_FLAGS (XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap)
#define SOON_MS 60000
#define DIRTY_PAGES 200 /* more than where libxenguest's own policy would stop */
#define ITERATIONS 3

struct scene {
	struct sim_place source, target;
	uint32_t source_domid, target_domid;
	struct sim_memory *memory; /* the source's */
	uint32_t *ram;
	uint32_t writes;
	struct memory_path source_path, target_path; /* zero: the library's own stream */
	struct stream *saver, *restorer;
	struct stream_event event;
	struct err err;
};

/* ---- the guest ---- */

static uint32_t *page(uint32_t *ram, uint64_t gfn)
{
	return ram + gfn * (SIM_PAGE_BYTES / sizeof(*ram));
}

static void write_page(struct scene *scene, uint64_t gfn)
{
	page(scene->ram, gfn)[gfn % 1024] = ++scene->writes;
	sim_memory_mark_dirty(scene->memory, gfn);
}

static void write_some_pages(struct scene *scene)
{
	for (uint64_t i = 0; i < DIRTY_PAGES; i++)
		write_page(scene, (scene->writes * 7 + i * 13) % RAM_PAGES);
}

static void start_guest(struct scene *scene)
{
	const struct sim_domain_config config = { .create_flags = PVH_FLAGS, .vcpus_max = 1 };
	struct sim_host *host = scene->source.host;
	uint32_t domid = 0;
	void *ram;

	assert_int_equal(sim_domain_create(host, &config, &domid), 0);
	assert_int_equal(sim_domain_set_vcpus(host, domid, 1), 0);
	assert_int_equal(sim_domain_set_pages_max(host, domid, PAGES_MAX), 0);
	assert_int_equal(sim_populate_range(host, domid, 0, RAM_PAGES), 0);
	assert_int_equal(sim_populate_range(host, domid, SIM_SPECIAL_GFN, 8), 0);
	assert_int_equal(sim_param_set(host, domid, HVM_PARAM_STORE_PFN, SIM_STORE_GFN), 0);
	assert_int_equal(sim_param_set(host, domid, HVM_PARAM_CONSOLE_PFN, SIM_CONSOLE_GFN), 0);
	assert_int_equal(sim_memory_open(host, domid, &scene->memory), 0);
	assert_int_equal(sim_memory_map_range(scene->memory, 0, RAM_PAGES, PROT_READ | PROT_WRITE,
					      &ram), 0);
	scene->ram = ram;
	for (uint64_t gfn = 0; gfn < RAM_PAGES; gfn += 2) /* the others stay zero */
		write_page(scene, gfn);
	assert_int_equal(sim_domain_unpause(host, domid), 0);
	scene->source_domid = domid;
}

static void suspend_guest(struct scene *scene)
{
	struct sim_host *host = scene->source.host;

	write_some_pages(scene);
	assert_int_equal(sim_context_set(host, scene->source_domid, &scene->writes,
					 sizeof(scene->writes)), 0);
	assert_int_equal(sim_domain_shutdown(host, scene->source_domid, SIM_SUSPEND), 0);
}

static void await_guest(struct scene *scene, uint64_t pages_max)
{
	const struct sim_domain_config config = { .create_flags = PVH_FLAGS, .vcpus_max = 1 };
	struct sim_host *host = scene->target.host;

	assert_int_equal(sim_domain_create(host, &config, &scene->target_domid), 0);
	assert_int_equal(sim_domain_set_vcpus(host, scene->target_domid, 1), 0);
	assert_int_equal(sim_domain_set_pages_max(host, scene->target_domid, pages_max), 0);
	assert_int_equal(sim_port_allocate(host, scene->target_domid, 0), 1);
	assert_int_equal(sim_port_allocate(host, scene->target_domid, 0), 2);
}

/* ---- fixture ---- */

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	sim_place_open(&scene->source, MACHINE_PAGES);
	sim_place_open(&scene->target, MACHINE_PAGES);
	start_guest(scene);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	stream_stop(&scene->saver);
	stream_stop(&scene->restorer);
	sim_memory_unmap(scene->ram, RAM_PAGES);
	sim_memory_close(scene->memory);
	sim_place_close(&scene->source);
	sim_place_close(&scene->target);
	free(scene);
	return 0;
}

/* `channels` connections between the two. */
static void connect_paths(struct scene *scene, size_t channels)
{
	for (size_t i = 0; i < channels; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		scene->source_path.fds[i] = pair[0];
		scene->target_path.fds[i] = pair[1];
	}
	scene->source_path.count = scene->target_path.count = channels;
}

static void begin_save(struct scene *scene)
{
	char program[PATH_MAX];

	sim_place_enter(&scene->source);
	assert_int_equal(stream_begin_save(&clock_system,
					   sim_place_built("devices/xenferry-stream", program),
					   scene->source_domid, &scene->source_path,
					   &scene->saver, &scene->err), 0);
	sim_place_leave();
}

static void begin_over(struct scene *scene, size_t channels)
{
	char program[PATH_MAX];

	connect_paths(scene, channels);
	begin_save(scene);
	sim_place_enter(&scene->target);
	assert_int_equal(stream_begin_restore(&clock_system,
					      sim_place_built("devices/xenferry-stream", program),
					      scene->target_domid, 1, 2, PAGES_MAX,
					      &scene->target_path, &scene->restorer, &scene->err),
			 0);
	sim_place_leave();
}

static void begin(struct scene *scene)
{
	begin_over(scene, 1);
}

static void begin_filtered(struct scene *scene, size_t channels, unsigned compress, bool verify)
{
	scene->source_path.filtered = scene->target_path.filtered = true;
	scene->source_path.compress = scene->target_path.compress = compress;
	scene->source_path.verify = scene->target_path.verify = verify;
	begin_over(scene, channels);
}

/* ---- the worker ---- */

static void next_of_any_kind(struct scene *scene, struct stream *stream)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, SOON_MS);

	assert_int_equal(stream_next(stream, -1, deadline_us, false, &scene->event, &scene->err),
			 0);
}

static void next(struct scene *scene, struct stream *stream)
{
	do
		next_of_any_kind(scene, stream);
	while (scene->event.kind == STREAM_PROGRESS);
}

static void answer(struct scene *scene, int reply)
{
	assert_int_equal(stream_reply(scene->saver, reply, &scene->err), 0);
}

/* Lets the guest write between all iterations, and goes on until the saver has ended. */
static void copy(struct scene *scene)
{
	for (;;) {
		next(scene, scene->saver);
		if (scene->event.kind == STREAM_FINISHED)
			return;
		if (scene->event.kind == STREAM_SUSPEND) {
			suspend_guest(scene);
			answer(scene, 1);
			continue;
		}
		if (scene->event.sent)
			write_some_pages(scene);
		answer(scene, scene->event.iteration < ITERATIONS ? STREAM_CONTINUE : STREAM_STOP);
	}
}

static uint64_t param_at_target(struct scene *scene, uint32_t which)
{
	uint64_t value = 0;

	assert_int_equal(sim_param_get(scene->target.host, scene->target_domid, which, &value), 0);
	return value;
}

static void assert_same_memory(struct scene *scene)
{
	struct sim_memory *arrived;
	void *ram;

	assert_int_equal(sim_memory_open(scene->target.host, scene->target_domid, &arrived), 0);
	for (uint64_t gfn = 0; gfn < SIM_CONSOLE_GFN + 2; gfn++)
		assert_int_equal(sim_memory_populated(arrived, gfn),
				 sim_memory_populated(scene->memory, gfn));
	assert_int_equal(sim_memory_map_range(arrived, 0, RAM_PAGES, PROT_READ, &ram), 0);
	for (uint64_t gfn = 0; gfn < RAM_PAGES; gfn++)
		assert_memory_equal(page(ram, gfn), page(scene->ram, gfn), SIM_PAGE_BYTES);
	sim_memory_unmap(ram, RAM_PAGES);
	sim_memory_close(arrived);
}

/* ---- tests ---- */

static void a_guest_that_writes_arrives_page_for_page(void **state)
{
	struct scene *scene = *state;
	struct sim_memory *arrived;
	uint32_t writes = 0;
	uint64_t gfn = 0;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	copy(scene);
	assert_string_equal(scene->event.message, "");
	assert_true(scene->event.ok);
	next(scene, scene->restorer);

	assert_string_equal(scene->event.message, "");
	assert_true(scene->event.ok);
	assert_int_equal(scene->event.store_pfn, SIM_STORE_GFN);
	assert_int_equal(scene->event.console_pfn, SIM_CONSOLE_GFN);
	assert_same_memory(scene);
	assert_int_equal(param_at_target(scene, HVM_PARAM_STORE_EVTCHN), 1);
	assert_int_equal(param_at_target(scene, HVM_PARAM_CONSOLE_EVTCHN), 2);
	assert_int_equal(sim_context_get(scene->target.host, scene->target_domid, &writes,
					 sizeof(writes)), sizeof(writes));
	assert_int_equal(writes, scene->writes);
	assert_int_equal(sim_domain_resumed(scene->target.host, scene->target_domid), 0);
	assert_int_equal(sim_memory_open(scene->target.host, scene->target_domid, &arrived), 0);
	assert_int_equal(sim_grant_frame(arrived, SIM_GRANT_STORE, true, &gfn), 0);
	assert_int_equal(gfn, SIM_STORE_GFN);
	sim_memory_close(arrived);
}

/* The last of this process's children. */
static pid_t last_child(void)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "r");
	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		continue;
	fclose(file);
	return pid;
}

/* As the worker's death would tell it; its successor lets the guest go on meanwhile. */
static void a_saver_whose_guest_rests_leaves_the_cpu_to_others_before_it_ends(void **state)
{
	struct scene *scene = *state;
	uint64_t begun_us;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	copy(scene);
	assert_true(scene->event.ok);
	stream_stop(&scene->restorer);
	begun_us = clock_now_us(&clock_system);
	assert_int_equal(kill(last_child(), SIGTERM), 0);
	stream_stop(&scene->saver);

	assert_true(clock_now_us(&clock_system) - begun_us >= 140000);
}

static void the_first_iteration_walks_all_the_holes_of_a_pvh_guest(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	next(scene, scene->saver);

	assert_int_equal(scene->event.kind, STREAM_ITERATION);
	assert_int_equal(scene->event.dirty_pages, 1044480);
	answer(scene, STREAM_ABORT);
}

static void what_is_dirty_after_an_iteration_is_told(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	next(scene, scene->saver);
	answer(scene, STREAM_CONTINUE);
	write_page(scene, 17);
	write_page(scene, 18);
	next(scene, scene->saver);

	assert_true(scene->event.sent);
	assert_in_range(scene->event.dirty_pages, 0, 2);
	answer(scene, STREAM_CONTINUE);
	next(scene, scene->saver);
	assert_false(scene->event.sent);
	assert_in_range(scene->event.dirty_pages, 0, 2);
	answer(scene, STREAM_CONTINUE);
	next(scene, scene->saver);
	write_page(scene, 19); /* after that was told */
	assert_int_equal(scene->event.dirty_pages, 0);
	answer(scene, STREAM_ABORT);
}

/* RAM is 12 MiB of which some 4 MiB go before the first look; a second's worth has to wait. */
static void a_limit_holds_the_copy_up_and_can_be_lifted(void **state)
{
	const struct stream_limit slow = { .bytes_per_s = 1024 }, none = { 0 };
	struct scene *scene = *state;
	uint64_t wire_bytes = 0;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	next(scene, scene->saver);
	assert_int_equal(stream_limit(scene->saver, &slow, &scene->err), 0);
	answer(scene, STREAM_STOP);
	for (int i = 0; i < 3; i++) { /* it shows that it is there, and does not get on */
		next_of_any_kind(scene, scene->saver);
		assert_int_equal(scene->event.kind, STREAM_PROGRESS);
		wire_bytes = scene->event.wire_bytes;
	}
	assert_in_range(wire_bytes, 0, RAM_PAGES * SIM_PAGE_BYTES / 2);
	assert_int_equal(stream_limit(scene->saver, &none, &scene->err), 0);
	next(scene, scene->saver);
	assert_int_equal(scene->event.kind, STREAM_SUSPEND);
	suspend_guest(scene);
	answer(scene, 1);
	next(scene, scene->saver);
	assert_true(scene->event.ok);
	next(scene, scene->restorer);
	assert_true(scene->event.ok);
	assert_same_memory(scene);
}

static void a_copy_that_is_called_off_leaves_the_guest_as_it_was(void **state)
{
	struct scene *scene = *state;
	struct sim_domain domain;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	next(scene, scene->saver);
	answer(scene, STREAM_ABORT);
	next(scene, scene->saver);

	assert_int_equal(scene->event.kind, STREAM_FINISHED);
	assert_false(scene->event.ok);
	assert_int_equal(sim_domain_get(scene->source.host, scene->source_domid, &domain), 0);
	assert_true(sim_domain_runs(&domain));
	/* log-dirty is off, or this would fail */
	assert_int_equal(sim_logdirty_enable(scene->source.host, scene->source_domid), 0);
	next(scene, scene->restorer);
	assert_false(scene->event.ok);
}

static void a_guest_that_did_not_suspend_is_not_moved(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, PAGES_MAX);
	begin(scene);
	next(scene, scene->saver);
	answer(scene, STREAM_STOP);
	next(scene, scene->saver);
	assert_int_equal(scene->event.kind, STREAM_SUSPEND);
	answer(scene, 1); /* which is not so */
	next(scene, scene->saver);

	assert_false(scene->event.ok);
	assert_non_null(strstr(scene->event.message, "shut"));
}

static void a_target_that_may_not_have_the_memory_fails_in_words(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, RAM_PAGES / 2);
	begin(scene);
	copy(scene);
	assert_false(scene->event.ok);
	next(scene, scene->restorer);

	assert_false(scene->event.ok);
	assert_non_null(strstr(scene->event.message, "populate"));
}

static void a_domain_that_is_not_there_is_no_success(void **state)
{
	struct scene *scene = *state;

	connect_paths(scene, 1);
	scene->source_domid = 4711;
	begin_save(scene);
	next(scene, scene->saver);

	assert_int_equal(scene->event.kind, STREAM_FINISHED);
	assert_false(scene->event.ok);
	close(scene->target_path.fds[0]);
}

/* ---- filtered ---- */

static void copy_and_arrive(struct scene *scene)
{
	copy(scene);
	assert_string_equal(scene->event.message, "");
	assert_true(scene->event.ok);
}

/* What goes over the wire, of which `most_pages` at most. */
static void move_filtered(struct scene *scene, unsigned compress, uint64_t most_pages)
{
	uint64_t sent_bytes;

	await_guest(scene, PAGES_MAX);
	begin_filtered(scene, 3, compress, false);
	copy_and_arrive(scene);
	sent_bytes = scene->event.wire_bytes;
	assert_in_range(scene->event.zero_pages, RAM_PAGES / 2 - 200, RAM_PAGES / 2 + 200);
	assert_in_range(sent_bytes, 1, most_pages * SIM_PAGE_BYTES);
	next(scene, scene->restorer);
	assert_string_equal(scene->event.message, "");
	assert_true(scene->event.ok);
	assert_int_equal(scene->event.store_pfn, SIM_STORE_GFN);
	assert_int_equal(scene->event.wire_bytes, sent_bytes);
	assert_same_memory(scene);
}

static void the_filter_moves_a_guest_page_for_page(void **state)
{
	move_filtered(*state, CODEC_LZ4, RAM_PAGES / 4);
}

/* It may find that link and processor are better off without one: zero pages alone are saved. */
static void a_codec_chosen_by_the_filter_moves_the_same_pages(void **state)
{
	move_filtered(*state, COMPRESS_AUTO, RAM_PAGES / 2 + 200);
}

static void memory_is_compared_at_the_end(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, PAGES_MAX);
	begin_filtered(scene, 1, CODEC_NONE, true);
	copy_and_arrive(scene);
	assert_in_range(scene->event.verified_pages, RAM_PAGES, PAGES_MAX);
	assert_int_equal(scene->event.late_pages, 0);
	assert_in_range(scene->event.verify_us, 1, 60000000);
	next(scene, scene->restorer);
	assert_string_equal(scene->event.message, "");
	assert_true(scene->event.ok);
	assert_same_memory(scene);
}

static void a_filtered_copy_that_is_called_off_ends_at_both_ends(void **state)
{
	struct scene *scene = *state;

	await_guest(scene, PAGES_MAX);
	begin_filtered(scene, 2, CODEC_LZ4, false);
	next(scene, scene->saver);
	answer(scene, STREAM_ABORT);
	next(scene, scene->saver);
	assert_false(scene->event.ok);
	assert_string_equal(scene->event.message, "the copy was called off");
	assert_int_equal(sim_logdirty_enable(scene->source.host, scene->source_domid), 0);
	next(scene, scene->restorer);
	assert_false(scene->event.ok);
	assert_non_null(strstr(scene->event.message, "ends early"));
}

static void a_connection_that_breaks_is_the_reason_at_the_source(void **state)
{
	struct scene *scene = *state;

	connect_paths(scene, 1);
	close(scene->target_path.fds[0]);
	scene->source_path.filtered = true;
	begin_save(scene);
	do {
		next(scene, scene->saver);
		if (scene->event.kind == STREAM_ITERATION)
			answer(scene, STREAM_CONTINUE);
	} while (scene->event.kind != STREAM_FINISHED);
	assert_false(scene->event.ok);
	assert_non_null(strstr(scene->event.message, "channel 1 of 1"));
	assert_int_equal(sim_logdirty_enable(scene->source.host, scene->source_domid), 0);
}

static void what_is_no_frame_never_reaches_the_target_s_library(void **state)
{
	struct scene *scene = *state;
	char program[PATH_MAX], noise[100] = "no frame at all";

	await_guest(scene, PAGES_MAX);
	connect_paths(scene, 1);
	scene->target_path.filtered = true;
	assert_int_equal(write(scene->source_path.fds[0], noise, sizeof(noise)), sizeof(noise));
	sim_place_enter(&scene->target);
	assert_int_equal(stream_begin_restore(&clock_system,
					      sim_place_built("devices/xenferry-stream", program),
					      scene->target_domid, 1, 2, PAGES_MAX,
					      &scene->target_path, &scene->restorer, &scene->err),
			 0);
	sim_place_leave();
	next(scene, scene->restorer);
	assert_false(scene->event.ok);
	assert_string_equal(scene->event.message, "this is no frame of a filtered stream");
	close(scene->source_path.fds[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_writes_arrives_page_for_page),
		TEST(a_saver_whose_guest_rests_leaves_the_cpu_to_others_before_it_ends),
		TEST(the_first_iteration_walks_all_the_holes_of_a_pvh_guest),
		TEST(what_is_dirty_after_an_iteration_is_told),
		TEST(a_limit_holds_the_copy_up_and_can_be_lifted),
		TEST(a_copy_that_is_called_off_leaves_the_guest_as_it_was),
		TEST(a_guest_that_did_not_suspend_is_not_moved),
		TEST(a_target_that_may_not_have_the_memory_fails_in_words),
		TEST(a_domain_that_is_not_there_is_no_success),
		TEST(the_filter_moves_a_guest_page_for_page),
		TEST(a_codec_chosen_by_the_filter_moves_the_same_pages),
		TEST(memory_is_compared_at_the_end),
		TEST(a_filtered_copy_that_is_called_off_ends_at_both_ends),
		TEST(a_connection_that_breaks_is_the_reason_at_the_source),
		TEST(what_is_no_frame_never_reaches_the_target_s_library),
	};

	return cmocka_run_group_tests_name("sim_stream", tests, NULL, NULL);
}

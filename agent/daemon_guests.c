/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_guests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "log.h"
#include "rpc.h"

#define LIST_DEADLINE_MS 10000
#define SURVEY_DEADLINE_MS 120000
#define HOOK_DEADLINE_MS 75000 /* longer than the worker gives the hook's programs */
#define LIST_BYTES_MAX (RPC_REPLY_MAX / 2) /* the reply writes it with some escapes */
#define SURVEY_BYTES_MAX (16 * 1024 * 1024)
#define LIST_WORDS_MAX 1024  /* what it may say on stderr, bytes */
#define HOOK_WORDS_MAX 65536 /* the same of a hook's worker, which notes what programs said */

/* What comes out of one pipe, up to a size. */
struct output {
	uv_pipe_t pipe;
	char *bytes;
	size_t size, max;
};

enum { OUTPUT_LIST, OUTPUT_WORDS, OUTPUTS };

struct listing {
	uv_process_t process;
	uv_timer_t deadline;
	struct output outputs[OUTPUTS];
	guests_listed_fn *listed;
	void *context;
	const char *failure; /* how the sentence about one begins */
	bool silent;         /* to have ended well is all that it says */
	int running; /* the process and the open pipes */
	int handles; /* not closed yet */
	int deadline_ms;
	int exit_status;
	bool ended;
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct listing *listing = handle->data;

	if (--listing->handles > 0)
		return;
	for (size_t i = 0; i < OUTPUTS; i++)
		free(listing->outputs[i].bytes);
	free(listing);
}

static void close_all(struct listing *listing)
{
	uv_close((uv_handle_t *)&listing->process, on_closed);
	uv_close((uv_handle_t *)&listing->deadline, on_closed);
	for (size_t i = 0; i < OUTPUTS; i++)
		uv_close((uv_handle_t *)&listing->outputs[i].pipe, on_closed);
}

static void give(struct listing *listing, const struct json_value *guests, const struct err *err)
{
	if (listing->ended)
		return;
	listing->ended = true;
	listing->listed(listing->context, guests, err);
	close_all(listing);
}

/* The last line that the worker said, which is the sentence for people. */
static const char *last_words(struct output *words)
{
	char *text = words->bytes;

	while (words->size > 0 && text[words->size - 1] == '\n')
		words->size--;
	text[words->size] = '\0';
	text = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
	if (text[0] == '<' && text[1] != '\0' && text[2] == '>')
		text += 3; /* the journal's priority */
	return *text ? text : "it did not say why";
}

static void finish(struct listing *listing)
{
	struct output *list = &listing->outputs[OUTPUT_LIST];
	CLEANUP_JSON_VALUE struct json_value *guests = NULL;
	struct err err;

	if (listing->exit_status != 0) {
		(void)err_set(&err, ERR_FAILED, -EIO, "%s: %s", listing->failure,
			      last_words(&listing->outputs[OUTPUT_WORDS]));
		give(listing, NULL, &err);
		return;
	}
	if (listing->silent) {
		if (listing->outputs[OUTPUT_WORDS].size > 0)
			log_info("%s", last_words(&listing->outputs[OUTPUT_WORDS]));
		give(listing, NULL, NULL);
		return;
	}
	guests = json_parse(list->bytes, list->size, &err);
	if (guests && !json_is_array(guests) && !json_is_object(guests))
		(void)err_set(&err, ERR_FAILED, -EIO, "the worker's list of guests is no list");
	give(listing, json_is_array(guests) || json_is_object(guests) ? guests : NULL, &err);
}

static void one_less(struct listing *listing)
{
	if (--listing->running == 0 && !listing->ended)
		finish(listing);
}

/* ---- what happens ---- */

static void on_exit_status(uv_process_t *process, int64_t exit_status, int signal_number)
{
	struct listing *listing = process->data;

	listing->exit_status = signal_number ? 128 + signal_number : (int)exit_status;
	one_less(listing);
}

static void on_deadline(uv_timer_t *timer)
{
	struct listing *listing = timer->data;
	struct err err;

	(void)uv_process_kill(&listing->process, SIGKILL); /* it only reads, or is late */
	(void)err_set(&err, ERR_TIMED_OUT, -ETIMEDOUT,
		      "%s: the worker has not answered within %d s", listing->failure,
		      listing->deadline_ms / 1000);
	give(listing, NULL, &err);
}

static struct output *output_of(uv_handle_t *handle)
{
	struct listing *listing = handle->data;
	bool list = handle == (uv_handle_t *)&listing->outputs[OUTPUT_LIST].pipe;

	return &listing->outputs[list ? OUTPUT_LIST : OUTPUT_WORDS];
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct output *output = output_of(handle);

	(void)suggested;
	buffer->base = output->bytes + output->size;
	buffer->len = output->max - output->size;
}

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	(void)buffer;
	if (size >= 0) {
		output_of((uv_handle_t *)stream)->size += (size_t)size;
		return;
	}
	uv_read_stop(stream); /* its end, or it is full: then it is no JSON either */
	one_less(stream->data);
}

/* ---- the start ---- */

static struct listing *make_listing(uv_loop_t *loop, size_t bytes_max, size_t words_max)
{
	const size_t sizes[OUTPUTS] = { bytes_max, words_max };
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return NULL;
	for (size_t i = 0; i < OUTPUTS; i++) {
		listing->outputs[i].bytes = malloc(sizes[i] + 1); /* and a terminator */
		listing->outputs[i].max = sizes[i];
	}
	if (!listing->outputs[OUTPUT_LIST].bytes || !listing->outputs[OUTPUT_WORDS].bytes) {
		free(listing->outputs[OUTPUT_LIST].bytes);
		free(listing->outputs[OUTPUT_WORDS].bytes);
		free(listing);
		return NULL;
	}
	listing->process.data = listing->deadline.data = listing;
	uv_timer_init(loop, &listing->deadline);
	for (size_t i = 0; i < OUTPUTS; i++) {
		uv_pipe_init(loop, &listing->outputs[i].pipe, 0);
		listing->outputs[i].pipe.data = listing;
	}
	listing->handles = 2 + OUTPUTS;
	listing->running = 1 + OUTPUTS;
	return listing;
}

static int start_listing(struct listing *listing, uv_loop_t *loop,
			 const struct worker_program *program, const char *const words[],
			 struct err *err)
{
	uv_stdio_container_t stdio[OUTPUTS + 1] = { { .flags = UV_IGNORE } };
	int rc;

	if (!listing)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the list of guests");
	for (size_t i = 0; i < OUTPUTS; i++)
		stdio[i + 1] = (uv_stdio_container_t){
			.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
			.data.stream = (uv_stream_t *)&listing->outputs[i].pipe,
		};
	rc = worker_run(loop, program, words, on_exit_status, stdio, OUTPUTS + 1, &listing->process,
			err);
	if (rc < 0) {
		close_all(listing);
		return rc;
	}
	uv_timer_start(&listing->deadline, on_deadline, (uint64_t)listing->deadline_ms, 0);
	for (size_t i = 0; i < OUTPUTS; i++)
		uv_read_start((uv_stream_t *)&listing->outputs[i].pipe, on_room, on_bytes);
	return 0;
}

int guests_list(uv_loop_t *loop, const struct worker_program *program, guests_listed_fn *listed,
		void *context, struct err *err)
{
	static const char *const words[] = { "list", NULL };
	struct listing *listing = make_listing(loop, LIST_BYTES_MAX, LIST_WORDS_MAX);

	if (listing) {
		listing->listed = listed;
		listing->context = context;
		listing->failure = "the guests cannot be listed";
		listing->deadline_ms = LIST_DEADLINE_MS;
	}
	return start_listing(listing, loop, program, words, err);
}

int guests_survey(uv_loop_t *loop, const struct worker_program *program, const char *targets,
		  bool measures, guests_listed_fn *surveyed, void *context, struct err *err)
{
	const char *const words[] = { "survey", targets, measures ? "measure" : "", NULL };
	struct listing *listing = make_listing(loop, SURVEY_BYTES_MAX, LIST_WORDS_MAX);

	if (listing) {
		listing->listed = surveyed;
		listing->context = context;
		listing->failure = "the guests cannot be listed";
		listing->deadline_ms = SURVEY_DEADLINE_MS;
	}
	return start_listing(listing, loop, program, words, err);
}

int guests_run_hook(uv_loop_t *loop, const struct worker_program *program, const char *hook,
		    guests_listed_fn *ran, void *context, struct err *err)
{
	const char *const words[] = { "hook", hook, HOOK_REASON_NONE, NULL };
	struct listing *listing = make_listing(loop, 0, HOOK_WORDS_MAX);

	if (listing) {
		listing->listed = ran;
		listing->context = context;
		listing->failure = hook;
		listing->silent = true;
		listing->deadline_ms = HOOK_DEADLINE_MS;
	}
	return start_listing(listing, loop, program, words, err);
}

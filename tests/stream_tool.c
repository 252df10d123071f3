/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter at a shell's hand, for tests and benchmarks; each reads stdin and writes stdout.
 *
 *   stream_tool make PAGES PASSES    a stream as libxenguest writes it
 *   stream_tool weed                 one without the pages that have not changed
 *   stream_tool send COMPRESS        filters one: frames come out
 *   stream_tool receive              the way back
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec_choice.h"
#include "filter.h"
#include "stream_maker.h"

#define PFN_LIMIT (1ull << 28)
#define WEEDED_PFN_LIMIT (1ull << 20)
#define STREAM_MAX (64u << 20)

static bool write_out(const struct stream_maker *maker)
{
	return fwrite(maker->bytes, 1, maker->size, stdout) == maker->size && fflush(stdout) == 0;
}

static void read_stream(struct stream_maker *maker)
{
	maker->bytes = malloc(STREAM_MAX);
	maker->size = maker->bytes ? fread(maker->bytes, 1, STREAM_MAX, stdin) : 0;
	maker->room = STREAM_MAX;
}

static int make(char **words)
{
	struct stream_maker maker = { .size = 0 };
	bool whole;

	make_stream(&maker, (size_t)atol(words[0]), (size_t)atol(words[1]));
	whole = write_out(&maker);
	stream_maker_free(&maker);
	return whole ? 0 : 1;
}

static int report(int rc, const struct err *err)
{
	if (rc < 0)
		fprintf(stderr, "stream_tool: %s\n", err->message);
	return rc < 0 ? 1 : 0;
}

static int weed(char **words)
{
	struct stream_maker maker = { .size = 0 }, weeded = { .size = 0 };
	bool whole;

	(void)words;
	read_stream(&maker);
	make_weeded(&weeded, &maker, WEEDED_PFN_LIMIT);
	whole = write_out(&weeded);
	stream_maker_free(&maker);
	stream_maker_free(&weeded);
	return whole ? 0 : 1;
}

static int send_frames(char **words)
{
	struct filter_options options = { .verify = false };
	struct filter_counters counters = { .stream_bytes = 0 };
	const int fd = STDOUT_FILENO;
	const struct filter_ends ends = { STDIN_FILENO, &fd, 1, NULL };
	struct err err;

	if (compress_from_text(words[0], &options.compress) < 0)
		return 2;
	return report(filter_send(&clock_system, &ends, &options, &counters, &err), &err);
}

static int receive_frames(char **words)
{
	struct filter_counters counters = { .stream_bytes = 0 };
	const int fd = STDIN_FILENO;
	const struct filter_ends ends = { STDOUT_FILENO, &fd, 1, NULL };
	struct err err;

	(void)words;
	return report(filter_receive(&clock_system, &ends, PFN_LIMIT, -1, &counters, &err), &err);
}

static const struct {
	const char *name;
	int words;
	int (*run)(char **words);
} modes[] = {
	{ "make", 2, make },
	{ "weed", 0, weed },
	{ "send", 1, send_frames },
	{ "receive", 0, receive_frames },
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0 && argc == 2 + modes[i].words)
			return modes[i].run(argv + 2);
	fprintf(stderr, "usage: stream_tool make PAGES PASSES | weed | send COMPRESS | receive\n");
	return 2;
}

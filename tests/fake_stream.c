/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child in xenferry-stream's place, which speaks its protocol and touches no Xen. What it plays
 * is named in the environment, FAKE_STREAM; the command line is xenferry-stream's own.
 */
#include "stream_proto.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void say(const struct stream_event *event)
{
	if (stream_send_event(STREAM_CONTROL_FD, event, true) < 0)
		_exit(9);
}

static void finish(bool ok, const char *words)
{
	struct stream_event event = { .kind = STREAM_FINISHED, .ok = ok };

	snprintf(event.message, sizeof(event.message), "%s", words);
	say(&event);
}

static int hear(void)
{
	struct stream_word word;

	return stream_receive_word(STREAM_CONTROL_FD, true, &word) == 1 ? word.answer : -100;
}

/* Says nothing more, and ends with the test. */
static void hang(void)
{
	struct pollfd control = { .fd = STREAM_CONTROL_FD };

	poll(&control, 1, -1);
}

/* Its arguments are its result: "restore" has two ports, a domain and a size. */
static void play_arguments(int argc, char **argv)
{
	struct stream_event event = { .kind = STREAM_FINISHED, .ok = true };

	if (argc == 6 && strcmp(argv[1], "restore") == 0) {
		event.iteration = (uint32_t)strtoul(argv[2], NULL, 10);
		event.store_pfn = strtoull(argv[3], NULL, 10);
		event.console_pfn = strtoull(argv[4], NULL, 10);
		event.pages_total = strtoull(argv[5], NULL, 10);
	} else if (argc == 3 && strcmp(argv[1], "save") == 0) {
		event.iteration = (uint32_t)strtoul(argv[2], NULL, 10);
	}
	say(&event);
}

static void play_words(void)
{
	finish(false, "Failed to write\npage data");
}

static void play_crash(void)
{
	const struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	abort();
}

static void play_silence(void)
{
	_exit(7);
}

static void play_iterations(void)
{
	struct stream_event event = { .kind = STREAM_PROGRESS, .pages_done = 5, .pages_total = 9 };
	char words[64];
	int first, second;

	event.wire_bytes = 4096;
	say(&event);
	say(&(struct stream_event){ .kind = STREAM_ITERATION, .dirty_pages = 1044480 });
	first = hear();
	say(&(struct stream_event){ .kind = STREAM_ITERATION, .iteration = 1, .sent = true,
				    .dirty_pages = -1, .wire_bytes = 8192 });
	second = hear();
	snprintf(words, sizeof(words), "heard %d %d", first, second);
	finish(false, words);
}

/* A limit comes before an answer: says what it is. */
static void play_limit(void)
{
	struct stream_event event = { .kind = STREAM_FINISHED, .ok = true };
	struct stream_word word;

	if (stream_receive_word(STREAM_CONTROL_FD, true, &word) == 1 && word.kind == STREAM_LIMIT) {
		event.wire_bytes = word.limit.bytes_per_s;
		event.iteration = word.limit.last_pass_too;
	}
	say(&event);
}

static void play_suspend(void)
{
	say(&(struct stream_event){ .kind = STREAM_SUSPEND });
	finish(hear() == 1, "not suspended");
}

/* Is killed while somebody else still holds its connection, as the kernel does for a while. */
static void play_heir(void)
{
	say(&(struct stream_event){ .kind = STREAM_SUSPEND });
	(void)hear();
	if (fork() == 0)
		hang();
	else
		raise(SIGKILL);
}

/* As a saver does: does not end at once when told to, but cleans up first. */
static volatile sig_atomic_t told_to_stop;

static void note_stop(int signal_number)
{
	(void)signal_number;
	told_to_stop = 1;
}

static void play_tidy(void)
{
	static const char words[] = "log-dirty off";
	struct sigaction action = { .sa_handler = note_stop };
	sigset_t term, before;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	sigaction(SIGTERM, &action, NULL);
	say(&(struct stream_event){ .kind = STREAM_SUSPEND });
	while (!told_to_stop)
		sigsuspend(&before);
	/* the closed socket has its say too: a question that is open gets no answer */
	if (hear() == -100 && write(STREAM_MEMORY_FD, words, sizeof(words)) < 0)
		_exit(9);
}

/* Counts what it was given beside 0, 1, 2, its control socket and the memory connection. */
static void play_descriptors(void)
{
	struct stream_event event = { .kind = STREAM_FINISHED, .ok = true };
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		event.pages_total++;
		event.pages_done += fd <= STREAM_MEMORY_FD;
	}
	if (dir)
		closedir(dir);
	say(&event);
}

static void play_other_version(void)
{
	static const uint32_t greeting[] = { STREAM_PROTO_VERSION + 1, STREAM_FINISHED };

	if (send(STREAM_CONTROL_FD, greeting, sizeof(greeting), MSG_NOSIGNAL) < 0)
		_exit(9);
	hang();
}

static const struct play {
	const char *name;
	void (*act)(void);
} plays[] = {
	{ "crash", play_crash },
	{ "descriptors", play_descriptors },
	{ "hang", hang },
	{ "heir", play_heir },
	{ "iterations", play_iterations },
	{ "limit", play_limit },
	{ "other-version", play_other_version },
	{ "silence", play_silence },
	{ "suspend", play_suspend },
	{ "tidy", play_tidy },
	{ "words", play_words },
};

int main(int argc, char **argv)
{
	const char *name = getenv("FAKE_STREAM");

	for (size_t i = 0; name && i < sizeof(plays) / sizeof(plays[0]); i++)
		if (strcmp(name, plays[i].name) == 0) {
			plays[i].act();
			return 0;
		}
	play_arguments(argc, argv);
	return 0;
}

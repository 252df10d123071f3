/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program in xenferry-worker's place, which keeps the daemon's contract and moves no guest. What
 * it plays is the guest's name: see the table of plays. As target it copies what comes over the
 * memory connection to nobody, and answers with its job's id; when asked it says "asked".
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "config.h"
#include "json.h"
#include "link.h"
#include "uuid.h"

enum { CHANNEL = 3, PEER = 4 };

#define DEADLINE_MS 20000 /* longer than any test waits */

static struct config config;
static char folder[512];
static const char *job, *side = "source";
static char guest[64] = "?", target[64] = "?";

static char *path_of(const char *name, char path[600])
{
	snprintf(path, 600, "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	char path[600], fresh[600];
	FILE *file;

	path_of(name, path);
	path_of("record.fresh", fresh);
	file = fopen(fresh, "we");
	if (!file || fputs(text, file) < 0 || fclose(file) != 0 || rename(fresh, path) < 0)
		_exit(90);
}

/* Tells a record, in the folder first. `code` NULL: no error. */
static void tell(const char *status, const char *phase, const char *code, const char *words)
{
	char text[2048], error[512] = "null";

	if (code)
		snprintf(error, sizeof(error), "{\"code\": \"%s\", \"message\": \"%s\"}", code,
			 words);
	snprintf(text, sizeof(text),
		 "{\"uuid\": \"%s\", \"vm\": {\"uuid\": \"\", \"name-label\": \"%s\"}, "
		 "\"source\": \"%s\", \"target\": \"%s\", \"side\": \"%s\", "
		 "\"plan\": \"handover\", \"policy\": \"minimal-downtime\", \"status\": \"%s\", "
		 "\"phase\": \"%s\", \"sync_point\": \"SP1\", \"error\": %s, "
		 "\"total_ms\": 12.0, \"downtime_ms\": 3.5, \"predicted_downtime_ms\": 4.0, "
		 "\"memory\": {\"total_bytes\": 4194304, \"transferred_bytes\": 1048576, "
		 "\"iterations\": 1}, \"steps\": [{\"name\": \"suspend-guest\", "
		 "\"side\": \"source\", \"phase\": \"BLACKOUT\", \"start_ms\": 1.0, "
		 "\"end_ms\": 2.0}]}",
		 job, guest, config.host_name, target, side, status, phase, error);
	put("record.json", text);
	(void)send(CHANNEL, text, strlen(text), MSG_NOSIGNAL);
	(void)send(CHANNEL, "\n", 1, MSG_NOSIGNAL);
}

static void take_lock(void)
{
	char path[600], text[16];
	int fd = open(path_of("lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		_exit(91);
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) < 0)
		_exit(92);
}

/* ---- plays; each returns the exit status ---- */

static int play_quick(void)
{
	tell("preparing", "PREPARE", NULL, NULL);
	tell("copying", "COPY", NULL, NULL);
	tell("completed", "CLEAN", NULL, NULL);
	return 0;
}

static int play_slow(void)
{
	put("journal", "begin\n");
	tell("copying", "COPY", NULL, NULL);
	if (clock_wait(&clock_system, NULL, 0, clock_after_ms(&clock_system, DEADLINE_MS), true) !=
	    -ECANCELED)
		return 93;
	tell("cancelled", "COPY", "cancelled", "the operator cancelled it");
	return 3;
}

static int play_refused(void)
{
	tell("refused", "PREPARE", "not-enough-memory", "B lacks 2 GiB");
	return 7;
}

static int play_diverging(void)
{
	tell("failed", "COPY", "not-converged", "the guest dirties faster than memory is sent");
	return 4;
}

static int play_crash(void)
{
	return raise(SIGKILL);
}

static int play_early_crash(void)
{
	put("journal", "begin\n");
	tell("preparing", "PREPARE", NULL, NULL);
	return raise(SIGKILL);
}

static int play_late_crash(void)
{
	put("journal", "begin\n");
	tell("copying", "COPY", NULL, NULL);
	return raise(SIGKILL);
}

static int play_mute(void)
{
	static const char nonsense[] = "{\"uuid\": \"of another\"}\nwhat?\n";

	(void)send(CHANNEL, nonsense, strlen(nonsense), MSG_NOSIGNAL);
	return 5;
}

static const struct play {
	const char *guest;
	int (*play)(void);
} plays[] = {
	{ "quick", play_quick },
	{ "slow", play_slow },
	{ "slow-too", play_slow },
	{ "refused", play_refused },
	{ "diverging", play_diverging },
	{ "crash", play_crash },
	{ "early-crash", play_early_crash },
	{ "late-crash", play_late_crash },
	{ "crash-twice", play_late_crash },
	{ "mute", play_mute },
};

/* ---- modes ---- */

static void read_request(void)
{
	char path[600];
	struct json_value *request = json_parse_file(path_of("request.json", path), 65536, NULL);

	if (!request)
		_exit(94);
	if (json_get_string(request, "vm"))
		snprintf(guest, sizeof(guest), "%s", json_get_string(request, "vm"));
	if (json_get_string(request, "host"))
		snprintf(target, sizeof(target), "%s", json_get_string(request, "host"));
	json_value_free(request);
}

static int run_source(void)
{
	for (size_t i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		if (strcmp(plays[i].guest, guest) == 0)
			return plays[i].play();
	return 95;
}

/* The daemon's word to one that stands by; or it has closed the channel. */
static bool is_needed(void)
{
	char word = 0;

	return recv(CHANNEL, &word, 1, 0) == 1 && word == WORKER_GO;
}

static int run_recover(bool spare)
{
	char path[600];

	if (strcmp(guest, "crash-twice") == 0 && access(path_of("resolution", path), F_OK) < 0)
		return raise(SIGKILL);
	tell("failed", "COPY", "failed",
	     spare ? "the worker died and its spare took everything back" :
		     "the worker died and everything was taken back");
	return 1;
}

static int welcome(enum wire_kind kind, const char *nonce, int fd)
{
	struct wire_hello hello = { WIRE_VERSION_OLDEST, WIRE_VERSION, kind, { 0 }, { 0 } };

	if (!uuid_from_text(job, hello.job) || !nonce_from_text(nonce, hello.nonce))
		return -EINVAL;
	return link_welcome(&clock_system, fd, &hello, clock_after_ms(&clock_system, DEADLINE_MS),
			    NULL);
}

/* The connection that the daemon hands over; or -1. */
static int receive_memory(void)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec content = { &byte, 1 };
	struct msghdr message = { .msg_iov = &content,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	const struct cmsghdr *header;
	int fd = -1;

	if (recvmsg(CHANNEL, &message, MSG_CMSG_CLOEXEC) != 1 || byte != 'M')
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static int run_target(const char *nonce)
{
	int memory;

	side = "target";
	if (welcome(WIRE_CONTROL, nonce, PEER) < 0)
		return 96;
	memory = receive_memory();
	if (memory < 0 || welcome(WIRE_MEMORY, nonce, memory) < 0 ||
	    write(memory, job, strlen(job)) < 0)
		return 97;
	tell("completed", "CLEAN", NULL, NULL);
	return 0;
}

static int run_ask(const char *nonce)
{
	if (welcome(WIRE_ASK, nonce, PEER) < 0)
		return 98;
	return write(PEER, "asked", 5) == 5 ? 0 : 99;
}

static void print_guest(const char *name, const char *before)
{
	printf("%s{\"uuid\": \"u1\", \"name-label\": \"%s\", \"domid\": 1, "
	       "\"power-state\": \"running\", \"type\": \"pvh\", \"memory\": 1073741824, "
	       "\"vcpus\": 2, \"host\": \"%s\"}",
	       before, name, config.host_name);
}

/*
 * A folder "no-guests" in the state makes it fail; where there is a file "running", it has the
 * guests' names, a line each.
 */
static int run_list(void)
{
	char path[600], name[64];
	FILE *running;

	snprintf(path, sizeof(path), "%s/no-guests", config.state_dir);
	if (access(path, F_OK) == 0) {
		fprintf(stderr, "no hypervisor here\n");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/running", config.state_dir);
	running = fopen(path, "re");
	printf("[");
	if (!running)
		print_guest("g1", "");
	for (size_t i = 0; running && fscanf(running, "%63s", name) == 1; i++)
		print_guest(name, i > 0 ? "," : "");
	printf("]\n");
	if (running)
		fclose(running);
	return 0;
}

static int run(int count, char **words)
{
	bool spare;

	if (count == 1 && strcmp(words[0], "list") == 0)
		return run_list();
	if (count < 2)
		return 89;
	spare = strcmp(words[0], "spare") == 0;
	job = words[1];
	snprintf(folder, sizeof(folder), "%s/jobs/%s", config.state_dir, job);
	if (count == 3 && strcmp(words[0], "ask") == 0)
		return run_ask(words[2]);
	if (spare && !is_needed())
		return 0;
	take_lock();
	read_request();
	if (count == 3 && strcmp(words[0], "target") == 0)
		return run_target(words[2]);
	return spare || strcmp(words[0], "recover") == 0 ? run_recover(spare) : run_source();
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++)
		if (strcmp(argv[at], "--config") == 0 && at + 1 < argc)
			path = argv[++at];
	if (clock_catch_cancel() < 0 || config_load(path, &config, NULL) < 0)
		return 88;
	return run(argc - at, argv + at);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A preload library that strikes at a moment that a test names: when a worker writes a line with
 * "WORD" (a step's name, an event) into its journal. The test writes "kill WORD" or "stop WORD PID"
 * into the file `fault` in the simulated host's folder; the first worker to write such a line takes
 * the file away, and is killed, or stopped, right after the write; or the process PID is; or, where
 * the test writes "stream" for PID, the worker's child that moves memory.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim_fault_stream.h"

#define LINE_BYTES 512 /* a journal's is not longer */
#define WORD_BYTES 64

#define EXPORTED __attribute__((visibility("default")))

EXPORTED ssize_t write(int fd, const void *bytes, size_t size);

static ssize_t write_really(int fd, const void *bytes, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);

	if (!next)
		next = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	return next(fd, bytes, size);
}

static bool is_journal_line(const char *bytes, size_t size)
{
	static const char start[] = "{\"time\":";

	return size < LINE_BYTES && size > sizeof(start) && bytes[size - 1] == '\n' &&
	       memcmp(bytes, start, sizeof(start) - 1) == 0;
}

struct fault {
	int signal_number;
	pid_t pid;
};

/* The worker's child, by what /proc says; our own pid when it has none. */
static pid_t find_stream(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t found = getpid();

	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX], text[LINE_BYTES] = "", name[WORD_BYTES];
		int fd, parent, pid;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 &&
		    sscanf(text, "%d (%63[^)]) %*c %d", &pid, name, &parent) == 3 &&
		    parent == getpid() && strcmp(name, "xenferry-stream") == 0)
			found = pid;
		close(fd);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Whether a fault awaits who writes `line`. */
static bool read_fault(const char *path, const char *line, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[WORD_BYTES] = "", verb[8], word[WORD_BYTES], quoted[WORD_BYTES + 2], whom[8] = "";
	ssize_t size;

	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	fault->pid = getpid();
	if (size <= 0 || sscanf(text, "%7s %63s %7s", verb, word, whom) < 2)
		return false;
	fault->signal_number = strcmp(verb, "stop") == 0 ? SIGSTOP : SIGKILL;
	snprintf(quoted, sizeof(quoted), "\"%s\"", word);
	if (!strstr(line, quoted))
		return false;
	if (strcmp(whom, "stream") == 0)
		fault->pid = find_stream();
	else if (whom[0] != '\0')
		fault->pid = (pid_t)strtol(whom, NULL, 10);
	return true;
}

static void strike(const char *bytes, size_t size)
{
	const char *folder = getenv("XENFERRY_SIM");
	char path[PATH_MAX], line[LINE_BYTES];
	struct fault fault;

	if (!folder)
		return;
	memcpy(line, bytes, size);
	line[size] = '\0';
	snprintf(path, sizeof(path), "%s/fault", folder);
	if (read_fault(path, line, &fault) && unlink(path) == 0)
		kill(fault.pid, fault.signal_number);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	ssize_t written;

	if (stream_fault_frame(fd, bytes, size, &written, write_really))
		return written;
	written = write_really(fd, bytes, size);
	if (is_journal_line(bytes, size))
		strike(bytes, size);
	return written;
}

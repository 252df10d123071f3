/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A preload library that strikes at a moment that a test names: when a worker writes a line with
 * "WORD" (a step's name, an event) into its journal. The test writes "kill WORD" or "stop WORD PID"
 * into the file `fault` in the simulated host's folder; the first worker to write such a line takes
 * the file away, and is killed, or stopped, right after the write; or the process PID is.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Whether a fault awaits who writes `line`. */
static bool read_fault(const char *path, const char *line, struct fault *fault)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[WORD_BYTES] = "", verb[8], word[WORD_BYTES], quoted[WORD_BYTES + 2];
	ssize_t size;

	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	fault->pid = getpid();
	if (size <= 0 || sscanf(text, "%7s %63s %d", verb, word, &fault->pid) < 2)
		return false;
	fault->signal_number = strcmp(verb, "stop") == 0 ? SIGSTOP : SIGKILL;
	snprintf(quoted, sizeof(quoted), "\"%s\"", word);
	return strstr(line, quoted) != NULL;
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
	ssize_t written = write_really(fd, bytes, size);

	if (is_journal_line(bytes, size))
		strike(bytes, size);
	return written;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What befalls a filtered stream, where a test asks for it: the file `stream-fault` in the folder
 * of the simulated host has one of the words below. The first process there that has cause takes
 * the file away and does it once.
 */
#include "sim_fault_stream.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER_BYTES 40 /* devices/STREAM.md */
#define TYPE_AT 5
#define SEQUENCE_END 15
#define TYPE_PAGES 3
#define PAGE_BYTES 4096u
#define WORD_BYTES 32
#define FORGED_PAGES 128 /* of one frame */
#define SLOW_PAUSE_US 20000 /* for each PAGE_BYTES */
#define FDS_MAX 64          /* that a filter has open, and more */

#define EXPORTED __attribute__((visibility("default")))

EXPORTED ssize_t writev(int fd, const struct iovec *parts, int count);

static void fault_path(char path[PATH_MAX])
{
	const char *folder = getenv("XENFERRY_SIM");

	snprintf(path, PATH_MAX, "%s/stream-fault", folder ? folder : "");
}

/* What the test asks for; "": nothing. */
static void read_word(char word[WORD_BYTES])
{
	char path[PATH_MAX];
	ssize_t size = 0;
	int fd;

	fault_path(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, word, WORD_BYTES - 1);
		close(fd);
	}
	word[size > 0 ? size : 0] = '\0';
	word[strcspn(word, "\n")] = '\0';
}

/* Whether `asked` is `word`, and nobody else has done it. */
static bool take(const char *asked, const char *word)
{
	char path[PATH_MAX];

	fault_path(path);
	return strcmp(asked, word) == 0 && unlink(path) == 0;
}

/* ---- on the wire, from the source ---- */

static int sequence_step; /* of the next frame's number */

/* One bit of what it carries is another. */
static void damage(uint8_t *frame, size_t size)
{
	frame[HEADER_BYTES + (size - HEADER_BYTES) / 2] ^= 4;
}

/* It and the next have each other's number. */
static void reorder(uint8_t *frame, size_t size)
{
	(void)size;
	frame[SEQUENCE_END]++;
	sequence_step = -1;
}

/* It claims to be of a type that there is not. */
static void mistype(uint8_t *frame, size_t size)
{
	(void)size;
	frame[TYPE_AT] = 77;
}

static const struct {
	const char *word;
	void (*change)(uint8_t *frame, size_t size);
} changes[] = {
	{ "damage", damage },
	{ "reorder", reorder },
	{ "mistype", mistype },
};

/* The connection is another's from here on, who takes nothing; the real one stays as it is. */
static void stall(int fd)
{
	static const char filling[PAGE_BYTES];
	int pair[2];

	if (dup(fd) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	while (write(pair[0], filling, sizeof(filling)) > 0)
		continue;
	dup2(pair[0], fd);
}

typedef ssize_t write_fn(int fd, const void *bytes, size_t size);

static bool pass_on(int to, const char *bytes, size_t size, write_fn *write_really)
{
	while (size > 0) {
		ssize_t written = write_really(to, bytes, size);

		if (written < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
		usleep(SLOW_PAUSE_US);
	}
	return true;
}

/* A process of its own, which has nothing but the two, until either ends. */
static void relay_slowly(int from, int to, write_fn *write_really)
{
	char bytes[PAGE_BYTES];
	ssize_t got;

	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fd != from && fd != to)
			close(fd);
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		if (!pass_on(to, bytes, (size_t)got, write_really))
			break;
	_exit(0);
}

/* What is written to the connection from here on goes through a narrow place, 200 KB/s wide. */
static void slow_down(int fd, write_fn *write_really)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		relay_slowly(pair[1], fd, write_really);
	dup2(pair[0], fd);
	close(pair[0]);
	close(pair[1]);
}

bool stream_fault_frame(int fd, const void *bytes, size_t size, ssize_t *written,
			ssize_t (*write_really)(int fd, const void *bytes, size_t size))
{
	const uint8_t *frame = bytes;
	char asked[WORD_BYTES];
	uint8_t *changed;

	if (size <= HEADER_BYTES || memcmp(frame, "XFMS", 4) != 0 || frame[TYPE_AT] != TYPE_PAGES)
		return false;
	read_word(asked);
	if (take(asked, "cut")) {
		*written = write_really(fd, bytes, size / 2);
		shutdown(fd, SHUT_RDWR);
		return true;
	}
	if (take(asked, "stall")) {
		*written = write_really(fd, bytes, size / 2);
		stall(fd);
		return true;
	}
	if (take(asked, "slow"))
		slow_down(fd, write_really);
	changed = malloc(size);
	if (!changed)
		abort();
	memcpy(changed, bytes, size);
	changed[SEQUENCE_END] = (uint8_t)(changed[SEQUENCE_END] + sequence_step);
	sequence_step = 0;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (take(asked, changes[i].word))
			changes[i].change(changed, size);
	*written = write_really(fd, changed, size);
	free(changed);
	return true;
}

/* ---- behind all checksums, at the target ---- */

/* Pages that a guest does not write again before it is suspended are among as many. */
static bool are_pages(const struct iovec *parts, int count)
{
	return count == FORGED_PAGES && parts[0].iov_len == PAGE_BYTES;
}

/* What the filter gives the library: of a frame's pages one bit is another, in each. */
static ssize_t write_forged(int fd, const struct iovec *parts,
			    ssize_t (*write_parts)(int fd, const struct iovec *parts, int count))
{
	static uint8_t forged[FORGED_PAGES][PAGE_BYTES];
	struct iovec changed[FORGED_PAGES];

	for (int i = 0; i < FORGED_PAGES; i++) {
		memcpy(forged[i], parts[i].iov_base, PAGE_BYTES);
		forged[i][PAGE_BYTES / 2] ^= 4;
		changed[i] = (struct iovec){ forged[i], PAGE_BYTES };
	}
	return write_parts(fd, changed, FORGED_PAGES);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	static ssize_t (*next)(int, const struct iovec *, int);
	char asked[WORD_BYTES] = "";

	if (!next)
		next = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
	if (are_pages(parts, count))
		read_word(asked);
	return take(asked, "forge") ? write_forged(fd, parts, next) : next(fd, parts, count);
}

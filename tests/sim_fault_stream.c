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

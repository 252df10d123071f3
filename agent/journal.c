/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal_open, append, close: the worker's. journal_read: recovery's.
 */
#include "journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "description.h"
#include "json.h"

#define JOURNAL_LINE_MAX 512
#define JOURNAL_PATH_MAX 320

static const struct {
	const char *word;
	bool durable;
} events[JOURNAL_EVENTS] = {
#define X(event, word, durable, meaning) [JOURNAL_##event] = { word, durable },
	JOURNAL_TABLE(X)
#undef X
};

struct journal_file {
	struct journal journal;
	const struct clock *clock;
	int fd;
	char folder[JOURNAL_PATH_MAX];
};

/* A new file is there after a crash only if its folder was synced too. */
static int sync_folder(const char *folder)
{
	CLEANUP_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* What could not be written must not stand there either, nor spoil the next line. */
static int take_back(const struct journal_file *file, off_t end, int rc)
{
	if (end >= 0)
		(void)!ftruncate(file->fd, end);
	return rc;
}

static int file_append(struct journal *journal, const struct journal_entry *entry, struct err *err)
{
	struct journal_file *file = (struct journal_file *)journal;
	char line[JOURNAL_LINE_MAX];
	off_t end = lseek(file->fd, 0, SEEK_END);
	int length;

	assert(entry->event < JOURNAL_EVENTS);
	assert(!strpbrk(entry->text, "\"\\\n")); /* names of ours: steps, plans */
	length = snprintf(line, sizeof(line),
			  "{\"time\":%.3f,\"event\":\"%s\",\"row\":%u,\"text\":\"%s\"}\n",
			  clock_wall_s(file->clock), events[entry->event].word, entry->row,
			  entry->text);
	assert(length > 0 && (size_t)length < sizeof(line));
	errno = ENOSPC; /* of a line that was written in part */
	if (write(file->fd, line, (size_t)length) != length)
		return take_back(file, end, err_errno(err, "write the journal"));
	if (events[entry->event].durable && fdatasync(file->fd) < 0)
		return take_back(file, end, err_errno(err, "make the journal durable"));
	return 0;
}

static int file_keep_guest(struct journal *journal, const void *bytes, size_t size,
			   struct err *err)
{
	struct journal_file *file = (struct journal_file *)journal;
	char path[JOURNAL_PATH_MAX + 8];
	CLEANUP_FD int fd = -1;

	snprintf(path, sizeof(path), "%s/guest", file->folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || fdatasync(fd) < 0 ||
	    sync_folder(file->folder) < 0)
		return err_errno(err, "keep the guest's description in %s", path);
	return 0;
}

static void file_close(struct journal *journal)
{
	struct journal_file *file = (struct journal_file *)journal;

	if (!file)
		return;
	close(file->fd);
	free(file);
}

static const struct journal_ops file_ops = {
	.append = file_append,
	.keep_guest = file_keep_guest,
	.close = file_close,
};

/* A crash may have left part of a line: it never was one, and the next must not make it one. */
static int cut_torn_line(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END), whole = end;
	char last;

	for (; whole > 0; whole--)
		if (pread(fd, &last, 1, whole - 1) != 1 || last == '\n')
			break;
	return whole == end ? 0 : ftruncate(fd, whole);
}

/* Or its folder was synced before its first line was written. */
static bool is_new(int fd)
{
	return lseek(fd, 0, SEEK_END) <= 0;
}

int journal_open(const char *folder, const struct clock *clock, struct journal **journal,
		 struct err *err)
{
	CLEANUP_FREE struct journal_file *file = calloc(1, sizeof(*file));
	char path[JOURNAL_PATH_MAX + 8];

	if (!file)
		return err_set(err, ERR_FAILED, -ENOMEM, "open the journal: out of memory");
	*file = (struct journal_file){ .journal = { &file_ops }, .clock = clock };
	snprintf(file->folder, sizeof(file->folder), "%s", folder);
	snprintf(path, sizeof(path), "%s/journal", file->folder);
	file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return err_errno(err, "open %s", path);
	if (cut_torn_line(file->fd) < 0 || (is_new(file->fd) && sync_folder(folder) < 0)) {
		close(file->fd);
		return err_errno(err, "open %s", path);
	}
	*journal = &steal(file)->journal;
	return 0;
}

void journal_note(struct journal_state *state, const struct journal_entry *entry)
{
	switch (entry->event) {
	case JOURNAL_BEGIN:
		state->begun = true;
		snprintf(state->plan, sizeof(state->plan), "%s", entry->text);
		break;
	case JOURNAL_STEP:
	case JOURNAL_STEP_BLACKOUT: state->row = entry->row; break;
	case JOURNAL_RELEASED: state->released = true; break;
	case JOURNAL_TAKEN_BACK: state->released = false; break;
	case JOURNAL_TAKEN:
	case JOURNAL_RESOLVED_TARGET: state->taken = true; break;
	case JOURNAL_NEVER:
	case JOURNAL_RESOLVED_SOURCE: state->never = true; break;
	case JOURNAL_UNDONE: state->undone = true; break;
	case JOURNAL_DONE: state->done = true; break;
	case JOURNAL_EVENTS: break;
	}
}

double journal_time_after(const struct journal_state *state, size_t row)
{
	double first_s = 0;

	for (size_t at = row + 1; at < JOURNAL_ROWS; at++)
		if (state->rows_s[at] > 0 && (first_s == 0 || state->rows_s[at] < first_s))
			first_s = state->rows_s[at];
	return first_s;
}

static void note_time(struct journal_state *state, const struct journal_entry *entry, double at_s)
{
	bool blackout = entry->event == JOURNAL_STEP_BLACKOUT;

	if (blackout && state->blackout_s == 0)
		state->blackout_s = at_s;
	if ((blackout || entry->event == JOURNAL_STEP) && entry->row < JOURNAL_ROWS)
		state->rows_s[entry->row] = at_s;
}

/* Whether the line binds somebody: more than that a row was started. */
static bool note_line(struct journal_state *state, const char *text, size_t size)
{
	CLEANUP_JSON_VALUE struct json_value *line = json_parse(text, size, NULL);
	const char *word = json_get_string(line, "event"), *said = json_get_string(line, "text");
	struct journal_entry entry = { .row = (uint32_t)json_get_integer(line, "row", 0) };
	bool binds = false;

	snprintf(entry.text, sizeof(entry.text), "%s", said ? said : "");
	for (entry.event = 0; word && entry.event < JOURNAL_EVENTS; entry.event++)
		if (strcmp(word, events[entry.event].word) == 0) {
			journal_note(state, &entry);
			note_time(state, &entry, json_get_double(line, "time", 0));
			binds = entry.event > JOURNAL_STEP_BLACKOUT;
		}
	return binds;
}

int journal_read(const char *folder, struct journal_state *state, struct err *err)
{
	CLEANUP_FILE FILE *file = NULL;
	char path[JOURNAL_PATH_MAX + 8], line[JOURNAL_LINE_MAX];
	bool binding = false;

	snprintf(path, sizeof(path), "%s/journal", folder);
	file = fopen(path, "re");
	if (!file)
		return err_errno(err, "open %s", path);
	*state = (struct journal_state){ 0 };
	while (fgets(line, sizeof(line), file)) {
		size_t length = strlen(line);

		if (length > 0 && line[length - 1] == '\n') /* else torn: it was not durable */
			binding |= note_line(state, line, length);
	}
	/* who reads acts on it: it must be there tomorrow; what was only begun is just undone */
	if (binding && fdatasync(fileno(file)) < 0)
		return err_errno(err, "make %s durable", path);
	return 0;
}

int journal_read_guest(const char *folder, uint8_t **bytes, size_t *size, struct err *err)
{
	CLEANUP_FREE uint8_t *content = malloc(DESCRIPTION_MAX);
	char path[JOURNAL_PATH_MAX + 8];
	CLEANUP_FD int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "%s/guest", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	got = content ? read(fd, content, DESCRIPTION_MAX) : -1;
	if (got < 0)
		return err_errno(err, "read %s", path);
	*bytes = steal(content);
	*size = (size_t)got;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "json.h"

#define LINE_MAX_BYTES 512
#define RECORDED_MAX 64 /* lines of one process: what is wrong everywhere needs no more */

static const struct violation_row {
	const char *word, *key;
} violations[VIOLATIONS] = {
#define X(code, word, key) [VIOLATION_##code] = { word, key },
	VIOLATION_TABLE(X)
#undef X
};

static void name_file(const struct verdict *verdict, const char *end, char path[], size_t size)
{
	snprintf(path, size, "%s/%s%s", verdict->folder, verdict->uuid, end);
}

int verdict_init(struct verdict *verdict, const char *folder, const char *host, const char *uuid,
		 struct err *err)
{
	*verdict = (struct verdict){ .recorded = 0 };
	if (strlen(folder) >= sizeof(verdict->folder) || strlen(host) >= sizeof(verdict->host) ||
	    strlen(uuid) >= sizeof(verdict->uuid))
		return err_set(err, ERR_USAGE, -ENAMETOOLONG,
			       "the folder of verdicts %s has too long a name: choose a shorter "
			       "one", folder);
	memcpy(verdict->folder, folder, strlen(folder) + 1);
	memcpy(verdict->host, host, strlen(host) + 1);
	memcpy(verdict->uuid, uuid, strlen(uuid) + 1);
	return 0;
}

void verdict_violation(struct verdict *verdict, enum violation kind, const char *format, ...)
{
	char path[VERDICT_PATH_MAX * 2], line[LINE_MAX_BYTES], sentence[LINE_MAX_BYTES - 64];
	CLEANUP_FD int fd = -1;
	va_list args;
	int length;

	if (verdict->recorded >= RECORDED_MAX)
		return;
	verdict->recorded++;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	length = snprintf(line, sizeof(line), "%s: %s\n", violations[kind].word, sentence);
	name_file(verdict, ".violations", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	/* one write, so that the lines of two hosts do not mix */
	if (fd < 0 || write(fd, line, (size_t)length) != length)
		fprintf(stderr, "guest %s: %s", verdict->uuid, line);
}

/* ---- reading back ---- */

static bool is_kind(const char *line, enum violation kind)
{
	size_t length = strlen(violations[kind].word);

	return strncmp(line, violations[kind].word, length) == 0 && line[length] == ':';
}

static FILE *open_violations(const struct verdict *verdict)
{
	char path[VERDICT_PATH_MAX * 2];

	name_file(verdict, ".violations", path, sizeof(path));
	return fopen(path, "re");
}

uint32_t verdict_count(const struct verdict *verdict, uint32_t counts[VIOLATIONS])
{
	CLEANUP_FILE FILE *file = open_violations(verdict);
	char line[LINE_MAX_BYTES];
	uint32_t sum = 0;

	memset(counts, 0, VIOLATIONS * sizeof(counts[0]));
	while (file && fgets(line, sizeof(line), file))
		for (enum violation kind = 0; kind < VIOLATIONS; kind++)
			if (is_kind(line, kind)) {
				counts[kind]++;
				sum++;
			}
	return sum;
}

/* ---- the JSON ---- */

static void put_sentences(const struct verdict *verdict, struct json_writer *writer)
{
	CLEANUP_FILE FILE *file = open_violations(verdict);
	char line[LINE_MAX_BYTES];

	json_key(writer, "violations");
	json_array_begin(writer);
	for (int i = 0; file && i < RECORDED_MAX && fgets(line, sizeof(line), file); i++) {
		line[strcspn(line, "\n")] = '\0';
		json_string(writer, line);
	}
	json_array_end(writer);
}

static void put_facts(struct json_writer *writer, const struct verdict_facts *facts)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "domid", facts->domid },
		{ "suspends", facts->suspends },
		{ "moves", facts->moves },
		{ "cancelled", facts->cancelled },
		{ "vbds", facts->vbds },
		{ "vbds_connected", facts->vbds_connected },
		{ "vifs", facts->vifs },
		{ "vifs_connected", facts->vifs_connected },
		{ "uptime_ms", facts->uptime_ms },
		{ "memory_bytes", facts->memory_bytes },
		{ "pages_dirtied", facts->pages_dirtied },
		{ "pages_checked", facts->pages_checked },
		{ "blocks_written", facts->blocks_written },
		{ "blocks_checked", facts->blocks_checked },
		{ "blocks_reissued", facts->blocks_reissued },
		{ "pings_answered", facts->pings_answered },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_put_integer(writer, rows[i].key, (int64_t)rows[i].value);
}

static void put_verdict(const struct verdict *verdict, const struct verdict_facts *facts,
			struct json_writer *writer)
{
	uint32_t counts[VIOLATIONS], sum = verdict_count(verdict, counts);
	bool memory_wrong = counts[VIOLATION_PAGE] || counts[VIOLATION_PROGRAM];
	bool disk_wrong = counts[VIOLATION_BLOCK_STALE] || counts[VIOLATION_BLOCK_LOST] ||
			  counts[VIOLATION_DISK_ERROR];

	json_object_begin(writer);
	json_put_string(writer, "uuid", verdict->uuid);
	json_put_string(writer, "host", verdict->host);
	json_put_string(writer, "status", facts->status);
	json_put_boolean(writer, "ok", sum == 0);
	json_put_boolean(writer, "memory_verified", facts->memory_verified && !memory_wrong);
	json_put_boolean(writer, "disk_verified", facts->disk_verified && !disk_wrong);
	json_put_boolean(writer, "second_copy", counts[VIOLATION_SECOND_COPY] > 0);
	put_facts(writer, facts);
	for (enum violation kind = 0; kind < VIOLATIONS; kind++)
		json_put_integer(writer, violations[kind].key, counts[kind]);
	put_sentences(verdict, writer);
	json_object_end(writer);
}

static int write_text(int fd, const char *text, size_t size)
{
	if (write(fd, text, size) != (ssize_t)size || write(fd, "\n", 1) != 1)
		return errno ? -errno : -EIO;
	return 0;
}

int verdict_write(const struct verdict *verdict, const struct verdict_facts *facts)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);
	char path[VERDICT_PATH_MAX * 2], fresh[VERDICT_PATH_MAX * 2], end[32];
	CLEANUP_FD int fd = -1;
	const char *text;
	size_t size;
	int rc;

	if (!writer)
		return -ENOMEM;
	put_verdict(verdict, facts, writer);
	text = json_text(writer, &size);
	snprintf(end, sizeof(end), ".json.%d", (int)getpid());
	name_file(verdict, end, fresh, sizeof(fresh));
	name_file(verdict, ".json", path, sizeof(path));
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = write_text(fd, text, size);
	if (!rc && rename(fresh, path) < 0)
		rc = -errno;
	if (rc)
		unlink(fresh);
	return rc;
}

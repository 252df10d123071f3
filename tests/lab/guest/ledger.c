// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The writer's counterpart, outside the guest (see disk_record.h).
 *
 *   ledger collect PORT LEDGER    keeps the newest acknowledgement in the file LEDGER, until killed
 *   ledger newest LEDGER          prints its number
 *   ledger check LEDGER IMAGE     says whether the disk holds what was acknowledged; exit 1 if not
 *
 * A guest that runs twice is found as well: its two writers acknowledge the same numbers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_record.h"

struct ledger {
	struct record newest;
	uint64_t repeated; /* acknowledgements that were not newer than the one before */
};

static void enter(struct ledger *ledger, const struct record *record)
{
	if (record->run > ledger->newest.run)
		*ledger = (struct ledger){ .newest = *record };
	else if (record->run < ledger->newest.run || record->number <= ledger->newest.number)
		ledger->repeated++;
	else
		ledger->newest = *record;
}

static int collect(const char *port, const char *path)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct ledger ledger = { 0 };
	struct record record;

	if (sock < 0 || file < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("ledger: collect");
		return 1;
	}
	for (;;) {
		ssize_t size = recv(sock, &record, sizeof(record), MSG_TRUNC);

		if (size != sizeof(record) || record.magic != RECORD_MAGIC)
			continue;
		enter(&ledger, &record);
		if (pwrite(file, &ledger, sizeof(ledger), 0) != sizeof(ledger)) {
			perror(path);
			return 1;
		}
	}
}

static int load(const char *path, struct ledger *ledger)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	bool whole = file >= 0 && pread(file, ledger, sizeof(*ledger), 0) == sizeof(*ledger);

	if (file >= 0)
		close(file);
	if (!whole)
		fprintf(stderr, "ledger: nothing was acknowledged in %s\n", path);
	return whole ? 0 : 1;
}

static bool torn(const unsigned char *block)
{
	size_t one = sizeof(struct record);

	return memcmp(block, block + one, RECORD_BLOCK - one) != 0;
}

/* Whether `block` holds number `first` of the ledger's run, or a later one if not `full`. */
static bool holds(const unsigned char *block, const struct ledger *ledger, uint64_t first,
		  bool full, uint64_t at)
{
	struct record found;

	memcpy(&found, block, sizeof(found));
	if (found.magic == RECORD_MAGIC && found.run == ledger->newest.run && !torn(block) &&
	    (full ? found.number == first : found.number >= first))
		return true;
	printf("block %" PRIu64 ": %s%" PRIu64 "%s where %" PRIu64 " was acknowledged\n", at,
	       torn(block) ? "torn, " : "number ", found.magic == RECORD_MAGIC ? found.number : 0,
	       found.run == ledger->newest.run ? "" : " of another run", first);
	return false;
}

/* A full group must end in its last number, the newest block hold the newest number or a later. */
static uint64_t wrong_blocks(const struct ledger *ledger, int image, uint64_t blocks)
{
	unsigned char *block = aligned_alloc(RECORD_BLOCK, RECORD_BLOCK);
	uint64_t newest = ledger->newest.number, last = newest / RECORD_GROUP, wrong = 0;
	/* the writer goes on while we read: leave it some blocks when it has gone round the disk */
	uint64_t group = last + 64 > blocks ? last + 64 - blocks : 0;

	if (!block)
		return 1;
	for (; group <= last; group++) {
		uint64_t at = group % blocks;
		bool full = group < last;

		uint64_t first = full ? (group + 1) * RECORD_GROUP - 1 : newest;

		if (pread(image, block, RECORD_BLOCK, (off_t)(at * RECORD_BLOCK)) != RECORD_BLOCK ||
		    !holds(block, ledger, first, full, at))
			wrong++;
	}
	free(block);
	return wrong;
}

static int check(const struct ledger *ledger, const char *path)
{
	const struct record *newest = &ledger->newest;
	int image = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	struct stat status;
	uint64_t wrong;

	if (image < 0 || fstat(image, &status) < 0 || status.st_size < (off_t)RECORD_BLOCK) {
		perror(path);
		return 1;
	}
	wrong = wrong_blocks(ledger, image, (uint64_t)status.st_size / RECORD_BLOCK);
	close(image);
	printf("%" PRIu64 " writes acknowledged: %" PRIu64 " blocks wrong, %" PRIu64
	       " times out of order, %" PRIu64 " failed, %" PRIu64 " acknowledged twice\n",
	       newest->number, wrong, newest->disorder, newest->errors, ledger->repeated);
	return wrong || newest->disorder || newest->errors || ledger->repeated;
}

int main(int argc, char **argv)
{
	struct ledger ledger;

	if (argc == 4 && !strcmp(argv[1], "collect"))
		return collect(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "newest")) {
		if (load(argv[2], &ledger))
			return 1;
		printf("%" PRIu64 "\n", ledger.newest.number);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "check"))
		return load(argv[2], &ledger) ? 1 : check(&ledger, argv[3]);
	fprintf(stderr, "usage: ledger collect PORT LEDGER | newest LEDGER | check LEDGER IMAGE\n");
	return 2;
}

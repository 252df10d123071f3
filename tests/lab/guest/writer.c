// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * writer DEVICE ADDRESS PORT: in the guest, writes a numbered block every 100 ms past the page
 * cache and acknowledges it by UDP (see disk_record.h). Stays up through every failure: counting
 * them is its work.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "disk_record.h"

static unsigned char *aligned_block(void)
{
	void *block = aligned_alloc(RECORD_BLOCK, RECORD_BLOCK);

	if (!block) {
		perror("writer: memory");
		exit(1);
	}
	memset(block, 0, RECORD_BLOCK);
	return block;
}

static void fill(unsigned char *block, const struct record *record)
{
	for (size_t at = 0; at < RECORD_BLOCK; at += sizeof(*record))
		memcpy(block + at, record, sizeof(*record));
}

static int open_acknowledger(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("writer: acknowledge");
		exit(1);
	}
	return fd;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Counts in `record` what is wrong with the block at `offset`, which must hold `expected`. */
static void read_back(int disk, off_t offset, const unsigned char *expected, unsigned char *found,
		      struct record *record)
{
	if (pread(disk, found, RECORD_BLOCK, offset) != RECORD_BLOCK)
		record->errors++;
	else if (memcmp(found, expected, RECORD_BLOCK) != 0)
		record->disorder++;
}

static void write_for_ever(int disk, uint64_t blocks, int acknowledge)
{
	const struct timespec pause = { .tv_nsec = RECORD_INTERVAL_MS * 1000000L };
	struct record record = { .magic = RECORD_MAGIC, .run = now_ns() };
	unsigned char *block = aligned_block(), *found = aligned_block();

	for (record.number = 1;; record.number++) {
		off_t offset = (off_t)(record.number / RECORD_GROUP % blocks * RECORD_BLOCK);

		if (record.number % RECORD_GROUP != 0 && record.number != 1)
			read_back(disk, offset, block, found, &record);
		fill(block, &record);
		while (pwrite(disk, block, RECORD_BLOCK, offset) != RECORD_BLOCK) {
			record.errors++;
			nanosleep(&pause, NULL);
		}
		(void)send(acknowledge, &record, sizeof(record), MSG_DONTWAIT);
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	uint64_t bytes = 0;
	int disk;

	if (argc != 4) {
		fprintf(stderr, "usage: writer DEVICE ADDRESS PORT\n");
		return 2;
	}
	disk = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes) < 0 || bytes < RECORD_BLOCK) {
		perror(argv[1]);
		return 1;
	}
	write_for_ever(disk, bytes / RECORD_BLOCK, open_acknowledger(argv[2], argv[3]));
}

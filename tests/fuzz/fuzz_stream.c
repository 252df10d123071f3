/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One packet of a child's that reads a stranger's bytes, or to it. The first byte chooses: bit 2,
 * of xenferry-tls to who started it; else of xenferry-stream's to its worker, or, bit 1, of a
 * worker's to its stream. Bit 0: it is of this version, whatever the next four bytes are.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "stream_proto.h"
#include "tls_report.h"

#define PACKET_MAX 4096

static void try_event(const uint8_t *data, size_t size)
{
	int fd = fuzz_socket(SOCK_SEQPACKET, data, size);
	struct stream_event event;

	if (stream_receive_event(fd, &event) == 1) {
		assert(event.kind <= STREAM_FINISHED && event.dirty_pages >= -1);
		assert(memchr(event.message, '\0', sizeof(event.message)));
		for (const char *c = event.message; *c; c++)
			assert(!iscntrl((unsigned char)*c));
	}
	close(fd);
}

static void try_word(const uint8_t *data, size_t size)
{
	int fd = fuzz_socket(SOCK_SEQPACKET, data, size);
	struct stream_word word;
	int rc = stream_receive_word(fd, false, &word);

	assert(rc == 1 || rc == 0 || rc == -EPROTO || rc == -EAGAIN);
	assert(rc != 1 || word.kind == STREAM_ANSWER || word.kind == STREAM_LIMIT);
	close(fd);
}

static void try_report(const uint8_t *data, size_t size)
{
	int control = fuzz_socket(SOCK_SEQPACKET, data, size), fd = -1;
	struct tls_report report;

	if (tls_receive_report(control, &report, &fd) == 1) {
		assert(report.rc <= 0 && report.err.code < ERR_CODES);
		assert(memchr(report.names, '\0', sizeof(report.names)));
		assert(memchr(report.err.message, '\0', sizeof(report.err.message)));
	}
	assert(fd == -1);
	close(control);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint32_t version = STREAM_PROTO_VERSION;
	uint8_t packet[PACKET_MAX];

	if (size == 0 || size > sizeof(packet))
		return 0;
	memcpy(packet, data + 1, --size);
	if (data[0] & 1 && size >= sizeof(version))
		memcpy(packet, &version, sizeof(version));
	if (data[0] & 4)
		try_report(packet, size);
	else if (data[0] & 2)
		try_word(packet, size);
	else
		try_event(packet, size);
	return 0;
}

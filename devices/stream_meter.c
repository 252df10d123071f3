/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_meter.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* glibc's netinet/tcp.h does not know tcpi_bytes_acked */
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

/* Returns whether `meter->fd` is a TCP socket whose bytes the kernel counts. */
static bool read_tcp(const struct stream_meter *meter, uint64_t *bytes)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int queued = 0;

	if (getsockopt(meter->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
	    size < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(uint64_t))
		return false;
	if (!meter->sending) {
		*bytes = info.tcpi_bytes_received;
		return true;
	}
	/* what is acknowledged lags behind by a buffer: in a short iteration it would be nothing */
	if (ioctl(meter->fd, SIOCOUTQ, &queued) < 0 || queued < 0)
		queued = 0;
	*bytes = info.tcpi_bytes_acked;
	*bytes += (uint64_t)queued;
	return true;
}

/* The kernel's account of this process: proc(5), /proc/pid/io. */
static bool read_process(const struct stream_meter *meter, uint64_t *bytes)
{
	const char *key = meter->sending ? "wchar: " : "rchar: ";
	CLEANUP_FD int fd = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	char text[512];
	const char *value;
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return false;
	text[got] = '\0';
	value = strstr(text, key);
	if (!value)
		return false;
	*bytes = strtoull(value + strlen(key), NULL, 10);
	return true;
}

/* The count so far, whenever it began; 0 when it cannot be had. */
static uint64_t read_count(const struct stream_meter *meter)
{
	uint64_t bytes = 0;
	bool known;

	if (meter->counted)
		return atomic_load(meter->counted);
	known = meter->tcp ? read_tcp(meter, &bytes) : read_process(meter, &bytes);
	return known ? bytes : 0;
}

void stream_meter_init(struct stream_meter *meter, int fd, bool sending)
{
	uint64_t ignored;

	*meter = (struct stream_meter){ .fd = fd, .sending = sending };
	meter->tcp = read_tcp(meter, &ignored);
	meter->begun_bytes = read_count(meter);
}

void stream_meter_follow(struct stream_meter *meter, const _Atomic uint64_t *counted)
{
	*meter = (struct stream_meter){ .fd = -1, .counted = counted };
}

uint64_t stream_meter_bytes(struct stream_meter *meter)
{
	uint64_t count = read_count(meter);
	uint64_t bytes = count > meter->begun_bytes ? count - meter->begun_bytes : 0;

	/* a connection that was broken counts no more */
	if (bytes > meter->last_bytes)
		meter->last_bytes = bytes;
	return meter->last_bytes;
}

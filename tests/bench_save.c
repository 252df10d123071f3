/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libxenguest alone reaches into a bare socket, for the benchmarks to compare with:
 *
 *   bench_save sink PORT            reads what comes into fresh memory, as whoever receives a
 *                                   guest must, and forgets it; until it is killed
 *   bench_save DOMID ADDRESS PORT   sends a running domain's memory there once, and prints
 *                                   "bytes=... us=..."
 *
 * After the first pass over memory the library is told to stop: the guest is never suspended.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/tcp.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "cleanup.h"
#include "clock.h"

#define SINK_BYTES (1ull << 34) /* of address space: no guest here is larger */
#define READ_BYTES (1u << 20)

struct pass {
	int fd;
	uint64_t start_us, end_us;
	uint64_t bytes;
};

/* The library fails, as it is told to; nobody needs to read that. */
static void say_nothing(xentoollog_logger *logger, xentoollog_level level, int errno_value,
			const char *context, const char *format, va_list args)
{
	(void)logger, (void)level, (void)errno_value, (void)context, (void)format, (void)args;
}

static void show_nothing(xentoollog_logger *logger, const char *context, const char *doing_what,
			 int percent, unsigned long done, unsigned long total)
{
	(void)logger, (void)context, (void)doing_what, (void)percent, (void)done, (void)total;
}

static void keep(xentoollog_logger *logger)
{
	(void)logger;
}

static xentoollog_logger quiet = { say_nothing, show_nothing, keep };

/* What the library wrote: acknowledged by the other end, or still queued. */
static uint64_t sent_bytes(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int queued = 0;

	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	ioctl(fd, SIOCOUTQ, &queued);
	return (uint64_t)info.tcpi_bytes_acked + (uint64_t)queued;
}

static int after_first_pass(struct precopy_stats stats, void *data)
{
	struct pass *pass = data;

	if (stats.iteration == 0)
		return XGS_POLICY_CONTINUE_PRECOPY;
	pass->bytes = sent_bytes(pass->fd);
	pass->end_us = clock_now_us(&clock_system);
	return XGS_POLICY_ABORT;
}

static int never_suspend(void *data)
{
	(void)data;
	return 0;
}

/* There is no QEMU. */
static int switch_nothing(uint32_t domid, unsigned int enable, void *data)
{
	(void)domid, (void)enable, (void)data;
	return 0;
}

static int save(uint32_t domid, struct pass *pass)
{
	struct save_callbacks callbacks = {
		.precopy_policy = after_first_pass,
		.suspend = never_suspend,
		.switch_qemu_logdirty = switch_nothing,
		.data = pass,
	};
	xc_interface *xen = xc_interface_open(&quiet, &quiet, 0);

	if (!xen) {
		perror("bench_save: no hypervisor");
		return 1;
	}
	pass->start_us = clock_now_us(&clock_system);
	xc_domain_save(xen, pass->fd, domid, XCFLAGS_LIVE, &callbacks, XC_STREAM_PLAIN, -1);
	xc_interface_close(xen);
	if (pass->end_us == 0) {
		fprintf(stderr, "bench_save: domain %u was not sent\n", domid);
		return 1;
	}
	printf("bytes=%llu us=%llu\n", (unsigned long long)pass->bytes,
	       (unsigned long long)(pass->end_us - pass->start_us));
	return 0;
}

static int send_to(uint32_t domid, const char *address, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pass pass = { .fd = fd };

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("bench_save: no sink");
		return 1;
	}
	return save(domid, &pass);
}

static void take_in(int fd)
{
	char *memory = mmap(NULL, SINK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t at = 0;
	ssize_t size;

	if (memory == MAP_FAILED)
		return;
	while (at + READ_BYTES < SINK_BYTES && (size = read(fd, memory + at, READ_BYTES)) > 0)
		at += (size_t)size;
	munmap(memory, SINK_BYTES);
}

static int sink(uint16_t port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	CLEANUP_FD int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(listener, 1) < 0) {
		perror("bench_save: no sink");
		return 1;
	}
	for (;;) {
		CLEANUP_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			take_in(fd);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return sink((uint16_t)atoi(argv[2]));
	if (argc == 4)
		return send_to((uint32_t)atoi(argv[1]), argv[2], (uint16_t)atoi(argv[3]));
	fprintf(stderr, "usage: bench_save sink PORT | bench_save DOMID ADDRESS PORT\n");
	return 2;
}

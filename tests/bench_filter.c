/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter between a maker of libxenguest's stream and a reader of it, each a process of its own,
 * over a link that can be made slow:
 *
 *   bench_filter WAY CHANNELS MIB ZERO_PERCENT PASSES MBIT_PER_S DELAY_MS
 *
 * WAY: none, lz4, zstd, auto; or `plain`: in the filter's place a process that only reads and
 * writes, which is what one processor can do at most. Pages are zero, text, machine code and noise;
 * in another pass others. The link: TCP on loopback, paced by the kernel (0: not); or, with a delay
 * there and back, between two network namespaces (far_link.c).
 *
 * Prints what came of it: us from the first byte to the last, stream and wire bytes, and the
 * filter's processor time and memory.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channels.h"
#include "codec_choice.h"
#include "far_link.h"
#include "filter.h"
#include "stream_maker.h"

#define POOL_PAGES 4096u /* other pages than zero ones come from these, again and again */
#define CHUNK (512u << 10)
#define CODE "/bin/bash"

/* In memory that the processes share. */
struct seen {
	_Atomic uint64_t begun_us; /* the library has what it is going to write */
	struct filter_counters sent, received;
};

struct bench {
	const char *way;
	unsigned compress;
	bool filtered;
	size_t channels, pages, passes;
	unsigned zero_percent;
	uint64_t link_bytes_per_s, round_trip_us;
	struct far_link link;
	struct seen *seen;
	int maker[2], reader[2];          /* sockets to the library at either end */
	int source[CHANNELS_MAX], target[CHANNELS_MAX];
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t wrote = write(fd, (const char *)bytes + done, size - done);

		if (wrote <= 0)
			fail("write");
		done += (size_t)wrote;
	}
}

/* ---- the library at the source ---- */

static uint8_t *make_pool(void)
{
	uint8_t *pool = calloc(POOL_PAGES, PAGE_BYTES);
	int code = open(CODE, O_RDONLY | O_CLOEXEC);

	if (!pool || code < 0)
		fail(CODE);
	srandom(1);
	for (size_t i = 0; i < POOL_PAGES; i++) {
		uint8_t *page = pool + i * PAGE_BYTES;

		if (i % 4 == 0) /* noise */
			for (size_t at = 0; at < PAGE_BYTES; at++)
				page[at] = (uint8_t)random();
		else if (i % 4 == 1) /* code */
			(void)!pread(code, page, PAGE_BYTES, (off_t)(i % 250) * PAGE_BYTES);
		else
			for (size_t at = 0; at + 48 < PAGE_BYTES; at += 40)
				snprintf((char *)page + at, 48, "%08lx%08lx record %zu: value=%ld",
					 random(), random(), at, random() % 1000);
	}
	close(code);
	return pool;
}

/* So spread that the others share places in the caches of both ends by chance only. */
static bool is_zero(const struct bench *bench, size_t pfn)
{
	return ((uint32_t)(pfn * 2654435761u) >> 16) % 100 < bench->zero_percent;
}

/* A record's pages, mapped and written as libxenguest does: 4 MiB at once, a part for each page. */
static void make_record_from(const struct bench *bench, const uint8_t *pool, size_t pass,
			     size_t first)
{
	static const uint8_t zero[PAGE_BYTES];
	struct iovec parts[LIBXC_PAGES_MAX];
	uint64_t entries[LIBXC_PAGES_MAX];
	uint32_t header[4] = { LIBXC_PAGE_DATA, 0, 0, 0 };
	size_t count = bench->pages - first;

	if (count > LIBXC_PAGES_MAX)
		count = LIBXC_PAGES_MAX;
	for (size_t i = 0; i < count; i++) {
		size_t pfn = first + i;
		const uint8_t *page = pool + (pfn * 7 + pass) % POOL_PAGES * PAGE_BYTES;

		if (is_zero(bench, pfn))
			page = zero;
		entries[i] = pfn;
		parts[i] = (struct iovec){ (void *)page, PAGE_BYTES };
	}
	header[1] = (uint32_t)(8 + count * (8 + PAGE_BYTES));
	header[2] = (uint32_t)count;
	write_all(bench->maker[0], header, sizeof(header));
	write_all(bench->maker[0], entries, count * sizeof(entries[0]));
	for (size_t at = 0; at < count;) {
		ssize_t wrote = writev(bench->maker[0], parts + at, (int)(count - at));

		if (wrote <= 0)
			fail("writev");
		while (at < count && (size_t)wrote >= parts[at].iov_len)
			wrote -= (ssize_t)parts[at++].iov_len;
		if (at < count) {
			parts[at].iov_base = (char *)parts[at].iov_base + wrote;
			parts[at].iov_len -= (size_t)wrote;
		}
	}
}

static void make(const struct bench *bench)
{
	struct stream_maker head = { .size = 0 }, tail = { .size = 0 };
	uint8_t *pool = make_pool();

	make_headers(&head);
	make_static_data(&head);
	make_state(&tail);
	atomic_store(&bench->seen->begun_us, clock_now_us(&clock_system));
	write_all(bench->maker[0], head.bytes, head.size);
	for (size_t pass = 0; pass < bench->passes; pass++)
		for (size_t first = 0; first < bench->pages; first += LIBXC_PAGES_MAX)
			make_record_from(bench, pool, pass, first);
	write_all(bench->maker[0], tail.bytes, tail.size);
}

/* ---- the stages ---- */

static void copy(int from, int to)
{
	char *bytes = malloc(CHUNK);
	ssize_t got;

	if (!bytes)
		fail("copy");
	while ((got = read(from, bytes, CHUNK)) > 0)
		write_all(to, bytes, (size_t)got);
	free(bytes);
}

static void make_nonblocking(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) | O_NONBLOCK);
}

static void send_side(const struct bench *bench)
{
	const struct filter_options options = { bench->compress, false };
	const struct filter_ends ends = { bench->maker[1], bench->source, bench->channels, NULL };
	struct err err;

	if (!bench->filtered) {
		copy(bench->maker[1], bench->source[0]);
		return;
	}
	make_nonblocking(bench->source, bench->channels);
	if (filter_send(&clock_system, &ends, &options, &bench->seen->sent, &err) < 0) {
		fprintf(stderr, "bench_filter: %s\n", err.message);
		_exit(1);
	}
}

static void receive_side(const struct bench *bench)
{
	const struct filter_ends ends = { bench->reader[0], bench->target, bench->channels, NULL };
	struct err err;

	if (!bench->filtered) {
		copy(bench->target[0], bench->reader[0]);
		return;
	}
	make_nonblocking(bench->target, bench->channels);
	if (filter_receive(&clock_system, &ends, 1ull << 28, -1, &bench->seen->received,
			   &err) < 0) {
		fprintf(stderr, "bench_filter: %s\n", err.message);
		_exit(1);
	}
}

/* ---- the link ---- */

static int listen_somewhere(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (listener < 0 || bind(listener, (struct sockaddr *)address, sizeof(*address)) < 0 ||
	    listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)address, &size) < 0)
		fail("listen");
	return listener;
}

static void connect_tcp(const struct bench *bench, int ends[2])
{
	unsigned rate = (unsigned)(bench->link_bytes_per_s / bench->channels);
	struct sockaddr_in address;
	int listener = listen_somewhere(&address);

	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	if (rate && setsockopt(ends[0], SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)) < 0)
		fail("SO_MAX_PACING_RATE");
}

static void connect_channels(struct bench *bench)
{
	for (size_t i = 0; i < bench->channels; i++) {
		int ends[2];

		if (bench->round_trip_us > 0)
			far_link_connect(&bench->link, ends);
		else
			connect_tcp(bench, ends);
		bench->source[i] = ends[0];
		bench->target[i] = ends[1];
	}
}

/* ---- all of it ---- */

static pid_t start(struct bench *bench, void (*run)(const struct bench *bench))
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	/* nobody keeps an end that is another's: its closing is the end of the stream */
	if (run != make)
		close(bench->maker[0]);
	if (run != send_side)
		close(bench->maker[1]);
	if (run != receive_side)
		close(bench->reader[0]);
	close(bench->reader[1]);
	for (size_t i = 0; i < bench->channels; i++) {
		if (run != send_side)
			close(bench->source[i]);
		if (run != receive_side)
			close(bench->target[i]);
	}
	run(bench);
	_exit(0);
}

static uint64_t drain(int fd)
{
	char *bytes = malloc(CHUNK);
	uint64_t all = 0;
	ssize_t got;

	while ((got = read(fd, bytes, CHUNK)) > 0)
		all += (uint64_t)got;
	free(bytes);
	return all;
}

static uint64_t cpu_us(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

static int measure(struct bench *bench)
{
	uint64_t us, stream;
	struct rusage sender, receiver;
	pid_t send_pid, receive_pid;
	int bytes = 4 << 20, status[2];

	if (bench->round_trip_us > 0) /* its process gets nothing that is to be closed */
		far_link_open(&bench->link, bench->round_trip_us);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->maker) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, bench->reader) < 0)
		fail("socketpair");
	for (int i = 0; i < 2; i++)
		if (setsockopt(bench->maker[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
		    setsockopt(bench->reader[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0)
			fail("SO_SNDBUF");
	connect_channels(bench);
	start(bench, make);
	send_pid = start(bench, send_side);
	receive_pid = start(bench, receive_side);
	close(bench->maker[0]);
	close(bench->maker[1]);
	close(bench->reader[0]);
	for (size_t i = 0; i < bench->channels; i++)
		close(bench->source[i]), close(bench->target[i]);
	stream = drain(bench->reader[1]);
	us = clock_now_us(&clock_system) - atomic_load(&bench->seen->begun_us);
	wait4(send_pid, &status[0], 0, &sender);
	wait4(receive_pid, &status[1], 0, &receiver);
	printf("us=%llu stream=%llu wire=%llu send_cpu_us=%llu receive_cpu_us=%llu "
	       "send_kib=%ld receive_kib=%ld\n",
	       (unsigned long long)us, (unsigned long long)stream,
	       (unsigned long long)(bench->filtered ? bench->seen->sent.wire_bytes : stream),
	       (unsigned long long)cpu_us(&sender), (unsigned long long)cpu_us(&receiver),
	       sender.ru_maxrss, receiver.ru_maxrss);
	return status[0] == 0 && status[1] == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct bench bench = { .way = argc > 1 ? argv[1] : "" };

	signal(SIGPIPE, SIG_IGN);
	bench.filtered = compress_from_text(bench.way, &bench.compress) == 0;
	if (argc != 8 || (!bench.filtered && strcmp(bench.way, "plain") != 0)) {
		fprintf(stderr, "usage: bench_filter WAY CHANNELS MIB ZERO_PERCENT PASSES "
				"MBIT_PER_S DELAY_MS\n");
		return 2;
	}
	bench.channels = (size_t)atol(argv[2]);
	bench.pages = (size_t)atol(argv[3]) * 256;
	bench.zero_percent = (unsigned)atoi(argv[4]);
	bench.passes = (size_t)atol(argv[5]);
	bench.link_bytes_per_s = (uint64_t)atol(argv[6]) * 125000;
	bench.round_trip_us = (uint64_t)atol(argv[7]) * 1000;
	bench.seen = mmap(NULL, sizeof(*bench.seen), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return bench.seen == MAP_FAILED ? 1 : measure(&bench);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-stream: saves or restores one domain's memory and state with libxenguest.
 *
 *   xenferry-stream save DOMID
 *   xenferry-stream restore DOMID STORE_PORT CONSOLE_PORT PAGES_MAX
 *
 * Started by xenferry-worker with two descriptors more than usual: 3 is the worker's (see
 * stream_proto.h), 4 the connection that the library writes to or reads from. The order of things:
 * main, prepare_saver or prepare_restorer, save or restore, the library's callbacks, finish.
 *
 * A saver ends in good order only: log-dirty mode is on while it runs, and the library alone turns
 * it off. So a request to stop, or the worker's death, breaks the connection under the library,
 * which then fails at its next write and cleans up.
 */
#include "stream_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xen/version.h>

#include "clock.h"
#include "log.h"
#include "pacer.h"
#include "stream_meter.h"

#define XEN_MAJOR 4 /* the libraries' interface to the hypervisor is that of one version */
#define XEN_MINOR 17
#define PROGRESS_INTERVAL_US 100000
#define PACE_MIN_US 1000 /* less is not waited for */

/*
 * A restorer's address space: two bitmaps of the guest's frames, twice while they grow, and beside
 * them a record of at most 128 MiB, its pages once more, and the libraries.
 */
#define BITMAP_COPIES 4
#define RESTORER_BASE_BYTES (512ull * 1024 * 1024)
#define PAGES_MAX (1ull << 40)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0 /* a sanitizer reserves terabytes: no limit then */
#endif

_Static_assert((int)STREAM_ABORT == XGS_POLICY_ABORT, "decisions are the library's");
_Static_assert((int)STREAM_CONTINUE == XGS_POLICY_CONTINUE_PRECOPY, "decisions are the library's");
_Static_assert((int)STREAM_STOP == XGS_POLICY_STOP_AND_COPY, "decisions are the library's");

/* What the callbacks know. The logger comes first: the library hands a pointer to it back. */
struct child {
	xentoollog_logger logger;
	struct stream_meter meter;
	const struct side *side;
	xc_interface *xch;
	uint32_t domid;
	struct stream_limit limit;
	struct pacer pacer;
	bool suspended;
	uint32_t iteration;
	uint64_t next_progress_us;
	bool concluded; /* the reason is known: what the library adds to it is left out */
	char words[sizeof(((struct stream_event *)NULL)->message)]; /* why it failed */
};

struct arguments {
	uint32_t domid, store_port, console_port;
	uint64_t pages_max;
};

/* One of the two programs in this one. */
struct side {
	const char *verb;
	int numbers; /* arguments after the verb */
	bool sending;
	int death_signal; /* what the worker's death sends us */
	int (*prepare)(const struct arguments *arguments);
	int (*run)(struct child *child, xc_interface *xch, const struct arguments *arguments,
		   struct stream_event *result);
};

static volatile sig_atomic_t stopping;
static int dead_fd = -1; /* fails every write */

/* ---- words ---- */

static void add_words(struct child *child, const char *text)
{
	size_t used = strlen(child->words);

	if (child->concluded)
		return;
	snprintf(child->words + used, sizeof(child->words) - used, "%s%s", used ? "; " : "", text);
}

/* The last word, where we know the reason and the library is to fail for it. */
static void conclude(struct child *child, const char *text)
{
	add_words(child, text);
	child->concluded = true;
}

/* Takes out what the library appends to every message, whether it means something or not. */
static void drop_noise(char *text)
{
	static const char *const noise[] = { ": Internal error", " (0 = Success)" };

	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
		size_t length = strlen(noise[i]);
		char *found = strstr(text, noise[i]);

		if (found)
			memmove(found, found + length, strlen(found + length) + 1);
	}
}

/* The library's errors become the reason of the failure; its warnings go to the log. */
static void on_message(xentoollog_logger *logger, xentoollog_level level, int errno_value,
		       const char *context, const char *format, va_list args)
{
	struct child *child = (struct child *)logger;
	char text[512], whole[640];

	vsnprintf(text, sizeof(text), format, args);
	drop_noise(text);
	if (errno_value > 0)
		snprintf(whole, sizeof(whole), "%s: %s", text, strerror(errno_value));
	else
		snprintf(whole, sizeof(whole), "%s", text);
	if (level >= XTL_ERROR)
		add_words(child, whole);
	else if (level == XTL_WARN)
		log_warning("%s: %s", context ? context : "xen", whole);
}

static void show_progress(struct child *child, unsigned long done, unsigned long total)
{
	struct stream_event event = { .kind = STREAM_PROGRESS, .iteration = child->iteration };
	uint64_t now_us = clock_now_us(&clock_system);

	if (now_us < child->next_progress_us)
		return;
	child->next_progress_us = now_us + PROGRESS_INTERVAL_US;
	event.pages_done = done;
	event.pages_total = total;
	event.wire_bytes = stream_meter_bytes(&child->meter);
	/* a worker that does not listen just now misses one; the copy does not wait for it */
	(void)stream_send_event(STREAM_CONTROL_FD, &event, false);
}

/* From now on; the last pass only when that is asked for. */
static void obey(struct child *child, const struct stream_limit *limit)
{
	bool free = child->suspended && !limit->last_pass_too;

	child->limit = *limit;
	pacer_set(&child->pacer, free ? 0 : limit->bytes_per_s, clock_now_us(&clock_system),
		  stream_meter_bytes(&child->meter));
}

/* Takes what the worker says of its own accord. False: it is gone, or we are to stop. */
static bool hear_limits(struct child *child)
{
	struct stream_word word;
	int rc;

	while ((rc = stream_receive_word(STREAM_CONTROL_FD, false, &word)) == 1)
		if (word.kind == STREAM_LIMIT)
			obey(child, &word.limit);
	return rc == -EAGAIN && !stopping;
}

/*
 * Holds the library up, which calls this every 4 MiB, until more may be sent. The worker is shown
 * meanwhile that we are there, and a word of its ends the wait.
 */
static void keep_pace(struct child *child, unsigned long done, unsigned long total)
{
	struct pollfd control = { .fd = STREAM_CONTROL_FD, .events = POLLIN };

	while (hear_limits(child)) {
		uint64_t wait_us = pacer_wait_us(&child->pacer, clock_now_us(&clock_system),
						 stream_meter_bytes(&child->meter));

		if (wait_us < PACE_MIN_US)
			return;
		if (wait_us > PROGRESS_INTERVAL_US)
			wait_us = PROGRESS_INTERVAL_US;
		(void)poll(&control, 1, (int)(wait_us / 1000));
		show_progress(child, done, total);
	}
}

static void on_progress(xentoollog_logger *logger, const char *context, const char *doing_what,
			int percent, unsigned long done, unsigned long total)
{
	struct child *child = (struct child *)logger;

	(void)context;
	(void)doing_what;
	(void)percent;
	if (total == 0) /* a headline */
		return;
	show_progress(child, done, total);
	if (child->side->sending)
		keep_pace(child, done, total);
}

static void on_destroy(xentoollog_logger *logger)
{
	(void)logger;
}

/* ---- what the library asks ---- */

/* The worker's answer, or `no` when there is none: it is gone, or we are to stop. */
static int ask(struct child *child, struct stream_event *question, int no)
{
	struct stream_word word = { .kind = STREAM_LIMIT };

	question->wire_bytes = stream_meter_bytes(&child->meter);
	if (stopping || stream_send_event(STREAM_CONTROL_FD, question, true) < 0)
		return no;
	while (word.kind == STREAM_LIMIT) {
		if (stream_receive_word(STREAM_CONTROL_FD, true, &word) <= 0 || stopping)
			return no;
		if (word.kind == STREAM_LIMIT)
			obey(child, &word.limit);
	}
	return word.answer;
}

/* How many pages are dirty at this moment; -1 when Xen does not say. Clears nothing. */
static int64_t peek_dirty_pages(const struct child *child)
{
	xc_shadow_op_stats_t stats = { 0 };

	if (xc_logdirty_control(child->xch, child->domid, XEN_DOMCTL_SHADOW_OP_PEEK,
				HYPERCALL_BUFFER(HYPERCALL_BUFFER_NULL), 0, 0, &stats) < 0)
		return -1;
	return stats.dirty_count;
}

/* Called before each iteration, with the count of dirty pages, and after it, without. */
static int on_precopy_policy(struct precopy_stats stats, void *data)
{
	struct child *child = data;
	struct stream_event question = {
		.kind = STREAM_ITERATION,
		.iteration = stats.iteration,
		.sent = stats.dirty_count < 0,
		.dirty_pages = stats.dirty_count,
	};
	int answer;

	if (question.sent)
		question.dirty_pages = peek_dirty_pages(child);

	child->iteration = stats.iteration;
	answer = ask(child, &question, STREAM_ABORT);
	if (answer == STREAM_CONTINUE || answer == STREAM_STOP)
		return answer;
	conclude(child, "the copy was called off");
	return STREAM_ABORT;
}

/* The library takes anything but 0 for success; what it means is 1. */
static int on_suspend(void *data)
{
	struct child *child = data;
	struct stream_event question = { .kind = STREAM_SUSPEND, .iteration = child->iteration };

	child->iteration++; /* what is sent from here on */
	if (ask(child, &question, 0) == 1) {
		child->suspended = true;
		obey(child, &child->limit);
		return 1;
	}
	conclude(child, "the guest was not suspended");
	return 0;
}

/* Must exist, also for a PVH guest. What we move has no QEMU that writes to its memory. */
static int on_switch_qemu_logdirty(uint32_t domid, unsigned int enable, void *data)
{
	(void)domid;
	(void)enable;
	(void)data;
	return 0;
}

/* Before any memory. Without MSRs the sender had none to send; without CPUID it is too old. */
static int on_static_data_done(unsigned int missing, void *data)
{
	if (!(missing & XGR_SDD_MISSING_CPUID))
		return 0;
	conclude(data, "the stream says nothing of the guest's CPU: "
		       "its sender is older than Xen 4.14, upgrade that host first");
	return -1;
}

/* ---- the two sides ---- */

static int save(struct child *child, xc_interface *xch, const struct arguments *arguments,
		struct stream_event *result)
{
	struct save_callbacks callbacks = {
		.precopy_policy = on_precopy_policy,
		.suspend = on_suspend,
		.switch_qemu_logdirty = on_switch_qemu_logdirty,
		.data = child,
	};

	(void)result;
	return xc_domain_save(xch, STREAM_MEMORY_FD, arguments->domid, XCFLAGS_LIVE, &callbacks,
			      XC_STREAM_PLAIN, -1);
}

static int restore(struct child *child, xc_interface *xch, const struct arguments *arguments,
		   struct stream_event *result)
{
	struct restore_callbacks callbacks = {
		.static_data_done = on_static_data_done,
		.data = child,
	};
	unsigned long store_frame = 0, console_frame = 0;
	int r;

	r = xc_domain_restore(xch, STREAM_MEMORY_FD, arguments->domid, arguments->store_port,
			      &store_frame, 0, arguments->console_port, &console_frame, 0,
			      XC_STREAM_PLAIN, &callbacks, -1);
	result->store_pfn = store_frame;
	result->console_pfn = console_frame;
	return r;
}

/*
 * The signal handler of a saver. Of two ways to break the connection the first also wakes a write
 * that blocks; the second is for what is no socket, where the signal itself interrupts the write.
 */
static void break_connection(int signal_number)
{
	int saved_errno = errno;

	(void)signal_number;
	stopping = 1;
	if (shutdown(STREAM_MEMORY_FD, SHUT_RDWR) < 0)
		dup2(dead_fd, STREAM_MEMORY_FD);
	/* whoever waits for the worker's answer, now or in a moment, gets none */
	shutdown(STREAM_CONTROL_FD, SHUT_RD);
	errno = saved_errno;
}

static int prepare_saver(const struct arguments *arguments)
{
	static const int stop_signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = break_connection }; /* no SA_RESTART */

	(void)arguments;
	dead_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (dead_fd < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(stop_signals) / sizeof(stop_signals[0]); i++)
		if (sigaction(stop_signals[i], &action, NULL) < 0)
			return -errno;
	return 0;
}

/* What comes in the stream may make the library ask for any amount of memory, or crash it. */
static int prepare_restorer(const struct arguments *arguments)
{
	rlim_t bytes = RESTORER_BASE_BYTES + arguments->pages_max / 8 * BITMAP_COPIES;
	const struct rlimit memory = { bytes, bytes }, no_core = { 0, 0 };

	if (!SANITIZED && setrlimit(RLIMIT_AS, &memory) < 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &no_core) < 0 ? -errno : 0;
}

static const struct side sides[] = {
	{ "save", 1, true, SIGTERM, prepare_saver, save },
	{ "restore", 4, false, SIGKILL, prepare_restorer, restore },
};

/* ---- the program ---- */

static bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && !*end && *number <= max;
}

/* The side that the command line names, with its numbers; NULL when it names none. */
static const struct side *parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	uint64_t numbers[4] = { 0 };
	const struct side *side = NULL;

	for (size_t i = 0; argc > 1 && i < sizeof(sides) / sizeof(sides[0]); i++)
		if (strcmp(argv[1], sides[i].verb) == 0 && argc == 2 + sides[i].numbers)
			side = &sides[i];
	for (int i = 0; side && i < side->numbers; i++)
		if (!parse_number(argv[2 + i], i < 3 ? UINT32_MAX : PAGES_MAX, &numbers[i]))
			side = NULL;
	*arguments = (struct arguments){ (uint32_t)numbers[0], (uint32_t)numbers[1],
					 (uint32_t)numbers[2], numbers[3] };
	return side;
}

/* From here on the worker's death is a signal; one that came before closed the socket. */
static bool worker_lives(const struct side *side)
{
	struct pollfd control = { .fd = STREAM_CONTROL_FD };

	return prctl(PR_SET_PDEATHSIG, side->death_signal) == 0 && poll(&control, 1, 0) == 0;
}

/* The library takes EAGAIN for a failure, and the worker's other sockets do not block. */
static int make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* The hypervisor, if it is the one that the libraries were made for. */
static xc_interface *open_xen(struct child *child)
{
	xc_interface *xch = xc_interface_open(&child->logger, &child->logger, 0);
	char text[160];
	int version;

	if (!xch) {
		add_words(child, "cannot reach the hypervisor: is this a Xen dom0, are we root?");
		return NULL;
	}
	version = xc_version(xch, XENVER_version, NULL);
	if (version == (XEN_MAJOR << 16 | XEN_MINOR))
		return xch;
	if (version < 0)
		snprintf(text, sizeof(text), "cannot ask for Xen's version: %s", strerror(errno));
	else
		snprintf(text, sizeof(text),
			 "this host runs Xen %d.%d and xenferry-stream was built for Xen %d.%d: "
			 "install the xenferry that belongs to this host's Xen",
			 version >> 16, version & 0xffff, XEN_MAJOR, XEN_MINOR);
	add_words(child, text);
	xc_interface_close(xch);
	return NULL;
}

/* The last message. It is waited for: without it the worker would take our end for a crash. */
static int finish(struct child *child, struct stream_event *result)
{
	int rc;

	if (!result->ok && !*child->words)
		add_words(child, "libxenguest gave no reason");
	result->wire_bytes = stream_meter_bytes(&child->meter);
	if (!result->ok)
		memcpy(result->message, child->words, sizeof(result->message));
	do
		rc = stream_send_event(STREAM_CONTROL_FD, result, true);
	while (rc == -EINTR);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * The end of a process costs time that the guest needs, in the blackout and while it reconnects.
 * So that comes when the worker hangs up, which it does when the guest is back, or when it dies. A
 * failure is another matter: the connection's end tells the other side at once.
 */
static void await_dismissal(void)
{
	char byte;

	while (recv(STREAM_CONTROL_FD, &byte, sizeof(byte), 0) > 0)
		continue;
}

static int run(struct child *child, const struct side *side, const struct arguments *arguments)
{
	struct stream_event result = { .kind = STREAM_FINISHED };
	xc_interface *xch = NULL;
	int rc = side->prepare(arguments);

	if (rc == 0)
		rc = make_blocking(STREAM_MEMORY_FD);
	if (rc == 0)
		xch = open_xen(child);
	else
		add_words(child, strerror(-rc));
	/* errno says nothing reliable after either side's call: the words do */
	child->xch = xch;
	child->domid = arguments->domid;
	if (xch)
		result.ok = side->run(child, xch, arguments, &result) == 0;
	rc = finish(child, &result);
	if (result.ok)
		await_dismissal();
	if (xch)
		xc_interface_close(xch);
	return rc;
}

int main(int argc, char **argv)
{
	struct child child = {
		.logger = { on_message, on_progress, on_destroy },
	};
	struct arguments arguments;
	const struct side *side = parse_arguments(argc, argv, &arguments);

	log_init("xenferry-stream", false);
	if (!side) {
		log_error("usage: xenferry-stream save DOMID | "
			  "restore DOMID STORE_PORT CONSOLE_PORT PAGES_MAX");
		return 2;
	}
	if (!worker_lives(side)) {
		log_error("nobody listens: it is xenferry-worker that starts this program");
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	child.side = side;
	stream_meter_init(&child.meter, STREAM_MEMORY_FD, side->sending);
	return run(&child, side, &arguments);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-stream: saves or restores one domain's memory and state with libxenguest.
 *
 *   xenferry-stream save DOMID [CHANNELS COMPRESS VERIFY]
 *   xenferry-stream restore DOMID STORE_PORT CONSOLE_PORT PAGES_MAX [CHANNELS COMPRESS VERIFY]
 *
 * Started by xenferry-worker with two descriptors more than usual: 3 is the worker's (see
 * stream_proto.h), 4 the connection that the library writes to or reads from; or, with the last
 * three numbers, the first of the connections that the filter's frames go over. The order of
 * things: main, start_filter, prepare_saver or prepare_restorer, save or restore, the library's
 * callbacks, finish.
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
#include "libxc_stream.h"
#include "log.h"
#include "pacer.h"
#include "stream_arguments.h"
#include "stream_filter.h"
#include "stream_meter.h"
#include "stream_verify.h"
#include "stream_words.h"

#define XEN_MAJOR 4 /* the libraries' interface to the hypervisor is that of one version */
#define XEN_MINOR 17
#define PROGRESS_INTERVAL_US 100000
#define PACE_MIN_US 1000 /* less is not waited for */
#define CATCH_UP_MS 1 /* how often the filter is looked at */
#define LEAVE_CPU_MS 150 /* in the blackout: to the dead worker's successor, and the guest */

/*
 * A restorer's address space: two bitmaps of the guest's frames, twice while they grow, and beside
 * them a record of at most 128 MiB, its pages once more, and the libraries.
 */
#define BITMAP_COPIES 4
#define RESTORER_BASE_BYTES (512ull * 1024 * 1024)

/* How far beyond its count of pages a guest's highest may lie: the holes of its address space. */
#define HOLES_PAGES (2ull << 20)

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
	struct stream_filter *filter; /* NULL: the library has the connection itself */
	uint32_t iteration;
	uint64_t next_progress_us;
	struct stream_words words; /* why it failed */
};

/* One of the two programs in this one. */
struct side {
	bool sending;
	int death_signal; /* what the worker's death sends us */
	int (*prepare)(const struct stream_arguments *arguments);
	int (*run)(struct child *child, xc_interface *xch, const struct stream_arguments *arguments,
		   struct stream_event *result);
};

static volatile sig_atomic_t stopping, suspended;
static int dead_fd = -1; /* fails every write */

/* ---- what the library says ---- */

/* The library's errors become the reason of the failure; its warnings go to the log. */
static void on_message(xentoollog_logger *logger, xentoollog_level level, int errno_value,
		       const char *context, const char *format, va_list args)
{
	struct child *child = (struct child *)logger;
	char text[512], whole[640];

	vsnprintf(text, sizeof(text), format, args);
	stream_words_drop_noise(text);
	if (errno_value > 0)
		snprintf(whole, sizeof(whole), "%s: %s", text, strerror(errno_value));
	else
		snprintf(whole, sizeof(whole), "%s", text);
	if (level >= XTL_ERROR)
		stream_words_add(&child->words, whole);
	else if (level == XTL_WARN)
		log_warning("%s: %s", context ? context : "xen", whole);
}

/* How far the stream has come. */
static void fill_counts(struct child *child, struct stream_event *event)
{
	const struct filter_counters *counters = child->filter ? child->filter->counters : NULL;

	event->wire_bytes = stream_meter_bytes(&child->meter);
	event->memory_bytes = event->wire_bytes;
	if (!counters)
		return;
	event->zero_pages = atomic_load(&counters->zero_pages);
	event->memory_bytes = (atomic_load(&counters->pages) - event->zero_pages) * PAGE_BYTES;
	event->verified_pages = atomic_load(&counters->hashed_pages);
	event->late_pages = atomic_load(&counters->late_pages);
	event->verify_us = atomic_load(&counters->verify_us);
	event->slow_channel = (uint32_t)atomic_load(&counters->slow_channel);
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
	fill_counts(child, &event);
	/* a worker that does not listen just now misses one; the copy does not wait for it */
	(void)stream_send_event(STREAM_CONTROL_FD, &event, false);
}

/* From now on; the last pass only when that is asked for. */
static void obey(struct child *child, const struct stream_limit *limit)
{
	bool free = suspended && !limit->last_pass_too;
	uint64_t bytes_per_s = free ? 0 : limit->bytes_per_s;

	child->limit = *limit;
	if (child->filter)
		atomic_store(&child->filter->counters->limit_bytes_per_s, bytes_per_s);
	else
		pacer_set(&child->pacer, bytes_per_s, clock_now_us(&clock_system),
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

	fill_counts(child, question);
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

/* What the filter still has before it would else go, uncounted, while the guest stands still. */
static void let_filter_catch_up(struct child *child)
{
	struct pollfd control = { .fd = STREAM_CONTROL_FD, .events = POLLIN };

	while (child->filter && hear_limits(child) && stream_filter_backlog() > 0)
		(void)poll(&control, 1, CATCH_UP_MS);
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

	if (question.sent) {
		let_filter_catch_up(child);
		question.dirty_pages = peek_dirty_pages(child);
	}
	child->iteration = stats.iteration;
	answer = ask(child, &question, STREAM_ABORT);
	if (answer == STREAM_CONTINUE || answer == STREAM_STOP)
		return answer;
	stream_words_conclude(&child->words, "the copy was called off");
	return STREAM_ABORT;
}

/* The library takes anything but 0 for success; what it means is 1. */
static int on_suspend(void *data)
{
	struct child *child = data;
	struct stream_event question = { .kind = STREAM_SUSPEND, .iteration = child->iteration };

	child->iteration++; /* what is sent from here on */
	if (ask(child, &question, 0) == 1) {
		suspended = 1;
		obey(child, &child->limit);
		return 1;
	}
	stream_words_conclude(&child->words, "the guest was not suspended");
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
	struct child *child = data;

	if (!(missing & XGR_SDD_MISSING_CPUID))
		return 0;
	stream_words_conclude(&child->words,
			      "the stream says nothing of the guest's CPU: "
			      "its sender is older than Xen 4.14, upgrade that host first");
	return -1;
}

/* ---- the two sides ---- */

static int save(struct child *child, xc_interface *xch, const struct stream_arguments *arguments,
		struct stream_event *result)
{
	struct save_callbacks callbacks = {
		.precopy_policy = on_precopy_policy,
		.suspend = on_suspend,
		.switch_qemu_logdirty = on_switch_qemu_logdirty,
		.data = child,
	};

	/* debugging is what it calls sending all pages a second time, for the filter to compare */
	uint32_t flags = XCFLAGS_LIVE | (arguments->verify ? XCFLAGS_DEBUG : 0);

	(void)result;
	return xc_domain_save(xch, STREAM_MEMORY_FD, arguments->domid, flags, &callbacks,
			      XC_STREAM_PLAIN, -1);
}

static int restore(struct child *child, xc_interface *xch, const struct stream_arguments *arguments,
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
	if (suspended)
		(void)poll(NULL, 0, LEAVE_CPU_MS);
	errno = saved_errno;
}

static int prepare_saver(const struct stream_arguments *arguments)
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
static int prepare_restorer(const struct stream_arguments *arguments)
{
	rlim_t bytes = RESTORER_BASE_BYTES + arguments->pages_max / 8 * BITMAP_COPIES;
	const struct rlimit memory = { bytes, bytes }, no_core = { 0, 0 };

	if (!SANITIZED && setrlimit(RLIMIT_AS, &memory) < 0)
		return -errno;
	return setrlimit(RLIMIT_CORE, &no_core) < 0 ? -errno : 0;
}

static const struct side saver = { true, SIGTERM, prepare_saver, save };
static const struct side restorer = { false, SIGKILL, prepare_restorer, restore };

/* ---- the filter ---- */

/* Before the hypervisor is opened, of which the filter has no need. */
static int start_filter(struct child *child, const struct stream_arguments *arguments,
			struct stream_filter *filter)
{
	const struct stream_filter_setup setup = {
		.sending = child->side->sending,
		.channels = arguments->channels,
		.options = { arguments->compress, arguments->verify },
		.pfn_limit = arguments->pages_max + HOLES_PAGES,
	};
	struct err err;

	if (stream_filter_begin(filter, &setup, &err) < 0) {
		stream_words_conclude(&child->words, err.message);
		return -EIO;
	}
	child->filter = filter;
	stream_meter_follow(&child->meter, &filter->counters->wire_bytes);
	return 0;
}

/* The restored pages are compared with what the source said of them. */
static int verify(struct child *child, const struct stream_event *result, struct err *err)
{
	const struct stream_verify verify = { child->domid, child->filter->expected_fd,
					      result->store_pfn, result->console_pfn };
	uint64_t begun_us = clock_now_us(&clock_system), pages = 0;
	int rc = stream_verify(&child->logger, &verify, &pages, err);

	if (rc == 0)
		log_info("%llu pages are as they were at the source; to see that took %llu ms",
			 (unsigned long long)pages,
			 (unsigned long long)(clock_now_us(&clock_system) - begun_us) / 1000);
	return rc;
}

/* The library has returned `r`. Returns whether all is well, with the filter too. */
static bool finish_filter(struct child *child, int r, const struct stream_event *result)
{
	struct err err;
	bool ok = r == 0;

	if (!child->filter)
		return ok;
	if (!ok && !child->words.concluded && stream_filter_failed(child->filter, &err)) {
		child->words.text[0] = '\0'; /* the library only saw the filter go */
		stream_words_conclude(&child->words, err.message);
	}
	if (ok && stream_filter_finish(child->filter, &err) < 0)
		ok = false;
	if (ok && child->filter->expected_fd >= 0 && verify(child, result, &err) < 0)
		ok = false;
	if (r == 0 && !ok)
		stream_words_conclude(&child->words, err.message);
	return ok;
}

/* ---- the program ---- */

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
		stream_words_add(&child->words, "cannot reach the hypervisor: is this a Xen dom0, "
						"are we root?");
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
	stream_words_add(&child->words, text);
	xc_interface_close(xch);
	return NULL;
}

/* The last message. It is waited for: without it the worker would take our end for a crash. */
static int finish(struct child *child, struct stream_event *result)
{
	int rc;

	if (!result->ok && !*child->words.text)
		stream_words_add(&child->words, "libxenguest gave no reason");
	fill_counts(child, result);
	if (!result->ok)
		memcpy(result->message, child->words.text, sizeof(result->message));
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

static int run(struct child *child, const struct side *side,
	       const struct stream_arguments *arguments)
{
	struct stream_event result = { .kind = STREAM_FINISHED };
	xc_interface *xch = NULL;
	struct stream_filter filter;
	int rc = arguments->filtered ? start_filter(child, arguments, &filter) : 0;

	if (rc == 0)
		rc = side->prepare(arguments);
	if (rc == 0)
		rc = make_blocking(STREAM_MEMORY_FD);
	if (rc == 0)
		xch = open_xen(child);
	else
		stream_words_add(&child->words, strerror(-rc));
	/* errno says nothing reliable after either side's call: the words do */
	child->xch = xch;
	child->domid = arguments->domid;
	if (xch)
		result.ok = finish_filter(child, side->run(child, xch, arguments, &result),
					  &result);
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
	struct stream_arguments arguments;
	const struct side *side;

	log_init("xenferry-stream", false);
	if (!stream_arguments_parse(argc, argv, &arguments)) {
		log_error("usage: %s", STREAM_USAGE);
		return 2;
	}
	side = arguments.saving ? &saver : &restorer;
	if (!worker_lives(side)) {
		log_error("nobody listens: it is xenferry-worker that starts this program");
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	child.side = side;
	stream_meter_init(&child.meter, STREAM_MEMORY_FD, side->sending);
	return run(&child, side, &arguments);
}

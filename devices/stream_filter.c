/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "channels.h"
#include "cleanup.h"
#include "log.h"
#include "stream_proto.h"

#define SOCKET_BYTES (4 << 20) /* a record of libxenguest's, if the system lets us have it */

/* What is between the processes before one is forked. */
struct joint {
	int library_fd, filter_fd, expected_fd;
	struct filter_counters *counters;
};

static int make_joint(const struct stream_filter_setup *setup, struct joint *joint,
		      struct err *err)
{
	int pair[2], bytes = SOCKET_BYTES;
	void *shared = mmap(NULL, sizeof(*joint->counters), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		return err_errno(err, "memory for the filter's counters");
	joint->counters = shared;
	joint->expected_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, "a socket to the stream's filter");
	joint->library_fd = pair[0];
	joint->filter_fd = pair[1];
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (!setup->options.verify || setup->sending)
		return 0;
	joint->expected_fd = memfd_create("expected-pages", MFD_CLOEXEC);
	return joint->expected_fd < 0 ? err_errno(err, "memory for the pages' hashes") : 0;
}

/* ---- in the filter's process ---- */

/* The library's process reads this byte after the last of the stream's, then hangs up. */
static void say_done(int fd)
{
	char byte = 1;

	if (send(fd, &byte, sizeof(byte), MSG_NOSIGNAL) == 1)
		while (recv(fd, &byte, sizeof(byte), 0) > 0)
			continue;
}

static int run(const struct stream_filter_setup *setup, const struct joint *joint,
	       struct err *err)
{
	int fds[CHANNELS_MAX];
	const struct filter_ends ends = { joint->filter_fd, fds, setup->channels, say_done };

	for (size_t i = 0; i < setup->channels; i++) {
		int flags;

		fds[i] = STREAM_MEMORY_FD + (int)i;
		flags = fcntl(fds[i], F_GETFL);
		if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return err_errno(err, "memory connection %zu", i + 1);
	}
	if (setup->sending)
		return filter_send(&clock_system, &ends, &setup->options, joint->counters, err);
	return filter_receive(&clock_system, &ends, setup->pfn_limit, joint->expected_fd,
			      joint->counters, err);
}

static void be_the_filter(const struct stream_filter_setup *setup, const struct joint *joint)
{
	struct err err = { ERR_NONE, "" };

	/* it holds nothing that would have to be cleaned up, so it may go at any time */
	for (int number = 1; number < NSIG; number++)
		if (number != SIGPIPE)
			signal(number, SIG_DFL);
	close(joint->library_fd);
	close(STREAM_CONTROL_FD);
	if (run(setup, joint, &err) == 0)
		_exit(0);
	joint->counters->err = err;
	atomic_store(&joint->counters->failed, true);
	_exit(1);
}

/* ---- in the library's ---- */

int stream_filter_begin(struct stream_filter *filter, const struct stream_filter_setup *setup,
			struct err *err)
{
	struct joint joint = { -1, -1, -1, NULL };
	pid_t parent = getpid();
	int rc = make_joint(setup, &joint, err);

	if (rc < 0)
		return rc;
	filter->counters = joint.counters;
	filter->expected_fd = joint.expected_fd;
	filter->pid = fork();
	if (filter->pid < 0)
		return err_errno(err, "start the stream's filter");
	if (filter->pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		be_the_filter(setup, &joint);
	}
	close(joint.filter_fd);
	for (size_t i = 0; i < setup->channels; i++)
		close(STREAM_MEMORY_FD + (int)i);
	if (dup2(joint.library_fd, STREAM_MEMORY_FD) < 0)
		return err_errno(err, "hand the stream to its filter");
	close(joint.library_fd);
	return 0;
}

bool stream_filter_failed(struct stream_filter *filter, struct err *err)
{
	kill(filter->pid, SIGKILL);
	while (waitpid(filter->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (!atomic_load(&filter->counters->failed))
		return false;
	*err = filter->counters->err;
	err->message[sizeof(err->message) - 1] = '\0';
	return true;
}

/* It costs time and nothing else, so the operator hears of it when all is well. */
static void say_slow_channel(const struct filter_counters *counters)
{
	uint64_t channel = atomic_load(&counters->slow_channel);

	if (channel > 0)
		log_warning("channel %u of the memory stream is slow: what came on the others "
			    "waited %llu ms for it; look at the network between the two hosts, "
			    "or take fewer (channels=)", (unsigned)channel,
			    (unsigned long long)atomic_load(&counters->awaited_us) / 1000);
}

size_t stream_filter_backlog(void)
{
	int bytes = 0;

	return ioctl(STREAM_MEMORY_FD, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

int stream_filter_finish(struct stream_filter *filter, struct err *err)
{
	char byte;
	ssize_t got = recv(STREAM_MEMORY_FD, &byte, sizeof(byte), 0);

	if (got == 1) {
		say_slow_channel(filter->counters);
		return 0;
	}
	if (!stream_filter_failed(filter, err))
		(void)err_set(err, ERR_FAILED, -EIO, "the stream's filter ended early");
	return -EIO;
}

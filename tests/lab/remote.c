// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Runs commands in a dom0: like ssh, without its seconds of emulated cryptography and without the
 * hang when a command leaves a child behind. For a network that holds nothing but the lab.
 *
 *   remote serve PORT                        in the dom0: every connection is one command
 *   remote run SECONDS ADDRESS PORT COMMAND  outside: stdin, stdout, stderr and exit status are the
 *                                            command's; 255 if it could not be run or took too long
 *
 * The client sends the command's length, the command and then its stdin, until it closes its half.
 * The server answers in frames: stdout, stderr and, last, the exit status. A vanished client's
 * command is hung up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MAX 65536u
#define CHUNK 65536u
#define EXIT_REMOTE 255

enum channel { STATUS = 0, STDOUT = 1, STDERR = 2 };

struct frame {
	uint32_t channel;
	uint32_t bytes;
};

static bool write_all(int fd, const void *data, size_t bytes)
{
	const char *from = data;

	while (bytes) {
		ssize_t n = write(fd, from, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, void *data, size_t bytes)
{
	char *to = data;

	while (bytes) {
		ssize_t n = read(fd, to, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		bytes -= (size_t)n;
	}
	return true;
}

static bool send_frame(int sock, enum channel channel, const void *data, size_t bytes)
{
	struct frame frame = { .channel = channel, .bytes = (uint32_t)bytes };

	return write_all(sock, &frame, sizeof(frame)) && write_all(sock, data, bytes);
}

/* One read of `from` goes to `sock` as a frame. False: nothing more comes, or nobody listens. */
static bool relay(int from, int sock, enum channel channel)
{
	static char chunk[CHUNK];
	ssize_t n = read(from, chunk, sizeof(chunk));

	return n > 0 && send_frame(sock, channel, chunk, (size_t)n);
}

/* ---- server ---- */

struct job {
	pid_t pid;
	int pidfd;
	int in, out, err; /* our ends of its pipes */
};

static char *receive_command(int sock)
{
	uint32_t bytes;
	char *command;

	if (!read_all(sock, &bytes, sizeof(bytes)) || bytes > COMMAND_MAX)
		return NULL;
	command = calloc(1, bytes + 1u);
	if (command && !read_all(sock, command, bytes)) {
		free(command);
		return NULL;
	}
	return command;
}

static bool start(struct job *job, const char *command)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return false;
	job->pid = fork();
	if (job->pid < 0)
		return false;
	if (job->pid == 0) {
		setsid();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		signal(SIGPIPE, SIG_DFL);
		execl("/bin/bash", "bash", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	job->in = in[1];
	job->out = out[0];
	job->err = err[0];
	job->pidfd = pidfd_open(job->pid, 0);
	return job->pidfd >= 0;
}

static void forget(int *fd)
{
	close(*fd);
	*fd = -1;
}

/* Moves what there is. False: the client is gone. */
static bool pump(struct job *job, int sock, const struct pollfd *ready, bool *listens)
{
	static char chunk[CHUNK];

	if (ready[0].revents) {
		ssize_t n = read(sock, chunk, sizeof(chunk));

		if (n < 0 || (n == 0 && ready[0].revents & (POLLHUP | POLLERR)))
			return false;
		if (n == 0)
			*listens = false; /* end of its stdin, and nothing else */
		if (job->in >= 0 && (n == 0 || !write_all(job->in, chunk, (size_t)n)))
			forget(&job->in);
	}
	if (ready[1].revents && !relay(job->out, sock, STDOUT))
		forget(&job->out);
	if (ready[2].revents && !relay(job->err, sock, STDERR))
		forget(&job->err);
	return true;
}

/* What the command had written when it ended; not what children it left behind may still write. */
static void drain(struct job *job, int sock)
{
	if (job->out >= 0) {
		fcntl(job->out, F_SETFL, O_NONBLOCK);
		while (relay(job->out, sock, STDOUT))
			;
	}
	if (job->err >= 0) {
		fcntl(job->err, F_SETFL, O_NONBLOCK);
		while (relay(job->err, sock, STDERR))
			;
	}
}

static int attend(struct job *job, int sock)
{
	bool listens = true;
	int32_t status;
	siginfo_t info;

	for (;;) {
		struct pollfd ready[] = {
			{ .fd = sock, .events = (short)(listens ? POLLIN : 0) },
			{ .fd = job->out, .events = POLLIN },
			{ .fd = job->err, .events = POLLIN },
			{ .fd = job->pidfd, .events = POLLIN },
		};

		if (poll(ready, 4, -1) < 0) /* the client has the deadline */
			continue;
		if (!pump(job, sock, ready, &listens)) {
			kill(-job->pid, SIGHUP);
			return 1;
		}
		if (ready[3].revents)
			break;
	}
	waitid(P_PID, (id_t)job->pid, &info, WEXITED);
	drain(job, sock);
	status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return send_frame(sock, STATUS, &status, sizeof(status)) ? 0 : 1;
}

static int serve_one(int sock)
{
	char *command = receive_command(sock);
	struct job job;

	if (!command || !start(&job, command))
		return 1;
	return attend(&job, sock);
}

static int serve(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 16) < 0) {
		perror("remote: serve");
		return 1;
	}
	for (;;) {
		int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid = sock < 0 ? -1 : fork();

		if (pid == 0) {
			close(listener);
			signal(SIGCHLD, SIG_DFL);
			_exit(serve_one(sock));
		}
		if (sock >= 0)
			close(sock);
	}
}

/* ---- client ---- */

static int connect_to(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &to.sin_addr) == 1 &&
	    connect(sock, (struct sockaddr *)&to, sizeof(to)) == 0)
		return sock;
	fprintf(stderr, "remote: %s port %s: %s\n", address, port, strerror(errno));
	exit(EXIT_REMOTE);
}

/* One frame to where it belongs. The exit status, or -1: there is more to come. */
static int receive_frame(int sock)
{
	static char chunk[CHUNK];
	struct frame frame;
	int32_t status;

	if (!read_all(sock, &frame, sizeof(frame)) || frame.bytes > sizeof(chunk) ||
	    !read_all(sock, chunk, frame.bytes)) {
		fprintf(stderr, "remote: the connection ended before the command did\n");
		return EXIT_REMOTE;
	}
	if (frame.channel == STATUS) {
		memcpy(&status, chunk, sizeof(status));
		return status;
	}
	if (!write_all(frame.channel == STDERR ? STDERR_FILENO : STDOUT_FILENO, chunk, frame.bytes))
		return EXIT_REMOTE;
	return -1;
}

static void send_input(int sock, bool *more)
{
	static char chunk[CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

	if (n > 0 && write_all(sock, chunk, (size_t)n))
		return;
	shutdown(sock, SHUT_WR);
	*more = false;
}

static void too_late(int signal_number)
{
	static const char message[] = "remote: the command took too long\n";

	(void)signal_number;
	(void)!write(STDERR_FILENO, message, sizeof(message) - 1);
	_exit(EXIT_REMOTE);
}

static int run(const char *seconds, const char *address, const char *port, const char *command)
{
	uint32_t bytes = (uint32_t)strnlen(command, COMMAND_MAX + 1);
	bool more = true;
	int sock, status = -1;

	signal(SIGALRM, too_late);
	alarm((unsigned int)atoi(seconds));
	sock = connect_to(address, port);
	if (!write_all(sock, &bytes, sizeof(bytes)) || !write_all(sock, command, bytes))
		return EXIT_REMOTE;
	while (status < 0) {
		struct pollfd ready[] = {
			{ .fd = sock, .events = POLLIN },
			{ .fd = more ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[1].revents)
			send_input(sock, &more);
		if (ready[0].revents)
			status = receive_frame(sock);
	}
	return status;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		signal(SIGCHLD, SIG_IGN);
		return serve(argv[2]);
	}
	if (argc == 6 && !strcmp(argv[1], "run"))
		return run(argv[2], argv[3], argv[4], argv[5]);
	fprintf(stderr, "usage: remote serve PORT | run SECONDS ADDRESS PORT COMMAND\n");
	return 2;
}

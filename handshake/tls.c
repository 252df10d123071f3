/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "cleanup.h"

#define SOCKET_ABOVE 16 /* what the program's descriptors are copied from lies above these */

/* ---- starting ---- */

/* In the new process: nothing of the starter's but the two descriptors, at their places. */
static void set_up_process(int control, int socket)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	close(STDIN_FILENO);
	(void)open("/dev/null", O_RDONLY); /* xenferry-tls opens it anew when this fails */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	dup2(control, TLS_CONTROL_FD);
	dup2(socket, TLS_SOCKET_FD);
	closefrom(TLS_SOCKET_FD + 1);
}

static void run(const struct tls_files *files, const char *name, int control, int socket)
{
	/* execv() takes no const strings, and writes to none */
	char *argv[] = { (char *)files->program, (char *)(name ? "connect" : "accept"),
			 (char *)files->certificate, (char *)files->key, (char *)files->ca,
			 (char *)name, NULL };
	struct tls_report report = { .rc = 0 };

	set_up_process(control, socket);
	execv(files->program, argv);
	report.rc = err_errno(&report.err, "%s cannot be started; is xenferry installed whole?",
			      files->program);
	(void)tls_send_report(TLS_CONTROL_FD, &report, -1);
	_exit(127);
}

/*
 * A child starts the program and ends at once, so that the program belongs to init: its end is
 * nobody's business here. No handler of ours may run in between.
 */
static int run_detached(const struct tls_files *files, const char *name, int control, int socket)
{
	sigset_t all, before;
	int rc = 0;
	pid_t child;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0) {
		pid_t program = fork();

		if (program == 0)
			run(files, name, control, socket);
		_exit(program < 0 ? errno : 0);
	}
	if (child < 0) {
		rc = -errno;
	} else {
		int status = 0;

		if (waitpid(child, &status, 0) == child && WIFEXITED(status))
			rc = -WEXITSTATUS(status);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int tls_start(const struct tls_files *files, const char *name, int socket, int *control,
	      struct err *err)
{
	CLEANUP_FD int ours = -1, theirs = -1, theirs_high = -1, socket_high = -1;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_errno(err, "start %s: socketpair", files->program);
	ours = pair[0];
	theirs = pair[1];
	theirs_high = fcntl(theirs, F_DUPFD_CLOEXEC, SOCKET_ABOVE);
	socket_high = fcntl(socket, F_DUPFD_CLOEXEC, SOCKET_ABOVE);
	if (theirs_high < 0 || socket_high < 0)
		return err_errno(err, "start %s: fcntl", files->program);
	rc = run_detached(files, name, theirs_high, socket_high);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "%s cannot be started: %s", files->program,
			       strerror(-rc));
	*control = steal_fd(&ours);
	return 0;
}

/* ---- the connecting side ---- */

/* Waits for a report. Returns 0 with it, whatever it says, or -errno with `err`. */
static int await_report(const struct clock *clock, int control, uint64_t deadline_us,
			bool cancellable, struct tls_report *report, int *fd, struct err *err)
{
	struct pollfd readable = { .fd = control, .events = POLLIN };
	int rc = clock_wait(clock, &readable, 1, deadline_us, cancellable);

	if (rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, rc, "cancelled during the TLS handshake");
	if (rc == 0)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       "the TLS handshake took too long");
	if (rc > 0)
		rc = tls_receive_report(control, report, fd);
	if (rc == 1)
		return 0;
	return err_set(err, ERR_FAILED, rc < 0 ? rc : -EIO,
		       rc == -EPROTO ? "xenferry-tls is of another version than its starter: "
				       "finish the upgrade of xenferry and try again" :
				       "xenferry-tls ended without a word");
}

int tls_connect(const struct clock *clock, const struct tls_files *files, const char *name,
		int socket, uint64_t deadline_us, bool cancellable, int *plain, int *control,
		struct err *err)
{
	CLEANUP_FD int ours = -1, fd = -1;
	struct tls_report report;
	int rc = tls_start(files, name, socket, &ours, err);

	if (rc == 0)
		rc = await_report(clock, ours, deadline_us, cancellable, &report, &fd, err);
	if (rc < 0)
		return rc;
	if (report.rc < 0)
		return err_set(err, report.err.code, report.rc, "%s", report.err.message);
	if (fd < 0)
		return err_set(err, ERR_FAILED, -EPROTO, "xenferry-tls handed nothing over");
	*plain = steal_fd(&fd);
	*control = steal_fd(&ours);
	return 0;
}

int tls_take_socket(const struct clock *clock, int control, uint64_t deadline_us, int *plain,
		    struct err *err)
{
	CLEANUP_FD int fd = -1;
	struct tls_report report;
	int rc = tls_ask_for_socket(control);

	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "xenferry-tls is gone: %s", strerror(-rc));
	rc = await_report(clock, control, deadline_us, true, &report, &fd, err);
	if (rc < 0 || fd < 0)
		return rc;
	close(*plain);
	*plain = steal_fd(&fd);
	return 0;
}

/* ---- names and addresses ---- */

bool tls_has_name(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = names; *at; at += strcspn(at, " "), at += *at == ' ')
		if (length > 0 && strncasecmp(at, name, length) == 0 && at[length] == ' ')
			return true;
	return false;
}

bool tls_is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

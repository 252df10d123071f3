/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mode of xenferry-worker that is the other end of `xenferry transport`: what an operator has
 * allowed in the configuration, and nothing that the peer could choose.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "link.h"
#include "log.h"
#include "uuid.h"

#define WELCOME_MS 5000

/* A program inherits what is ignored and blocked; xl and all that it starts are to hear SIGTERM. */
static void hear_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns only when it fails; the peer sees the end of the connection then. */
static int become_xl(const char *xl, struct err *err)
{
	char *const words[] = { (char *)"xl", (char *)"migrate-receive", NULL };

	if (dup2(WORKER_PEER_FD, STDIN_FILENO) < 0 || dup2(WORKER_PEER_FD, STDOUT_FILENO) < 0)
		return err_errno(err, "the connection cannot become stdin and stdout");
	hear_signals();
	execv(xl, words);
	return err_errno(err, "%s cannot be started", xl);
}

int run_transport(const struct config *config, char **arguments)
{
	struct wire_hello hello = { .version_oldest = WIRE_VERSION_OLDEST,
				    .version_newest = WIRE_VERSION,
				    .kind = WIRE_TRANSPORT };
	uint64_t deadline_us = clock_after_ms(&clock_system, WELCOME_MS);
	struct err err;
	int rc;

	if (!nonce_from_text(arguments[0], hello.nonce))
		rc = err_set(&err, ERR_USAGE, -EINVAL, "'%s' is no nonce", arguments[0]);
	else
		rc = link_welcome(&clock_system, WORKER_PEER_FD, &hello, deadline_us, &err);
	if (rc == 0)
		rc = become_xl(config->transport, &err);
	log_warning("transport: %s", err.message);
	return err_exit_status(err.code);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_watch.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

struct watch {
	uv_poll_t poll;
	int pidfd; /* readable when the process has ended; close-on-exec by nature */
	void (*ended)(void *context);
	void *context;
};

static void on_ended(uv_poll_t *poll, int status, int events)
{
	const struct watch *watch = poll->data;

	(void)status;
	(void)events;
	uv_poll_stop(poll);
	watch->ended(watch->context);
}

struct watch *watch_begin(uv_loop_t *loop, pid_t pid, void (*ended)(void *context), void *context)
{
	CLEANUP_FREE struct watch *watch = calloc(1, sizeof(*watch));
	CLEANUP_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* older C libraries lack it */

	if (!watch || pidfd < 0 || uv_poll_init(loop, &watch->poll, pidfd) < 0)
		return NULL;
	watch->pidfd = steal_fd(&pidfd);
	watch->ended = ended;
	watch->context = context;
	watch->poll.data = watch;
	uv_poll_start(&watch->poll, UV_READABLE, on_ended);
	return steal(watch);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	close(watch->pidfd);
	free(watch);
}

void watch_end(struct watch *watch)
{
	if (watch)
		uv_close((uv_handle_t *)&watch->poll, on_closed);
}

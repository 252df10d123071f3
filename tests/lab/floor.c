// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * floor DOMID ADDRESS: in a dom0, suspends a guest and resumes it at once, in place. No migration
 * can have a shorter blackout: nothing is copied, nothing is reconnected. Prints one line:
 *
 *   request_to_suspended_ms=121.9 suspended_to_resumed_ms=2.1 suspended_to_answer_ms=40.3
 *
 * An answer is one to a ping from this dom0.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>

#include "echo.h"

#define SUSPEND_DEADLINE_MS 30000.0
#define ANSWER_DEADLINE_MS 60000.0

static bool is_suspended(xc_interface *xch, uint32_t domid)
{
	xc_domaininfo_t info;
	uint32_t reason;

	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
		return false;
	reason = (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
	return info.flags & XEN_DOMINF_shutdown && reason == SHUTDOWN_suspend;
}

static bool suspend(xc_interface *xch, struct xs_handle *xs, uint32_t domid)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	double deadline = now_ms() + SUSPEND_DEADLINE_MS;
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", domid);
	if (!xs_write(xs, XBT_NULL, path, "suspend", strlen("suspend")))
		return false;
	while (!is_suspended(xch, domid)) {
		if (now_ms() > deadline) {
			xs_write(xs, XBT_NULL, path, "", 0);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

int main(int argc, char **argv)
{
	uint32_t domid = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);
	struct xs_handle *xs = xs_open(0);
	int sock = argc == 3 ? echo_open(argv[2]) : -1;
	double requested, suspended, resumed, answered;

	if (!domid || !xch || !xs || sock < 0) {
		fprintf(stderr, "usage: floor DOMID ADDRESS, as root in a dom0\n");
		return 2;
	}
	requested = now_ms();
	if (!suspend(xch, xs, domid)) {
		fprintf(stderr, "floor: domain %u did not suspend in %.0f s\n", domid,
			SUSPEND_DEADLINE_MS / 1e3);
		return 1;
	}
	suspended = now_ms();
	if (xc_domain_resume(xch, domid, 1) < 0 || !xs_resume_domain(xs, domid)) {
		perror("floor: resume");
		return 1;
	}
	resumed = now_ms();
	answered = echo_answered_after_ms(sock, ANSWER_DEADLINE_MS);
	printf("request_to_suspended_ms=%.1f suspended_to_resumed_ms=%.1f "
	       "suspended_to_answer_ms=%.1f\n",
	       suspended - requested, resumed - suspended, resumed - suspended + answered);
	return 0;
}

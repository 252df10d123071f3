// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ping ADDRESS INTERVAL_MS: asks until SIGTERM, then prints one line:
 *
 *   gap_ms=1081.4 sent=1720 lost=51
 *
 * gap_ms is the longest time between two answers that followed each other.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "echo.h"

#define STRAGGLERS_MS 500.0 /* how long to listen after the last question */

struct tally {
	double last_answer_ms; /* 0: none yet */
	double gap_ms;
	uint32_t sent;
	uint32_t answered;
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static void silence_until(struct tally *tally, double now)
{
	if (tally->last_answer_ms > 0 && now - tally->last_answer_ms > tally->gap_ms)
		tally->gap_ms = now - tally->last_answer_ms;
}

static void hear(int sock, struct tally *tally)
{
	double now = now_ms();

	if (!echo_hear(sock))
		return;
	silence_until(tally, now);
	tally->last_answer_ms = now;
	tally->answered++;
}

/* Listens until `deadline_ms`, or for as long as a signal lets it. */
static void listen_until(int sock, double deadline_ms, struct tally *tally)
{
	struct pollfd ready = { .fd = sock, .events = POLLIN };
	double now;

	while ((now = now_ms()) < deadline_ms) {
		if (poll(&ready, 1, (int)(deadline_ms - now) + 1) < 0)
			return;
		if (ready.revents)
			hear(sock, tally);
	}
}

static void measure(int sock, double interval_ms, struct tally *tally)
{
	double next = now_ms();

	while (!stopped) {
		echo_ask(sock, tally->sent++);
		next += interval_ms;
		listen_until(sock, next, tally);
	}
	silence_until(tally, now_ms()); /* a guest that never came back */
	listen_until(sock, now_ms() + STRAGGLERS_MS, tally);
}

int main(int argc, char **argv)
{
	struct tally tally = { 0 };
	struct sigaction action = { .sa_handler = stop };
	double interval_ms = argc == 3 ? atof(argv[2]) : 0;
	int sock;

	if (interval_ms < 1) {
		fprintf(stderr, "usage: ping ADDRESS INTERVAL_MS\n");
		return 2;
	}
	sock = echo_open(argv[1]);
	if (sock < 0)
		return 1;
	sigaction(SIGTERM, &action, NULL);
	measure(sock, interval_ms, &tally);
	printf("gap_ms=%.1f sent=%u lost=%u\n", tally.gap_ms, tally.sent,
	       tally.sent - tally.answered);
	return 0;
}

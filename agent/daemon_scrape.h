/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The metrics over HTTP, on a loopback address and nowhere else: GET /metrics, one answer a
 * connection. As much of HTTP as a scraper needs, and every size and time of it bounded.
 */
#ifndef XENFERRY_DAEMON_SCRAPE_H
#define XENFERRY_DAEMON_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon_metrics.h"
#include "err.h"

#define SCRAPERS_MAX 16
#define SCRAPE_REQUEST_MAX 4096 /* bytes */
#define SCRAPE_TIMEOUT_MS 5000  /* for a whole request */

/* What a scraper asks for. */
struct scrape_request {
	const char *refused; /* the status to refuse it with; NULL: it gets the page */
	enum metrics_format format;
};

/*
 * Reads as much as has come, `text`, terminated. False while the request has no end yet; what
 * follows the end is not looked at.
 */
bool scrape_read(const char *text, struct scrape_request *request);

struct scrape;

/*
 * Listens on `address`, a numeric loopback address, and `port`. -EINVAL for any other address,
 * -errno when it cannot listen. `metrics` and `jobs` outlive it.
 */
int scrape_listen(uv_loop_t *loop, const char *address, uint16_t port,
		  const struct metrics *metrics, const struct jobs *jobs, struct scrape **scrape,
		  struct err *err);
/* Drops all and stops. Freed by the loop. NULL is fine. */
void scrape_close(struct scrape *scrape);

#endif

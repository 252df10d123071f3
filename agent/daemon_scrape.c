/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In the order of a connection's life: on_connection, on_bytes, answer, close_scraper. */
#include "daemon_scrape.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct scraper {
	uv_tcp_t tcp;
	uv_timer_t deadline;
	uv_write_t write;
	struct scrape *scrape;
	struct scraper *next;
	char request[SCRAPE_REQUEST_MAX + 1];
	size_t size;
	char *answer; /* owned */
	int handles;
	bool closing;
};

struct scrape {
	uv_tcp_t listener;
	const struct metrics *metrics;
	const struct jobs *jobs;
	struct scraper *first;
	unsigned count;
};

/* ---- leaving ---- */

static void on_closed(uv_handle_t *handle)
{
	struct scraper *scraper = handle->data;

	if (--scraper->handles > 0)
		return;
	free(scraper->answer);
	free(scraper);
}

static void close_scraper(struct scraper *scraper)
{
	struct scraper **at = &scraper->scrape->first;

	if (scraper->closing)
		return;
	scraper->closing = true;
	while (*at != scraper)
		at = &(*at)->next;
	*at = scraper->next;
	scraper->scrape->count--;
	uv_close((uv_handle_t *)&scraper->tcp, on_closed);
	uv_close((uv_handle_t *)&scraper->deadline, on_closed);
}

static void on_deadline(uv_timer_t *timer)
{
	close_scraper(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
	(void)status;
	close_scraper(write->data);
}

/* ---- the request ---- */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

bool scrape_read(const char *text, struct scrape_request *request)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *open_metrics = strstr(text, "application/openmetrics-text");

	if (!end)
		return false;
	*request = (struct scrape_request){ .format = METRICS_TEXT };
	if (open_metrics && open_metrics < end)
		request->format = METRICS_OPENMETRICS;
	if (!begins(text, "GET "))
		request->refused = "405 Method Not Allowed";
	else if (!begins(text, "GET /metrics ") && !begins(text, "GET /metrics?"))
		request->refused = "404 Not Found";
	return true;
}

/* ---- answering ---- */

static void put_page(const struct scrape *scrape, enum metrics_format format, FILE *out)
{
	static const char *const types[] = {
		[METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[METRICS_OPENMETRICS] =
			"application/openmetrics-text; version=1.0.0; charset=utf-8",
	};

	fprintf(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %s\r\n\r\n",
		types[format]);
	metrics_write(scrape->metrics, scrape->jobs, format, out);
}

static void answer(struct scraper *scraper, const struct scrape_request *request)
{
	size_t size = 0;
	FILE *out = open_memstream(&scraper->answer, &size);
	uv_buf_t buffer;

	uv_read_stop((uv_stream_t *)&scraper->tcp);
	if (!out) {
		close_scraper(scraper);
		return;
	}
	if (request->refused)
		fprintf(out, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
			request->refused);
	else
		put_page(scraper->scrape, request->format, out);
	if (fclose(out) != 0) {
		close_scraper(scraper);
		return;
	}
	buffer = uv_buf_init(scraper->answer, (unsigned)size);
	scraper->write.data = scraper;
	if (uv_write(&scraper->write, (uv_stream_t *)&scraper->tcp, &buffer, 1, on_written) < 0)
		close_scraper(scraper);
}

/* ---- asking ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct scraper *scraper = handle->data;

	(void)suggested;
	buffer->base = scraper->request + scraper->size;
	buffer->len = SCRAPE_REQUEST_MAX - scraper->size;
}

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	static const struct scrape_request too_long = { "431 Request Header Fields Too Large",
							METRICS_TEXT };
	struct scraper *scraper = stream->data;
	struct scrape_request request;

	(void)buffer;
	if (size < 0) {
		if (scraper->size == SCRAPE_REQUEST_MAX) /* libuv: there was no room */
			answer(scraper, &too_long);
		else
			close_scraper(scraper);
		return;
	}
	scraper->size += (size_t)size;
	scraper->request[scraper->size] = '\0';
	if (scrape_read(scraper->request, &request))
		answer(scraper, &request);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct scrape *scrape = listener->data;
	struct scraper *scraper = status < 0 ? NULL : calloc(1, sizeof(*scraper));

	if (!scraper)
		return;
	scraper->scrape = scrape;
	scraper->handles = 2;
	scraper->next = scrape->first;
	scrape->first = scraper;
	scrape->count++;
	uv_tcp_init(listener->loop, &scraper->tcp);
	uv_timer_init(listener->loop, &scraper->deadline);
	scraper->tcp.data = scraper->deadline.data = scraper;
	if (uv_accept(listener, (uv_stream_t *)&scraper->tcp) < 0 ||
	    scrape->count > SCRAPERS_MAX) {
		close_scraper(scraper);
		return;
	}
	uv_timer_start(&scraper->deadline, on_deadline, SCRAPE_TIMEOUT_MS, 0);
	uv_read_start((uv_stream_t *)&scraper->tcp, on_room, on_bytes);
}

/* ---- listening ---- */

static bool parse_loopback(const char *address, uint16_t port, struct sockaddr_storage *parsed)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)parsed;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)parsed;

	if (uv_ip4_addr(address, port, v4) == 0)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return uv_ip6_addr(address, port, v6) == 0 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void scrape_close(struct scrape *scrape)
{
	if (!scrape)
		return;
	while (scrape->first)
		close_scraper(scrape->first);
	uv_close((uv_handle_t *)&scrape->listener, on_listener_closed);
}

int scrape_listen(uv_loop_t *loop, const char *address, uint16_t port,
		  const struct metrics *metrics, const struct jobs *jobs, struct scrape **made,
		  struct err *err)
{
	struct sockaddr_storage parsed = { 0 };
	struct scrape *scrape;
	int r;

	if (!parse_loopback(address, port, &parsed))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "[metrics] listen wants a loopback address, not %s: nobody is asked "
			       "who they are; let a proxy stand before it", address);
	scrape = calloc(1, sizeof(*scrape));
	if (!scrape)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the metrics' port");
	scrape->metrics = metrics;
	scrape->jobs = jobs;
	uv_tcp_init(loop, &scrape->listener);
	scrape->listener.data = scrape;
	r = uv_tcp_bind(&scrape->listener, (const struct sockaddr *)&parsed, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&scrape->listener, SCRAPERS_MAX, on_connection);
	if (r < 0) {
		scrape_close(scrape);
		return err_set(err, ERR_FAILED, r,
			       "the metrics cannot be served on %s, port %u: %s", address, port,
			       uv_strerror(r));
	}
	*made = scrape;
	return 0;
}

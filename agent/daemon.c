/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "cleanup.h"
#include "clock.h"
#include "daemon_arrivals.h"
#include "daemon_clients.h"
#include "daemon_evacuation.h"
#include "daemon_events.h"
#include "daemon_folder.h"
#include "daemon_jobs.h"
#include "daemon_methods.h"
#include "daemon_metrics.h"
#include "daemon_peers.h"
#include "daemon_scrape.h"
#include "daemon_worker.h"
#include "log.h"

#define METRICS_INTERVAL_MS 5000 /* of the file */

/* All that lives as long as the daemon; each part gets what it needs of it. */
struct daemon {
	uv_loop_t loop;
	uv_signal_t terminate, interrupt;
	struct worker_program program;
	struct folders folders;
	struct jobs jobs;
	struct arrivals arrivals;
	struct config_tls tls;
	struct methods methods;
	struct events events;
	struct evacuation evacuation;
	struct evacuation_clients evacuation_clients;
	struct metrics metrics;
	struct scrape *scrape;    /* NULL: not served */
	uv_timer_t page_timer;    /* for the metrics' file */
	const char *metrics_file; /* "": none */
	struct clients *clients;
	struct peers *peers;
};

/* "READY=1", "STOPPING=1": for systemd, where it is. */
static void tell_manager(const char *state)
{
#ifdef HAVE_SYSTEMD
	(void)sd_notify(0, state);
#else
	(void)state;
#endif
}

static void on_signal(uv_signal_t *handle, int signal_number)
{
	log_info("stopping on signal %d; running migrations go on", signal_number);
	uv_stop(handle->loop);
}

/* The port that was taken, for those who set it to 0. */
static void write_port(const struct daemon *daemon)
{
	char path[FOLDER_PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/port", daemon->folders.state);
	file = fopen(path, "we");
	if (!file) {
		log_warning("%s cannot be written: %s", path, strerror(errno));
		return;
	}
	fprintf(file, "%u\n", peers_port(daemon->peers));
	if (fclose(file) != 0)
		log_warning("%s cannot be written: %s", path, strerror(errno));
}

static void on_changed(void *context, const struct json_value *record)
{
	struct daemon *daemon = context;

	methods_changed(&daemon->methods, record);
	events_note(&daemon->events, record);
	evacuation_note(&daemon->evacuation, record);
	metrics_note(&daemon->metrics, record);
}

static void on_page_due(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;

	metrics_write_file(&daemon->metrics, &daemon->jobs, daemon->metrics_file);
}

/* Where the configuration wants it, the metrics' page is kept, and served. */
static int show_metrics(struct daemon *daemon, const struct config *config, struct err *err)
{
	daemon->metrics_file = config->metrics_file;
	if (config->metrics_file[0] != '\0')
		uv_timer_start(&daemon->page_timer, on_page_due, 0, METRICS_INTERVAL_MS);
	if (config->metrics_port == 0)
		return 0;
	return scrape_listen(&daemon->loop, config->metrics_listen, config->metrics_port,
			     &daemon->metrics, &daemon->jobs, &daemon->scrape, err);
}

/* Whoever connects is heard only once everything is there. */
static int listen_to_all(struct daemon *daemon, const struct config *config, struct err *err)
{
	const struct peers_setup peers_setup = {
		.loop = &daemon->loop,
		.clock = &clock_system,
		.address = config->listen,
		.port = config->port,
		.tls = config_tls(config, &daemon->tls),
		.hosts_file = config->hosts_file,
		.taken = arrivals_take,
		.context = &daemon->arrivals,
	};
	int rc = clients_listen(&daemon->loop, config->socket, &methods_events, &daemon->methods,
				&daemon->clients, err);

	if (rc == 0)
		rc = peers_listen(&peers_setup, &daemon->peers, err);
	if (rc == 0)
		rc = show_metrics(daemon, config, err);
	if (rc < 0)
		return rc;
	write_port(daemon);
	log_info("%s listens on %s, port %u, and on %s", config->host_name, config->listen,
		 peers_port(daemon->peers), config->socket);
	return 0;
}

static void set_up(struct daemon *daemon, const struct config *config)
{
	const struct jobs_setup setup = {
		.loop = &daemon->loop,
		.clock = &clock_system,
		.config = config,
		.folders = &daemon->folders,
		.program = &daemon->program,
		.changed = on_changed,
		.context = daemon,
	};

	uv_timer_init(&daemon->loop, &daemon->page_timer);
	daemon->page_timer.data = daemon;
	uv_signal_init(&daemon->loop, &daemon->terminate);
	uv_signal_init(&daemon->loop, &daemon->interrupt);
	uv_signal_start(&daemon->terminate, on_signal, SIGTERM);
	uv_signal_start(&daemon->interrupt, on_signal, SIGINT);
	daemon->methods = (struct methods){
		.loop = &daemon->loop,
		.config = config,
		.folders = &daemon->folders,
		.program = &daemon->program,
		.jobs = &daemon->jobs,
		.events = &daemon->events,
		.evacuation = &daemon->evacuation,
		.evacuation_clients = &daemon->evacuation_clients,
	};
	events_init(&daemon->events, &daemon->loop);
	arrivals_init(&daemon->arrivals, &daemon->jobs);
	jobs_init(&daemon->jobs, &setup);
	evacuation_clients_init(&daemon->evacuation_clients, &daemon->methods);
	evacuation_init(&daemon->evacuation, &daemon->jobs, evacuation_clients_changed,
			&daemon->evacuation_clients);
}

static void tear_down(struct daemon *daemon)
{
	clients_close(daemon->clients);
	scrape_close(daemon->scrape);
	uv_close((uv_handle_t *)&daemon->page_timer, NULL);
	peers_close(daemon->peers);
	methods_fini(&daemon->methods);
	events_fini(&daemon->events);
	evacuation_clients_fini(&daemon->evacuation_clients);
	evacuation_fini(&daemon->evacuation);
	arrivals_fini(&daemon->arrivals);
	jobs_fini(&daemon->jobs);
	uv_close((uv_handle_t *)&daemon->terminate, NULL);
	uv_close((uv_handle_t *)&daemon->interrupt, NULL);
}

/* Runs what is still to be closed; a listing of guests may keep the loop for its deadline. */
static void finish_loop(struct daemon *daemon)
{
	while (uv_run(&daemon->loop, UV_RUN_DEFAULT) != 0)
		continue;
	(void)uv_loop_close(&daemon->loop);
}

int daemon_run(const struct config *config, const char *config_path, bool debug, struct err *err)
{
	static struct daemon daemon; /* as long as the process, and all zero */
	int rc = folders_open(config->state_dir, config->history_max, &daemon.folders, err);

	if (rc < 0)
		return rc;
	daemon.program = (struct worker_program){ .libexec_dir = config->libexec_dir,
						  .config_path = config_path,
						  .debug = debug };
	signal(SIGPIPE, SIG_IGN);
	rc = uv_loop_init(&daemon.loop);
	assert(rc == 0); /* without epoll there is nothing to do */
	set_up(&daemon, config);
	rc = listen_to_all(&daemon, config, err);
	if (rc == 0) {
		tell_manager("READY=1");
		uv_run(&daemon.loop, UV_RUN_DEFAULT);
		tell_manager("STOPPING=1");
	}
	tear_down(&daemon);
	finish_loop(&daemon);
	folders_close(&daemon.folders);
	return rc;
}

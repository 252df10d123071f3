/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The modes of xenferry-worker by which guests are placed: `survey` describes this host's guests,
 * asks other hosts about themselves and about each guest, and prints what came of it; `inquiry`
 * answers such a host. Neither changes anything.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "handover_costs.h"
#include "inquiry.h"
#include "json.h"
#include "log.h"
#include "uuid.h"

#define CONNECT_MS 15000 /* a busy host starts a worker to answer */
#define WELCOME_MS 5000
#define MEASURE_US 1000000 /* of a guest's dirty rate, and of all guests' at most: */
#define MEASURE_ALL_US 30000000

/* A host that is asked. */
struct asked {
	struct host_place place;
	struct link *link; /* NULL: it cannot be asked, and err says why */
	struct err err;
};

struct survey {
	const struct config *config;
	const struct tls_files *tls;
	struct host *host;
	struct asked *asked;
	size_t asked_count;
	struct guest_summary *guests;
	size_t guest_count;
	uint64_t measure_us; /* each guest's dirty rate; 0: not at all */
	struct json_writer *writer;
};

/* ---- the hosts ---- */

static int add_named(struct survey *survey, const struct hosts *hosts, const char *targets,
		     struct err *err)
{
	char name[HOST_ADDRESS_SIZE];

	while (*targets) {
		size_t length = strcspn(targets, ",");
		int rc;

		if (length >= sizeof(name) || survey->asked_count == HOSTS_MAX)
			return err_set(err, ERR_USAGE, -EINVAL, "targets= wants names with commas");
		snprintf(name, sizeof(name), "%.*s", (int)length, targets);
		rc = hosts_resolve(hosts, name, HOST_PORT_DEFAULT,
				   &survey->asked[survey->asked_count].place, err);
		if (rc < 0)
			return rc;
		survey->asked_count++;
		targets += length + (targets[length] == ',');
	}
	return 0;
}

/* All of the list but this one, or those that were named. */
static int choose_hosts(struct survey *survey, const char *targets, struct err *err)
{
	static struct hosts hosts; /* large: not for the stack */
	int rc = hosts_load(survey->config->hosts_file, HOST_PORT_DEFAULT, &hosts, err);

	if (rc < 0)
		return rc;
	if (targets[0])
		return add_named(survey, &hosts, targets, err);
	for (size_t i = 0; i < hosts.count; i++)
		if (strcmp(hosts.places[i].name, survey->config->host_name) != 0)
			survey->asked[survey->asked_count++].place = hosts.places[i];
	return 0;
}

static void write_error(struct json_writer *writer, const struct err *err)
{
	json_put_string(writer, "code", err_text(err->code));
	json_put_string(writer, "message", err->message);
}

static void lose(struct asked *asked)
{
	if (asked->link)
		asked->link->ops->close(asked->link);
	asked->link = NULL;
}

/* What earlier migrations to it have cost, by the default plan. */
static void write_costs(const struct survey *survey, const struct asked *asked)
{
	struct costs costs;

	costs_read(survey->config->state_dir, asked->place.name, plan_at(0)->name, &costs);
	json_put_double(survey->writer, "fixed_ms", costs.fixed_ms);
	json_put_integer(survey->writer, "send_bytes_per_s", (int64_t)costs.send_bytes_per_s);
}

static void ask_host(struct survey *survey, struct asked *asked)
{
	struct json_writer *writer = survey->writer;
	struct inquiry_host about = { .name = "" };
	int rc = inquiry_open(&clock_system, &asked->place, survey->tls,
			      clock_after_ms(&clock_system, CONNECT_MS), &asked->link,
			      &asked->err);

	if (rc == 0)
		rc = inquiry_ask_host(asked->link, &clock_system, &about, &asked->err);
	if (rc < 0)
		lose(asked);
	json_object_begin(writer);
	json_put_string(writer, "name", asked->place.name);
	json_put_boolean(writer, "reached", rc == 0);
	if (rc < 0)
		write_error(writer, &asked->err);
	json_put_integer(writer, "free_bytes", (int64_t)(about.free_bytes & INT64_MAX));
	write_costs(survey, asked);
	json_key(writer, "guests");
	json_array_begin(writer);
	for (size_t i = 0; rc == 0 && i < about.guest_count; i++)
		json_string(writer, about.guests[i]);
	json_array_end(writer);
	json_object_end(writer);
	inquiry_host_fini(&about);
}

/* ---- the guests ---- */

static int add_guest(const struct guest_summary *guest, void *data)
{
	struct survey *survey = data;

	if (survey->guest_count < INQUIRY_GUESTS_MAX)
		survey->guests[survey->guest_count++] = *guest;
	return 0;
}

/* Every reason of every host against it. */
static void ask_about(struct survey *survey, const struct description *guest)
{
	struct json_writer *writer = survey->writer;

	json_key(writer, "refused");
	json_array_begin(writer);
	for (size_t i = 0; i < survey->asked_count; i++) {
		struct asked *asked = &survey->asked[i];
		struct reasons reasons = { .count = 0 };

		if (asked->link &&
		    inquiry_ask_guest(asked->link, &clock_system, guest,
				      plan_attaches_late(plan_at(0)), &reasons, &asked->err) < 0)
			lose(asked);
		if (!asked->link) {
			reasons.count = 1;
			reasons.list[0] = asked->err;
		}
		for (size_t j = 0; j < reasons.count; j++) {
			json_object_begin(writer);
			json_put_string(writer, "host", asked->place.name);
			write_error(writer, &reasons.list[j]);
			json_object_end(writer);
		}
	}
	json_array_end(writer);
}

static uint64_t measure(struct survey *survey, const struct description *guest)
{
	struct tracking_lock lock;
	uint64_t pages = 0, took_us = 0;
	int rc;

	if (survey->measure_us == 0)
		return 0;
	tracking_init(&lock, survey->config);
	rc = lock.tracking.ops->claim(&lock.tracking, guest->uuid, NULL);
	if (rc == 0)
		rc = survey->host->ops->measure_dirt(survey->host, guest, survey->measure_us,
						     &pages, &took_us, NULL);
	tracking_fini(&lock);
	return rc == 0 && took_us > 0 ? pages * 4096 * 1000000 / took_us : 0;
}

static void look_at(struct survey *survey, const struct guest_summary *about)
{
	struct json_writer *writer = survey->writer;
	struct reasons reasons = { .count = 0 };
	struct description guest;
	struct err err;

	description_init(&guest);
	json_object_begin(writer);
	json_put_string(writer, "uuid", about->uuid);
	json_put_string(writer, "name-label", about->name);
	json_put_integer(writer, "memory_bytes", (int64_t)about->memory_bytes);
	(void)survey->host->ops->describe(survey->host, about->uuid, &guest, &reasons);
	if (reasons.count > 0) {
		reasons_join(&reasons, &err);
		write_error(writer, &err);
	} else {
		json_put_integer(writer, "needs_bytes", (int64_t)host_bytes_needed(&guest));
		json_put_integer(writer, "dirty_bytes_per_s", (int64_t)measure(survey, &guest));
		ask_about(survey, &guest);
	}
	json_object_end(writer);
	description_fini(&guest);
}

static void write_survey(struct survey *survey)
{
	json_object_begin(survey->writer);
	json_key(survey->writer, "hosts");
	json_array_begin(survey->writer);
	for (size_t i = 0; i < survey->asked_count; i++)
		ask_host(survey, &survey->asked[i]);
	json_array_end(survey->writer);
	json_key(survey->writer, "guests");
	json_array_begin(survey->writer);
	for (size_t i = 0; i < survey->guest_count; i++)
		look_at(survey, &survey->guests[i]);
	json_array_end(survey->writer);
	json_object_end(survey->writer);
}

static int survey_all(struct survey *survey, const char *targets, bool measures, struct err *err)
{
	int rc = choose_hosts(survey, targets, err);

	if (rc == 0)
		rc = host_xen_open(&clock_system, "", &survey->host, err);
	if (rc == 0)
		rc = survey->host->ops->list(survey->host, add_guest, survey, err);
	if (rc < 0)
		return rc;
	if (measures && survey->guest_count > 0)
		survey->measure_us = MEASURE_ALL_US / survey->guest_count;
	if (survey->measure_us > MEASURE_US)
		survey->measure_us = MEASURE_US;
	write_survey(survey);
	return 0;
}

int run_survey(const struct config *config, char **arguments)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_FREE struct asked *asked = calloc(HOSTS_MAX, sizeof(*asked));
	CLEANUP_FREE struct guest_summary *guests = calloc(INQUIRY_GUESTS_MAX, sizeof(*guests));
	struct config_tls tls;
	struct survey survey = { .config = config, .tls = config_tls(config, &tls),
				 .asked = asked, .guests = guests, .writer = writer };
	struct err err = { ERR_NONE, "" };
	int rc = writer && asked && guests ? 0 : err_set(&err, ERR_FAILED, -ENOMEM,
							 "no memory for a survey");

	if (rc == 0)
		rc = survey_all(&survey, arguments[0], strcmp(arguments[1], "measure") == 0, &err);
	for (size_t i = 0; i < survey.asked_count; i++)
		lose(&asked[i]);
	if (survey.host)
		survey.host->ops->close(survey.host);
	if (rc < 0) {
		fprintf(stderr, "%s\n", err.message);
		return err_exit_status(err.code);
	}
	puts(json_text(writer, NULL));
	return 0;
}

/* ---- the answer ---- */

static int serve(const struct config *config, const char *nonce, struct err *err)
{
	struct wire_hello hello = { .version_oldest = WIRE_VERSION_OLDEST,
				    .version_newest = WIRE_VERSION, .kind = WIRE_INQUIRY };
	struct host *host = NULL;
	struct link *link = NULL;
	int rc;

	if (!nonce_from_text(nonce, hello.nonce))
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is not a nonce", nonce);
	rc = host_xen_open(&clock_system, "", &host, err);
	if (rc < 0) {
		(void)link_refuse(&clock_system, WORKER_PEER_FD, &hello, err,
				  clock_after_ms(&clock_system, WELCOME_MS));
		return rc;
	}
	rc = link_welcome(&clock_system, WORKER_PEER_FD, &hello,
			  clock_after_ms(&clock_system, WELCOME_MS), err);
	if (rc == 0)
		rc = link_open(&clock_system, WORKER_PEER_FD, hello.nonce, "asking host", &link,
			       err);
	if (rc == 0) {
		rc = inquiry_serve(link, &clock_system, host, config->host_name, err);
		link->ops->close(link);
	}
	host->ops->close(host);
	return rc;
}

int run_inquiry(const struct config *config, char **arguments)
{
	struct err err = { ERR_NONE, "" };
	int rc = serve(config, arguments[0], &err);

	if (rc < 0)
		log_warning("a host asked what there is here: %s", err.message);
	return rc == 0 ? 0 : err_exit_status(err.code);
}

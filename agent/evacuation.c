/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evacuation_begin() and work(), which does what the schedule says until there is nothing to do;
 * evacuation_note() hears of the jobs, and has work() called again. When everybody is where they
 * stay, the host is surveyed once more: on_survey() goes on with guests that are new, or ends it.
 */
#include "evacuation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_guests.h"
#include "daemon_record.h"
#include "log.h"

#define MIB (1024 * 1024)
#define PUT_OFF_US 2000000

static uint64_t now_us(const struct evacuation *evacuation)
{
	return clock_now_us(evacuation->jobs->setup.clock);
}

static bool runs(const struct evacuation *evacuation)
{
	return evacuation->status == EVACUATION_RUNNING ||
	       evacuation->status == EVACUATION_STOPPING;
}

/* It is not as it was: for a later daemon, and for those who wait. */
static void keep(struct evacuation *evacuation)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	struct err err;
	size_t size;

	if (writer) {
		evacuation_write(evacuation, writer);
		text = json_text(writer, &size);
		if (folders_write_evacuation(evacuation->jobs->setup.folders, text, size,
					     &err) < 0)
			log_warning("the evacuation cannot be written down: %s", err.message);
	}
	evacuation->stale = false;
	evacuation->changed(evacuation->context);
}

/* ---- a plan ---- */

static int take_survey(const struct config *config, const struct json_value *survey,
		       struct evacuation_plan *plan, struct err *err)
{
	CLEANUP_FREE struct hosts *hosts = malloc(sizeof(*hosts));
	struct guest_rules rules = { .count = 0 };
	int rc = hosts ? 0 : err_set(err, ERR_FAILED, -ENOMEM, "no memory for the host list");

	if (rc == 0)
		rc = hosts_load(config->hosts_file, HOST_PORT_DEFAULT, hosts, err);
	if (rc == 0)
		rc = guest_rules_load(config->hosts_file, &rules, err);
	if (rc == 0)
		rc = evacuation_plan_take(plan, survey, hosts, &rules, err);
	guest_rules_fini(&rules);
	return rc;
}

int evacuation_make_plan(const struct config *config, const struct json_value *survey,
			 struct evacuation_plan *plan, struct err *err)
{
	CLEANUP_FREE bool *wanted = malloc(EVACUEES_MAX * sizeof(*wanted));
	int rc = evacuation_plan_init(plan, err);

	if (rc == 0)
		rc = take_survey(config, survey, plan, err);
	if (rc < 0)
		return rc;
	if (wanted)
		memset(wanted, true, EVACUEES_MAX * sizeof(*wanted));
	if (!wanted || evacuation_plan_place(plan, wanted) < 0)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for a plan");
	return 0;
}

/* ---- what the schedule wants ---- */

static struct json_value *job_params(uint64_t bytes_per_s, struct err *err)
{
	char text[128];
	int length = snprintf(text, sizeof(text), "{\"pause_before_switchover\": true%s",
			      bytes_per_s ? "" : "}");

	if (bytes_per_s)
		length += snprintf(text + length, sizeof(text) - (size_t)length,
				   ", \"bandwidth_mibps\": %llu}",
				   (unsigned long long)(bytes_per_s + MIB - 1) / MIB);
	return json_parse(text, (size_t)length, err);
}

static void set_error(struct mover *mover, enum err_code code, const char *message)
{
	free(mover->error);
	mover->error = message ? strdup(message) : NULL;
	mover->error_code = code;
}

/* The attempt has failed; another target may do. */
static void fail(struct evacuation *evacuation, size_t guest, bool again, enum err_code code,
		 const char *message)
{
	struct mover *mover = &evacuation->movers[guest];

	set_error(mover, code, message);
	again = schedule_failed(&evacuation->schedule, guest, again, now_us(evacuation));
	log_warning("evacuation: %s: %s%s", evacuation->plan.guests[guest].name, message,
		    again ? "; it is tried again" : "");
	if (!again)
		return;
	evacuation_plan_replace(&evacuation->plan, guest);
	evacuation->guests[guest].target = evacuation->plan.guests[guest].target;
}

static void make_uuid(const struct evacuation *evacuation, char uuid[UUID_TEXT])
{
	uint8_t bytes[UUID_BYTES];

	uuid_make(evacuation->jobs->setup.clock, bytes);
	uuid_to_text(bytes, uuid);
}

static void start(struct evacuation *evacuation, const struct schedule_step *step)
{
	struct evacuee *guest = &evacuation->plan.guests[step->guest];
	struct mover *mover = &evacuation->movers[step->guest];
	struct err err = { ERR_NONE, "" };
	CLEANUP_JSON_VALUE struct json_value *params = job_params(step->bytes_per_s, &err);
	struct job_request request = { .vm = guest->uuid, .params = params, .channels = -1,
				       .scheduled = true,
				       .place = evacuation->plan.hosts[guest->target].place };
	char uuid[UUID_TEXT];
	struct steering steering;
	int rc = params ? steering_read(params, evacuation->jobs->setup.config, &steering, &err)
			: -ENOMEM;

	request.steering = &steering;
	request.uuid = uuid;
	snprintf(mover->last_target, sizeof(mover->last_target), "%s", request.place.name);
	make_uuid(evacuation, uuid);
	memcpy(mover->job, uuid, UUID_TEXT);
	keep(evacuation); /* a later daemon must know it, or it waits at the gate for ever */
	if (rc == 0)
		rc = jobs_migrate(evacuation->jobs, &request, mover->job, &err);
	if (rc == -EUSERS)
		schedule_put_off(&evacuation->schedule, step->guest,
				 now_us(evacuation) + PUT_OFF_US);
	else if (rc < 0)
		fail(evacuation, step->guest, true, err.code, err.message);
}

/* A job that cannot be told any more is past it, or its end comes soon. */
static void tell(struct evacuation *evacuation, const struct schedule_step *step)
{
	const struct order change = {
		.bandwidth_mibps = step->action == ACTION_SHARE ?
			(int64_t)((step->bytes_per_s + MIB - 1) / MIB) : -1,
		.go_on = step->action == ACTION_GO,
	};
	const char *job = evacuation->movers[step->guest].job;
	struct err err;

	if (jobs_order(evacuation->jobs, job, &change, &err) < 0)
		log_debug("evacuation: %s", err.message);
}

static void survey(struct evacuation *evacuation);

static void on_post_hook(void *context, const struct json_value *none, const struct err *why)
{
	(void)context;
	(void)none;
	if (why)
		log_warning("evacuation: %s", why->message);
}

void evacuation_run_post_hook(const struct evacuation *evacuation)
{
	const struct jobs_setup *setup = &evacuation->jobs->setup;
	struct err err;

	if (guests_run_hook(setup->loop, setup->program, "host-post-evacuate", on_post_hook, NULL,
			    &err) < 0)
		log_warning("evacuation: host-post-evacuate: %s", err.message);
}

static void end(struct evacuation *evacuation)
{
	bool left = false, stopped = evacuation->status == EVACUATION_STOPPING;

	for (size_t i = 0; i < evacuation->plan.guest_count; i++)
		left |= evacuation->guests[i].state != SCHEDULE_MOVED &&
			!evacuation->plan.guests[i].gone;
	evacuation->status = !left     ? EVACUATION_COMPLETED :
			     stopped ? EVACUATION_STOPPED :
				       EVACUATION_INCOMPLETE;
	evacuation->ended_us = now_us(evacuation);
	evacuation->stale = true;
	uv_timer_stop(&evacuation->timer);
	evacuation_run_post_hook(evacuation);
	log_info("evacuation: %s", left ? "guests are left here" : "this host is empty");
}

static void work(struct evacuation *evacuation);

static void on_timer(uv_timer_t *timer)
{
	work(timer->data);
}

/* What follows is decided in a call of its own, from the loop. */
static void work_soon(struct evacuation *evacuation)
{
	uv_timer_start(&evacuation->timer, on_timer, 0, 0);
}

static void wait_for_time(struct evacuation *evacuation)
{
	uint64_t now = now_us(evacuation);
	uint64_t wake_us = schedule_wake_us(&evacuation->schedule, now);

	if (wake_us != SCHEDULE_NEVER)
		uv_timer_start(&evacuation->timer, on_timer, (wake_us - now) / 1000 + 1, 0);
}

static void work(struct evacuation *evacuation)
{
	struct schedule_step step;

	if (!runs(evacuation) || evacuation->surveying)
		return;
	schedule_next(&evacuation->schedule, now_us(evacuation), &step);
	while (step.action != ACTION_NONE) {
		evacuation->stale = true;
		if (step.action == ACTION_GO)
			keep(evacuation); /* first: whose turn it is survives this daemon */
		if (step.action == ACTION_START)
			start(evacuation, &step);
		else
			tell(evacuation, &step);
		schedule_next(&evacuation->schedule, now_us(evacuation), &step);
	}
	wait_for_time(evacuation);
	if (schedule_is_over(&evacuation->schedule)) {
		if (evacuation->status == EVACUATION_STOPPING)
			end(evacuation);
		else
			survey(evacuation);
	}
	if (evacuation->stale)
		keep(evacuation);
}

/* ---- who is here ---- */

/* The schedule's view of the plan's guests from `first` on. */
static void add_to_schedule(struct evacuation *evacuation, size_t first)
{
	const struct evacuation_plan *plan = &evacuation->plan;

	for (size_t i = first; i < plan->guest_count; i++)
		evacuation->guests[i] = (struct schedule_guest){ .target = SCHEDULE_NOWHERE };
	for (size_t i = 0; i < plan->guest_count; i++) {
		struct schedule_guest *guest = &evacuation->guests[i];

		guest->memory_bytes = plan->guests[i].memory_bytes;
		guest->dirty_bytes_per_s = plan->guests[i].dirty_bytes_per_s;
		guest->priority = plan->guests[i].priority;
		if (guest->state == SCHEDULE_WAITING)
			guest->target = plan->guests[i].target;
	}
	for (size_t i = 0; i < plan->host_count; i++)
		evacuation->target_bytes_per_s[i] =
			(uint64_t)plan->hosts[i].place.link_mibps * MIB;
	evacuation->schedule.guest_count = plan->guest_count;
	evacuation->schedule.target_count = plan->host_count;
}

/* Who waited and went away by itself needs nothing. */
static void drop_gone(struct evacuation *evacuation)
{
	for (size_t i = 0; i < evacuation->plan.guest_count; i++) {
		struct schedule_guest *guest = &evacuation->guests[i];

		if (!evacuation->plan.guests[i].gone || guest->state != SCHEDULE_WAITING)
			continue;
		guest->state = SCHEDULE_STOPPED;
		set_error(&evacuation->movers[i], ERR_NO_GUEST, "it is not on this host any more");
	}
}

/* Why a guest has no place is kept: the next survey may find other reasons, or none. */
static void note_unplaced(struct evacuation *evacuation, const bool *wanted)
{
	struct err why;

	for (size_t i = 0; i < evacuation->plan.guest_count; i++)
		if (wanted[i] && evacuation_plan_why(&evacuation->plan, i, &why))
			set_error(&evacuation->movers[i], why.code, why.message);
}

static int take_newcomers(struct evacuation *evacuation, const struct json_value *found,
			  size_t *newcomers, struct err *err)
{
	CLEANUP_FREE bool *wanted = calloc(EVACUEES_MAX, sizeof(*wanted));
	size_t known = evacuation->plan.guest_count;
	int rc = wanted ? take_survey(evacuation->jobs->setup.config, found, &evacuation->plan,
				      err)
			: err_set(err, ERR_FAILED, -ENOMEM, "no memory for a survey");

	if (rc < 0)
		return rc;
	drop_gone(evacuation);
	*newcomers = 0;
	for (size_t i = 0; i < evacuation->plan.guest_count; i++) {
		wanted[i] = i >= known || evacuation->guests[i].state == SCHEDULE_WAITING;
		*newcomers += wanted[i];
	}
	if (evacuation_plan_place(&evacuation->plan, wanted) < 0)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for a plan");
	note_unplaced(evacuation, wanted);
	add_to_schedule(evacuation, known);
	return 0;
}

/* Goes on with the guests that the survey has left, or ends. */
static void go_on(struct evacuation *evacuation, size_t newcomers)
{
	if (newcomers == 0 && schedule_is_over(&evacuation->schedule)) {
		end(evacuation);
		keep(evacuation);
	} else {
		work_soon(evacuation);
	}
}

static void on_survey(void *context, const struct json_value *found, const struct err *why)
{
	struct evacuation *evacuation = context;
	struct err err = why ? *why : (struct err){ ERR_NONE, "" };
	size_t newcomers = 0;
	int rc;

	if (!evacuation->guests) /* the daemon ends */
		return;
	rc = found ? take_newcomers(evacuation, found, &newcomers, &err) : -EIO;
	evacuation->surveying = false;
	if (rc < 0)
		log_warning("evacuation: who is left cannot be seen: %s", err.message);
	go_on(evacuation, newcomers);
}

static void survey(struct evacuation *evacuation)
{
	const struct jobs_setup *setup = &evacuation->jobs->setup;
	struct err err;

	evacuation->surveying = true;
	if (guests_survey(setup->loop, setup->program, evacuation->request.targets,
			  evacuation->request.order == ORDER_DIRTY_RATE, on_survey, evacuation,
			  &err) == 0)
		return;
	evacuation->surveying = false;
	log_warning("evacuation: who is left cannot be seen: %s", err.message);
	go_on(evacuation, 0);
}

/* ---- what happens to the jobs ---- */

static size_t find_mover(const struct evacuation *evacuation, const char *job)
{
	size_t i = 0;

	while (i < evacuation->plan.guest_count && strcmp(evacuation->movers[i].job, job) != 0)
		i++;
	return i;
}

static void note_end(struct evacuation *evacuation, size_t guest, enum status status,
		     const struct json_value *record)
{
	const struct json_value *error = json_get(record, "error");
	const char *code = json_get_string(error, "code");
	const char *message = json_get_string(error, "message");
	struct mover *mover = &evacuation->movers[guest];

	mover->downtime_ms = json_get_double(record, "downtime_ms", 0);
	if (status == STATUS_COMPLETED) {
		set_error(mover, ERR_NONE, NULL);
		schedule_moved(&evacuation->schedule, guest, now_us(evacuation));
		return;
	}
	/* a cancel was meant; of a doubt nobody but its arbiter knows the end */
	fail(evacuation, guest, status == STATUS_FAILED || status == STATUS_REFUSED,
	     code ? err_from_text(code) : ERR_FAILED, message ? message : status_word(status));
}

static void note_progress(struct evacuation *evacuation, size_t guest, enum status status,
			  const struct json_value *record)
{
	const char *point = json_get_string(record, "sync_point");

	if (point && (strcmp(point, "SP4") == 0 || strcmp(point, "SP5") == 0))
		schedule_running(&evacuation->schedule, guest, now_us(evacuation));
	else if (status == STATUS_BLACKOUT)
		schedule_blackout(&evacuation->schedule, guest, now_us(evacuation));
	else if (json_get_boolean(record, "awaits_continue", false))
		schedule_ready(&evacuation->schedule, guest, now_us(evacuation));
}

void evacuation_note(struct evacuation *evacuation, const struct json_value *record)
{
	enum status status = daemon_record_status(record);
	const char *job = json_get_string(record, "uuid");
	size_t guest = find_mover(evacuation, job);
	enum schedule_state before;

	if (guest == evacuation->plan.guest_count || !runs(evacuation))
		return;
	before = evacuation->guests[guest].state;
	if (before == SCHEDULE_WAITING || before >= SCHEDULE_MOVED)
		return; /* what was known of its end is told once more */
	if (status_is_final(status))
		note_end(evacuation, guest, status, record);
	else
		note_progress(evacuation, guest, status, record);
	evacuation->stale |= evacuation->guests[guest].state != before;
	work_soon(evacuation);
}

/* ---- beginning and end ---- */

static void set_up(struct evacuation *evacuation, const struct evacuation_request *request)
{
	const struct config *config = evacuation->jobs->setup.config;
	CLEANUP_FREE struct hosts *hosts = malloc(sizeof(*hosts));
	struct host_place here = { .link_mibps = 0 };

	/* an own row in the list says what this host's link may be used for */
	if (hosts && hosts_load(config->hosts_file, HOST_PORT_DEFAULT, hosts, NULL) == 0)
		(void)hosts_resolve(hosts, config->host_name, HOST_PORT_DEFAULT, &here, NULL);
	evacuation->request = *request;
	evacuation->schedule = (struct schedule){
		.limits = {
			.order = request->order,
			.copying_max = request->copying_max,
			.blackout_max = config->evacuation_blackout_max,
			.target_max = config->evacuation_target_max,
			.attempts_max = config->evacuation_attempts_max,
			.backoff_us = (uint64_t)config->evacuation_backoff_ms * 1000,
			.link_bytes_per_s = (uint64_t)here.link_mibps * MIB,
		},
		.guests = evacuation->guests,
		.target_bytes_per_s = evacuation->target_bytes_per_s,
	};
}

static void forget(struct evacuation *evacuation)
{
	for (size_t i = 0; evacuation->movers && i < EVACUEES_MAX; i++)
		free(evacuation->movers[i].error);
	free(steal(evacuation->movers));
	free(steal(evacuation->guests));
	evacuation_plan_fini(&evacuation->plan);
}

static int make_room(struct evacuation *evacuation, struct err *err)
{
	forget(evacuation);
	evacuation->guests = calloc(EVACUEES_MAX, sizeof(*evacuation->guests));
	evacuation->movers = calloc(EVACUEES_MAX, sizeof(*evacuation->movers));
	if (evacuation->guests && evacuation->movers)
		return 0;
	return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an evacuation");
}

int evacuation_check_idle(const struct evacuation *evacuation, struct err *err)
{
	if (runs(evacuation))
		return err_set(err, ERR_REFUSED, -EBUSY,
			       "this host is being emptied already; see host-evacuate-cancel");
	return 0;
}

int evacuation_begin(struct evacuation *evacuation, const struct evacuation_request *request,
		     struct evacuation_plan *plan, struct err *err)
{
	int rc = evacuation_check_idle(evacuation, err);

	if (rc == 0)
		rc = make_room(evacuation, err);
	if (rc < 0)
		return rc;
	make_uuid(evacuation, evacuation->uuid);
	set_up(evacuation, request);
	evacuation->plan = *plan;
	*plan = (struct evacuation_plan){ .host_count = 0 };
	add_to_schedule(evacuation, 0);
	evacuation->status = EVACUATION_RUNNING;
	evacuation->started_us = now_us(evacuation);
	evacuation->started_wall_s = clock_wall_s(evacuation->jobs->setup.clock);
	evacuation->ended_us = 0;
	log_info("evacuation: %zu guests are to leave this host", evacuation->plan.guest_count);
	keep(evacuation);
	work_soon(evacuation);
	return 0;
}

int evacuation_stop(struct evacuation *evacuation, struct err *err)
{
	if (!runs(evacuation))
		return err_set(err, ERR_REFUSED, -ESRCH, "this host is not being emptied");
	evacuation->status = EVACUATION_STOPPING;
	schedule_stop(&evacuation->schedule, now_us(evacuation));
	log_info("evacuation: it is to stop; guests that are under way go on");
	keep(evacuation);
	work_soon(evacuation);
	return 0;
}

/* A job of the daemon before: what became of it, or how far it is. It keeps its place. */
static void adopt(struct evacuation *evacuation, size_t guest)
{
	struct mover *mover = &evacuation->movers[guest];
	const struct json_value *record = jobs_record(evacuation->jobs, mover->job);
	CLEANUP_JSON_VALUE struct json_value *past = NULL;

	if (!record)
		record = past = folders_record(evacuation->jobs->setup.folders, mover->job);
	if (!daemon_record_is_sound(record, mover->job)) {
		/* it was about to begin */
		schedule_put_off(&evacuation->schedule, guest, now_us(evacuation));
		return;
	}
	evacuation_note(evacuation, record);
}

void evacuation_init(struct evacuation *evacuation, struct jobs *jobs,
		     void (*changed)(void *context), void *context)
{
	CLEANUP_JSON_VALUE struct json_value *saved = folders_evacuation(jobs->setup.folders);
	struct evacuation_request request;

	*evacuation = (struct evacuation){ .jobs = jobs, .changed = changed, .context = context };
	uv_timer_init(jobs->setup.loop, &evacuation->timer);
	evacuation->timer.data = evacuation;
	if (!saved || make_room(evacuation, NULL) < 0 ||
	    evacuation_plan_init(&evacuation->plan, NULL) < 0)
		return;
	if (evacuation_read(evacuation, saved) < 0) {
		evacuation->status = EVACUATION_NONE;
		return;
	}
	request = evacuation->request;
	set_up(evacuation, &request);
	add_to_schedule(evacuation, evacuation->plan.guest_count);
	log_info("evacuation: it goes on");
	for (size_t i = 0; i < evacuation->plan.guest_count; i++)
		if (evacuation->guests[i].state > SCHEDULE_WAITING &&
		    evacuation->guests[i].state < SCHEDULE_MOVED)
			adopt(evacuation, i);
	if (evacuation->status == EVACUATION_STOPPING) {
		schedule_stop(&evacuation->schedule, now_us(evacuation));
		work_soon(evacuation);
	} else {
		survey(evacuation);
	}
}

void evacuation_fini(struct evacuation *evacuation)
{
	uv_close((uv_handle_t *)&evacuation->timer, NULL);
	forget(evacuation);
}

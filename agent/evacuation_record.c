/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one form in which an evacuation is told, kept and gone on from. */
#include "evacuation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BATCH_MAX 64
#define TIME_MAX_MS 1e12 /* from the beginning: thirty years */

static const char *const statuses[] = {
#define X(status, word) [EVACUATION_##status] = word,
	EVACUATION_STATUSES(X)
#undef X
};

/* ---- writing ---- */

static const char *host_name(const struct evacuation_plan *plan, uint32_t target)
{
	return target == PLACEMENT_NONE ? NULL : plan->hosts[target].place.name;
}

static void write_guest(const struct evacuation_plan *plan, size_t index,
			struct json_writer *writer)
{
	const struct evacuee *guest = &plan->guests[index];

	json_put_string(writer, "uuid", guest->uuid);
	json_put_string(writer, "name-label", guest->name);
	json_put_integer(writer, "memory_bytes", (int64_t)guest->memory_bytes);
	json_put_integer(writer, "dirty_bytes_per_s", (int64_t)guest->dirty_bytes_per_s);
	json_put_string(writer, "target", host_name(plan, guest->target));
	json_key(writer, "predicted");
	json_object_begin(writer);
	json_put_double(writer, "total_ms", guest->total_ms);
	json_put_double(writer, "downtime_ms", guest->downtime_ms);
	json_object_end(writer);
	evacuation_plan_write_reasons(plan, index, writer);
}

/* Of all together: they share the link, so their copies take as long as one after another. */
static void write_prediction(const struct evacuation_plan *plan, struct json_writer *writer)
{
	double total_ms = 0, worst_ms = 0;

	for (size_t i = 0; i < plan->guest_count; i++) {
		const struct evacuee *guest = &plan->guests[i];

		if (guest->target == PLACEMENT_NONE)
			continue;
		total_ms += guest->total_ms;
		worst_ms = guest->downtime_ms > worst_ms ? guest->downtime_ms : worst_ms;
	}
	json_key(writer, "predicted");
	json_object_begin(writer);
	json_put_double(writer, "total_ms", total_ms);
	json_put_double(writer, "downtime_ms", worst_ms);
	json_object_end(writer);
}

static void write_request(const struct evacuation_request *request, const char *host,
			  struct json_writer *writer)
{
	json_put_string(writer, "host", host);
	json_put_string(writer, "targets", request->targets);
	json_put_string(writer, "order", schedule_order_text(request->order));
	json_put_integer(writer, "batch_size", request->copying_max);
}

void evacuation_write_plan(const struct evacuation_plan *plan, const struct config *config,
			   const struct evacuation_request *request, struct json_writer *writer)
{
	size_t left = 0;

	json_object_begin(writer);
	json_put_string(writer, "status", "planned");
	write_request(request, config->host_name, writer);
	json_key(writer, "hosts");
	json_array_begin(writer);
	for (size_t i = 0; i < plan->host_count; i++) {
		const struct evacuation_host *host = &plan->hosts[i];

		json_object_begin(writer);
		json_put_string(writer, "name", host->place.name);
		json_put_string(writer, "address", host->place.address);
		json_put_integer(writer, "port", host->place.port);
		json_put_string(writer, "tags", host->place.tags);
		json_put_boolean(writer, "reached", host->reached);
		json_put_integer(writer, "free_bytes", (int64_t)host->free_bytes);
		json_put_integer(writer, "guests", (int64_t)host->guests);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_key(writer, "guests");
	json_array_begin(writer);
	for (size_t i = 0; i < plan->guest_count; i++) {
		left += plan->guests[i].target == PLACEMENT_NONE;
		json_object_begin(writer);
		write_guest(plan, i, writer);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_put_integer(writer, "left", (int64_t)left);
	write_prediction(plan, writer);
	json_object_end(writer);
}

/* Milliseconds from the beginning; null: not yet. */
static void put_time(const struct evacuation *evacuation, const char *key, uint64_t at_us,
		     struct json_writer *writer)
{
	json_key(writer, key);
	if (at_us == 0)
		json_null(writer);
	else
		json_double(writer, ((double)at_us - (double)evacuation->started_us) / 1000);
}

static void write_mover(const struct evacuation *evacuation, size_t index,
			struct json_writer *writer)
{
	const struct schedule_guest *guest = &evacuation->guests[index];
	const struct mover *mover = &evacuation->movers[index];

	json_put_string(writer, "state", schedule_state_text(guest->state));
	json_put_integer(writer, "attempts", guest->attempts);
	json_put_string(writer, "migration", mover->job[0] ? mover->job : NULL);
	json_put_string(writer, "last_target", mover->last_target[0] ? mover->last_target : NULL);
	json_put_boolean(writer, "gone", evacuation->plan.guests[index].gone);
	put_time(evacuation, "start_ms", guest->started_us, writer);
	put_time(evacuation, "ready_ms", guest->ready_us, writer);
	put_time(evacuation, "blackout_ms", guest->blackout_us, writer);
	put_time(evacuation, "running_ms", guest->running_us, writer);
	put_time(evacuation, "end_ms", guest->ended_us, writer);
	json_put_double(writer, "downtime_ms", mover->downtime_ms);
	json_key(writer, "error");
	if (!mover->error) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	json_put_string(writer, "code", err_text(mover->error_code));
	json_put_string(writer, "message", mover->error);
	json_object_end(writer);
}

static void write_counts(const struct evacuation *evacuation, struct json_writer *writer)
{
	size_t counts[SCHEDULE_STATE_COUNT] = { 0 };

	for (size_t i = 0; i < evacuation->plan.guest_count; i++)
		counts[evacuation->guests[i].state]++;
	json_put_integer(writer, "moved", (int64_t)counts[SCHEDULE_MOVED]);
	json_put_integer(writer, "failed", (int64_t)counts[SCHEDULE_FAILED]);
	json_put_integer(writer, "left",
			 (int64_t)(evacuation->plan.guest_count - counts[SCHEDULE_MOVED]));
}

void evacuation_write(const struct evacuation *evacuation, struct json_writer *writer)
{
	json_object_begin(writer);
	json_put_string(writer, "uuid", evacuation->uuid);
	json_put_string(writer, "status", statuses[evacuation->status]);
	write_request(&evacuation->request, evacuation->jobs->setup.config->host_name, writer);
	json_put_double(writer, "started_s", evacuation->started_wall_s);
	put_time(evacuation, "total_ms", evacuation->ended_us, writer);
	json_key(writer, "guests");
	json_array_begin(writer);
	for (size_t i = 0; i < evacuation->plan.guest_count; i++) {
		json_object_begin(writer);
		write_guest(&evacuation->plan, i, writer);
		write_mover(evacuation, i, writer);
		json_object_end(writer);
	}
	json_array_end(writer);
	write_counts(evacuation, writer);
	write_prediction(&evacuation->plan, writer);
	json_object_end(writer);
}

/* ---- reading ---- */

int evacuation_read_request(const struct json_value *params, const struct config *config,
			    struct evacuation_request *request, struct err *err)
{
	const char *host = json_get_string(params, "host");
	const char *targets = json_get_string(params, "targets");
	const char *order = json_get_string(params, "order");
	int64_t batch = json_get_integer(params, "batch_size", config->evacuation_copying_max);

	*request = (struct evacuation_request){ .copying_max = (uint32_t)batch };
	if (host && strcmp(host, config->host_name) != 0)
		return err_set(err, ERR_REFUSED, -EREMOTE,
			       "this is host %s; %.64s is emptied by its own agent: ask it there",
			       config->host_name, host);
	if (targets && (!*targets || strlen(targets) >= sizeof(request->targets)))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "targets= wants names of hosts with commas between");
	if (batch < 1 || batch > BATCH_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "batch_size is 1 to %d", BATCH_MAX);
	if (order && !schedule_order_from_text(order, &request->order))
		return err_set(err, ERR_USAGE, -EINVAL, "order is " SCHEDULE_ORDERS
			       ", not '%.40s'", order);
	if (targets)
		snprintf(request->targets, sizeof(request->targets), "%s", targets);
	return 0;
}

static enum schedule_state state_of(const char *text)
{
	for (enum schedule_state state = 0; text && state < SCHEDULE_STATE_COUNT; state++)
		if (strcmp(schedule_state_text(state), text) == 0)
			return state;
	return SCHEDULE_WAITING;
}

static uint64_t time_of(const struct evacuation *evacuation, const struct json_value *saved,
			const char *key)
{
	double ms = json_get_double(saved, key, -1);

	return !(ms >= 0 && ms < TIME_MAX_MS) ? 0 : evacuation->started_us + (uint64_t)(ms * 1000);
}

static void read_guest(struct evacuation *evacuation, const struct json_value *saved)
{
	const char *uuid = json_get_string(saved, "uuid");
	const char *name = json_get_string(saved, "name-label");
	const char *job = json_get_string(saved, "migration");
	const char *target = json_get_string(saved, "target");
	const char *last = json_get_string(saved, "last_target");
	const struct json_value *error = json_get(saved, "error");
	const char *message = json_get_string(error, "message");
	const char *code = json_get_string(error, "code");
	uint32_t index = uuid && name ? evacuation_plan_add_guest(&evacuation->plan, uuid, name)
				      : PLACEMENT_NONE;
	struct schedule_guest *guest;
	uint8_t bytes[UUID_BYTES];
	struct mover *mover;

	if (index == PLACEMENT_NONE)
		return;
	guest = &evacuation->guests[index];
	mover = &evacuation->movers[index];
	*guest = (struct schedule_guest){
		.memory_bytes = (uint64_t)json_get_integer(saved, "memory_bytes", 0),
		.target = target ? evacuation_plan_add_host(&evacuation->plan, target)
				 : SCHEDULE_NOWHERE,
		.state = state_of(json_get_string(saved, "state")),
		.attempts = (uint32_t)json_get_integer(saved, "attempts", 0),
		.started_us = time_of(evacuation, saved, "start_ms"),
		.ready_us = time_of(evacuation, saved, "ready_ms"),
		.blackout_us = time_of(evacuation, saved, "blackout_ms"),
		.running_us = time_of(evacuation, saved, "running_ms"),
		.ended_us = time_of(evacuation, saved, "end_ms"),
	};
	evacuation->plan.guests[index].memory_bytes = guest->memory_bytes;
	evacuation->plan.guests[index].target = guest->target;
	evacuation->plan.guests[index].gone = json_get_boolean(saved, "gone", false);
	if (job && uuid_from_text(job, bytes))
		snprintf(mover->job, sizeof(mover->job), "%s", job);
	snprintf(mover->last_target, sizeof(mover->last_target), "%s", last ? last : "");
	mover->downtime_ms = json_get_double(saved, "downtime_ms", 0);
	mover->error = message ? strdup(message) : NULL;
	mover->error_code = code ? err_from_text(code) : ERR_NONE;
	/* without a host and a job of its own it cannot be under way */
	if ((guest->target == SCHEDULE_NOWHERE || !mover->job[0]) &&
	    guest->state < SCHEDULE_MOVED)
		guest->state = SCHEDULE_WAITING;
}

int evacuation_read(struct evacuation *evacuation, const struct json_value *saved)
{
	const struct json_value *guests = json_get(saved, "guests");
	const char *status = json_get_string(saved, "status");
	const char *uuid = json_get_string(saved, "uuid");
	const char *targets = json_get_string(saved, "targets");
	const char *order = json_get_string(saved, "order");
	int64_t batch = json_get_integer(saved, "batch_size", 3);
	double ago_s;

	if (!status || !uuid || strlen(uuid) >= sizeof(evacuation->uuid))
		return -ENOENT;
	if (strcmp(status, statuses[EVACUATION_RUNNING]) == 0)
		evacuation->status = EVACUATION_RUNNING;
	else if (strcmp(status, statuses[EVACUATION_STOPPING]) == 0)
		evacuation->status = EVACUATION_STOPPING;
	else
		return -ENOENT;
	snprintf(evacuation->uuid, sizeof(evacuation->uuid), "%s", uuid);
	snprintf(evacuation->request.targets, sizeof(evacuation->request.targets), "%s",
		 targets ? targets : "");
	if (order)
		(void)schedule_order_from_text(order, &evacuation->request.order);
	evacuation->request.copying_max = batch > 0 && batch <= BATCH_MAX ? (uint32_t)batch : 1;
	evacuation->started_wall_s = json_get_double(saved, "started_s", 0);
	ago_s = clock_wall_s(evacuation->jobs->setup.clock) - evacuation->started_wall_s;
	evacuation->started_us = clock_now_us(evacuation->jobs->setup.clock);
	if (ago_s > 0 && ago_s * 1e6 < (double)evacuation->started_us)
		evacuation->started_us -= (uint64_t)(ago_s * 1e6);
	for (size_t i = 0; i < json_size(guests); i++)
		read_guest(evacuation, json_at(guests, i));
	return 0;
}

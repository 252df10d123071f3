/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evacuation_plan_take(): take_hosts(), then for each guest take_guest(), which bars the hosts that
 * refuse it (bar_refused), and apply_rule(). Then evacuation_plan_place().
 */
#include "evacuation_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "dry_run.h"

#define MIB (1024 * 1024)
#define REASONS_MAX_ALL 65536 /* of all guests together */

int evacuation_plan_init(struct evacuation_plan *plan, struct err *err)
{
	*plan = (struct evacuation_plan){
		.hosts = calloc(HOSTS_MAX, sizeof(*plan->hosts)),
		.guests = calloc(EVACUEES_MAX, sizeof(*plan->guests)),
	};
	if (plan->hosts && plan->guests)
		return 0;
	evacuation_plan_fini(plan);
	return err_set(err, ERR_FAILED, -ENOMEM, "no memory for an evacuation");
}

static void drop_reasons(struct evacuation_plan *plan)
{
	for (size_t i = 0; i < plan->reason_count; i++)
		free(plan->reasons[i].message);
	free(steal(plan->reasons));
	plan->reason_count = 0;
}

void evacuation_plan_fini(struct evacuation_plan *plan)
{
	drop_reasons(plan);
	free(plan->hosts);
	free(plan->guests);
	*plan = (struct evacuation_plan){ .host_count = 0 };
}

/* ---- reasons ---- */

static void bar(struct evacuee *guest, uint32_t host)
{
	guest->barred[host / 8] |= (uint8_t)(1u << host % 8);
}

static bool has_bit(const uint8_t *bits, size_t host)
{
	return bits[host / 8] >> host % 8 & 1;
}

/* The guest may not be there, or, `host` PLACEMENT_NONE, nowhere; nor is it if memory runs out. */
__attribute__((format(printf, 5, 6)))
static void add_reason(struct evacuation_plan *plan, uint32_t guest, uint32_t host,
		       enum err_code code, const char *format, ...)
{
	struct evacuation_reason *grown;
	char message[ERR_MESSAGE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (host != PLACEMENT_NONE)
		bar(&plan->guests[guest], host);
	else
		memset(plan->guests[guest].barred, 0xff, sizeof(plan->guests[guest].barred));
	if (plan->reason_count == REASONS_MAX_ALL)
		return;
	grown = realloc(plan->reasons, (plan->reason_count + 1) * sizeof(*grown));
	if (!grown)
		return;
	plan->reasons = grown;
	grown[plan->reason_count] =
		(struct evacuation_reason){ guest, host, code, strdup(message) };
	plan->reason_count += grown[plan->reason_count].message != NULL;
}

bool evacuation_plan_why(const struct evacuation_plan *plan, size_t guest, struct err *why)
{
	const struct evacuation_reason *reason = plan->reasons;
	bool anywhere;

	if (plan->guests[guest].target != PLACEMENT_NONE)
		return false;
	while (reason < plan->reasons + plan->reason_count && reason->guest != guest)
		reason++;
	if (reason == plan->reasons + plan->reason_count)
		return false;
	anywhere = reason->host == PLACEMENT_NONE;
	(void)err_set(why, reason->code, -EPERM, "%s%s%s",
		      anywhere ? "" : plan->hosts[reason->host].place.name,
		      anywhere ? "" : ": ", reason->message);
	return true;
}

void evacuation_plan_write_reasons(const struct evacuation_plan *plan, size_t guest,
				   struct json_writer *writer)
{
	json_key(writer, "reasons");
	json_array_begin(writer);
	for (size_t i = 0; i < plan->reason_count; i++) {
		const struct evacuation_reason *reason = &plan->reasons[i];

		if (reason->guest != guest)
			continue;
		json_object_begin(writer);
		json_put_string(writer, "host", reason->host == PLACEMENT_NONE ?
				NULL : plan->hosts[reason->host].place.name);
		json_put_string(writer, "code", err_text(reason->code));
		json_put_string(writer, "message", reason->message);
		json_object_end(writer);
	}
	json_array_end(writer);
}

/* ---- who is there ---- */

uint32_t evacuation_plan_find(const struct evacuation_plan *plan, const char *uuid)
{
	for (uint32_t i = 0; i < plan->guest_count; i++)
		if (strcmp(plan->guests[i].uuid, uuid) == 0)
			return i;
	return PLACEMENT_NONE;
}

uint32_t evacuation_plan_find_host(const struct evacuation_plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->host_count; i++)
		if (strcmp(plan->hosts[i].place.name, name) == 0)
			return i;
	return PLACEMENT_NONE;
}

uint32_t evacuation_plan_add_host(struct evacuation_plan *plan, const char *name)
{
	uint32_t index = evacuation_plan_find_host(plan, name);

	if (index != PLACEMENT_NONE || plan->host_count == HOSTS_MAX)
		return index;
	index = (uint32_t)plan->host_count++;
	plan->hosts[index] = (struct evacuation_host){ .reached = false };
	snprintf(plan->hosts[index].place.name, HOST_NAME_SIZE, "%s", name);
	return index;
}

uint32_t evacuation_plan_add_guest(struct evacuation_plan *plan, const char *uuid,
				   const char *name)
{
	struct evacuee *guest = &plan->guests[plan->guest_count];

	if (plan->guest_count == EVACUEES_MAX)
		return PLACEMENT_NONE;
	*guest = (struct evacuee){ .target = PLACEMENT_NONE };
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", uuid);
	snprintf(guest->name, sizeof(guest->name), "%s", name);
	return (uint32_t)plan->guest_count++;
}

/* ---- a survey ---- */

static void take_host(struct evacuation_plan *plan, const struct json_value *about,
		      const struct hosts *hosts)
{
	const char *name = json_get_string(about, "name");
	uint32_t index = name ? evacuation_plan_add_host(plan, name) : PLACEMENT_NONE;
	struct evacuation_host *host;
	struct err err;

	if (index == PLACEMENT_NONE)
		return;
	host = &plan->hosts[index];
	(void)hosts_resolve(hosts, name, HOST_PORT_DEFAULT, &host->place, &err);
	host->reached = json_get_boolean(about, "reached", false);
	host->free_bytes = (uint64_t)json_get_integer(about, "free_bytes", 0);
	host->guests = json_size(json_get(about, "guests"));
	host->fixed_ms = json_get_double(about, "fixed_ms", 0);
	host->send_bytes_per_s = (uint64_t)json_get_integer(about, "send_bytes_per_s", 0);
}

/* A group's number: by the first rule that names it. */
static uint32_t group_of(const struct guest_rules *rules, const char *group, bool together)
{
	if (group[0])
		for (uint32_t i = 0; i < rules->count; i++)
			if (strcmp(together ? rules->rules[i].together : rules->rules[i].apart,
				   group) == 0)
				return i + 1;
	return 0;
}

/* Hosts that have one already from which it is kept apart. */
static void bar_company(struct evacuation_plan *plan, uint32_t guest,
			const struct guest_rule *rule, const struct guest_rules *rules,
			const struct json_value *hosts)
{
	for (size_t i = 0; i < json_size(hosts); i++) {
		const struct json_value *there = json_get(json_at(hosts, i), "guests");
		const char *name = json_get_string(json_at(hosts, i), "name");
		uint32_t host = name ? evacuation_plan_find_host(plan, name) : PLACEMENT_NONE;

		for (size_t j = 0; host != PLACEMENT_NONE && j < json_size(there); j++) {
			const char *other = json_string_of(json_at(there, j));
			const struct guest_rule *its =
				other ? guest_rules_find(rules, other, "") : NULL;

			if (its && strcmp(its->apart, rule->apart) == 0)
				add_reason(plan, guest, host, ERR_REFUSED,
					   "%s is there, from which it is kept apart (%s)", other,
					   rule->apart);
		}
	}
}

static void apply_rule(struct evacuation_plan *plan, uint32_t guest,
		       const struct guest_rules *rules, const struct json_value *hosts)
{
	struct evacuee *about = &plan->guests[guest];
	const struct guest_rule *rule = guest_rules_find(rules, about->name, about->uuid);
	char tag[HOST_TAGS_SIZE];

	if (!rule)
		return;
	about->priority = rule->priority;
	about->apart = group_of(rules, rule->apart, false);
	about->together = group_of(rules, rule->together, true);
	for (uint32_t host = 0; host < plan->host_count; host++)
		if (guest_rule_misses_tag(rule, &plan->hosts[host].place, tag))
			add_reason(plan, guest, host, ERR_REFUSED,
				   "it wants a host with the tag %s", tag);
	if (about->apart)
		bar_company(plan, guest, rule, rules, hosts);
	if (rule->pinned[0])
		add_reason(plan, guest, PLACEMENT_NONE, ERR_REFUSED, "it is pinned here: %s",
			   rule->pinned);
}

static void bar_refused(struct evacuation_plan *plan, uint32_t guest,
			const struct json_value *about)
{
	const struct json_value *refused = json_get(about, "refused");
	const char *code = json_get_string(about, "code");

	for (size_t i = 0; i < json_size(refused); i++) {
		const struct json_value *reason = json_at(refused, i);
		const char *name = json_get_string(reason, "host");
		uint32_t host = name ? evacuation_plan_find_host(plan, name) : PLACEMENT_NONE;
		const char *said = json_get_string(reason, "code");

		if (host != PLACEMENT_NONE)
			add_reason(plan, guest, host, said ? err_from_text(said) : ERR_FAILED,
				   "%s", json_get_string(reason, "message"));
	}
	if (code)
		add_reason(plan, guest, PLACEMENT_NONE, err_from_text(code), "%s",
			   json_get_string(about, "message"));
}

static void take_guest(struct evacuation_plan *plan, const struct json_value *about,
		       const struct guest_rules *rules, const struct json_value *hosts)
{
	const char *uuid = json_get_string(about, "uuid");
	const char *name = json_get_string(about, "name-label");
	uint32_t index = uuid ? evacuation_plan_find(plan, uuid) : PLACEMENT_NONE;
	struct evacuee *guest;

	if (uuid && name && index == PLACEMENT_NONE)
		index = evacuation_plan_add_guest(plan, uuid, name);
	if (index == PLACEMENT_NONE)
		return;
	guest = &plan->guests[index];
	guest->gone = false;
	guest->memory_bytes = (uint64_t)json_get_integer(about, "memory_bytes", 0);
	guest->needs_bytes = (uint64_t)json_get_integer(about, "needs_bytes", 0);
	guest->dirty_bytes_per_s = (uint64_t)json_get_integer(about, "dirty_bytes_per_s", 0);
	memset(guest->barred, 0, sizeof(guest->barred));
	for (uint32_t host = 0; host < plan->host_count; host++)
		if (!plan->hosts[host].reached)
			bar(guest, host);
	bar_refused(plan, index, about);
	apply_rule(plan, index, rules, hosts);
}

int evacuation_plan_take(struct evacuation_plan *plan, const struct json_value *survey,
			 const struct hosts *hosts, const struct guest_rules *rules,
			 struct err *err)
{
	const struct json_value *asked = json_get(survey, "hosts");
	const struct json_value *guests = json_get(survey, "guests");

	if (!json_is_array(asked) || !json_is_array(guests))
		return err_set(err, ERR_FAILED, -EINVAL, "the worker's survey is none");
	drop_reasons(plan);
	for (size_t i = 0; i < plan->host_count; i++)
		plan->hosts[i].reached = false;
	for (size_t i = 0; i < plan->guest_count; i++)
		plan->guests[i].gone = true;
	for (size_t i = 0; i < json_size(asked); i++)
		take_host(plan, json_at(asked, i), hosts);
	for (size_t i = 0; i < json_size(guests); i++)
		take_guest(plan, json_at(guests, i), rules, asked);
	return 0;
}

/* ---- places ---- */

/* The guests that are placed now: those of the plan whose numbers are here. */
struct wanted {
	const struct evacuation_plan *plan;
	const uint32_t *numbers;
	bool anew; /* hosts on which it has failed count as barred */
};

static bool may(const void *context, size_t guest, size_t host)
{
	const struct wanted *wanted = context;
	const struct evacuee *about = &wanted->plan->guests[wanted->numbers[guest]];

	return !has_bit(about->barred, host) &&
	       !(wanted->anew && has_bit(about->failed_on, host));
}

/* One that left before with the same group must not be joined. */
static void bar_placed(struct evacuation_plan *plan, uint32_t guest)
{
	const struct evacuee *about = &plan->guests[guest];

	for (uint32_t i = 0; about->apart && i < plan->guest_count; i++)
		if (i != guest && plan->guests[i].apart == about->apart &&
		    plan->guests[i].target != PLACEMENT_NONE)
			bar(&plan->guests[guest], plan->guests[i].target);
}

/* By rate and cost of earlier migrations to it, for a guest that writes nothing. */
static void predict(const struct evacuation_plan *plan, struct evacuee *guest)
{
	const struct evacuation_host *host = &plan->hosts[guest->target];
	const struct costs costs = { .fixed_ms = host->fixed_ms,
				     .send_bytes_per_s = host->send_bytes_per_s };
	struct dry_run prediction;

	dry_run_predict(&prediction, guest->memory_bytes, &costs);
	guest->total_ms = prediction.total_ms;
	guest->downtime_ms = prediction.downtime_ms;
}

static void settle(struct evacuation_plan *plan, uint32_t number, uint32_t target)
{
	struct evacuee *guest = &plan->guests[number];

	guest->target = target;
	if (target != PLACEMENT_NONE) {
		plan->hosts[target].free_bytes -= guest->needs_bytes;
		predict(plan, guest);
		return;
	}
	for (uint32_t host = 0; host < plan->host_count; host++)
		if (!has_bit(guest->barred, host))
			add_reason(plan, number, host, ERR_NO_MEMORY,
				   "it needs %llu MiB, and beside the others there are %llu MiB",
				   (unsigned long long)guest->needs_bytes / MIB,
				   (unsigned long long)plan->hosts[host].free_bytes / MIB);
}

static int place(struct evacuation_plan *plan, const uint32_t *numbers, size_t count, bool anew)
{
	CLEANUP_FREE struct placement_guest *guests = calloc(count + 1, sizeof(*guests));
	CLEANUP_FREE uint32_t *places = calloc(count + 1, sizeof(*places));
	const struct wanted wanted = { plan, numbers, anew };
	uint64_t room_bytes[HOSTS_MAX];
	int left;

	if (!guests || !places)
		return -ENOMEM;
	for (size_t i = 0; i < plan->host_count; i++)
		room_bytes[i] = plan->hosts[i].free_bytes;
	for (size_t i = 0; i < count; i++) {
		const struct evacuee *about = &plan->guests[numbers[i]];

		bar_placed(plan, numbers[i]);
		guests[i] = (struct placement_guest){ about->needs_bytes, about->apart,
						      about->together };
	}
	left = placement_solve(&(struct placement){ room_bytes, plan->host_count, guests, count,
						    may, &wanted }, places);
	for (size_t i = 0; left >= 0 && i < count; i++)
		settle(plan, numbers[i], places[i]);
	return left;
}

int evacuation_plan_place(struct evacuation_plan *plan, const bool *wanted)
{
	CLEANUP_FREE uint32_t *numbers = calloc(plan->guest_count + 1, sizeof(*numbers));
	size_t count = 0;

	if (!numbers)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->guest_count; i++)
		if (wanted[i])
			numbers[count++] = i;
	return place(plan, numbers, count, false);
}

void evacuation_plan_replace(struct evacuation_plan *plan, size_t guest)
{
	struct evacuee *about = &plan->guests[guest];
	uint32_t number = (uint32_t)guest, before = about->target;
	size_t reasons = plan->reason_count;

	if (before == PLACEMENT_NONE || about->together)
		return; /* or the others of its group would be elsewhere */
	about->failed_on[before / 8] |= (uint8_t)(1u << before % 8);
	plan->hosts[before].free_bytes += about->needs_bytes;
	about->target = PLACEMENT_NONE;
	if (place(plan, &number, 1, true) == 0)
		return;
	/* nowhere else: the same host again, by and by */
	while (plan->reason_count > reasons)
		free(plan->reasons[--plan->reason_count].message);
	settle(plan, number, before);
}

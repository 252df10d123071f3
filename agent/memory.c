/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <errno.h>
#include <unistd.h>

#include "codec_choice.h"
#include "numa.h"

#define ALL_CODECS ((1u << CODECS) - 1)
#define BOTH_WAYS 2 /* the clocks' uncertainty is half of the shortest way there and back */

/*
 * From which delay on several connections pay, each of which has a window of its own: `make bench`
 * has the figures.
 */
static const struct {
	uint64_t round_trip_us;
	uint32_t channels;
} delays[] = { { 5000, 4 }, { 1000, 2 }, { 0, 1 } };

/* ---- the wish ---- */

void memory_wish(const struct json_value *request, const struct policy_rules *policy,
		 struct memory_terms *wish)
{
	const char *compress = json_get_string(request, "compress");
	const char *numa = json_get_string(request, "numa_node");

	if (compress)
		(void)compress_from_text(compress, &wish->compress);
	else if (policy->compress && wish->compress == CODEC_NONE)
		wish->compress = COMPRESS_AUTO;
	if (numa)
		(void)numa_from_text(numa, &wish->numa);
	wish->channels = (uint32_t)json_get_integer(request, "channels", wish->channels);
	wish->verify = json_get_boolean(request, "verify", false);
}

/* ---- SP0 ---- */

static uint32_t channels_for(const struct migration *m)
{
	uint64_t round_trip_us = BOTH_WAYS * m->record->clock_uncertainty_us;
	size_t i = 0;

	if (m->settings.memory.channels > 0)
		return m->settings.memory.channels;
	while (round_trip_us < delays[i].round_trip_us)
		i++;
	return delays[i].channels;
}

static unsigned codecs_for(unsigned compress)
{
	return compress < CODECS ? 1u << CODEC_NONE | 1u << compress : ALL_CODECS;
}

void memory_say_offer(struct migration *m, struct tlv_writer *writer)
{
	struct memory_terms *wish = &m->settings.memory;

	wish->channels = channels_for(m);
	m->memory = (struct memory_terms){ .compress = wish->compress };
	if (wish->compress == CODEC_NONE && wish->channels == 1 && !wish->verify)
		return;
	tlv_put_u64(writer, MEMORY_FIELD_CODECS, codecs_for(wish->compress));
	tlv_put_u64(writer, MEMORY_FIELD_CHANNELS, wish->channels);
	tlv_put_u64(writer, MEMORY_FIELD_VERIFY, wish->verify);
}

static int take_codecs(struct memory_terms *terms, uint64_t value)
{
	terms->filtered = true;
	terms->codecs = (uint32_t)(value & ALL_CODECS);
	return 0;
}

static int take_channels(struct memory_terms *terms, uint64_t value)
{
	if (value < 1 || value > MEMORY_CHANNELS_MAX)
		return -EBADMSG;
	terms->channels = (uint32_t)value;
	return 0;
}

static int take_verify(struct memory_terms *terms, uint64_t value)
{
	terms->verify = value == 1;
	return value <= 1 ? 0 : -EBADMSG;
}

static int hear(struct memory_terms *terms, const struct tlv_field *field)
{
	static int (*const takers[])(struct memory_terms *terms, uint64_t value) = {
		take_codecs, take_channels, take_verify,
	};
	uint64_t value;
	int rc;

	if (field->type < MEMORY_FIELD_CODECS || field->type > MEMORY_FIELD_VERIFY)
		return -ENOTSUP;
	rc = tlv_get_u64(field, &value);
	return rc < 0 ? rc : takers[field->type - MEMORY_FIELD_CODECS](terms, value);
}

int memory_hear_offer(struct migration *m, const struct tlv_field *field)
{
	return hear(&m->memory, field);
}

void memory_say_answer(const struct migration *m, struct tlv_writer *writer)
{
	if (!m->memory.filtered)
		return;
	tlv_put_u64(writer, MEMORY_FIELD_CODECS, m->memory.codecs);
	tlv_put_u64(writer, MEMORY_FIELD_CHANNELS, m->memory.channels ? m->memory.channels : 1);
	tlv_put_u64(writer, MEMORY_FIELD_VERIFY, m->memory.verify);
}

int memory_hear_answer(struct migration *m, const struct tlv_field *field)
{
	return hear(&m->memory, field);
}

int memory_agree(struct migration *m, struct err *err)
{
	const struct memory_terms *wish = &m->settings.memory;
	struct memory_terms *terms = &m->memory;
	unsigned wanted = codecs_for(wish->compress);

	if (wish->verify && !terms->verify)
		return err_set(err, ERR_INCOMPATIBLE, -EOPNOTSUPP,
			       "the target cannot compare the guest's memory: upgrade its "
			       "xenferry, or leave verify=true away");
	if ((terms->codecs & wanted) != wanted)
		terms->compress = CODEC_NONE;
	if (terms->channels > wish->channels)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "the target wants more channels than were offered");
	return 0;
}

/* ---- the connections ---- */

int memory_open(struct migration *m, uint64_t deadline_us, struct memory_path *path,
		struct err *err)
{
	size_t wanted = m->memory.filtered && m->memory.channels ? m->memory.channels : 1;

	*path = (struct memory_path){
		.filtered = m->memory.filtered,
		.compress = m->memory.compress,
		.verify = m->memory.verify,
		.numa = m->settings.memory.numa,
	};
	while (path->count < wanted) {
		int rc = m->peer->ops->open_memory(m->peer, deadline_us, &path->fds[path->count],
						   err);

		if (rc < 0) {
			while (path->count > 0)
				close(path->fds[--path->count]);
			return rc;
		}
		path->count++;
	}
	return 0;
}

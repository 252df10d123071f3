/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first line is what an operator may write for a host; the rest is a pool's host list with its
 * rules of guests.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "guest_rules.h"
#include "hosts.h"

#define WORD_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hosts hosts; /* large: not for the stack */
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t length = end ? (size_t)(end - data) : 0;
	struct err err = { .code = ERR_NONE };
	struct guest_rules rules;
	struct host_place place;
	char word[WORD_MAX];

	if (!end || length >= sizeof(word))
		return 0;
	memcpy(word, data, length);
	word[length] = '\0';
	hosts = (struct hosts){ .count = 0 };
	if (hosts_load(fuzz_file(end + 1, size - length - 1), HOST_PORT_DEFAULT, &hosts, &err) < 0)
		assert(err.message[0]);
	assert(hosts.count <= HOSTS_MAX);
	if (guest_rules_load(fuzz_file(end + 1, size - length - 1), &rules, &err) < 0)
		assert(err.message[0]);
	for (size_t i = 0; i < rules.count; i++)
		assert(guest_rules_find(&rules, rules.rules[i].name, "") == &rules.rules[i]);
	guest_rules_fini(&rules);
	if (hosts_resolve(&hosts, word, HOST_PORT_DEFAULT, &place, &err) == 0) {
		assert(place.address[0] && place.port > 0);
		assert(memchr(place.address, '\0', sizeof(place.address)));
	}
	return 0;
}

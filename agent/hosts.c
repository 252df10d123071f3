/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hosts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "tls.h"

#define HOSTS_FILE_MAX (1024 * 1024) /* bytes */
#define HOST_LINK_MAX_MIBPS (1024 * 1024)

/* What DNS names, addresses and our own names are made of; a zone as in fe80::1%eth0. */
static bool is_word(const char *text)
{
	if (*text == '\0' || *text == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-._:%", *text))
			return false;
	return true;
}

static bool read_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end != '\0' || number == 0 || number > UINT16_MAX)
		return false;
	*port = (uint16_t)number;
	return true;
}

/* Puts `length` bytes of `text` into a field of `size` bytes; false when they do not fit. */
static bool put(char *field, size_t size, const char *text, size_t length)
{
	if (length >= size)
		return false;
	memcpy(field, text, length);
	field[length] = '\0';
	return true;
}

/* What looks like a numeric address must be one: a slip there would be looked up as a name. */
static bool is_address(const char *text)
{
	size_t length = strcspn(text, "%"); /* an IPv6 zone */
	char numeric[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	bool is_ipv6 = strchr(text, ':') != NULL;

	if (!is_word(text))
		return false;
	if (!is_ipv6 && text[strspn(text, "0123456789.")] != '\0')
		return true;
	return put(numeric, sizeof(numeric), text, length) &&
	       inet_pton(is_ipv6 ? AF_INET6 : AF_INET, numeric, &parsed) == 1;
}

int host_read_tags(const struct json_value *list, char tags[HOST_TAGS_SIZE])
{
	size_t at = 0;

	if (list && !json_is_array(list))
		return -EINVAL;
	for (size_t i = 0; i < json_size(list); i++) {
		const char *tag = json_string_of(json_at(list, i));
		size_t length = tag ? strlen(tag) : 0;

		if (!tag || !is_word(tag) || at + length + 3 > HOST_TAGS_SIZE)
			return -EINVAL;
		at += (size_t)snprintf(tags + at, HOST_TAGS_SIZE - at, "%s%s,", at ? "" : ",", tag);
	}
	return 0;
}

bool host_has_tag(const struct host_place *place, const char *tag)
{
	char wanted[HOST_TAGS_SIZE];

	snprintf(wanted, sizeof(wanted), ",%.*s,", HOST_TAGS_SIZE - 3, tag);
	return strstr(place->tags, wanted) != NULL;
}

static int read_row(const struct json_value *row, uint16_t default_port, struct host_place *place)
{
	const char *name = json_get_string(row, "name");
	const char *address = json_get_string(row, "address");
	const char *certificate = json_get_string(row, "certificate") ?: name;
	int64_t port = json_get_integer(row, "port", default_port);
	int64_t mibps = json_get_integer(row, "link-mibps", json_get(row, "link-mibps") ? -1 : 0);

	*place = (struct host_place){ .port = 0 };
	if (!name || !address || !is_word(name) || !is_address(address) || !is_word(certificate) ||
	    port < 1 || port > UINT16_MAX || mibps < 0 || mibps > HOST_LINK_MAX_MIBPS ||
	    host_read_tags(json_get(row, "tags"), place->tags) < 0)
		return -EINVAL;
	if (!put(place->name, sizeof(place->name), name, strlen(name)) ||
	    !put(place->address, sizeof(place->address), address, strlen(address)) ||
	    !put(place->certificate, sizeof(place->certificate), certificate,
		 strlen(certificate)))
		return -EINVAL;
	place->port = (uint16_t)port;
	place->link_mibps = (uint32_t)mibps;
	return 0;
}

static const struct host_place *find_twin(const struct hosts *hosts, const struct host_place *place)
{
	for (size_t i = 0; i < hosts->count; i++) {
		const struct host_place *other = &hosts->places[i];

		if (strcmp(other->name, place->name) == 0 ||
		    (strcmp(other->address, place->address) == 0 && other->port == place->port))
			return other;
	}
	return NULL;
}

int hosts_load(const char *path, uint16_t default_port, struct hosts *hosts, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *file = NULL;
	const struct json_value *list;

	hosts->count = 0;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	file = json_parse_file(path, HOSTS_FILE_MAX, err);
	if (!file)
		return -EINVAL;
	list = json_get(file, "hosts");
	if (!json_is_array(list) || json_size(list) > HOSTS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s: wants {\"hosts\": [...]} with at most %d hosts", path,
			       HOSTS_MAX);
	for (size_t i = 0; i < json_size(list); i++) {
		const struct json_value *row = json_at(list, i);
		const struct host_place *twin;

		if (read_row(row, default_port, &hosts->places[i]) < 0)
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s:%u: host %zu of the list wants a name, an address and "
				       "at most a port from 1 to 65535, the name in its "
				       "certificate, tags (words, in brackets) and link-mibps",
				       path, json_line_of(row), i + 1);
		twin = find_twin(hosts, &hosts->places[i]);
		if (twin)
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s:%u: host %s (%s, port %u) is in the list already, as %s",
				       path, json_line_of(row), hosts->places[i].name,
				       hosts->places[i].address, hosts->places[i].port, twin->name);
		hosts->count++;
	}
	return 0;
}

/*
 * Splits "name:port", "[address]:port" and what has no port. More than one colon outside brackets
 * is an IPv6 address without a port.
 */
static bool split(const char *text, uint16_t default_port, struct host_place *place)
{
	const char *colon = strchr(text, ':'), *start = text, *end = text + strlen(text);
	const char *port = NULL;

	if (*text == '[') {
		start = text + 1;
		end = strchr(start, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return false;
		port = end[1] == ':' ? end + 2 : NULL;
	} else if (colon && colon == strrchr(text, ':')) {
		end = colon;
		port = colon + 1;
	}
	place->port = default_port;
	if (port && !read_port(port, &place->port))
		return false;
	return put(place->address, sizeof(place->address), start, (size_t)(end - start)) &&
	       is_word(place->address);
}

int hosts_resolve(const struct hosts *hosts, const char *text, uint16_t default_port,
		  struct host_place *place, struct err *err)
{
	struct host_place found = { .port = 0 };

	if (!split(text, 0, &found))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "host '%s' is neither a name nor an address with or without a port; "
			       "write NAME, ADDRESS:PORT or [IPV6]:PORT",
			       text);
	for (size_t i = 0; i < hosts->count; i++) {
		if (strcmp(hosts->places[i].name, found.address) != 0 &&
		    strcmp(hosts->places[i].address, found.address) != 0)
			continue;
		*place = hosts->places[i];
		if (found.port != 0)
			place->port = found.port;
		return 0;
	}
	/* A name of our own is short; of a longer DNS name the start does for the people. */
	snprintf(found.name, sizeof(found.name), "%.*s", HOST_NAME_SIZE - 1, found.address);
	memcpy(found.certificate, found.address, sizeof(found.certificate));
	if (found.port == 0)
		found.port = default_port;
	*place = found;
	return 0;
}

const struct host_place *hosts_find_certified(const struct hosts *hosts, const char *names)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (tls_has_name(names, hosts->places[i].certificate))
			return &hosts->places[i];
	return NULL;
}

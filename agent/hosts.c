/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hosts.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "tls.h"

#define HOSTS_FILE_MAX (256 * 1024) /* bytes */

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

static int read_row(const struct json_value *row, uint16_t default_port, struct host_place *place)
{
	const char *name = json_get_string(row, "name");
	const char *address = json_get_string(row, "address");
	const char *certificate = json_get_string(row, "certificate") ?: name;
	int64_t port = json_get_integer(row, "port", default_port);

	if (!name || !address || !is_word(name) || !is_word(address) || !is_word(certificate) ||
	    port < 1 || port > UINT16_MAX)
		return -EINVAL;
	if (!put(place->name, sizeof(place->name), name, strlen(name)) ||
	    !put(place->address, sizeof(place->address), address, strlen(address)) ||
	    !put(place->certificate, sizeof(place->certificate), certificate,
		 strlen(certificate)))
		return -EINVAL;
	place->port = (uint16_t)port;
	return 0;
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
		if (read_row(json_at(list, i), default_port, &hosts->places[i]) < 0)
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s: host %zu of the list wants a name, an address and at "
				       "most a port from 1 to 65535 and the name in its "
				       "certificate",
				       path, i + 1);
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

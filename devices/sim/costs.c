/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "costs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define COST_MAX_MS 600000

uint32_t costs_ms(const char *folder, const char *name)
{
	CLEANUP_FILE FILE *file = NULL;
	size_t length = strlen(name);
	char path[PATH_MAX], line[256];

	snprintf(path, sizeof(path), "%s/%s", folder, COSTS_FILE);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long ms;

		if (strncmp(line, name, length) != 0 || line[length] != '=')
			continue;
		ms = strtoul(line + length + 1, NULL, 10);
		return ms < COST_MAX_MS ? (uint32_t)ms : COST_MAX_MS;
	}
	return 0;
}

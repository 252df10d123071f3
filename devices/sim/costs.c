/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "costs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define COST_MAX 600000

uint32_t costs_number(const char *folder, const char *name)
{
	CLEANUP_FILE FILE *file = NULL;
	size_t length = strlen(name);
	char path[PATH_MAX], line[256];

	snprintf(path, sizeof(path), "%s/%s", folder, COSTS_FILE);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned long number;

		if (strncmp(line, name, length) != 0 || line[length] != '=')
			continue;
		number = strtoul(line + length + 1, NULL, 10);
		return number < COST_MAX ? (uint32_t)number : COST_MAX;
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main of a harness in a plain build: gives it every file of its corpus, or the files named on
 * its command line, and nothing, and each file cut short.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fuzz.h"

#define INPUT_MAX (1024 * 1024)
#define PATH_SIZE 1024
#define CUTS 16 /* so many prefixes of each file */

static bool replay(const char *path)
{
	CLEANUP_FREE uint8_t *bytes = malloc(INPUT_MAX);
	CLEANUP_FILE FILE *file = fopen(path, "re");
	size_t size;

	if (!bytes || !file) {
		perror(path);
		return false;
	}
	size = fread(bytes, 1, INPUT_MAX, file);
	for (size_t cut = 0; cut <= CUTS; cut++) {
		size_t length = size * cut / CUTS;
		CLEANUP_FREE uint8_t *exact = malloc(length ? length : 1);

		if (!exact)
			return false;
		memcpy(exact, bytes, length); /* so that a sanitizer sees who reads beyond */
		(void)LLVMFuzzerTestOneInput(exact, length);
	}
	return true;
}

static int replay_folder(const char *folder)
{
	DIR *listing = opendir(folder);
	const struct dirent *entry;
	char path[PATH_SIZE];
	unsigned files = 0;
	bool sound = true;

	if (!listing) {
		perror(folder);
		return 1;
	}
	while ((entry = readdir(listing))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= PATH_SIZE)
			return 1;
		sound &= replay(path);
		files++;
	}
	closedir(listing);
	printf("%u files of %s\n", files, folder);
	return sound && files > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	const char *name = strchr(program_invocation_short_name, '_');
	char folder[PATH_SIZE];
	int status = 0;

	for (int i = 1; i < argc; i++)
		status |= !replay(argv[i]);
	if (argc > 1)
		return status;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top ? top : ".",
		 name ? name + 1 : "");
	return replay_folder(folder);
}

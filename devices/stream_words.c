/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream_words.h"

#include <stdio.h>
#include <string.h>

void stream_words_add(struct stream_words *words, const char *text)
{
	size_t used = strlen(words->text);

	if (words->concluded)
		return;
	snprintf(words->text + used, sizeof(words->text) - used, "%s%s", used ? "; " : "", text);
}

void stream_words_conclude(struct stream_words *words, const char *text)
{
	stream_words_add(words, text);
	words->concluded = true;
}

void stream_words_drop_noise(char *text)
{
	static const char *const noise[] = { ": Internal error", " (0 = Success)" };

	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
		size_t length = strlen(noise[i]);
		char *found = strstr(text, noise[i]);

		if (found)
			memmove(found, found + length, strlen(found + length) + 1);
	}
}

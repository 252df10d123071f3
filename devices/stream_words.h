/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a stream failed, gathered from what the library says of it.
 */
#ifndef XENFERRY_STREAM_WORDS_H
#define XENFERRY_STREAM_WORDS_H

#include <stdbool.h>

#include "host.h"

struct stream_words {
	char text[sizeof(((struct stream_event *)NULL)->message)];
	bool concluded; /* the reason is known: what the library adds to it is left out */
};

void stream_words_add(struct stream_words *words, const char *text);
/* The last word, where we know the reason and the library is to fail for it. */
void stream_words_conclude(struct stream_words *words, const char *text);
/* Takes out what the library appends to every message, whether it means something or not. */
void stream_words_drop_noise(char *text);

#endif

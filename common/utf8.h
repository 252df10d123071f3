/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of others, who may write anything: what is UTF-8 (RFC 3629) in them, and what is not. */
#ifndef XENFERRY_UTF8_H
#define XENFERRY_UTF8_H

#include <stdbool.h>

bool utf8_is_valid(const char *string);
/* A copy, to be freed, in which every byte that belongs to no character is U+FFFD. */
char *utf8_mend(const char *string);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Job ids and nonces: 16 bytes on the wire, text in file names, arguments and messages.
 */
#ifndef XENFERRY_UUID_H
#define XENFERRY_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

#define UUID_BYTES 16
#define UUID_TEXT 37   /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", terminator included */
#define NONCE_TEXT 33  /* 32 hexadecimal digits, terminator included */

/* A new random UUID (version 4, RFC 4122). */
void uuid_make(const struct clock *clock, uint8_t uuid[UUID_BYTES]);
void uuid_to_text(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT]);
/*
 * False, and `uuid` untouched, unless `text` is a UUID in lower case: what passes is safe as the
 * name of a folder, and equal texts are equal jobs.
 */
bool uuid_from_text(const char *text, uint8_t uuid[UUID_BYTES]);

void nonce_to_text(const uint8_t nonce[UUID_BYTES], char text[NONCE_TEXT]);
bool nonce_from_text(const char *text, uint8_t nonce[UUID_BYTES]);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uuid.h"

#include <stdio.h>
#include <string.h>

void uuid_make(const struct clock *clock, uint8_t uuid[UUID_BYTES])
{
	clock_random(clock, uuid, UUID_BYTES);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4 */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
}

/* Before these bytes a UUID's text has a dash. */
static bool dash_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static void write_hex(const uint8_t bytes[UUID_BYTES], bool dashes, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < UUID_BYTES; i++) {
		if (dashes && dash_before(i))
			*text++ = '-';
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 0xf];
	}
	*text = '\0';
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool read_hex(const char *text, bool dashes, uint8_t bytes[UUID_BYTES])
{
	uint8_t read[UUID_BYTES];

	for (size_t i = 0; i < UUID_BYTES; i++) {
		int high, low;

		if (dashes && dash_before(i) && *text++ != '-')
			return false;
		high = hex_value(*text);
		low = high < 0 ? -1 : hex_value(text[1]);
		if (low < 0)
			return false;
		read[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text != '\0')
		return false;
	memcpy(bytes, read, sizeof(read));
	return true;
}

void uuid_to_text(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT])
{
	write_hex(uuid, true, text);
}

bool uuid_from_text(const char *text, uint8_t uuid[UUID_BYTES])
{
	return read_hex(text, true, uuid);
}

void nonce_to_text(const uint8_t nonce[UUID_BYTES], char text[NONCE_TEXT])
{
	write_hex(nonce, false, text);
}

bool nonce_from_text(const char *text, uint8_t nonce[UUID_BYTES])
{
	return read_hex(text, false, nonce);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/*
 * The bytes of the one well-formed character at `s` (RFC 3629, table 3-7 of the Unicode standard:
 * nothing overlong, no surrogate, nothing above U+10FFFF), or 0.
 */
static size_t utf8_character(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, second_low, second_high;
		size_t size;
	} forms[] = {
		{ 0x01, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t form = 0;

	while (form < sizeof(forms) / sizeof(forms[0]) && s[0] > forms[form].last)
		form++;
	if (form == sizeof(forms) / sizeof(forms[0]) || s[0] < forms[form].first)
		return 0;
	if (forms[form].size > 1 &&
	    (s[1] < forms[form].second_low || s[1] > forms[form].second_high))
		return 0;
	for (size_t i = 2; i < forms[form].size; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return forms[form].size;
}

char *utf8_mend(const char *string)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *mended = malloc(strlen(string) * strlen(replacement) + 1);
	char *end = mended;

	if (!mended)
		abort();
	while (*string) {
		size_t size = utf8_character((const unsigned char *)string);

		if (size > 0) {
			memcpy(end, string, size);
			end += size;
			string += size;
		} else {
			memcpy(end, replacement, strlen(replacement));
			end += strlen(replacement);
			string++;
		}
	}
	*end = '\0';
	return mended;
}

bool utf8_is_valid(const char *string)
{
	while (*string) {
		size_t size = utf8_character((const unsigned char *)string);

		if (size == 0)
			return false;
		string += size;
	}
	return true;
}

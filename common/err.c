/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "err.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_row {
	const char *text, *xapi;
	int exit_status;
} err_rows[ERR_CODES] = {
#define X(code, text, xapi, status) [ERR_##code] = { text, xapi, status },
	ERR_TABLE(X)
#undef X
};

/* What a library, a script or a peer said may hold newlines; an error is one line. */
static void one_line(char *message)
{
	for (; *message; message++)
		if (iscntrl((unsigned char)*message))
			*message = ' ';
}

int err_set(struct err *err, enum err_code code, int rc, const char *format, ...)
{
	char message[ERR_MESSAGE_MAX]; /* the arguments may lie in `err` itself */
	va_list args;

	assert(rc < 0 && code < ERR_CODES);
	if (!err)
		return rc;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	one_line(message);
	err->code = code;
	snprintf(err->message, sizeof(err->message), "%s", message);
	return rc;
}

int err_errno(struct err *err, const char *format, ...)
{
	int saved = errno ? errno : EIO;
	char what[ERR_MESSAGE_MAX / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return err_set(err, ERR_FAILED, -saved, "%s: %s", what, strerror(saved));
}

int err_prefix(struct err *err, int rc, const char *format, ...)
{
	char prefix[ERR_MESSAGE_MAX / 2], rest[ERR_MESSAGE_MAX];
	va_list args;

	if (!err)
		return rc;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	memcpy(rest, err->message, sizeof(rest));
	if (snprintf(err->message, sizeof(err->message), "%s: %s", prefix, rest) < 0)
		memcpy(err->message, rest, sizeof(rest));
	one_line(err->message);
	return rc;
}

const char *err_text(enum err_code code)
{
	assert(code < ERR_CODES);
	return err_rows[code].text;
}

const char *err_xapi(enum err_code code)
{
	assert(code < ERR_CODES);
	return err_rows[code].xapi;
}

int err_exit_status(enum err_code code)
{
	assert(code < ERR_CODES);
	return err_rows[code].exit_status;
}

enum err_code err_from_text(const char *text)
{
	for (enum err_code code = ERR_NONE; code < ERR_CODES; code++)
		if (strcmp(err_rows[code].text, text) == 0)
			return code;
	return ERR_FAILED;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* syslog's levels, as sd-daemon(3) prefixes them */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

static const char *program_name = "xenferry";
static bool debug_wanted;
static bool to_terminal = true;

void log_init(const char *program, bool debug)
{
	program_name = program;
	debug_wanted = debug;
	to_terminal = isatty(STDERR_FILENO);
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	char line[2048];

	/* One write, so that the lines of several processes do not mix. */
	vsnprintf(line, sizeof(line), format, args);
	if (to_terminal)
		fprintf(stderr, "%s: %s\n", program_name, line);
	else
		fprintf(stderr, "<%d>%s: %s\n", (int)level, program_name, line);
}

#define LOG_FUNCTION(name, level) \
	void name(const char *format, ...) \
	{ \
		va_list args; \
		va_start(args, format); \
		log_line(level, format, args); \
		va_end(args); \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)

void log_debug(const char *format, ...)
{
	va_list args;

	if (!debug_wanted)
		return;
	va_start(args, format);
	log_line(LOG_LEVEL_DEBUG, format, args);
	va_end(args);
}

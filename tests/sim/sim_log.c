/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_log.h"

#include <stdarg.h>

#include "log.h"

FILE *sim_log;

#define LOG_FUNCTION(name) \
	void name(const char *format, ...) \
	{ \
		va_list arguments; \
		if (!sim_log) \
			return; \
		va_start(arguments, format); \
		fprintf(sim_log, "%20s log: ", ""); \
		vfprintf(sim_log, format, arguments); \
		fputc('\n', sim_log); \
		va_end(arguments); \
	}

LOG_FUNCTION(log_error)
LOG_FUNCTION(log_warning)
LOG_FUNCTION(log_info)
LOG_FUNCTION(log_debug)

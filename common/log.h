/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Logging: one line an event on stderr, with the journal's "<N>" priorities when stderr is not a
 * terminal. Modules below agent/ log nothing above debug: they fill a `struct err`.
 */
#ifndef XENFERRY_LOG_H
#define XENFERRY_LOG_H

#include <stdbool.h>

/* `program` (static storage) goes before each line; `debug` lets log_debug() through. */
void log_init(const char *program, bool debug);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of the preload library sim_fault.c that strikes a filtered stream. */
#ifndef XENFERRY_TESTS_SIM_FAULT_STREAM_H
#define XENFERRY_TESTS_SIM_FAULT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Whether `bytes` begin a frame with pages; then it was written, as it is or otherwise, and
 * `*written` is what the write returned.
 */
bool stream_fault_frame(int fd, const void *bytes, size_t size, ssize_t *written,
			ssize_t (*write_really)(int fd, const void *bytes, size_t size));

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scope-bound cleanup: a variable starts as its sentinel (NULL, -1), is released when it goes out
 * of scope, and is handed over with steal().
 */
#ifndef XENFERRY_CLEANUP_H
#define XENFERRY_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_FD __attribute__((cleanup(cleanup_fd)))
#define CLEANUP_FILE __attribute__((cleanup(cleanup_file)))
#define CLEANUP_DIR __attribute__((cleanup(cleanup_dir)))

/* Hands a pointer over: the variable becomes NULL, so that its cleanup does nothing. */
#define steal(pointer) \
	__extension__({ \
		__typeof__(pointer) stolen_ = (pointer); \
		(pointer) = NULL; \
		stolen_; \
	})

/* The same for a file descriptor: the variable becomes -1. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folders of tests that fail on purpose (mutation.sh), which may leave something behind: below
 * $TMPDIR, whose owner removes all of it.
 */
#ifndef XENFERRY_SCRATCH_H
#define XENFERRY_SCRATCH_H

#include <stddef.h>

/* Makes an empty folder, `name` and some letters; its path goes into the `size` bytes of `path`. */
void scratch_make(char *path, size_t size, const char *name);

#endif

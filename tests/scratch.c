/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scratch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void scratch_make(char *path, size_t size, const char *name)
{
	const char *top = getenv("TMPDIR");
	int length = snprintf(path, size, "%s/%s.XXXXXX", top ? top : "/tmp", name);

	assert(length > 0 && (size_t)length < size);
	assert(mkdtemp(path));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *name;
	bool vetoes;
} hooks_table[HOOKS] = {
#define X(hook, folder, vetoes, subject) [HOOK_##hook] = { folder, vetoes },
	HOOK_TABLE(X)
#undef X
};

const char *hook_name(enum hook hook)
{
	assert(hook < HOOKS);
	return hooks_table[hook].name;
}

bool hook_vetoes(enum hook hook)
{
	assert(hook < HOOKS);
	return hooks_table[hook].vetoes;
}

bool hook_find(const char *name, enum hook *hook)
{
	for (enum hook i = 0; i < HOOKS; i++)
		if (strcmp(hooks_table[i].name, name) == 0) {
			*hook = i;
			return true;
		}
	return false;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The site's own programs (struct hooks_ops): they may say no, and hang, and what they have opened
 * for a guest is to be closed when it is not there.
 */
#ifndef XENFERRY_SIM_HOOKS_H
#define XENFERRY_SIM_HOOKS_H

#include "hook.h"

extern const struct hooks_ops sim_hooks_ops;

#endif

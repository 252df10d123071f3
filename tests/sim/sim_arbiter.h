/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who answers a doubt in the peer's place (struct arbiter_ops): an operator or a program that
 * fences the target first, one that hears of its death alone, one that has seen the guest run
 * there, storage that both hosts read.
 */
#ifndef XENFERRY_SIM_ARBITER_H
#define XENFERRY_SIM_ARBITER_H

#include "arbiter.h"

struct process;

/* What it does in this run. */
enum will {
	WILL_BE_ASKED,
	WILL_WAIT,
	WILL_FENCE_TARGET,
	WILL_HEAR_OF_DEATH,
	WILL_SEE_TARGET,
	WILL_READ,
	WILLS
};

extern const struct arbiter_ops sim_arbiter_ops;

#endif

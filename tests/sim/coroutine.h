/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A second stack for straight-line code that has to wait while others go on.
 */
#ifndef XENFERRY_SIM_COROUTINE_H
#define XENFERRY_SIM_COROUTINE_H

#include <stdbool.h>
#include <ucontext.h>

struct coroutine {
	ucontext_t inside, outside;
	void *stack; /* kept from one run to the next */
	void (*run)(void *argument);
	void *argument;
	bool live;   /* started, and not at its end yet */
};

/* Runs until the first coroutine_yield(). Needs to have ended before it is started again. */
void coroutine_start(struct coroutine *coroutine, void (*run)(void *argument), void *argument);
/* Goes on where it yielded, until it yields again or ends. */
void coroutine_resume(struct coroutine *coroutine);
/* From inside: back to whoever started or resumed it. */
void coroutine_yield(struct coroutine *coroutine);
void coroutine_fini(struct coroutine *coroutine);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "coroutine.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_BYTES (1024 * 1024)

/* makecontext() passes ints: a pointer goes in two halves. */
static void enter(unsigned high, unsigned low)
{
	struct coroutine *coroutine = (struct coroutine *)((uintptr_t)high << 32 | low);

	coroutine->run(coroutine->argument);
	coroutine->live = false;
}

void coroutine_start(struct coroutine *coroutine, void (*run)(void *argument), void *argument)
{
	uintptr_t self = (uintptr_t)coroutine;

	assert(!coroutine->live);
	if (!coroutine->stack)
		coroutine->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (coroutine->stack == MAP_FAILED)
		abort();
	coroutine->run = run;
	coroutine->argument = argument;
	coroutine->live = true;
	getcontext(&coroutine->inside);
	coroutine->inside.uc_stack.ss_sp = coroutine->stack;
	coroutine->inside.uc_stack.ss_size = STACK_BYTES;
	coroutine->inside.uc_link = &coroutine->outside;
	makecontext(&coroutine->inside, (void (*)(void))enter, 2, (unsigned)(self >> 32),
		    (unsigned)self);
	swapcontext(&coroutine->outside, &coroutine->inside);
}

void coroutine_resume(struct coroutine *coroutine)
{
	assert(coroutine->live);
	swapcontext(&coroutine->outside, &coroutine->inside);
}

void coroutine_yield(struct coroutine *coroutine)
{
	swapcontext(&coroutine->inside, &coroutine->outside);
}

void coroutine_fini(struct coroutine *coroutine)
{
	if (coroutine->stack)
		munmap(coroutine->stack, STACK_BYTES);
	coroutine->stack = NULL;
}

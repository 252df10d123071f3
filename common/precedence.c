/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "precedence.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define HIGHEST (-20) /* setpriority(2) */

/* One call for both: setpriority() alone would be inherited. The C library has no name for it. */
static void set(int nice, uint64_t flags)
{
	struct sched_attr attributes = {
		.size = sizeof(attributes),
		.sched_policy = SCHED_NORMAL,
		.sched_flags = flags,
		.sched_nice = nice,
	};

	if (syscall(SYS_sched_setattr, 0, &attributes, 0) < 0)
		log_debug("this process has to wait for the processor as any other");
}

int precedence_take(void)
{
	int before = getpriority(PRIO_PROCESS, 0);

	set(HIGHEST, SCHED_FLAG_RESET_ON_FORK);
	return before;
}

void precedence_return(int before)
{
	set(before, 0);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that works little and for which a guest stands still when it does: a worker, between
 * its waits, or the daemon when a worker has died. It goes before whatever else has the processor
 * then. What it starts does not.
 */
#ifndef XENFERRY_PRECEDENCE_H
#define XENFERRY_PRECEDENCE_H

/*
 * From now on this process has the highest priority of those that are not for real time; its
 * children begin with the usual one. Returns what it had before, for precedence_return(). Without
 * CAP_SYS_NICE all stays as it was, which only takes longer. Does not block; idempotent.
 */
int precedence_take(void);
/* Has the priority that it had `before`, and its children inherit that again. Does not block. */
void precedence_return(int before);

#endif

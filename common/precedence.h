/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that works little and for which a guest stands still when it does: a worker, between
 * its waits. It goes before whatever else has the processor then. What it starts does not.
 */
#ifndef XENFERRY_PRECEDENCE_H
#define XENFERRY_PRECEDENCE_H

/*
 * From now on this process has the highest priority of those that are not for real time; its
 * children begin with the usual one. Without CAP_SYS_NICE all stays as it was, which only takes
 * longer. Does not block; idempotent.
 */
void precedence_take(void);

#endif

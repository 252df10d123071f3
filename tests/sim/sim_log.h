/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the workers log (log.h), in place of common/log.c: shown in a run that is told, else lost.
 */
#ifndef XENFERRY_SIM_LOG_H
#define XENFERRY_SIM_LOG_H

#include <stdio.h>

extern FILE *sim_log; /* NULL: lost */

#endif

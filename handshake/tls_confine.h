/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xenferry-tls gives up before it reads a byte of a stranger's. In xenferry-tls only.
 */
#ifndef XENFERRY_TLS_CONFINE_H
#define XENFERRY_TLS_CONFINE_H

#include "err.h"

/* Before the key is read: no core dump and no debugger shows it. */
void tls_confine_memory(void);
/*
 * Once all files are read: no longer root, no new privileges; no program is started, no file or
 * connection opened, no process touched any more. -errno with `err`.
 */
int tls_confine_process(struct err *err);

#endif

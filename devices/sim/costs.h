/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a simulated host's steps cost: the file `costs` in its folder, a line "name=milliseconds"
 * each, copied there from presets/. Hotplug scripts read it (scripts/common.sh), and so do backends
 * and guests, each time that they are to pay: it may be changed while the host runs.
 */
#ifndef XENFERRY_SIM_COSTS_H
#define XENFERRY_SIM_COSTS_H

#include <stdint.h>

#define COSTS_FILE "costs"

/*
 * Milliseconds that `name` costs on the host in `folder`; 0 when nothing is said of it, or when
 * there is no such file.
 *
 *   vbd_close_ms     a backend, from being told to close until it says that it has (flushing)
 *   guest_silent_ms  a guest, from its resume in a new domain until it says where it is (ARP)
 */
uint32_t costs_ms(const char *folder, const char *name);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a simulated host's steps cost: the file `costs` in its folder, a line "name=number" each,
 * copied there from presets/. Hotplug scripts read it (scripts/common.sh), and so do backends and
 * guests, each time that they are to pay: it may be changed while the host runs.
 */
#ifndef XENFERRY_SIM_COSTS_H
#define XENFERRY_SIM_COSTS_H

#include <stdint.h>

#define COSTS_FILE "costs"

/*
 * What `name` costs on the host in `folder`, in the unit that it ends with; 0 when nothing is said
 * of it, or when there is no such file.
 *
 *   device_probe_ms  a driver, from finding a new device until it writes into its directory
 *   vbd_close_ms     a backend, from being told to close until it says that it has (flushing)
 *   guest_silent_ms  a guest, from its resume in a new domain until it says where it is (ARP)
 *
 * and what the preload library pays for (preload_costs.c), where programs read it when they start:
 *
 *   hypercall_us     each hypercall of a toolstack's
 *   page_read_us     each page of a guest that a toolstack maps to read, as it does to send it
 *   page_written_us  each that it maps to write
 *   context_us       the end of a restore: a guest's virtual processors are given their state
 *   sync_us          each write that is made durable
 *   wake_us          each time that a program has slept for something which then happened
 */
uint32_t costs_number(const char *folder, const char *name);

#endif

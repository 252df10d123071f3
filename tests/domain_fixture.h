/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of domain.h stand on: a Xen and a xenstore in memory, and a guest that somebody
 * described and that has no domain here yet.
 */
#ifndef XENFERRY_DOMAIN_FIXTURE_H
#define XENFERRY_DOMAIN_FIXTURE_H

#include "domain.h"
#include "fake_clock.h"
#include "fake_hypervisor.h"
#include "fake_store.h"

#define UUID_1 "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001" /* the described guest's */
#define UUID_2 "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e002"

struct domain_fixture {
	struct fake_hypervisor xen;
	struct hypervisor *hypervisor;
	struct store *store;
	struct fake_clock clock;
	struct description guest; /* "g1": PVH, two vcpus, 96 MiB, one VIF */
	struct reasons reasons;
	struct err err;
};

/* For cmocka: *state is a struct domain_fixture. */
int domain_fixture_set_up(void **state);
int domain_fixture_tear_down(void **state);

/* A running guest of this host, known to Xen and to xenstore. */
void domain_fixture_add(struct domain_fixture *f, uint32_t domid, const char *uuid,
			const char *name);

#endif

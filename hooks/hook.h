/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks: a site's own programs, in the folders and with the names, arguments and exit statuses that
 * xenopsd has for them (ocaml/xenopsd/lib/xenops_hooks.ml), so that what runs there runs here.
 * xenferry-hooks(7) is for those who write them.
 *
 * A hook is a folder, `<root>/vm-pre-migrate`; all that is in it is run, one after another in the
 * order of the bytes of their names, with `-vmuuid UUID -reason REASON [-vmdomid DOMID]` (those of
 * a host: `-hostuuid UUID -reason REASON`). 0: done. 1: that is logged, and all goes on. Anything
 * else, also a death by a signal, a program that cannot be run, or one that goes on at the
 * deadline: it has failed.
 */
#ifndef XENFERRY_HOOK_H
#define XENFERRY_HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

/* One row a hook: its folder, whether it may veto, whose UUID it is given. */
#define HOOK_TABLE(X) \
	X(VM_PRE_MIGRATE, "vm-pre-migrate", true, "-vmuuid") \
	X(VM_POST_MIGRATE, "vm-post-migrate", false, "-vmuuid") \
	X(VM_PRE_SUSPEND, "vm-pre-suspend", true, "-vmuuid") \
	X(VM_PRE_RESUME, "vm-pre-resume", true, "-vmuuid") \
	X(VM_POST_RESUME, "vm-post-resume", false, "-vmuuid") \
	X(VM_PRE_SHUTDOWN, "vm-pre-shutdown", false, "-vmuuid") \
	X(VM_POST_DESTROY, "vm-post-destroy", false, "-vmuuid") \
	X(HOST_PRE_EVACUATE, "host-pre-evacuate", true, "-hostuuid") \
	X(HOST_POST_EVACUATE, "host-post-evacuate", false, "-hostuuid")

enum hook {
#define X(hook, folder, vetoes, subject) HOOK_##hook,
	HOOK_TABLE(X)
#undef X
	HOOKS
};

const char *hook_name(enum hook hook);     /* "vm-pre-migrate" */
bool hook_vetoes(enum hook hook);          /* what it is called before can still be left undone */
bool hook_find(const char *name, enum hook *hook); /* false: there is none of that name */

/* xenopsd's words for why a hook is called. */
#define HOOK_REASON_SOURCE "source"
#define HOOK_REASON_DESTINATION "destination"
#define HOOK_REASON_SUSPEND "suspend"
#define HOOK_REASON_NONE "none"

struct hook_call {
	enum hook hook;
	const char *uuid;   /* the guest's, or the host's */
	uint32_t domid;     /* the guest's on this host; 0: it has no domain here */
	const char *reason; /* HOOK_REASON_… */
};

struct hooks;

/* Called for a hook that is there: "vm-pre-migrate/10firewall". `err`: why it cannot be run. */
typedef void hook_seen_fn(void *context, const char *script, const struct err *err);

struct hooks_ops {
	/*
	 * Runs all programs of one hook. Of a hook that may veto the first failure ends it, of
	 * others all are run; the first failure is returned: -EPERM of a program that says no, what
	 * kept one from being run, -ETIMEDOUT; -ECANCELED when a cancel request comes and
	 * `cancellable`. Blocks until `deadline_us` at most, and a second longer. Not in the
	 * blackout.
	 */
	int (*run)(struct hooks *hooks, const struct hook_call *call, uint64_t deadline_us,
		   bool cancellable, struct err *err);
	/* Names the programs of one hook in their order, and runs none. -errno: of the folder. */
	int (*look)(struct hooks *hooks, enum hook hook, hook_seen_fn *seen, void *context,
		    struct err *err);
};

struct hooks {
	const struct hooks_ops *ops;
};

#endif

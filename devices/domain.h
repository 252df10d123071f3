/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's domain: found and described, judged, created, started, suspended, resumed, destroyed.
 * Its devices are plug.h's. Functions that only decide, from what was read before, stand apart from
 * those that read and act, so that they can be tested with numbers.
 *
 * All return 0 or -errno with `err` filled, unless they say otherwise.
 */
#ifndef XENFERRY_DOMAIN_H
#define XENFERRY_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "err.h"
#include "host.h"
#include "hypervisor.h"
#include "store.h"

#define DOMAIN_UUID_BYTES 16
#define DOMAIN_INCOMING "--incoming" /* ends the name of a guest that is on its way, as with xl */

/* ---- finding: domain_list.c ---- */

struct domain_list {
	struct guest_summary *guests; /* in order of domid; without domain 0 and the dying */
	size_t count;
};

/* From Xen alone; `*domid` 0 when no guest, or only a dying one, has this UUID. */
int domain_find(struct hypervisor *hypervisor, const char *uuid, uint32_t *domid, bool *running,
		struct err *err);

int domain_list_read(struct hypervisor *hypervisor, struct store *store, struct domain_list *list,
		     struct err *err);
void domain_list_fini(struct domain_list *list); /* idempotent; accepts all zeroes */

/*
 * The guest that `vm` means: its UUID, else its name, else its domid in decimal. -ENOENT when there
 * is none, -ENOTUNIQ naming the UUIDs when two guests have that name.
 */
int domain_select(const struct domain_list *list, const char *vm,
		  const struct guest_summary **found, struct err *err);
/* The first one with this UUID or this name, or NULL. */
const struct guest_summary *domain_with_uuid(const struct domain_list *list, const char *uuid);
const struct guest_summary *domain_with_name(const struct domain_list *list, const char *name);

/* Between Xen's 16 bytes and the text; `uuid` must be valid. */
void domain_uuid_text(const uint8_t bytes[DOMAIN_UUID_BYTES], char text[GUEST_UUID_SIZE]);
void domain_uuid_bytes(const char *uuid, uint8_t bytes[DOMAIN_UUID_BYTES]);

/* What the domain is, from Xen's flags alone. */
enum guest_type domain_type(const xc_domaininfo_t *info);
const char *domain_power_state(const xc_domaininfo_t *info);
/* Why a guest shut down: "power off", "suspend", ...; NULL when it did not. */
const char *domain_shutdown_reason(const xc_domaininfo_t *info);
bool domain_is_suspended(const xc_domaininfo_t *info);

/* ---- describing, at the source: domain_describe.c ---- */

/*
 * Fills `guest`, initialised, but for its devices; reasons and errors as host_ops.describe. After
 * an error, too, guest->domid says which domain it is; 0: there is none.
 */
int domain_describe(struct hypervisor *hypervisor, struct store *store, const char *vm,
		    struct description *guest, struct reasons *reasons);
/*
 * Adds every reason, from Xen's view of the guest called `name`, why it cannot be moved, each with
 * its remedy. `capabilities`: the host's. -EOPNOTSUPP when its type cannot be described.
 */
int domain_check_movable(const xc_domaininfo_t *info, uint32_t capabilities, const char *name,
			 struct reasons *reasons);

/* ---- judging, at the target: domain_examine.c ---- */

/* Adds every reason but the devices' why this host cannot take `guest`. */
void domain_examine(struct hypervisor *hypervisor, struct store *store,
		    const struct description *guest, struct reasons *reasons);
/* The same from what was read. */
void domain_judge(const struct hypervisor_facts *facts, const struct domain_list *list,
		  const struct description *guest, struct reasons *reasons);
/* The pages that the guest's memory will take, holes and Xen's own needs not counted. */
uint64_t domain_pages_claimed(const struct description *guest);

/* ---- creating, at the target: domain_create.c, domain_nodes.c ---- */

/* As host_ops.create. */
int domain_create(struct hypervisor *hypervisor, struct store *store, struct description *guest,
		  struct err *err);

/* A guest's event channels, as its own toolstack allocated them. */
struct domain_ports {
	uint32_t store, console;
};

/*
 * Writes the skeleton of the guest's nodes; to be called within a transaction. What is left of an
 * earlier owner of the domid goes first. The console's port and ring are left out until
 * domain_settle(), because xenconsoled would come for them in the middle of the introduction.
 */
int domain_write_nodes(struct store *store, const struct description *guest,
		       const struct domain_ports *ports, struct err *err);
/* Removes them again; those of /vm/UUID unless another domain says that they are its own. */
int domain_remove_nodes(struct store *store, const struct description *guest, struct err *err);
/* Reads back the ports that domain_write_nodes() noted. */
int domain_read_ports(struct store *store, uint32_t domid, struct domain_ports *ports,
		      struct err *err);

/* ---- starting, at the target: domain_start.c; as the host_ops of the same names ---- */

int domain_introduce(struct store *store, const struct description *guest, uint64_t store_pfn,
		     uint64_t console_pfn, struct err *err);
int domain_unpause(struct hypervisor *hypervisor, const struct description *guest,
		   struct err *err);
int domain_settle(struct hypervisor *hypervisor, struct store *store,
		  const struct description *guest, struct err *err);

/* ---- slowing down, at the source: domain_cap.c ---- */

/* As host_ops.cap. */
int domain_cap(struct hypervisor *hypervisor, const struct description *guest,
	       uint32_t cap_percent, struct err *err);

/* ---- suspending and resuming, at the source: domain_suspend.c ---- */

/*
 * As host_ops.suspend. A guest that acknowledged will suspend, however late: past the deadline it
 * is given some seconds more, so that domain_resume() then finds it suspended. -ETIMEDOUT in
 * either case; -ESHUTDOWN when the guest shut down for another reason; -EBUSY when another request
 * is pending.
 */
int domain_suspend(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		   const struct description *guest, uint64_t deadline_us,
		   uint64_t *suspended_at_us, struct err *err);
/* As host_ops.resume. */
int domain_resume(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		  const struct description *guest, struct err *err);

/* ---- destroying, on either side: domain_destroy.c ---- */

/*
 * As host_ops.destroy. A domid that belongs to another guest by now is left alone. Blocks until the
 * backends' drivers have noticed what domain_create() wrote (devices_await_noticed()).
 */
int domain_destroy(struct hypervisor *hypervisor, struct store *store, const struct clock *clock,
		   const struct description *guest, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/sched.h>

#include "cleanup.h"

#define BATCH 64
#define DOMAINS_MAX 0x7ff0 /* DOMID_FIRST_RESERVED: Xen gives no domid from here on */

/* ---- Xen's words ---- */

void domain_uuid_text(const uint8_t bytes[DOMAIN_UUID_BYTES], char text[GUEST_UUID_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;

	for (int i = 0; i < DOMAIN_UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 0xf];
	}
	*at = '\0';
}

static unsigned int hex_value(char digit)
{
	return (unsigned int)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

void domain_uuid_bytes(const char *uuid, uint8_t bytes[DOMAIN_UUID_BYTES])
{
	for (int i = 0; i < DOMAIN_UUID_BYTES; i++) {
		if (*uuid == '-')
			uuid++;
		bytes[i] = (uint8_t)(hex_value(uuid[0]) << 4 | hex_value(uuid[1]));
		uuid += 2;
	}
}

enum guest_type domain_type(const xc_domaininfo_t *info)
{
	if (!(info->flags & XEN_DOMINF_hvm_guest))
		return GUEST_PV;
	/* A guest without a device model has its local APIC emulated by Xen, and nothing else. */
	return info->arch_config.emulation_flags & ~XEN_X86_EMU_LAPIC ? GUEST_HVM : GUEST_PVH;
}

const char *domain_power_state(const xc_domaininfo_t *info)
{
	if (info->flags & XEN_DOMINF_shutdown)
		return "halted";
	return info->flags & XEN_DOMINF_paused ? "paused" : "running";
}

static unsigned int shutdown_code(const xc_domaininfo_t *info)
{
	return info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
}

const char *domain_shutdown_reason(const xc_domaininfo_t *info)
{
	static const char *const reasons[] = {
		[SHUTDOWN_poweroff] = "power off",
		[SHUTDOWN_reboot] = "reboot",
		[SHUTDOWN_suspend] = "suspend",
		[SHUTDOWN_crash] = "crash",
		[SHUTDOWN_watchdog] = "watchdog",
		[SHUTDOWN_soft_reset] = "soft reset",
	};

	if (!(info->flags & XEN_DOMINF_shutdown))
		return NULL;
	if (shutdown_code(info) >= sizeof(reasons) / sizeof(reasons[0]))
		return "a reason that is not known";
	return reasons[shutdown_code(info)];
}

bool domain_is_suspended(const xc_domaininfo_t *info)
{
	return info->flags & XEN_DOMINF_shutdown && shutdown_code(info) == SHUTDOWN_suspend;
}

/* ---- looking through all ---- */

/* The next guests from domid `*first` on, which goes behind them; 0 when there are no more. */
static int next_batch(struct hypervisor *hypervisor, uint32_t *first, xc_domaininfo_t infos[BATCH],
		      struct err *err)
{
	int count = 0;

	if (*first < DOMAINS_MAX)
		count = hypervisor->ops->domains(hypervisor, *first, BATCH, infos, err);
	if (count > 0)
		*first = count < BATCH ? DOMAINS_MAX : infos[count - 1].domain + 1u;
	return count;
}

int domain_find(struct hypervisor *hypervisor, const char *uuid, uint32_t *domid, bool *running,
		struct err *err)
{
	uint8_t wanted[DOMAIN_UUID_BYTES];
	const xc_domaininfo_t *found = NULL;
	xc_domaininfo_t infos[BATCH];
	uint32_t first = 1;
	int count = 0;

	domain_uuid_bytes(uuid, wanted);
	while (!found && (count = next_batch(hypervisor, &first, infos, err)) > 0)
		for (int i = 0; i < count; i++)
			if (!(infos[i].flags & XEN_DOMINF_dying) &&
			    memcmp(infos[i].handle, wanted, sizeof(wanted)) == 0)
				found = &infos[i];
	if (count < 0)
		return count;
	*domid = found ? found->domain : 0;
	*running = found && strcmp(domain_power_state(found), "running") == 0;
	return 0;
}

/* ---- the list ---- */

static void summarise(struct store *store, const xc_domaininfo_t *info,
		      struct guest_summary *guest)
{
	CLEANUP_FREE char *name = store_read(store, "/local/domain/%u/name", info->domain);

	memset(guest, 0, sizeof(*guest));
	domain_uuid_text(info->handle, guest->uuid);
	if (name) /* one that is too long is cut here and refused by domain_describe() */
		snprintf(guest->name, sizeof(guest->name), "%s", name);
	guest->domid = info->domain;
	guest->vcpus = info->max_vcpu_id + 1; /* XEN_INVALID_MAX_VCPU_ID: there are none */
	guest->type = domain_type(info);
	guest->memory_bytes = info->tot_pages * XC_PAGE_SIZE;
	guest->power_state = domain_power_state(info);
}

static int append(struct store *store, const xc_domaininfo_t *infos, int count,
		  struct domain_list *list, struct err *err)
{
	size_t wanted = list->count + (size_t)count;
	struct guest_summary *guests = realloc(list->guests, wanted * sizeof(*guests));

	if (!guests)
		return err_errno(err, "list the guests");
	list->guests = guests;
	for (int i = 0; i < count; i++)
		if (!(infos[i].flags & XEN_DOMINF_dying))
			summarise(store, &infos[i], &guests[list->count++]);
	return 0;
}

int domain_list_read(struct hypervisor *hypervisor, struct store *store, struct domain_list *list,
		     struct err *err)
{
	struct domain_list found = { 0 };
	xc_domaininfo_t infos[BATCH];
	uint32_t first = 1;
	int rc = 0, count = 0;

	while (rc == 0 && (count = next_batch(hypervisor, &first, infos, err)) > 0)
		rc = append(store, infos, count, &found, err);
	if (count < 0)
		rc = count;
	if (rc < 0)
		domain_list_fini(&found);
	else
		*list = found;
	return rc;
}

void domain_list_fini(struct domain_list *list)
{
	free(list->guests);
	*list = (struct domain_list){ 0 };
}

/* ---- choosing ---- */

const struct guest_summary *domain_with_uuid(const struct domain_list *list, const char *uuid)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->guests[i].uuid, uuid) == 0)
			return &list->guests[i];
	return NULL;
}

const struct guest_summary *domain_with_name(const struct domain_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->guests[i].name, name) == 0)
			return &list->guests[i];
	return NULL;
}

static const struct guest_summary *with_domid(const struct domain_list *list, const char *text)
{
	char decimal[16];

	for (size_t i = 0; i < list->count; i++) {
		snprintf(decimal, sizeof(decimal), "%" PRIu32, list->guests[i].domid);
		if (strcmp(decimal, text) == 0)
			return &list->guests[i];
	}
	return NULL;
}

/* Refuses a name that several guests have, with the UUIDs to choose from. */
static int check_unique(const struct domain_list *list, const char *name, struct err *err)
{
	char uuids[16 * (GUEST_UUID_SIZE + 1)] = "";
	size_t used = 0, same = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->guests[i].name, name) != 0)
			continue;
		same++;
		if (used + GUEST_UUID_SIZE < sizeof(uuids))
			used += (size_t)snprintf(uuids + used, sizeof(uuids) - used, " %s",
						 list->guests[i].uuid);
	}
	if (same <= 1)
		return 0;
	return err_set(err, ERR_REFUSED, -ENOTUNIQ,
		       "%zu guests are called %s; name one by its UUID:%s", same, name, uuids);
}

int domain_select(const struct domain_list *list, const char *vm,
		  const struct guest_summary **found, struct err *err)
{
	const struct guest_summary *guest = domain_with_uuid(list, vm);

	if (!guest && *vm) {
		guest = domain_with_name(list, vm);
		if (guest) {
			int rc = check_unique(list, vm, err);

			if (rc < 0)
				return rc;
		}
	}
	if (!guest)
		guest = with_domid(list, vm);
	if (!guest)
		return err_set(err, ERR_NO_GUEST, -ENOENT,
			       "no guest on this host has the UUID, name or domid %s", vm);
	*found = guest;
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points: creation_make(), in the order in which libxl does it; creation_end().
 */
#include "create.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenctrl.h> /* first, as it says that what follows is for tools */
#include <xen/hvm/params.h>
#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "domain.h"
#include "plug.h"
#include "program.h"
#include "xenbus.h"

#define MIB_PAGES 256
#define PRELOAD "/.libs/libxenferry-sim.so" /* beside this program, in the build tree */
#define SPECIAL_FRAMES 8

/* ---- the host ---- */

/* What hotplug scripts inherit: they look at disks, and may ask what things cost here. */
static int set_variables(const char *folder, const char *rundir)
{
	char path[PATH_MAX + sizeof(PRELOAD)];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (length < 0)
		return -errno;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		memcpy(slash, PRELOAD, sizeof(PRELOAD));
	if (setenv("XENSTORED_RUNDIR", rundir, 1) < 0 ||
	    setenv(SIM_FOLDER_VARIABLE, folder, 1) < 0 ||
	    (access(path, R_OK) == 0 && setenv("LD_PRELOAD", path, 0) < 0))
		return -errno;
	return 0;
}

int creation_open(struct creation_host *host, const char *folder, const char *rundir,
		  const char *scripts, struct err *err)
{
	static char sys[PATH_MAX];
	struct store *store;
	int rc = set_variables(folder, rundir);

	if (rc)
		return err_set(err, ERR_FAILED, rc, "environment: %s", strerror(-rc));
	rc = sim_host_open(folder, &host->host, err);
	if (!rc)
		rc = store_open(&store, err);
	if (rc)
		return rc;
	snprintf(sys, sizeof(sys), "%s/sys", folder);
	host->site = (struct site){
		.store = store,
		.clock = &clock_system,
		.scripts_dir = scripts,
		.sys_dir = sys,
	};
	return 0;
}

void creation_close(struct creation_host *host)
{
	if (host->site.store)
		host->site.store->ops->close(host->site.store);
	sim_host_close(host->host);
	*host = (struct creation_host){ .host = NULL };
}

/* ---- the domain ---- */

struct making {
	struct creation_host *host;
	struct description guest;
	struct program_plan plan;
	struct domain_ports ports;
};

static void describe(struct making *making, const struct creation *creation)
{
	struct description *guest = &making->guest;

	snprintf(guest->name, sizeof(guest->name), "%s", creation->name);
	snprintf(guest->uuid, sizeof(guest->uuid), "%s", creation->uuid);
	guest->type = GUEST_PVH;
	guest->vcpus = 1;
	guest->vcpus_online[0] = 1;
	guest->create_flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off;
	guest->emulation_flags = XEN_X86_EMU_LAPIC;
	guest->pages_max = creation->memory_mib * MIB_PAGES + MIB_PAGES;
	guest->static_max_kib = guest->target_kib = creation->memory_mib * 1024;
	guest->videoram_kib = -1;
	guest->store_pfn = SIM_STORE_GFN;
	guest->console_pfn = SIM_CONSOLE_GFN;
	/* libxl__get_required_paging_memory(): 1 MiB a vcpu, and 8 KiB for each MiB */
	guest->paging_pool_bytes = (guest->vcpus * 256 + creation->memory_mib * 2) * 4096;
	domain_uuid_bytes(guest->uuid, making->plan.uuid);
	memcpy(&making->plan.seed, making->plan.uuid, sizeof(making->plan.seed));
	making->plan.pages = creation->memory_mib * MIB_PAGES;
	making->plan.fill_percent = (uint32_t)creation->fill_percent;
}

static int make_domain(struct making *making)
{
	struct sim_host *host = making->host->host;
	struct description *guest = &making->guest;
	struct sim_domain_config config = {
		.create_flags = guest->create_flags,
		.emulation_flags = guest->emulation_flags,
		.vcpus_max = guest->vcpus,
	};
	int rc;

	memcpy(config.uuid, making->plan.uuid, sizeof(config.uuid));
	rc = sim_domain_create(host, &config, &guest->domid);
	if (!rc)
		rc = sim_domain_set_vcpus(host, guest->domid, guest->vcpus);
	if (!rc)
		rc = sim_domain_set_pages_max(host, guest->domid, guest->pages_max);
	if (!rc)
		rc = sim_domain_set_paging_pool(host, guest->domid, guest->paging_pool_bytes);
	if (!rc)
		rc = sim_populate_range(host, guest->domid, 0, making->plan.pages);
	return rc ? rc : sim_populate_range(host, guest->domid, SIM_SPECIAL_GFN, SPECIAL_FRAMES);
}

static int set_parameters(struct making *making)
{
	const struct {
		uint32_t which;
		uint64_t value;
	} rows[] = {
		{ HVM_PARAM_STORE_PFN, SIM_STORE_GFN },
		{ HVM_PARAM_STORE_EVTCHN, making->ports.store },
		{ HVM_PARAM_CONSOLE_PFN, SIM_CONSOLE_GFN },
		{ HVM_PARAM_CONSOLE_EVTCHN, making->ports.console },
		{ HVM_PARAM_TIMER_MODE, 1 },
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = sim_param_set(making->host->host, making->guest.domid, rows[i].which,
				   rows[i].value);
	return rc;
}

static int make_ports(struct making *making)
{
	int store = sim_port_allocate(making->host->host, making->guest.domid, 0);
	int console = sim_port_allocate(making->host->host, making->guest.domid, 0);

	if (store < 0 || console < 0)
		return store < 0 ? store : console;
	making->ports.store = (uint32_t)store;
	making->ports.console = (uint32_t)console;
	return set_parameters(making);
}

static int fill_memory(struct making *making)
{
	uint64_t pages = making->plan.pages;
	struct sim_memory *memory = NULL;
	struct program program;
	void *ram;
	int rc = sim_memory_open(making->host->host, making->guest.domid, &memory);

	if (!rc)
		rc = sim_grant_at(memory, SIM_GRANT_STORE, SIM_STORE_GFN, true);
	if (!rc)
		rc = sim_grant_at(memory, SIM_GRANT_CONSOLE, SIM_CONSOLE_GFN, true);
	if (!rc)
		rc = sim_memory_map_range(memory, 0, pages, PROT_READ | PROT_WRITE, &ram);
	if (!rc) {
		program_create(&program, memory, ram, &making->plan);
		sim_memory_unmap(ram, pages);
	}
	sim_memory_close(memory);
	return rc;
}

static int build(struct making *making, struct err *err)
{
	int rc = make_domain(making);

	if (!rc)
		rc = make_ports(making);
	if (!rc)
		rc = fill_memory(making);
	if (rc == -ENOMEM)
		return err_set(err, ERR_NO_MEMORY, rc, "the host has not so much memory left");
	return rc ? err_set(err, ERR_FAILED, rc, "make the domain: %s", strerror(-rc)) : 0;
}

/* ---- its nodes ---- */

static int write_nodes(struct store *store, void *data, struct err *err)
{
	const struct making *making = data;
	int rc = domain_write_nodes(store, &making->guest, &making->ports, err);

	return rc ? rc : devices_write_nodes(store, &making->guest, err);
}

/* What a migration leaves until the guest runs; here nobody is in a hurry. */
static int write_rest(struct store *store, void *data, struct err *err)
{
	const struct making *making = data;
	const struct description *guest = &making->guest;
	char port[16], gfn[24];
	int rc;

	snprintf(port, sizeof(port), "%u", making->ports.console);
	snprintf(gfn, sizeof(gfn), "%" PRIu64, guest->console_pfn);
	rc = store_write(store, guest->name, "/local/domain/%u/name", guest->domid);
	if (!rc)
		rc = store_write(store, guest->name, "/vm/%s/name", guest->uuid);
	if (!rc)
		rc = store_write(store, port, "/local/domain/%u/console/port", guest->domid);
	if (!rc)
		rc = store_write(store, gfn, "/local/domain/%u/console/ring-ref", guest->domid);
	return rc ? err_set(err, ERR_FAILED, rc, "xenstore: name domain %u: %s", guest->domid,
			    strerror(-rc))
		  : 0;
}

/* ---- starting it ---- */

static bool is_in_use(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);

	return xenbus_state(site->store, &bus) == XenbusStateConnected;
}

static const struct stage stage_in_use = { is_in_use, "the guest does not connect to it" };

static int start(struct making *making, uint64_t deadline_us, struct err *err)
{
	const struct devices devices = devices_of(&making->guest, DEVICES_ALL);
	const struct site *site = &making->host->site;
	struct store *store = site->store;
	int rc = store_transaction(store, write_nodes, making, err);

	if (!rc)
		rc = site_plug(site, &devices, false, deadline_us, err);
	if (!rc)
		rc = domain_introduce(store, &making->guest, SIM_STORE_GFN, SIM_CONSOLE_GFN, err);
	if (!rc)
		rc = store_transaction(store, write_rest, making, err);
	if (rc)
		return rc;
	rc = sim_domain_unpause(making->host->host, making->guest.domid);
	if (rc)
		return err_set(err, ERR_FAILED, rc, "unpause domain %u: %s", making->guest.domid,
			       strerror(-rc));
	return site_await(site, &devices, &stage_in_use, deadline_us, err);
}

/* ---- ending it ---- */

/* All that is left of a guest; says the first thing that went wrong, and goes on. */
static int clear(struct creation_host *host, const struct description *guest,
		 uint64_t deadline_us, struct err *err)
{
	const struct devices devices = devices_of(guest, DEVICES_ALL);
	int first, rc;

	if (guest->domid == 0)
		return 0;
	(void)sim_domain_pause(host->host, guest->domid);
	first = site_unplug(&host->site, &devices, deadline_us, err);
	rc = domain_remove_nodes(host->site.store, guest, first ? NULL : err);
	first = first ? first : rc;
	rc = sim_domain_destroy(host->host, guest->domid);
	if (rc && !first)
		first = err_set(err, ERR_FAILED, rc, "destroy domain %u: %s", guest->domid,
				strerror(-rc));
	return first;
}

int creation_make(struct creation_host *host, const struct creation *creation,
		  uint64_t deadline_us, uint32_t *domid, struct err *err)
{
	struct making *making = calloc(1, sizeof(*making));
	int rc;

	if (!making)
		return err_errno(err, "make the guest");
	making->host = host;
	description_init(&making->guest);
	describe(making, creation);
	rc = creation_add_devices(host, creation, &making->guest, &making->plan, err);
	if (!rc)
		rc = build(making, err);
	if (!rc)
		rc = start(making, deadline_us, err);
	if (rc)
		(void)clear(host, &making->guest, clock_after_ms(&clock_system, 10000), NULL);
	else
		*domid = making->guest.domid;
	description_fini(&making->guest);
	free(making);
	return rc;
}

static bool is_called(struct creation_host *host, const struct sim_domain *domain, const char *vm)
{
	CLEANUP_FREE char *name = store_read(host->site.store, "/local/domain/%u/name",
					     domain->domid);
	char uuid[GUEST_UUID_SIZE], domid[16];

	domain_uuid_text(domain->config.uuid, uuid);
	snprintf(domid, sizeof(domid), "%u", domain->domid);
	return strcmp(vm, uuid) == 0 || strcmp(vm, domid) == 0 || (name && strcmp(vm, name) == 0);
}

int creation_end(struct creation_host *host, const char *vm, uint64_t deadline_us,
		 struct err *err)
{
	struct sim_domain domain = { .domid = 0 };
	struct reasons reasons = { .count = 0 };
	struct description guest;
	int rc;

	do {
		if (sim_domain_next(host->host, domain.domid + 1, &domain))
			return err_set(err, ERR_NO_GUEST, -ENOENT, "there is no guest %s here",
				       vm);
	} while (!is_called(host, &domain, vm));
	description_init(&guest);
	guest.domid = domain.domid;
	domain_uuid_text(domain.config.uuid, guest.uuid);
	site_describe(&host->site, domain.domid, &guest, &reasons);
	rc = reasons.count > 0 ? reasons_join(&reasons, err) :
				 clear(host, &guest, deadline_us, err);
	description_fini(&guest);
	return rc;
}

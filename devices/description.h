/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest is: all that the target must know to create a domain that the guest's memory fits.
 *
 * Filled at the source by host_ops.describe, carried in the offer (SP0), decoded and bounded at
 * the target. Nothing in it comes from nodes that the guest can write, but for the ring pages'
 * frame numbers, which are only compared.
 */
#ifndef XENFERRY_DESCRIPTION_H
#define XENFERRY_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "tlv.h"

#define GUEST_NAME_MAX 128       /* bytes, terminator included */
#define GUEST_UUID_SIZE 37       /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" */
#define GUEST_DEVICES_MAX 64     /* VBDs and VIFs together */
#define GUEST_VCPUS_MAX 512
#define DEVICE_NODES_MAX 32      /* of one end of one device */
#define NODE_KEY_MAX 32
#define NODE_VALUE_MAX 1024
#define GUEST_CONFIG_MAX 65536   /* xl's saved configuration, bytes */
#define CPU_LEAVES_MAX 256       /* twice what Xen 4.17 has */
#define CPU_MSRS_MAX 16
#define DISK_IDENTITY_MAX 128
#define DESCRIPTION_MAX 262144   /* encoded, bytes */

enum guest_type { GUEST_PV, GUEST_HVM, GUEST_PVH };

enum device_kind { DEVICE_VBD, DEVICE_VIF, DEVICE_KINDS };

/* How a VBD's storage may be attached: a raw block device on both hosts at once, or not. */
enum attach { ATTACH_EARLY, ATTACH_LATE };

struct device_node {
	char key[NODE_KEY_MAX];
	char *value; /* at most NODE_VALUE_MAX bytes, owned */
};

/* What tells a disk from another (disk_identity.h); "": it has nothing that does. */
struct disk_identity {
	char device[DISK_IDENTITY_MAX];
	char content[DISK_IDENTITY_MAX];
};

struct device {
	enum device_kind kind;
	uint32_t id;             /* 51712 is xvda; 0 is the first VIF */
	enum attach attach;      /* VBD only */
	uint64_t size_bytes;     /* VBD only: the target's disk must have the same; 0: not known */
	struct disk_identity identity; /* VBD only */
	struct device_node backend[DEVICE_NODES_MAX];  /* nodes to write again at the target */
	struct device_node frontend[DEVICE_NODES_MAX];
	size_t backend_count, frontend_count;
};

/* The processor as a guest sees it: what CPUID answers, and the MSRs that say what it can do. */
struct cpu_policy {
	struct cpu_leaf {
		uint32_t leaf, subleaf; /* subleaf UINT32_MAX: the leaf has none */
		uint32_t eax, ebx, ecx, edx;
	} leaves[CPU_LEAVES_MAX];
	struct cpu_msr {
		uint32_t index, flags; /* flags: Xen's, zero as yet */
		uint64_t value;
	} msrs[CPU_MSRS_MAX];
	size_t leaf_count, msr_count;
};

struct description {
	char name[GUEST_NAME_MAX];
	char uuid[GUEST_UUID_SIZE];
	enum guest_type type;
	uint32_t domid;                /* at the host that holds this copy; never on the wire */
	uint32_t vcpus;
	uint8_t vcpus_online[GUEST_VCPUS_MAX / 8]; /* a bit each, lowest first */
	uint32_t cpu_weight;           /* the scheduler's; 0: not known */
	uint32_t cpu_cap_percent;      /* of one CPU; 0: none */
	struct cpu_policy cpu_policy;  /* no leaves: not known */
	uint32_t create_flags;         /* XEN_DOMCTL_CDF_* */
	uint32_t emulation_flags;      /* XEN_X86_EMU_* */
	uint64_t pages_max;            /* the domain's max_pages */
	uint64_t pages_now;            /* tot_pages when described */
	uint64_t paging_pool_bytes;
	uint64_t static_max_kib, target_kib;
	int64_t videoram_kib;          /* -1: no such node */
	uint64_t store_pfn, console_pfn;
	char xen_version[32];          /* "4.17": the source's */
	char start_time[32];           /* /vm/UUID/start_time, "" when absent */
	char dm_version[32];           /* /libxl/D/dm-version, "" when absent */
	uint8_t *config;               /* xl's saved configuration, NULL when there is none */
	size_t config_bytes;
	struct device devices[GUEST_DEVICES_MAX];
	size_t device_count;
};

void description_init(struct description *guest);
void description_fini(struct description *guest); /* idempotent */
void device_fini(struct device *device);          /* the same; all is zero then */

/* Appends a copy of `key` and `value`; -ENOSPC or -EMSGSIZE over the maxima, -EEXIST. */
int device_add_backend_node(struct device *device, const char *key, const char *value);
int device_add_frontend_node(struct device *device, const char *key, const char *value);
/* The value of a backend node, or NULL. */
const char *device_backend_node(const struct device *device, const char *key);
/* "vbd", "vif" */
const char *device_kind_name(enum device_kind kind);
/* "vbd xvda", "vif 0": for messages. Returns `text`. */
const char *device_label(const struct device *device, char *text, size_t size);

/* Encodes as fields; ask tlv_writer_status() afterwards. */
void description_encode(const struct description *guest, struct tlv_writer *writer);
/* Lower-case hexadecimal digits and dashes, as Xen's tools write it. */
bool guest_uuid_is_valid(const char *uuid);
/*
 * Decodes fields into `guest` (initialised), bounding and validating everything: lengths, counts,
 * UUID, name (printable, no '/'), node keys (no '/'), device kinds, unknown required fields.
 * -EBADMSG with `err` naming the field; `guest` is then empty, as after description_init().
 */
int description_decode(struct description *guest, const void *bytes, size_t size, struct err *err);

#endif

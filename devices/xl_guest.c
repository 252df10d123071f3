/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxl's IDL (tools/libs/light/libxl_types.idl) gives the keys and their types; a key is left out
 * where it has its default, and the defaults are those of libxl_create.c, libxl_disk.c and
 * libxl_nic.c. Keys that are not named here change nothing that is made.
 */
#include "xl_guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "cleanup.h"
#include "json.h"
#include "site.h"
#include "tlv.h"

#define KIB_MAX (INT64_C(1) << 36)      /* 64 TiB, as in any description */
#define FUDGE_KIB 1024                  /* libxl_internal.h: LIBXL_MAXMEM_CONSTANT */
#define POOL_PAGES_A_VCPU 256           /* libxl__get_required_paging_memory() */
#define EVENT_CHANNELS_MAX 1023         /* what domain_create() gives */
#define GRANT_FRAMES_MAX 64             /* Xen's default, which domain_create() takes */
#define GRANT_FRAMES_DEFAULT UINT32_MAX /* LIBXL_MAX_GRANT_DEFAULT */
#define MTU_DEFAULT 1500

/* libxenguest's special pages of each PVH guest end at 0xff000: xg_dom_x86.c */
#define STORE_PFN 0xfeffc
#define CONSOLE_PFN 0xfefff

/* Reads that stop at the first thing that is wrong; what is read from then on is the fallback. */
struct reader {
	int rc;
	struct err *err;
};

__attribute__((format(printf, 2, 3)))
static void refuse(struct reader *reader, const char *format, ...)
{
	char reason[256];
	va_list args;

	if (reader->rc < 0)
		return;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	reader->rc = err_set(reader->err, ERR_INCOMPATIBLE, -EINVAL, "%s", reason);
}

static const struct json_value *object_of(struct reader *reader, const struct json_value *object,
					  const char *key)
{
	const struct json_value *value = json_get(object, key);

	if (!json_is_object(value))
		refuse(reader, "its %s is missing or no object", key);
	return value;
}

static const char *text_of(struct reader *reader, const struct json_value *object, const char *key,
			   const char *fallback)
{
	const struct json_value *value = json_get(object, key);

	if (value && !json_string_of(value))
		refuse(reader, "its %s is no text", key);
	return value && reader->rc == 0 ? json_string_of(value) : fallback;
}

/* A fallback below `min`: it must be there. */
static int64_t number_of(struct reader *reader, const struct json_value *object, const char *key,
			 int64_t min, int64_t max, int64_t fallback)
{
	const struct json_value *value = json_get(object, key);
	int64_t number = value ? json_integer_of(value, -1) : fallback;

	if (number >= min && number <= max)
		return number;
	refuse(reader, "its %s is no number from %" PRId64 " to %" PRId64, key, min, max);
	return fallback;
}

/* libxl's defbool: "True", "False", "<default>". */
static bool defbool_of(struct reader *reader, const struct json_value *object, const char *key,
		       bool fallback)
{
	const char *text = text_of(reader, object, key, "<default>");

	if (strcmp(text, "True") == 0)
		return true;
	if (strcmp(text, "False") == 0)
		return false;
	if (strcmp(text, "<default>") != 0)
		refuse(reader, "its %s is neither True nor False", key);
	return fallback;
}

static bool boolean_of(struct reader *reader, const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	if (value && json_boolean_of(value, true) != json_boolean_of(value, false))
		refuse(reader, "its %s is neither true nor false", key);
	return json_boolean_of(value, false);
}

static void copy_text(struct reader *reader, const char *key, const char *text, char *to,
		      size_t size)
{
	if (strlen(text) < size)
		memcpy(to, text, strlen(text) + 1);
	else
		refuse(reader, "its %s has more than %zu bytes", key, size - 1);
}

/* ---- what cannot be made here ---- */

/* The values with which a guest is as any; another one asks Xen for something more. */
static const struct plain {
	const char *key;
	const char *values[2];
} plain_creation[] = {
	{ "type", { "pvh" } },
	{ "passthrough", { "default", "disabled" } },
}, plain_build[] = {
	{ "nested_hvm", { "<default>", "False" } },
	{ "vpmu", { "<default>", "False" } },
	{ "altp2m", { "disabled" } },
}, plain_x86[] = {
	{ "msr_relaxed", { "<default>", "False" } },
}, plain_disk[] = {
	{ "format", { "raw" } },
	{ "backend", { "unknown", "phy" } }, /* libxl takes phy for raw where it may choose */
	{ "specification", { "unknown", "xen" } },
	{ "colo_enable", { "<default>", "False" } },
	{ "colo_restore_enable", { "<default>", "False" } },
}, plain_nic[] = {
	{ "nictype", { "unknown", "vif" } },
};

static void check_plain(struct reader *reader, const struct json_value *object,
			const struct plain *plain, size_t count)
{
	for (const struct plain *row = plain; row < plain + count; row++) {
		const char *value = text_of(reader, object, row->key, row->values[0]);

		if (strcmp(value, row->values[0]) != 0 &&
		    (!row->values[1] || strcmp(value, row->values[1]) != 0))
			refuse(reader, "its %s is %.64s, which cannot be made here", row->key,
			       value);
	}
}

#define CHECK_PLAIN(reader, object, table) \
	check_plain(reader, object, table, sizeof(table) / sizeof((table)[0]))

/* Every list at the root is one of devices. */
static void check_devices(struct reader *reader, const struct json_value *root)
{
	for (size_t i = 0; i < json_size(root); i++) {
		const struct json_value *list = json_value_at(root, i);
		const char *key = json_key_at(root, i);

		if (json_is_array(list) && json_size(list) > 0 && strcmp(key, "disks") != 0 &&
		    strcmp(key, "nics") != 0)
			refuse(reader, "it has %.64s, which cannot be made here", key);
	}
}

static void check_build(struct reader *reader, const struct json_value *build)
{
	static const char *const lists[] = { "vnuma_nodes", "ioports", "irqs", "iomem" };
	int64_t grant_frames = number_of(reader, build, "max_grant_frames", 0, UINT32_MAX,
					 GRANT_FRAMES_DEFAULT);

	CHECK_PLAIN(reader, build, plain_build);
	CHECK_PLAIN(reader, json_get(build, "arch_x86"), plain_x86);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (json_size(json_get(build, lists[i])) > 0)
			refuse(reader, "it has %s, which cannot be made here", lists[i]);
	if (grant_frames > GRANT_FRAMES_MAX && grant_frames != GRANT_FRAMES_DEFAULT)
		refuse(reader, "its max_grant_frames are more than %d", GRANT_FRAMES_MAX);
	(void)number_of(reader, build, "event_channels", 0, EVENT_CHANNELS_MAX, 0);
	(void)number_of(reader, build, "vmtrace_buf_kb", 0, 0, 0);
}

/* ---- the domain ---- */

static void describe_creation(struct reader *reader, const struct json_value *creation,
			      struct description *guest)
{
	CHECK_PLAIN(reader, creation, plain_creation);
	copy_text(reader, "name", text_of(reader, creation, "name", ""), guest->name,
		  sizeof(guest->name));
	copy_text(reader, "uuid", text_of(reader, creation, "uuid", ""), guest->uuid,
		  sizeof(guest->uuid));
	guest->type = GUEST_PVH;
	guest->emulation_flags = XEN_X86_EMU_LAPIC;
	guest->create_flags = XEN_DOMCTL_CDF_hvm;
	if (defbool_of(reader, creation, "hap", true))
		guest->create_flags |= XEN_DOMCTL_CDF_hap | XEN_DOMCTL_CDF_oos_off;
	else if (!defbool_of(reader, creation, "oos", true))
		guest->create_flags |= XEN_DOMCTL_CDF_oos_off;
}

static void describe_vcpus(struct reader *reader, const struct json_value *build,
			   struct description *guest)
{
	const struct json_value *online = json_get(build, "avail_vcpus");

	guest->vcpus = (uint32_t)number_of(reader, build, "max_vcpus", 1, GUEST_VCPUS_MAX, 1);
	if (!online)
		guest->vcpus_online[0] = 1;
	else if (!json_is_array(online))
		refuse(reader, "its avail_vcpus is no list");
	for (size_t i = 0; i < json_size(online) && json_is_array(online); i++) {
		int64_t vcpu = json_integer_of(json_at(online, i), -1);

		if (vcpu >= 0 && vcpu < guest->vcpus)
			guest->vcpus_online[vcpu / 8] |= (uint8_t)(1u << vcpu % 8);
		else
			refuse(reader, "its avail_vcpus has one that it does not have");
	}
}

/* libxl__get_required_paging_memory() */
static int64_t default_pool_kib(const struct description *guest)
{
	int64_t pages_a_mib = guest->create_flags & XEN_DOMCTL_CDF_hap ? 1 : 2;

	return 4 * (POOL_PAGES_A_VCPU * (int64_t)guest->vcpus +
		    pages_a_mib * (int64_t)(guest->static_max_kib / 1024));
}

static void describe_memory(struct reader *reader, const struct json_value *build,
			    struct description *guest)
{
	int64_t max_kib = number_of(reader, build, "max_memkb", 1, KIB_MAX, 0);
	int64_t target_kib = number_of(reader, build, "target_memkb", 4, KIB_MAX, 0);
	int64_t video_kib = number_of(reader, build, "video_memkb", 0, target_kib, 0);

	guest->static_max_kib = (uint64_t)max_kib;
	guest->target_kib = (uint64_t)(target_kib - video_kib);
	guest->videoram_kib = video_kib;
	guest->pages_now = (uint64_t)target_kib / 4;
	guest->pages_max = (uint64_t)(target_kib + FUDGE_KIB) / 4;
	guest->paging_pool_bytes = 1024 * (uint64_t)number_of(reader, build, "shadow_memkb", 0,
							      KIB_MAX, default_pool_kib(guest));
	guest->store_pfn = STORE_PFN;
	guest->console_pfn = CONSOLE_PFN;
}

static void describe_build(struct reader *reader, const struct json_value *build,
			   struct description *guest)
{
	const struct json_value *scheduling = json_get(build, "sched_params");

	check_build(reader, build);
	describe_vcpus(reader, build, guest);
	describe_memory(reader, build, guest);
	guest->cpu_weight = (uint32_t)number_of(reader, scheduling, "weight", 0, UINT16_MAX, 0);
	guest->cpu_cap_percent = (uint32_t)number_of(reader, scheduling, "cap", 0, UINT16_MAX, 0);
	copy_text(reader, "device_model_version",
		  text_of(reader, build, "device_model_version", "qemu_xen"), guest->dm_version,
		  sizeof(guest->dm_version));
}

/* ---- devices ---- */

/* Which end of a device a node is at. */
typedef int end_fn(struct device *device, const char *key, const char *value);
#define BACKEND device_add_backend_node
#define FRONTEND device_add_frontend_node

static void put(struct reader *reader, struct device *device, end_fn *add, const char *key,
		const char *value)
{
	int rc = reader->rc == 0 && value ? add(device, key, value) : 0;

	if (rc < 0)
		refuse(reader, "its %s %.64s: %s", key, value, strerror(-rc));
}

static void put_number(struct reader *reader, struct device *device, end_fn *add, const char *key,
		       int64_t number)
{
	char value[24];

	snprintf(value, sizeof(value), "%" PRId64, number);
	put(reader, device, add, key, value);
}

/* A script without a path is in Xen's folder. */
static void put_script(struct reader *reader, struct device *device,
		       const struct json_value *object, const char *fallback)
{
	const char *script = text_of(reader, object, "script", fallback);
	char path[NODE_VALUE_MAX + 1]; /* one that is cut is too long still */

	snprintf(path, sizeof(path), "%s%s", script[0] == '/' ? "" : SITE_SCRIPTS_DIR "/", script);
	put(reader, device, BACKEND, "script", path);
}

/* "xvda", "xvdaa3": docs/man/xen-vbd-interface.7.pandoc. False for any other name. */
static bool parse_vdev(const char *vdev, uint32_t *id)
{
	const uint32_t disk_max = (1u << 20) - 1, partition_max = 255;
	uint32_t disk = 0, partition = 0;
	const char *at = vdev + 3;

	if (strncmp(vdev, "xvd", 3) != 0 || *at < 'a' || *at > 'z')
		return false;
	for (; *at >= 'a' && *at <= 'z' && disk <= disk_max; at++)
		disk = disk * 26 + (uint32_t)(*at - 'a' + 1);
	disk--;
	for (; *at >= '0' && *at <= '9' && partition <= partition_max; at++)
		partition = partition * 10 + (uint32_t)(*at - '0');
	*id = disk < 16 && partition < 16 ? 202u << 8 | disk << 4 | partition
					  : 1u << 28 | disk << 8 | partition;
	return *at == '\0' && disk <= disk_max && partition <= partition_max;
}

/* libxl_disk.c, device_disk_add() */
static void describe_disk(struct reader *reader, const struct json_value *disk,
			  struct device *device)
{
	const char *vdev = text_of(reader, disk, "vdev", "");
	const char *path = text_of(reader, disk, "pdev_path", "");
	bool writable = number_of(reader, disk, "readwrite", 0, INT32_MAX, 0) != 0;
	bool removable = number_of(reader, disk, "removable", 0, INT32_MAX, 0) != 0;
	bool cdrom = number_of(reader, disk, "is_cdrom", 0, INT32_MAX, 0) != 0;

	device->kind = DEVICE_VBD;
	device->attach = ATTACH_LATE; /* nobody has looked at it */
	CHECK_PLAIN(reader, disk, plain_disk);
	if (!parse_vdev(vdev, &device->id))
		refuse(reader, "its vdev is \"%.64s\"; here disks are called xvd", vdev);
	if (!path[0])
		refuse(reader, "its drive is empty");
	put(reader, device, BACKEND, "params", path);
	put_script(reader, device, disk, "block");
	put(reader, device, BACKEND, "removable", removable ? "1" : "0");
	put(reader, device, BACKEND, "bootable", "1");
	put(reader, device, BACKEND, "dev", vdev);
	put(reader, device, BACKEND, "type", "phy");
	put(reader, device, BACKEND, "mode", writable ? "w" : "r");
	put(reader, device, BACKEND, "device-type", cdrom ? "cdrom" : "disk");
	if (boolean_of(reader, disk, "direct_io_safe"))
		put(reader, device, BACKEND, "direct-io-safe", "1");
	put(reader, device, BACKEND, "discard-enable",
	    defbool_of(reader, disk, "discard_enable", writable) ? "1" : "0");
	put(reader, device, BACKEND, "specification", "xen");
	put_number(reader, device, FRONTEND, "virtual-device", device->id);
	put(reader, device, FRONTEND, "device-type", cdrom ? "cdrom" : "disk");
}

/* How much it may send: libxl's "BYTES,MICROSECONDS". */
static void put_rate(struct reader *reader, const struct json_value *nic, struct device *device)
{
	int64_t bytes = number_of(reader, nic, "rate_bytes_per_interval", 0, INT64_MAX, 0);
	int64_t interval_us = number_of(reader, nic, "rate_interval_usecs", 0, UINT32_MAX, 0);
	char rate[48];

	snprintf(rate, sizeof(rate), "%" PRId64 ",%" PRId64, bytes, interval_us);
	if (interval_us > 0)
		put(reader, device, BACKEND, "rate", rate);
}

/* libxl_nic.c, libxl__set_xenstore_nic() */
static void describe_nic(struct reader *reader, const struct json_value *nic,
			 struct device *device)
{
	int64_t mtu = number_of(reader, nic, "mtu", 0, UINT16_MAX, 0);
	const char *mac = text_of(reader, nic, "mac", NULL);

	device->kind = DEVICE_VIF;
	device->id = (uint32_t)number_of(reader, nic, "devid", 0, INT32_MAX, -1);
	CHECK_PLAIN(reader, nic, plain_nic);
	if (!mac)
		refuse(reader, "its mac is missing");
	if (mtu == 0)
		mtu = MTU_DEFAULT;
	put_script(reader, device, nic, "vif-bridge");
	put(reader, device, BACKEND, "vifname", text_of(reader, nic, "ifname", NULL));
	put(reader, device, BACKEND, "mac", mac);
	put(reader, device, BACKEND, "ip", text_of(reader, nic, "ip", NULL));
	put(reader, device, BACKEND, "gatewaydev", text_of(reader, nic, "gatewaydev", NULL));
	put_rate(reader, nic, device);
	if (mtu != MTU_DEFAULT)
		put_number(reader, device, BACKEND, "mtu", mtu);
	put(reader, device, BACKEND, "bridge", text_of(reader, nic, "bridge", "xenbr0"));
	put_number(reader, device, BACKEND, "handle", device->id);
	put(reader, device, BACKEND, "type", "vif");
	put_number(reader, device, FRONTEND, "handle", device->id);
	put(reader, device, FRONTEND, "mac", mac);
	put_number(reader, device, FRONTEND, "mtu", mtu);
}

typedef void describe_fn(struct reader *reader, const struct json_value *object,
			 struct device *device);

static void describe_device(struct reader *reader, const struct json_value *object,
			    describe_fn *describe, struct device *device)
{
	if (!json_is_object(object))
		refuse(reader, "it is no object");
	if (number_of(reader, object, "backend_domid", 0, UINT16_MAX, 0) != 0 ||
	    json_get(object, "backend_domname"))
		refuse(reader, "its backend is in a driver domain");
	describe(reader, object, device);
	put(reader, device, FRONTEND, "trusted",
	    defbool_of(reader, object, "trusted", true) ? "1" : "0");
}

static void describe_list(struct reader *reader, const struct json_value *root, const char *key,
			  describe_fn *describe, struct description *guest)
{
	const struct json_value *list = json_get(root, key);

	if (list && !json_is_array(list))
		refuse(reader, "its %s are no list", key);
	else if (json_size(list) > GUEST_DEVICES_MAX - guest->device_count)
		refuse(reader, "it has more than %d devices", GUEST_DEVICES_MAX);
	for (size_t i = 0; reader->rc == 0 && i < json_size(list); i++) {
		describe_device(reader, json_at(list, i), describe,
				&guest->devices[guest->device_count++]);
		if (reader->rc < 0)
			(void)err_prefix(reader->err, reader->rc, "%s[%zu]", key, i);
	}
}

/* ---- the whole ---- */

static int describe(const struct json_value *root, struct description *guest, struct err *err)
{
	struct reader reader = { .err = err };

	describe_creation(&reader, object_of(&reader, root, "c_info"), guest);
	describe_build(&reader, object_of(&reader, root, "b_info"), guest);
	check_devices(&reader, root);
	describe_list(&reader, root, "disks", describe_disk, guest);
	describe_list(&reader, root, "nics", describe_nic, guest);
	return reader.rc;
}

static int keep_config(const uint8_t *config, size_t size, struct description *guest,
		       struct err *err)
{
	guest->config = malloc(size);
	if (!guest->config)
		return err_errno(err, "its configuration");
	memcpy(guest->config, config, size);
	guest->config_bytes = size;
	return 0;
}

/* What a peer says of a guest is bounded in one place: this passes through it, too. */
static int check(const struct description *draft, struct description *guest, struct err *err)
{
	struct tlv_writer writer;
	int rc;

	tlv_writer_init(&writer, DESCRIPTION_MAX);
	description_encode(draft, &writer);
	rc = tlv_writer_status(&writer);
	if (rc < 0)
		err_set(err, ERR_INCOMPATIBLE, rc, "it is larger than %u bytes", DESCRIPTION_MAX);
	else
		rc = description_decode(guest, writer.bytes, writer.size, err);
	tlv_writer_fini(&writer);
	if (rc < 0)
		err->code = ERR_INCOMPATIBLE;
	return rc;
}

int xl_guest_describe(const uint8_t *config, size_t size, struct description *guest,
		      struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *root = NULL;
	CLEANUP_FREE struct description *draft = malloc(sizeof(*draft));
	int rc;

	if (!draft)
		return err_errno(err, "its configuration");
	/* xl ends it with a NUL */
	root = json_parse((const char *)config, strnlen((const char *)config, size), err);
	if (!root) {
		err->code = ERR_INCOMPATIBLE;
		return err_prefix(err, -EINVAL, "its configuration");
	}
	description_init(draft);
	rc = describe(root, draft, err);
	if (rc == 0)
		rc = keep_config(config, size, draft, err);
	if (rc == 0)
		rc = check(draft, guest, err);
	description_fini(draft);
	return rc;
}

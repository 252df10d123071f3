/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A description on the wire: a sequence of fields (tlv.h). The plain ones are rows of a table; the
 * vcpus' states, the configuration and the devices have functions of their own.
 *
 * Entry points: description_encode(), description_decode().
 */
#include "description.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define PAGES_MAX (UINT64_C(1) << 34)  /* 64 TiB: above it a peer makes things up */
#define KIB_MAX (PAGES_MAX * 4)
#define PFN_MAX (UINT64_C(1) << 40)    /* 52 bits of guest physical address */

/* ---- plain fields ---- */

enum {
	FIELD_VCPUS_ONLINE = 32,
	FIELD_CONFIG,
	FIELD_DEVICE,
	FIELD_CPU_LEAVES,
	FIELD_CPU_MSRS,
};

enum {
	DEVICE_FIELD_KIND = 1,
	DEVICE_FIELD_ID,
	DEVICE_FIELD_ATTACH,
	DEVICE_FIELD_SIZE,
	DEVICE_FIELD_BACKEND,
	DEVICE_FIELD_FRONTEND,
	DEVICE_FIELD_IDENTITY,
	DEVICE_FIELD_CONTENT,
};

enum {
	NODE_FIELD_KEY = 1,
	NODE_FIELD_VALUE,
};

/* A plain field. Numbers are u64 on the wire and must lie in [min, max] here. */
struct field {
	const char *name;
	size_t offset, size;
	uint64_t min, max;
	enum { TEXT, NUMBER_32, NUMBER_64 } form;
	uint16_t type; /* never reused for something else */
	bool optional; /* a peer may not know it, or not say it */
};

#define MEMBER(member) \
	.name = #member, .offset = offsetof(struct description, member), \
	.size = sizeof(((struct description *)NULL)->member)
#define TEXT_FIELD(number, member) { .type = (number), .form = TEXT, MEMBER(member) }
#define NUMBER_FIELD(number, width, member, low, high) \
	{ .type = (number), .form = NUMBER_##width, MEMBER(member), .min = (low), .max = (high) }
#define OPTIONAL_FIELD(number, width, member, low, high) \
	{ .type = (number), .form = NUMBER_##width, MEMBER(member), .min = (low), .max = (high), \
	  .optional = true }

static const struct field fields[] = {
	TEXT_FIELD(1, name),
	TEXT_FIELD(2, uuid),
	NUMBER_FIELD(3, 32, type, GUEST_PV, GUEST_PVH),
	NUMBER_FIELD(4, 32, vcpus, 1, GUEST_VCPUS_MAX),
	NUMBER_FIELD(5, 32, create_flags, 0, UINT32_MAX),
	NUMBER_FIELD(6, 32, emulation_flags, 0, UINT32_MAX),
	NUMBER_FIELD(7, 64, pages_max, 1, PAGES_MAX),
	NUMBER_FIELD(8, 64, pages_now, 1, PAGES_MAX),
	NUMBER_FIELD(9, 64, paging_pool_bytes, 0, KIB_MAX),
	NUMBER_FIELD(10, 64, static_max_kib, 0, KIB_MAX),
	NUMBER_FIELD(11, 64, target_kib, 0, KIB_MAX),
	NUMBER_FIELD(12, 64, store_pfn, 0, PFN_MAX),
	NUMBER_FIELD(13, 64, console_pfn, 0, PFN_MAX),
	TEXT_FIELD(14, xen_version),
	TEXT_FIELD(15, start_time),
	TEXT_FIELD(16, dm_version),
	NUMBER_FIELD(17, 64, videoram_kib, 0, UINT64_MAX), /* signed: see check_whole() */
	OPTIONAL_FIELD(18, 32, cpu_weight, 0, UINT16_MAX),
	OPTIONAL_FIELD(19, 32, cpu_cap_percent, 0, UINT16_MAX),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define SEEN_VCPUS_ONLINE (UINT32_C(1) << FIELDS) /* after the rows' own bits */
#define SEEN_CPU_LEAVES (UINT32_C(2) << FIELDS)
#define SEEN_CPU_MSRS (UINT32_C(4) << FIELDS)
_Static_assert(sizeof(enum guest_type) == sizeof(uint32_t), "an enum travels as a u32");

static void encode_field(const struct field *field, const struct description *guest,
			 struct tlv_writer *writer)
{
	const char *member = (const char *)guest + field->offset;
	uint16_t type = (uint16_t)(field->type | (field->optional ? 0 : TLV_REQUIRED));
	uint64_t number_64;
	uint32_t number_32;

	if (field->form == TEXT) {
		tlv_put_string(writer, type, member);
	} else if (field->form == NUMBER_32) {
		memcpy(&number_32, member, sizeof(number_32));
		tlv_put_u64(writer, type, number_32);
	} else {
		memcpy(&number_64, member, sizeof(number_64));
		tlv_put_u64(writer, type, number_64);
	}
}

static int decode_field(const struct field *field, const struct tlv_field *wire,
			struct description *guest)
{
	char *member = (char *)guest + field->offset;
	uint64_t number;
	uint32_t number_32;

	if (field->form == TEXT)
		return tlv_get_string(wire, member, field->size);
	if (tlv_get_u64(wire, &number) < 0 || number < field->min || number > field->max)
		return -EBADMSG;
	number_32 = (uint32_t)number;
	if (field->form == NUMBER_32)
		memcpy(member, &number_32, sizeof(number_32));
	else
		memcpy(member, &number, sizeof(number));
	return 0;
}

/* ---- devices ---- */

static void encode_nodes(struct tlv_writer *writer, uint16_t type, const struct device_node *nodes,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t mark = tlv_begin(writer, (uint16_t)(type | TLV_REQUIRED));

		tlv_put_string(writer, NODE_FIELD_KEY | TLV_REQUIRED, nodes[i].key);
		tlv_put_string(writer, NODE_FIELD_VALUE | TLV_REQUIRED, nodes[i].value);
		tlv_end(writer, mark);
	}
}

static void encode_device(struct tlv_writer *writer, const struct device *device)
{
	size_t mark = tlv_begin(writer, FIELD_DEVICE | TLV_REQUIRED);

	tlv_put_u64(writer, DEVICE_FIELD_KIND | TLV_REQUIRED, device->kind);
	tlv_put_u64(writer, DEVICE_FIELD_ID | TLV_REQUIRED, device->id);
	tlv_put_u64(writer, DEVICE_FIELD_ATTACH | TLV_REQUIRED, device->attach);
	tlv_put_u64(writer, DEVICE_FIELD_SIZE | TLV_REQUIRED, device->size_bytes);
	if (device->identity.device[0])
		tlv_put_string(writer, DEVICE_FIELD_IDENTITY, device->identity.device);
	if (device->identity.content[0])
		tlv_put_string(writer, DEVICE_FIELD_CONTENT, device->identity.content);
	encode_nodes(writer, DEVICE_FIELD_BACKEND, device->backend, device->backend_count);
	encode_nodes(writer, DEVICE_FIELD_FRONTEND, device->frontend, device->frontend_count);
	tlv_end(writer, mark);
}

/* One name below a device's directory, never a path; the set is narrower than xenstore's own. */
static bool is_node_key(const char *key)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_@";

	return *key && strspn(key, allowed) == strlen(key);
}

typedef int add_node_fn(struct device *device, const char *key, const char *value);

static int decode_node(const struct tlv_field *wire, struct device *device, add_node_fn *add)
{
	char key[NODE_KEY_MAX] = "", value[NODE_VALUE_MAX] = "";
	struct tlv_reader reader;
	struct tlv_field part;
	bool has_value = false;
	int rc;

	tlv_reader_init(&reader, wire->value, wire->size);
	while ((rc = tlv_next(&reader, &part)) > 0) {
		if (part.type == NODE_FIELD_KEY)
			rc = tlv_get_string(&part, key, sizeof(key));
		else if (part.type == NODE_FIELD_VALUE)
			rc = tlv_get_string(&part, value, sizeof(value));
		else if (part.required)
			rc = -EBADMSG;
		if (rc < 0)
			return -EBADMSG;
		has_value |= part.type == NODE_FIELD_VALUE;
	}
	if (rc < 0 || !has_value || !is_node_key(key) || add(device, key, value) < 0)
		return -EBADMSG;
	return 0;
}

static int decode_number(const struct tlv_field *wire, uint64_t max, uint64_t *number)
{
	return tlv_get_u64(wire, number) < 0 || *number > max ? -EBADMSG : 0;
}

/* One field of a device; `seen` gets a bit for each. */
static int decode_device_field(const struct tlv_field *part, struct device *device, unsigned *seen)
{
	uint64_t number = 0;
	int rc = 0;

	switch (part->type) {
	case DEVICE_FIELD_KIND:
		rc = decode_number(part, DEVICE_KINDS - 1, &number);
		device->kind = (enum device_kind)number;
		break;
	case DEVICE_FIELD_ID:
		rc = decode_number(part, UINT32_MAX, &number);
		device->id = (uint32_t)number;
		break;
	case DEVICE_FIELD_ATTACH:
		rc = decode_number(part, ATTACH_LATE, &number);
		device->attach = (enum attach)number;
		break;
	case DEVICE_FIELD_SIZE:
		rc = decode_number(part, INT64_MAX, &device->size_bytes);
		break;
	case DEVICE_FIELD_IDENTITY:
		rc = tlv_get_string(part, device->identity.device, DISK_IDENTITY_MAX);
		break;
	case DEVICE_FIELD_CONTENT:
		rc = tlv_get_string(part, device->identity.content, DISK_IDENTITY_MAX);
		break;
	case DEVICE_FIELD_BACKEND:
		return decode_node(part, device, device_add_backend_node);
	case DEVICE_FIELD_FRONTEND:
		return decode_node(part, device, device_add_frontend_node);
	default:
		return part->required ? -EBADMSG : 0;
	}
	if (*seen & 1u << part->type)
		return -EBADMSG;
	*seen |= 1u << part->type;
	return rc;
}

static bool is_known_device(const struct description *guest, const struct device *device)
{
	for (size_t i = 0; i < guest->device_count; i++)
		if (guest->devices[i].kind == device->kind && guest->devices[i].id == device->id)
			return true;
	return false;
}

static int decode_device(const struct tlv_field *wire, struct description *guest)
{
	const unsigned all = 1u << DEVICE_FIELD_KIND | 1u << DEVICE_FIELD_ID |
			     1u << DEVICE_FIELD_ATTACH | 1u << DEVICE_FIELD_SIZE;
	struct device *device = &guest->devices[guest->device_count];
	struct tlv_reader reader;
	struct tlv_field part;
	unsigned seen = 0;
	bool known;
	int rc;

	if (guest->device_count == GUEST_DEVICES_MAX)
		return -EBADMSG;
	tlv_reader_init(&reader, wire->value, wire->size);
	while ((rc = tlv_next(&reader, &part)) > 0) {
		rc = decode_device_field(&part, device, &seen);
		if (rc < 0)
			break;
	}
	known = is_known_device(guest, device);
	guest->device_count++; /* also when it is bad: description_fini() frees its nodes */
	return rc < 0 || (seen & all) != all || known ? -EBADMSG : 0;
}

/* ---- the processor: rows of fixed size, one after another ---- */

#define CPU_LEAF_BYTES 24
#define CPU_MSR_BYTES 16

static void encode_cpu(const struct cpu_policy *policy, struct tlv_writer *writer)
{
	uint8_t leaves[CPU_LEAVES_MAX * CPU_LEAF_BYTES], msrs[CPU_MSRS_MAX * CPU_MSR_BYTES];

	for (size_t i = 0; i < policy->leaf_count; i++) {
		const struct cpu_leaf *leaf = &policy->leaves[i];
		const uint32_t words[] = { leaf->leaf, leaf->subleaf, leaf->eax,
					   leaf->ebx,  leaf->ecx,     leaf->edx };

		for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++)
			put_be32(&leaves[i * CPU_LEAF_BYTES + word * sizeof(uint32_t)],
				 words[word]);
	}
	for (size_t i = 0; i < policy->msr_count; i++) {
		uint8_t *row = &msrs[i * CPU_MSR_BYTES];

		put_be32(row, policy->msrs[i].index);
		put_be32(row + 4, policy->msrs[i].flags);
		put_be64(row + 8, policy->msrs[i].value);
	}
	if (policy->leaf_count > 0)
		tlv_put_bytes(writer, FIELD_CPU_LEAVES, leaves,
			      policy->leaf_count * CPU_LEAF_BYTES);
	if (policy->msr_count > 0)
		tlv_put_bytes(writer, FIELD_CPU_MSRS, msrs, policy->msr_count * CPU_MSR_BYTES);
}

/* How many rows of `row_bytes` the field has; -EBADMSG for none, more than `max`, a part. */
static int count_rows(const struct tlv_field *wire, size_t row_bytes, size_t max, size_t *count)
{
	if (wire->size == 0 || wire->size % row_bytes || wire->size / row_bytes > max)
		return -EBADMSG;
	*count = wire->size / row_bytes;
	return 0;
}

static int decode_leaves(const struct tlv_field *wire, struct cpu_policy *policy, uint32_t *seen)
{
	const uint8_t *row = wire->value;

	if (*seen & SEEN_CPU_LEAVES ||
	    count_rows(wire, CPU_LEAF_BYTES, CPU_LEAVES_MAX, &policy->leaf_count) < 0)
		return -EBADMSG;
	*seen |= SEEN_CPU_LEAVES;
	for (size_t i = 0; i < policy->leaf_count; i++, row += CPU_LEAF_BYTES)
		policy->leaves[i] = (struct cpu_leaf){
			get_be32(row),      get_be32(row + 4),  get_be32(row + 8),
			get_be32(row + 12), get_be32(row + 16), get_be32(row + 20),
		};
	return 0;
}

static int decode_msrs(const struct tlv_field *wire, struct cpu_policy *policy, uint32_t *seen)
{
	const uint8_t *row = wire->value;

	if (*seen & SEEN_CPU_MSRS ||
	    count_rows(wire, CPU_MSR_BYTES, CPU_MSRS_MAX, &policy->msr_count) < 0)
		return -EBADMSG;
	*seen |= SEEN_CPU_MSRS;
	for (size_t i = 0; i < policy->msr_count; i++, row += CPU_MSR_BYTES)
		policy->msrs[i] = (struct cpu_msr){ get_be32(row), get_be32(row + 4),
						    get_be64(row + 8) };
	return 0;
}

/* ---- the whole ---- */

void description_encode(const struct description *guest, struct tlv_writer *writer)
{
	for (size_t i = 0; i < FIELDS; i++)
		encode_field(&fields[i], guest, writer);
	tlv_put_bytes(writer, FIELD_VCPUS_ONLINE | TLV_REQUIRED, guest->vcpus_online,
		      sizeof(guest->vcpus_online));
	if (guest->config)
		tlv_put_bytes(writer, FIELD_CONFIG | TLV_REQUIRED, guest->config,
			      guest->config_bytes);
	for (size_t i = 0; i < guest->device_count; i++)
		encode_device(writer, &guest->devices[i]);
	encode_cpu(&guest->cpu_policy, writer);
}

static int decode_config(const struct tlv_field *wire, struct description *guest)
{
	if (guest->config || wire->size == 0 || wire->size > GUEST_CONFIG_MAX)
		return -EBADMSG;
	guest->config = malloc(wire->size);
	if (!guest->config)
		return -ENOMEM;
	memcpy(guest->config, wire->value, wire->size);
	guest->config_bytes = wire->size;
	return 0;
}

static int decode_vcpus_online(const struct tlv_field *wire, struct description *guest,
			       uint32_t *seen)
{
	if (wire->size != sizeof(guest->vcpus_online) || *seen & SEEN_VCPUS_ONLINE)
		return -EBADMSG;
	memcpy(guest->vcpus_online, wire->value, wire->size);
	*seen |= SEEN_VCPUS_ONLINE;
	return 0;
}

/* `seen` gets a bit for each row of `fields`; none may come twice. */
static int decode_plain(const struct tlv_field *wire, struct description *guest, uint32_t *seen,
			const char **name)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].type != wire->type)
			continue;
		*name = fields[i].name;
		if (*seen & UINT32_C(1) << i)
			return -EBADMSG;
		*seen |= UINT32_C(1) << i;
		return decode_field(&fields[i], wire, guest);
	}
	*name = "a field that this version does not know";
	return wire->required ? -EBADMSG : 0;
}

static int decode_any(const struct tlv_field *wire, struct description *guest, uint32_t *seen,
		      const char **name)
{
	switch (wire->type) {
	case FIELD_VCPUS_ONLINE:
		*name = "vcpus_online";
		return decode_vcpus_online(wire, guest, seen);
	case FIELD_CONFIG:
		*name = "config";
		return decode_config(wire, guest);
	case FIELD_DEVICE:
		*name = "device";
		return decode_device(wire, guest);
	case FIELD_CPU_LEAVES:
		*name = "the processor's leaves";
		return decode_leaves(wire, &guest->cpu_policy, seen);
	case FIELD_CPU_MSRS:
		*name = "the processor's MSRs";
		return decode_msrs(wire, &guest->cpu_policy, seen);
	default:
		return decode_plain(wire, guest, seen, name);
	}
}

/* What holds between the fields. Returns the name of the one that is wrong, or NULL. */
static const char *check_whole(const struct description *guest, uint32_t seen)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!(seen & UINT32_C(1) << i) && !fields[i].optional)
			return fields[i].name;
	if (!(seen & SEEN_VCPUS_ONLINE))
		return "vcpus_online";
	if (!guest->name[0] || strchr(guest->name, '/'))
		return "name";
	if (!guest_uuid_is_valid(guest->uuid))
		return "uuid";
	if (guest->pages_now > guest->pages_max)
		return "pages_now";
	if (guest->videoram_kib < -1 || guest->videoram_kib > (int64_t)KIB_MAX)
		return "videoram_kib";
	return NULL;
}

int description_decode(struct description *guest, const void *bytes, size_t size, struct err *err)
{
	const char *name = "the encoding";
	struct tlv_reader reader;
	struct tlv_field wire;
	uint32_t seen = 0;
	int rc = -EBADMSG;

	tlv_reader_init(&reader, bytes, size > DESCRIPTION_MAX ? 0 : size);
	while (size <= DESCRIPTION_MAX && (rc = tlv_next(&reader, &wire)) > 0) {
		rc = decode_any(&wire, guest, &seen, &name);
		if (rc < 0)
			break;
		name = "the encoding";
	}
	if (rc == 0) {
		name = check_whole(guest, seen);
		rc = name ? -EBADMSG : 0;
	}
	if (rc == 0)
		return 0;
	err_set(err, ERR_FAILED, rc, "the guest's description: %s is missing or not valid", name);
	description_fini(guest);
	description_init(guest);
	return rc;
}

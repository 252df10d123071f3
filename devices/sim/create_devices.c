/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "create.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "program.h"
#include "vif.h"

#define XVDA 51712      /* major 202, and 16 minors each: xen/io/blkif.h's neighbours say how */
#define XVD_MINORS 16
#define WORDS_MAX 1024  /* bytes of one option */

_Static_assert(VIF_MAC_BYTES == PROGRAM_MAC_BYTES, "one parser for both");

/* ---- disks ---- */

/* Whole before it has its name: hosts take a file there for a disk at once. */
static int make_disk(const char *path, uint64_t mib, struct err *err)
{
	char fresh[PATH_MAX];
	CLEANUP_FD int fd = -1;
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (snprintf(fresh, sizeof(fresh), "%.*s.%s.%d", (int)(base - path), path, base,
		     (int)getpid()) >= (int)sizeof(fresh))
		return err_set(err, ERR_USAGE, -ENAMETOOLONG, "disk %s: too long a name", path);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "make the disk %s", path);
	if (ftruncate(fd, (off_t)(mib << 20)) < 0 || rename(fresh, path) < 0) {
		int rc = err_errno(err, "make the disk %s", path);

		unlink(fresh);
		return rc;
	}
	return 0;
}

static int attach_disk(struct creation_host *host, const char *path, uint64_t mib, struct err *err)
{
	struct stat status;
	uint32_t minor;
	int rc = 0;

	if (path[0] != '/')
		return err_set(err, ERR_USAGE, -EINVAL, "the disk '%s' wants a whole path", path);
	if (stat(path, &status) < 0)
		rc = errno == ENOENT ? make_disk(path, mib, err)
				     : err_errno(err, "the disk %s", path);
	if (rc)
		return rc;
	rc = sim_disk_add(host->host, path, &minor);
	return rc ? err_set(err, ERR_FAILED, rc, "attach the disk %s: %s", path, strerror(-rc)) : 0;
}

static int add_node(int rc, int (*add)(struct device *, const char *, const char *),
		    struct device *device, const char *key, const char *value, struct err *err)
{
	if (rc)
		return rc;
	rc = add(device, key, value);
	return rc ? err_set(err, ERR_USAGE, rc, "node %s: %s", key, strerror(-rc)) : 0;
}

/* libxl_disk.c, device_disk_add() */
static int fill_vbd(const struct creation_host *host, struct device *vbd, const char *path,
		    struct err *err)
{
	char script[NODE_VALUE_MAX], name[] = "xvda", number[16];
	const struct {
		const char *key, *value;
	} rows[] = {
		{ "params", path }, { "script", script }, { "type", "phy" }, { "dev", name },
		{ "mode", "w" }, { "device-type", "disk" }, { "removable", "0" },
		{ "bootable", "1" }, { "discard-enable", "0" }, { "specification", "xen" },
	};
	int rc = 0;

	snprintf(script, sizeof(script), "%s/block", host->site.scripts_dir);
	snprintf(number, sizeof(number), "%u", vbd->id);
	name[3] = (char)('a' + (vbd->id - XVDA) / XVD_MINORS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = add_node(rc, device_add_backend_node, vbd, rows[i].key, rows[i].value, err);
	rc = add_node(rc, device_add_frontend_node, vbd, "virtual-device", number, err);
	rc = add_node(rc, device_add_frontend_node, vbd, "device-type", "disk", err);
	return add_node(rc, device_add_frontend_node, vbd, "trusted", "1", err);
}

/* "xvdb=/a/path" or "/a/path", which is the next disk. */
static int add_vbd(struct creation_host *host, const struct creation *creation,
		   struct description *guest, struct program_plan *plan, const char *word,
		   struct err *err)
{
	struct device *vbd = &guest->devices[guest->device_count];
	uint32_t letter = plan->disk_count;
	int rc;

	if (plan->disk_count == PROGRAM_DISKS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is one disk too many: at most %d",
			       word, PROGRAM_DISKS_MAX);
	if (strncmp(word, "xvd", 3) == 0 && word[3] >= 'a' && word[3] < 'a' + 16 &&
	    word[4] == '=') {
		letter = (uint32_t)(word[3] - 'a');
		word += 5;
	}
	rc = attach_disk(host, word, creation->disk_mib, err);
	if (rc)
		return rc;
	vbd->kind = DEVICE_VBD;
	vbd->id = XVDA + letter * XVD_MINORS;
	guest->device_count++;
	plan->disk_ids[plan->disk_count++] = vbd->id;
	return fill_vbd(host, vbd, word, err);
}

/* ---- network cards ---- */

struct vif_words {
	const char *mac, *ip, *bridge;
};

/* Cuts "key=value,key=value" up, in place. */
static int cut_vif(char *words, struct vif_words *vif, struct err *err)
{
	const struct {
		const char *key;
		const char **value;
	} rows[] = {
		{ "mac=", &vif->mac }, { "ip=", &vif->ip }, { "bridge=", &vif->bridge },
	};
	char *rest = NULL;

	for (char *word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		size_t i = 0;

		while (i < sizeof(rows) / sizeof(rows[0]) &&
		       strncmp(word, rows[i].key, strlen(rows[i].key)) != 0)
			i++;
		if (i == sizeof(rows) / sizeof(rows[0]))
			return err_set(err, ERR_USAGE, -EINVAL,
				       "a VIF has mac=, ip= and bridge=, not '%s'", word);
		*rows[i].value = word + strlen(rows[i].key);
	}
	return 0;
}

static int parse_vif(const struct vif_words *words, struct program_nic *nic, struct err *err)
{
	if (!words->mac || !vif_parse_mac(words->mac, nic->mac))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "a VIF wants mac=xx:xx:xx:xx:xx:xx, not '%s'",
			       words->mac ? words->mac : "");
	if (!words->ip || inet_pton(AF_INET, words->ip, nic->ip) != 1)
		return err_set(err, ERR_USAGE, -EINVAL, "a VIF wants ip=a.b.c.d, not '%s'",
			       words->ip ? words->ip : "");
	return 0;
}

/* libxl_nic.c, libxl__set_xenstore_nic() */
static int fill_vif(const struct creation_host *host, struct device *vif,
		    const struct vif_words *words, struct err *err)
{
	char script[NODE_VALUE_MAX], handle[16];
	const struct {
		const char *key, *value;
	} rows[] = {
		{ "script", script }, { "mac", words->mac }, { "bridge", words->bridge },
		{ "handle", handle }, { "type", "vif" },
	}, frontend_rows[] = {
		{ "handle", handle }, { "mac", words->mac }, { "mtu", "1500" }, { "trusted", "1" },
	};
	int rc = 0;

	snprintf(script, sizeof(script), "%s/vif-bridge", host->site.scripts_dir);
	snprintf(handle, sizeof(handle), "%u", vif->id);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = add_node(rc, device_add_backend_node, vif, rows[i].key, rows[i].value, err);
	for (size_t i = 0; i < sizeof(frontend_rows) / sizeof(frontend_rows[0]); i++)
		rc = add_node(rc, device_add_frontend_node, vif, frontend_rows[i].key,
			      frontend_rows[i].value, err);
	return rc;
}

static int add_vif(struct creation_host *host, struct description *guest,
		   struct program_plan *plan, char *word, struct err *err)
{
	struct device *vif = &guest->devices[guest->device_count];
	struct vif_words words = { .bridge = "xenbr0" };
	int rc;

	if (plan->nic_count == PROGRAM_NICS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is one VIF too many: at most %d",
			       word, PROGRAM_NICS_MAX);
	rc = cut_vif(word, &words, err);
	if (!rc)
		rc = parse_vif(&words, &plan->nics[plan->nic_count], err);
	if (rc)
		return rc;
	vif->kind = DEVICE_VIF;
	vif->id = plan->nics[plan->nic_count].id = plan->nic_count;
	guest->device_count++;
	plan->nic_count++;
	return fill_vif(host, vif, &words, err);
}

/* ---- all of them ---- */

int creation_add_devices(struct creation_host *host, const struct creation *creation,
			 struct description *guest, struct program_plan *plan, struct err *err)
{
	char words[WORDS_MAX], *rest;
	int rc = 0;

	for (size_t i = 0; !rc && i < creation->vbds.count; i++) {
		rest = NULL;
		snprintf(words, sizeof(words), "%s", creation->vbds.items[i]);
		for (char *word = strtok_r(words, ",", &rest); word && !rc;
		     word = strtok_r(NULL, ",", &rest))
			rc = add_vbd(host, creation, guest, plan, word, err);
	}
	for (size_t i = 0; !rc && i < creation->vifs.count; i++) {
		snprintf(words, sizeof(words), "%s", creation->vifs.items[i]);
		rc = add_vif(host, guest, plan, words, err);
	}
	return rc;
}

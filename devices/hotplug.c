/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "cleanup.h"
#include "xenbus.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_Static_assert(GUEST_DEVICES_MAX <= CHILDREN_MAX, "all scripts of a guest run at once");

static const char *const action_words[DEVICE_KINDS][2] = {
	[DEVICE_VBD] = { [HOTPLUG_ADD] = "add", [HOTPLUG_REMOVE] = "remove" },
	[DEVICE_VIF] = { [HOTPLUG_ADD] = "online", [HOTPLUG_REMOVE] = "offline" },
};

static const char *script_of(const struct device *device)
{
	const char *script = device_backend_node(device, "script");

	return script ? script : "";
}

/* ---- the script's path ---- */

int hotplug_check(const char *scripts_dir, const char *script, struct err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/._-+";
	size_t length = strlen(scripts_dir);
	struct stat status;

	if (strncmp(script, scripts_dir, length) != 0 || script[length] != '/' ||
	    strstr(script, "..") || script[strspn(script, plain)] != '\0')
		return err_set(err, ERR_REFUSED, -EINVAL,
			       "its script \"%.100s\" is not in %s, where all must be", script,
			       scripts_dir);
	if (stat(script, &status) < 0)
		return err_set(err, ERR_REFUSED, -errno,
			       "its script %s is not on this host: install it", script);
	if (!S_ISREG(status.st_mode) || access(script, X_OK) < 0)
		return err_set(err, ERR_REFUSED, -EACCES,
			       "its script %s is not an executable file: chmod +x it", script);
	return 0;
}

/* ---- its environment ---- */

#define OWN_MAX 8
#define OWN_BYTES (NODE_VALUE_MAX + 32)

struct environment {
	char own[OWN_MAX][OWN_BYTES];
	size_t own_count;
	char **all; /* `own`, then what is inherited; ends with NULL */
};

static void environment_fini(struct environment *environment)
{
	free(environment->all);
}
#define CLEANUP_ENVIRONMENT __attribute__((cleanup(environment_fini)))

static void set(struct environment *environment, const char *name, const char *value)
{
	assert(environment->own_count < OWN_MAX);
	snprintf(environment->own[environment->own_count++], OWN_BYTES, "%s=%s", name, value);
}

static bool is_own(const struct environment *environment, const char *variable)
{
	size_t name = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < environment->own_count; i++)
		if (strncmp(environment->own[i], variable, name) == 0)
			return true;
	return false;
}

/* What libxl gives to the script, in front of what this process was given itself. */
static int environment_init(struct environment *environment, uint32_t domid,
			    const struct device *device)
{
	const char *gateway = device_backend_node(device, "gatewaydev");
	const struct xenbus bus = xenbus_of(domid, device);
	size_t inherited = 0, count = 0;
	char name[32];

	environment->own_count = 0;
	set(environment, "script", script_of(device));
	set(environment, "XENBUS_TYPE", device_kind_name(device->kind));
	set(environment, "XENBUS_PATH", bus.backend + strlen("/local/domain/0/"));
	set(environment, "XENBUS_BASE_PATH", "backend");
	set(environment, "LC_ALL", "C");
	if (!getenv("PATH"))
		set(environment, "PATH", DEFAULT_PATH);
	if (device->kind == DEVICE_VIF) {
		snprintf(name, sizeof(name), "vif%u.%u", domid, device->id);
		set(environment, "vif", name);
		set(environment, "netdev", gateway ? gateway : "");
	}
	while (environ && environ[inherited])
		inherited++;
	environment->all = calloc(inherited + OWN_MAX + 1, sizeof(*environment->all));
	if (!environment->all)
		return -ENOMEM;
	for (size_t i = 0; i < environment->own_count; i++)
		environment->all[count++] = environment->own[i];
	for (size_t i = 0; i < inherited; i++)
		if (!is_own(environment, environ[i]))
			environment->all[count++] = environ[i];
	return 0;
}

/* ---- starting ---- */

static int start(struct child *child, uint32_t domid, const struct device *device,
		 enum hotplug_action word)
{
	char script[NODE_VALUE_MAX], action[16], type[] = "type_if=vif";
	char *arguments[] = { script, action, device->kind == DEVICE_VIF ? type : NULL, NULL };
	CLEANUP_ENVIRONMENT struct environment environment = { .all = NULL };
	int rc;

	snprintf(script, sizeof(script), "%s", script_of(device));
	snprintf(action, sizeof(action), "%s", action_words[device->kind][word]);
	rc = environment_init(&environment, domid, device);
	return rc ? rc : child_start(child, arguments, environment.all);
}

/* ---- what came of it ---- */

/*
 * The script's own words, printable: what it left in xenstore for the toolstack, else its last
 * line.
 */
static void append_words(struct store *store, uint32_t domid, const struct device *device,
			 const struct child *child, char *text, size_t size)
{
	const struct xenbus bus = xenbus_of(domid, device);
	CLEANUP_FREE char *left = store_read(store, "%s/hotplug-error", bus.backend);
	char words[CHILD_TAIL_MAX + 1];

	if (left && *left)
		snprintf(words, sizeof(words), "%s", left);
	else
		child_last_line(child, words);
	for (char *c = words; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	snprintf(text, size, "%s%s", *words ? ": " : "", words);
}

/* Why the script did not even start. */
static int not_run(const struct site *site, const struct device *device, int rc, const char *label,
		   struct err *err)
{
	const char *script = script_of(device);

	if (hotplug_check(site->scripts_dir, script, err) == 0)
		err_set(err, ERR_FAILED, rc, "script %s cannot be run: %s", script, strerror(-rc));
	return err_prefix(err, rc, "%s", label);
}

static int result(const struct site *site, uint32_t domid, const struct device *device,
		  enum hotplug_action word, const struct child *child, struct err *err)
{
	const char *base = strrchr(script_of(device), '/');
	const char *action = action_words[device->kind][word];
	char words[CHILD_TAIL_MAX + 8], label[64];

	if (child_exited(child, 0))
		return 0;
	device_label(device, label, sizeof(label));
	if (child->rc && child->rc != -ETIMEDOUT)
		return not_run(site, device, child->rc, label, err);
	append_words(site->store, domid, device, child, words, sizeof(words));
	base = base ? base + 1 : script_of(device);
	if (child->rc)
		return err_set(err, ERR_TIMED_OUT, child->rc,
			       "%s: script %s %s: still running at the deadline, killed%s", label,
			       base, action, words);
	if (WIFSIGNALED(child->status))
		return err_set(err, ERR_FAILED, -EIO, "%s: script %s %s: killed by signal %d%s",
			       label, base, action, WTERMSIG(child->status), words);
	return err_set(err, ERR_FAILED, -EIO, "%s: script %s %s: exit %d%s", label, base, action,
		       WEXITSTATUS(child->status), words);
}

int hotplug_run_all(const struct site *site, uint32_t domid, const struct device *const *devices,
		    size_t count, enum hotplug_action action, uint64_t deadline_us, struct err *err)
{
	CLEANUP_FREE struct child *children = calloc(count ? count : 1, sizeof(*children));
	int first = 0;

	assert(count <= GUEST_DEVICES_MAX);
	if (!children)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		children[i] = (struct child)CHILD_NONE;
		children[i].rc = hotplug_check(site->scripts_dir, script_of(devices[i]), NULL);
		if (!children[i].rc)
			children[i].rc = start(&children[i], domid, devices[i], action);
	}
	(void)child_wait_all(site->clock, children, count, deadline_us, false);
	for (size_t i = 0; i < count; i++) {
		int rc = result(site, domid, devices[i], action, &children[i], first ? NULL : err);

		first = first ? first : rc;
		child_fini(&children[i]);
	}
	return first;
}

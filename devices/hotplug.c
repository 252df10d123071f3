/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hotplug.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cleanup.h"
#include "xenbus.h"

#define POLL_US 5000 /* between two looks at who has ended */
#define KILL_GRACE_US 1000000 /* for a killed script to be gone */
#define TAIL_MAX 256 /* of what a script says, the end is kept */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const action_words[DEVICE_KINDS][2] = {
	[DEVICE_VBD] = { [HOTPLUG_ADD] = "add", [HOTPLUG_REMOVE] = "remove" },
	[DEVICE_VIF] = { [HOTPLUG_ADD] = "online", [HOTPLUG_REMOVE] = "offline" },
};

/* One script's run. */
struct run {
	const struct device *device;
	enum hotplug_action action;
	pid_t pid; /* 0: not running, and leading its own process group while it does */
	int output_fd; /* -1: none, or at its end */
	int status; /* as waitpid() says, once it has ended */
	int rc; /* why it was not started, or killed */
	char tail[TAIL_MAX]; /* the end of its output */
	size_t tail_size;
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

/* A process group of its own, so that it can be killed whole, and no signal blocked or ignored. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	static const int defaults[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT };
	sigset_t none, handled;
	int r;

	sigemptyset(&none);
	sigemptyset(&handled);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		sigaddset(&handled, defaults[i]);
	r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							 POSIX_SPAWN_SETSIGDEF);
	r = r ? r : posix_spawnattr_setpgroup(attributes, 0);
	r = r ? r : posix_spawnattr_setsigmask(attributes, &none);
	return r ? r : posix_spawnattr_setsigdefault(attributes, &handled);
}

/* Nothing to read; what it says, on either channel, goes into the pipe. */
static int set_files(posix_spawn_file_actions_t *files, int output_fd)
{
	int r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	r = r ? r : posix_spawn_file_actions_adddup2(files, output_fd, STDOUT_FILENO);
	return r ? r : posix_spawn_file_actions_adddup2(files, output_fd, STDERR_FILENO);
}

/* posix_spawn() with the above: 0 or a positive errno, as it. */
static int spawn(pid_t *pid, char *const arguments[], char *const variables[], int output_fd)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&files);

	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&files);
		return r;
	}
	r = set_files(&files, output_fd);
	r = r ? r : set_attributes(&attributes);
	r = r ? r : posix_spawn(pid, arguments[0], &files, &attributes, arguments, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

static int start(struct run *run, uint32_t domid)
{
	const char *word = action_words[run->device->kind][run->action];
	char script[NODE_VALUE_MAX], action[16], type[] = "type_if=vif";
	char *arguments[] = { script, action, run->device->kind == DEVICE_VIF ? type : NULL, NULL };
	CLEANUP_ENVIRONMENT struct environment environment = { .all = NULL };
	CLEANUP_FD int output_fd = -1;
	int ends[2], rc;

	snprintf(script, sizeof(script), "%s", script_of(run->device));
	snprintf(action, sizeof(action), "%s", word);
	rc = environment_init(&environment, domid, run->device);
	if (rc)
		return rc;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	run->output_fd = ends[0];
	output_fd = ends[1];
	/* the script's end blocks as any program expects */
	if (fcntl(output_fd, F_SETFL, 0) < 0)
		return -errno;
	return -spawn(&run->pid, arguments, environment.all, output_fd);
}

/* ---- waiting ---- */

static void keep_tail(struct run *run, const char *bytes, size_t size)
{
	size_t kept = size < TAIL_MAX ? TAIL_MAX - size : 0;

	if (size > TAIL_MAX) {
		bytes += size - TAIL_MAX;
		size = TAIL_MAX;
	}
	if (kept > run->tail_size)
		kept = run->tail_size;
	memmove(run->tail, run->tail + run->tail_size - kept, kept);
	memcpy(run->tail + kept, bytes, size);
	run->tail_size = kept + size;
}

/* Takes what the pipe has, at most a pipe's fill: a script that never stops must not hold us. */
static void read_output(struct run *run)
{
	char bytes[4096];

	for (int i = 0; i < 16 && run->output_fd >= 0; i++) {
		ssize_t size = read(run->output_fd, bytes, sizeof(bytes));

		if (size > 0) {
			keep_tail(run, bytes, (size_t)size);
		} else if (size == 0) {
			close(run->output_fd);
			run->output_fd = -1;
		} else {
			return;
		}
	}
}

/* Not the end of its output: a daemon that it left behind may hold that open for ever. */
static bool still_runs(struct run *run)
{
	pid_t ended;

	if (run->pid == 0)
		return false;
	ended = waitpid(run->pid, &run->status, WNOHANG);
	read_output(run);
	if (ended == 0)
		return true;
	if (ended < 0)
		run->rc = -errno;
	run->pid = 0;
	return false;
}

/* Waits until all have ended; false at the deadline. */
static bool wait_all(const struct clock *clock, struct run *runs, size_t count,
		     uint64_t deadline_us)
{
	for (;;) {
		struct pollfd fds[GUEST_DEVICES_MAX];
		uint64_t now_us = clock_now_us(clock);
		uint64_t until_us = deadline_us < now_us + POLL_US ? deadline_us : now_us + POLL_US;
		size_t left = 0;

		for (size_t i = 0; i < count; i++)
			if (still_runs(&runs[i]))
				fds[left++] = (struct pollfd){ .fd = runs[i].output_fd,
							       .events = POLLIN };
		if (left == 0)
			return true;
		if (now_us >= deadline_us)
			return false;
		/* wakes early for output, so that no pipe fills up */
		clock_wait(clock, fds, left, until_us, false);
	}
}

static void kill_all(const struct clock *clock, struct run *runs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (runs[i].pid == 0)
			continue;
		kill(-runs[i].pid, SIGKILL);
		runs[i].rc = -ETIMEDOUT;
	}
	/* one that the kernel cannot end (it waits for a disk) is left to it */
	(void)wait_all(clock, runs, count, clock_now_us(clock) + KILL_GRACE_US);
}

/* ---- what came of it ---- */

/* The last line that is not empty. */
static void last_line(const struct run *run, char words[TAIL_MAX + 1])
{
	size_t end = run->tail_size, start_at;

	while (end > 0 && (unsigned char)run->tail[end - 1] <= ' ')
		end--;
	start_at = end;
	while (start_at > 0 && run->tail[start_at - 1] != '\n')
		start_at--;
	memcpy(words, run->tail + start_at, end - start_at);
	words[end - start_at] = '\0';
}

/*
 * The script's own words, printable: what it left in xenstore for the toolstack, else its last
 * line.
 */
static void append_words(struct store *store, uint32_t domid, const struct run *run, char *text,
			 size_t size)
{
	const struct xenbus bus = xenbus_of(domid, run->device);
	CLEANUP_FREE char *left = store_read(store, "%s/hotplug-error", bus.backend);
	char words[TAIL_MAX + 1];

	if (left && *left)
		snprintf(words, sizeof(words), "%s", left);
	else
		last_line(run, words);
	for (char *c = words; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	snprintf(text, size, "%s%s", *words ? ": " : "", words);
}

/* Why the script did not even start. */
static int not_run(const struct site *site, const struct run *run, const char *label,
		   struct err *err)
{
	const char *script = script_of(run->device);

	if (hotplug_check(site->scripts_dir, script, err) == 0)
		err_set(err, ERR_FAILED, run->rc, "script %s cannot be run: %s", script,
			strerror(-run->rc));
	return err_prefix(err, run->rc, "%s", label);
}

static int result(const struct site *site, uint32_t domid, struct run *run, struct err *err)
{
	const char *base = strrchr(script_of(run->device), '/');
	const char *action = action_words[run->device->kind][run->action];
	char words[TAIL_MAX + 8], label[64];

	if (run->rc == 0 && WIFEXITED(run->status) && WEXITSTATUS(run->status) == 0)
		return 0;
	device_label(run->device, label, sizeof(label));
	if (run->rc && run->rc != -ETIMEDOUT)
		return not_run(site, run, label, err);
	append_words(site->store, domid, run, words, sizeof(words));
	base = base ? base + 1 : script_of(run->device);
	if (run->rc)
		return err_set(err, ERR_TIMED_OUT, run->rc,
			       "%s: script %s %s: still running at the deadline, killed%s", label,
			       base, action, words);
	if (WIFSIGNALED(run->status))
		return err_set(err, ERR_FAILED, -EIO, "%s: script %s %s: killed by signal %d%s",
			       label, base, action, WTERMSIG(run->status), words);
	return err_set(err, ERR_FAILED, -EIO, "%s: script %s %s: exit %d%s", label, base, action,
		       WEXITSTATUS(run->status), words);
}

int hotplug_run_all(const struct site *site, uint32_t domid, const struct device *const *devices,
		    size_t count, enum hotplug_action action, uint64_t deadline_us, struct err *err)
{
	CLEANUP_FREE struct run *runs = calloc(count ? count : 1, sizeof(*runs));
	int first = 0;

	assert(count <= GUEST_DEVICES_MAX);
	if (!runs)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		runs[i] = (struct run){ .device = devices[i], .action = action, .output_fd = -1 };
		runs[i].rc = hotplug_check(site->scripts_dir, script_of(devices[i]), NULL);
		if (!runs[i].rc)
			runs[i].rc = start(&runs[i], domid);
	}
	if (!wait_all(site->clock, runs, count, deadline_us))
		kill_all(site->clock, runs, count);
	for (size_t i = 0; i < count; i++) {
		int rc = result(site, domid, &runs[i], first ? NULL : err);

		first = first ? first : rc;
		if (runs[i].output_fd >= 0)
			close(runs[i].output_fd);
	}
	return first;
}

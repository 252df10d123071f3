/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "cleanup.h"
#include "codec_choice.h"
#include "numa.h"
#include "host.h"

/* Where things are installed comes from configure; these are for a compiler run by hand. */
#ifndef XENFERRY_SYSCONFDIR
#define XENFERRY_SYSCONFDIR "/etc"
#define XENFERRY_LOCALSTATEDIR "/var"
#define XENFERRY_RUNDIR "/run"
#define XENFERRY_LIBEXECDIR "/usr/libexec/xenferry"
#endif

#define CONFIG_FILE XENFERRY_SYSCONFDIR "/xenferry.conf"
#define SOCKET_LENGTH_MAX 107 /* sun_path, unix(7), less its terminator */

#ifdef HAVE_SANLOCK
#define SANLOCK true
#else
#define SANLOCK false
#endif

enum config_kind {
	KIND_NAME,
	KIND_PATH,
	KIND_SWITCH,
	KIND_PORT,
	KIND_NUMBER,
	KIND_COMPRESS, KIND_NUMA,
	KIND_ARBITER,
};

#define FIELD(member) .offset = offsetof(struct config, member)
#define TEXT(member) FIELD(member), .max = sizeof(((struct config *)0)->member) - 1

/* clang-format off */
static const struct config_row {
	const char *section, *key;
	enum config_kind kind;
	size_t offset;
	uint64_t min, max;   /* of a number; of a text, its length */
	const char *initial; /* NULL: found out when the program starts */
	const char *summary;
} rows[] = {
	{ "agent", "name", KIND_NAME, TEXT(host_name), .min = 1,
	  .summary = "how peers and records call this host; the system's host name unless said" },
	{ "agent", "state", KIND_PATH, TEXT(state_dir), .min = 1,
	  .initial = XENFERRY_LOCALSTATEDIR "/lib/xenferry",
	  .summary = "folder of the running jobs (jobs/) and of the finished ones (history/)" },
	{ "agent", "socket", KIND_PATH, FIELD(socket), .min = 1, .max = SOCKET_LENGTH_MAX,
	  .initial = XENFERRY_RUNDIR "/xenferry/control.sock",
	  .summary = "control socket, on which xenferry(1) and others talk to the daemon" },
	{ "agent", "libexec", KIND_PATH, TEXT(libexec_dir), .min = 1,
	  .summary = "folder of xenferry-worker, xenferry-stream and xenferry-tls; where they were "
		     "installed, or beside the daemon in a build tree, unless said" },
	{ "agent", "hosts", KIND_PATH, TEXT(hosts_file), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/hosts.json",
	  .summary = "the pool's host list" },
	{ "agent", "plans", KIND_PATH, TEXT(plans_dir), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/plans",
	  .summary = "folder of plans of your own, NAME.json each; see plan-check" },
	{ "agent", "outgoing-max", KIND_NUMBER, FIELD(outgoing_max), .min = 1, .max = 64,
	  .initial = "3", .summary = "guests that leave this host at once" },
	{ "agent", "history-max", KIND_NUMBER, FIELD(history_max), .min = 0, .max = 1000,
	  .initial = "100", .summary = "finished jobs that are kept" },
	{ "peer", "listen", KIND_NAME, TEXT(listen), .min = 1, .initial = "127.0.0.1",
	  .summary = "numeric address on which other agents are heard" },
	{ "peer", "port", KIND_PORT, FIELD(port), .min = 0, .max = UINT16_MAX, .initial = "8002",
	  .summary = "TCP port for other agents; 0 takes a free one (see <state>/port)" },
	{ "peer", "tls", KIND_SWITCH, FIELD(tls), .initial = "on",
	  .summary = "on: agents on other hosts prove by certificates that they are of this pool, "
		     "and nobody else reads a guest's memory; off: it crosses the network in "
		     "plain text. Loopback needs none" },
	{ "peer", "certificate", KIND_PATH, TEXT(certificate), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/tls/host.crt",
	  .summary = "this host's certificate, PEM; see pool-certificates in xenferry(1)" },
	{ "peer", "key", KIND_PATH, TEXT(key), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/tls/host.key",
	  .summary = "its private key, PEM, without a passphrase, readable for root alone" },
	{ "peer", "ca", KIND_PATH, TEXT(ca), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/tls/ca.crt",
	  .summary = "certificate of the pool's authority, PEM: who is not signed by it is no "
		     "host of the pool" },
	{ "peer", "incoming-max", KIND_NUMBER, FIELD(incoming_max), .min = 1, .max = 64,
	  .initial = "3", .summary = "guests that arrive at this host at once" },
	{ "peer", "transport", KIND_PATH, TEXT(transport), .min = 1,
	  .summary = "xl, as /usr/sbin/xl: hosts of the pool may have its migrate-receive run here, by "
		     "xl migrate -s 'xenferry transport'; nobody may unless said" },
	{ "evacuation", "copying-max", KIND_NUMBER, FIELD(evacuation_copying_max), .min = 1,
	  .max = 64, .initial = "3",
	  .summary = "guests whose memory is copied at once when this host is emptied; "
		     "batch-size= says another number" },
	{ "evacuation", "blackout-max", KIND_NUMBER, FIELD(evacuation_blackout_max), .min = 1,
	  .max = 64, .initial = "1",
	  .summary = "of these, guests that are suspended at once: more make each other's "
		     "downtimes longer" },
	{ "evacuation", "target-max", KIND_NUMBER, FIELD(evacuation_target_max), .min = 1,
	  .max = 64, .initial = "3",
	  .summary = "of these, guests on their way to one host, whose incoming-max should not "
		     "be less" },
	{ "evacuation", "attempts-max", KIND_NUMBER, FIELD(evacuation_attempts_max), .min = 1,
	  .max = 10, .initial = "3",
	  .summary = "how often one guest is tried, on another host where there is one" },
	{ "evacuation", "backoff-ms", KIND_NUMBER, FIELD(evacuation_backoff_ms), .min = 1,
	  .max = 3600000, .initial = "5000",
	  .summary = "how long a guest waits after it has failed, milliseconds; doubles each "
		     "time" },
	{ "metrics", "listen", KIND_NAME, TEXT(metrics_listen), .min = 1, .initial = "127.0.0.1",
	  .summary = "numeric loopback address on which metrics are served over HTTP, at /metrics" },
	{ "metrics", "port", KIND_PORT, FIELD(metrics_port), .min = 0, .max = UINT16_MAX,
	  .initial = "0", .summary = "TCP port for it; 0: not served" },
	{ "metrics", "textfile", KIND_PATH, TEXT(metrics_file), .min = 1,
	  .summary = "file that is kept for node_exporter's textfile collector, as "
		     "/var/lib/prometheus/node-exporter/xenferry.prom; none unless said" },
	{ "policy", "folder", KIND_PATH, TEXT(policies_dir), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xenferry/policies",
	  .summary = "folder of one's own policies, <name>.json each, in RHV's form" },
	{ "policy", "default", KIND_NAME, TEXT(policy), .min = 1,
	  .initial = "minimal-downtime",
	  .summary = "the policy of a migration that names none; see policy-list" },
	{ "policy", "downtime-limit-ms", KIND_NUMBER, FIELD(downtime_limit_ms), .min = 0,
	  .max = 600000, .initial = "0",
	  .summary = "pre-copy ends when the rest fits into this time, milliseconds; 0: the "
		     "policy's own limits hold" },
	{ "policy", "bandwidth-mibps", KIND_NUMBER, FIELD(bandwidth_mibps), .min = 0,
	  .max = 1048576, .initial = "0",
	  .summary = "what the memory of one guest may take of the network, MiB/s; the last "
		     "pass is not held up by it; 0: no limit" },
	{ "policy", "drain-ms", KIND_NUMBER, FIELD(drain_ms), .min = 1, .max = 60000,
	  .initial = "500",
	  .summary = "longest wait for the disks of a suspended guest, milliseconds; a slower "
		     "disk costs the migration, not the guest's time" },
	{ "memory", "compress", KIND_COMPRESS, FIELD(compress), .initial = "none",
	  .summary = "how memory is compressed on its way: none, lz4, zstd, or auto, which "
		     "chooses while it goes by what link and processors are worth; with none, "
		     "one channel and no verify= the memory is not looked at on its way at all, "
		     "not for zero pages either; auto pays up to some Gb/s" },
	{ "memory", "channels", KIND_NUMBER, FIELD(channels), .min = 0,
	  .max = MEMORY_CHANNELS_MAX, .initial = "1",
	  .summary = "connections that memory goes over; 0: one, or more where the network's "
		     "delay is long" },
	{ "memory", "numa-node", KIND_NUMA, FIELD(numa), .initial = "auto",
	  .summary = "on which NUMA node a guest's memory is copied: auto, the one that it is of, as "
		     "far as Xen says and processors of domain 0 are bound to it; off; or a number" },
	{ "hooks", "folder", KIND_PATH, TEXT(hooks_dir), .min = 1,
	  .initial = XENFERRY_SYSCONFDIR "/xapi.d",
	  .summary = "folder of the site's own programs that a migration runs, HOOK/PROGRAM each; "
		     "see xenferry-hooks(7)" },
	{ "hooks", "timeout-ms", KIND_NUMBER, FIELD(hook_timeout_ms), .min = 1, .max = 60000,
	  .initial = "30000",
	  .summary = "how long one of them may take, milliseconds; then it is killed and has "
		     "failed. All of one hook together have a minute" },
	{ "arbiter", "kind", KIND_ARBITER, FIELD(arbiter), .initial = "operator",
	  .summary = "who may say whose the guest is when the other host does not: none, operator "
		     "(migration-resolve), lease, sanlock or command; docs/ARBITERS.md tells what "
		     "each guarantees" },
	{ "arbiter", "command", KIND_PATH, TEXT(arbiter_command), .min = 1,
	  .summary = "program that fences the target or asks the cluster, with the words JOB GUEST "
		     "SOURCE TARGET; it ends with 0: the target is off, the guest is the source's; "
		     "10: the guest is the target's; else: it does not know" },
	{ "arbiter", "after-ms", KIND_NUMBER, FIELD(arbiter_after_ms), .min = 0, .max = 86400000,
	  .initial = "60000",
	  .summary = "how long a doubt lasts before the command is started, and started again, or "
		     "sanlock is asked whether the other host is dead, milliseconds" },
	{ "arbiter", "timeout-ms", KIND_NUMBER, FIELD(arbiter_timeout_ms), .min = 1, .max = 600000,
	  .initial = "120000",
	  .summary = "how long the command may take, milliseconds; then it is killed and has not "
		     "answered" },
	{ "arbiter", "lease", KIND_PATH, TEXT(arbiter_lease), .min = 1,
	  .summary = "file or block device of 2 MiB that all hosts of the pool reach, with O_DIRECT" },
	{ "arbiter", "host-id", KIND_NUMBER, FIELD(host_id), .min = 1, .max = CONFIG_HOST_ID_MAX,
	  .summary = "number of this host in the lease, and in sanlock's lockspace; no other host "
		     "may have the same" },
	{ "arbiter", "lockspace", KIND_NAME, TEXT(lockspace), .min = 1,
	  .summary = "name of sanlock's lockspace, which this host must have joined with its host-id "
		     "before it moves a guest" },
	{ "xapi", "socket", KIND_PATH, TEXT(xapi_socket), .min = 1,
	  .initial = "/var/lib/xcp/xapi",
	  .summary = "XAPI's socket; where it is there, each migration is a task of XAPI's" },
};
/* clang-format on */

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- one value; each setter says what it wants when it does not get that ---- */

static const char *set_text(const struct config_row *row, const char *value, void *field)
{
	size_t length = strlen(value);

	if (length < row->min || length > row->max)
		return "a text that is not empty and not longer than the field";
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return "a text without blanks or control characters";
	memcpy(field, value, length + 1);
	return NULL;
}

static const char *set_path(const struct config_row *row, const char *value, void *field)
{
	return value[0] == '/' ? set_text(row, value, field) : "an absolute path";
}

static const char *set_switch(const struct config_row *row, const char *value, void *field)
{
	bool on = strcmp(value, "on") == 0;

	(void)row;
	if (!on && strcmp(value, "off") != 0)
		return "on or off";
	*(bool *)field = on;
	return NULL;
}

static bool read_number(const struct config_row *row, const char *value, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(value, &end, 10);
	return errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' &&
	       *number >= row->min && *number <= row->max;
}

static const char *set_port(const struct config_row *row, const char *value, void *field)
{
	uint64_t number;

	if (!read_number(row, value, &number))
		return "a port, 0 to 65535";
	*(uint16_t *)field = (uint16_t)number;
	return NULL;
}

static const char *set_number(const struct config_row *row, const char *value, void *field)
{
	static char wanted[64];
	uint64_t number;

	if (!read_number(row, value, &number)) {
		snprintf(wanted, sizeof(wanted), "a number from %" PRIu64 " to %" PRIu64, row->min,
			 row->max);
		return wanted;
	}
	*(uint32_t *)field = (uint32_t)number;
	return NULL;
}

static const char *set_numa(const struct config_row *row, const char *value, void *field)
{
	(void)row;
	return numa_from_text(value, field) < 0 ? NUMA_WORDS : NULL;
}

static const char *set_compress(const struct config_row *row, const char *value, void *field)
{
	(void)row;
	return compress_from_text(value, field) < 0 ? COMPRESS_WORDS : NULL;
}

static const char *set_arbiter(const struct config_row *row, const char *value, void *field)
{
	static const char *const words[ARBITERS] = { "none", "operator", "lease", "sanlock",
						      "command" };

	(void)row;
	for (enum arbiter_kind kind = ARBITER_NONE; kind < ARBITERS; kind++)
		if (strcmp(value, words[kind]) == 0) {
			*(enum arbiter_kind *)field = kind;
			return NULL;
		}
	return "none, operator, lease, sanlock or command";
}

static const char *(*const setters[])(const struct config_row *, const char *, void *) = {
	[KIND_NAME] = set_text, [KIND_PATH] = set_path,     [KIND_SWITCH] = set_switch,
	[KIND_PORT] = set_port, [KIND_NUMBER] = set_number,
	[KIND_COMPRESS] = set_compress, [KIND_NUMA] = set_numa, [KIND_ARBITER] = set_arbiter,
};

/* NULL, or what the key wants instead of `value`. */
static const char *set_row(struct config *config, const struct config_row *row, const char *value)
{
	return setters[row->kind](row, value, (char *)config + row->offset);
}

/* ---- defaults ---- */

/* A build tree has the worker beside the program that looks for it; an installation does not. */
static void find_libexec(struct config *config)
{
	char self[CONFIG_PATH_MAX], worker[CONFIG_PATH_MAX + sizeof("/xenferry-worker")];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	snprintf(config->libexec_dir, sizeof(config->libexec_dir), "%s", XENFERRY_LIBEXECDIR);
	if (size <= 0)
		return;
	self[size] = '\0';
	slash = strrchr(self, '/');
	if (!slash || slash == self)
		return;
	*slash = '\0';
	snprintf(worker, sizeof(worker), "%s/xenferry-worker", self);
	if (access(worker, X_OK) == 0)
		memcpy(config->libexec_dir, self, sizeof(self));
}

void config_defaults(struct config *config)
{
	*config = (struct config){ .listen = "" };
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].initial)
			(void)set_row(config, &rows[i], rows[i].initial);
	if (gethostname(config->host_name, sizeof(config->host_name) - 1) < 0 ||
	    config->host_name[0] == '\0')
		snprintf(config->host_name, sizeof(config->host_name), "localhost");
	find_libexec(config);
}

/* ---- files ---- */

/* A file as inih reads it. inih counts no lines for its handler, so the reader does. */
struct config_file {
	const char *path;
	FILE *stream;
	unsigned line;
	struct config *config;
	int rc;
	struct err *err;
};

/*
 * inih's reader: one line, as fgets(). Leading blanks go, or inih would take an indented line for
 * the rest of the value above it.
 */
static char *read_line(char *line, int size, void *context)
{
	struct config_file *file = context;
	size_t length;

	if (file->rc < 0 || !fgets(line, size, file->stream))
		return NULL;
	file->line++;
	length = strlen(line);
	if (length + 1 == (size_t)size && line[length - 1] != '\n') {
		file->rc = err_set(file->err, ERR_USAGE, -EINVAL,
				   "%s:%u: the line is longer than %d bytes", file->path,
				   file->line, size - 2);
		return NULL;
	}
	memmove(line, line + strspn(line, " \t"), length - strspn(line, " \t") + 1);
	return line;
}

static const struct config_row *find_row(const char *section, const char *key, bool *section_known)
{
	*section_known = false;
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].section, section) != 0)
			continue;
		*section_known = true;
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

/* inih's handler, for one key; returns 1, or 0 on an error. */
static int take_key(void *context, const char *section, const char *key, const char *value)
{
	struct config_file *file = context;
	bool section_known;
	const struct config_row *row = find_row(section, key, &section_known);
	const char *wanted;

	if (file->rc < 0)
		return 0;
	if (!section_known)
		file->rc = err_set(file->err, ERR_USAGE, -EINVAL,
				   "%s:%u: there is no section [%s], see xenferry.conf(5)",
				   file->path, file->line, section);
	else if (!row)
		file->rc = err_set(file->err, ERR_USAGE, -EINVAL,
				   "%s:%u: section [%s] has no key '%s', see xenferry.conf(5)",
				   file->path, file->line, section, key);
	else if ((wanted = set_row(file->config, row, value)) != NULL)
		file->rc =
			err_set(file->err, ERR_USAGE, -EINVAL, "%s:%u: [%s] %s wants %s, not '%s'",
				file->path, file->line, section, key, wanted, value);
	return file->rc == 0;
}

static int read_file(const char *path, struct config *config, struct err *err)
{
	CLEANUP_FILE FILE *stream = fopen(path, "re");
	struct config_file file = { .path = path, .stream = stream, .config = config, .err = err };
	int bad_line;

	if (!stream)
		return err_errno(err, "the configuration %s cannot be read", path);
	bad_line = ini_parse_stream(read_line, &file, take_key, &file);
	if (file.rc < 0)
		return file.rc;
	if (ferror(stream))
		return err_set(err, ERR_FAILED, -EIO, "the configuration %s cannot be read", path);
	if (bad_line != 0)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s:%d: neither a [section], a 'key = value' nor a comment", path,
			       bad_line);
	return 0;
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort(): that is the locale's order */
}

static int read_folder(const char *folder, struct config *config, struct err *err)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_conf, by_name);
	int rc = 0;

	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return err_errno(err, "the configuration %s cannot be read", folder);
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX + NAME_MAX + 2];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (rc == 0)
			rc = read_file(path, config, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int check_arbiter(const struct config *config, struct err *err)
{
	if (config->arbiter == ARBITER_COMMAND && !config->arbiter_command[0])
		return err_set(err, ERR_USAGE, -EINVAL,
			       "[arbiter] kind = command wants a command as well");
	if (config->arbiter == ARBITER_LEASE && (!config->arbiter_lease[0] || !config->host_id))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "[arbiter] kind = lease wants a lease and a host-id as well");
	if (config->arbiter == ARBITER_SANLOCK && !SANLOCK)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "[arbiter] kind = sanlock: this build has none; it needs "
			       "libsanlock_client when it is configured");
	if (config->arbiter == ARBITER_SANLOCK &&
	    (!config->arbiter_lease[0] || !config->host_id || !config->lockspace[0]))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "[arbiter] kind = sanlock wants a lease, a host-id and a lockspace "
			       "as well");
	return 0;
}

int config_load(const char *path, struct config *config, struct err *err)
{
	const char *file = path ? path : CONFIG_FILE;
	char folder[PATH_MAX];
	int rc = 0;

	config_defaults(config);
	if (path || access(file, F_OK) == 0)
		rc = read_file(file, config, err);
	if (rc < 0)
		return rc;
	snprintf(folder, sizeof(folder), "%s.d", file);
	rc = read_folder(folder, config, err);
	return rc < 0 ? rc : check_arbiter(config, err);
}

const struct tls_files *config_tls(const struct config *config, struct config_tls *tls)
{
	if (!config->tls)
		return NULL;
	snprintf(tls->program, sizeof(tls->program), "%s/xenferry-tls", config->libexec_dir);
	tls->files = (struct tls_files){ .program = tls->program,
					 .certificate = config->certificate,
					 .key = config->key,
					 .ca = config->ca };
	return &tls->files;
}

void config_reference(FILE *out)
{
	const char *section = "";

	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(section, rows[i].section) != 0)
			fprintf(out, "%s=head2 [%s]\n\n=over\n\n", *section ? "=back\n\n" : "",
				rows[i].section);
		section = rows[i].section;
		fprintf(out, "=item B<%s>%s%s\n\n%s.\n\n", rows[i].key,
			rows[i].initial ? " = " : "", rows[i].initial ? rows[i].initial : "",
			rows[i].summary);
	}
	fprintf(out, "=back\n");
}

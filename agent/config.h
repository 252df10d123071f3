/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration: /etc/xenferry.conf and /etc/xenferry.conf.d/ *.conf, in INI form. Every key is
 * one row of a table (config.c), which is also where xenferry.conf(5) comes from. A key or a
 * section that does not exist is refused, by file and line.
 */
#ifndef XENFERRY_CONFIG_H
#define XENFERRY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"
#include "tls.h"

#define CONFIG_PATH_MAX 256
#define CONFIG_HOST_ID_MAX 32

/* Who may answer a doubt when the peer does not (arbiter.h). */
enum arbiter_kind { ARBITER_NONE, ARBITER_OPERATOR, ARBITER_LEASE, ARBITER_SANLOCK, ARBITER_COMMAND,
		    ARBITERS };

struct config {
	char host_name[64];                  /* [agent] name: what peers call this host */
	char state_dir[CONFIG_PATH_MAX];     /* [agent] state: jobs/, history/ */
	char socket[CONFIG_PATH_MAX];        /* [agent] socket: control socket */
	char libexec_dir[CONFIG_PATH_MAX];   /* [agent] libexec: xenferry-worker, xenferry-stream */
	char hosts_file[CONFIG_PATH_MAX];    /* [agent] hosts: the pool's host list */
	char listen[64];                     /* [peer] listen: address for other agents */
	uint16_t port;                       /* [peer] port */
	bool tls;                            /* [peer] tls: on, off */
	char hooks_dir[CONFIG_PATH_MAX];     /* [hooks] folder: <hook>/ *, the site's programs */
	uint32_t hook_timeout_ms;            /* [hooks] timeout-ms: of one program */
	char plans_dir[CONFIG_PATH_MAX];     /* [agent] plans: an operator's own plans */
	char certificate[CONFIG_PATH_MAX];   /* [peer] certificate: this host's */
	char key[CONFIG_PATH_MAX];           /* [peer] key: its private key */
	char ca[CONFIG_PATH_MAX];            /* [peer] ca: the pool's authority */
	uint32_t incoming_max;               /* [peer] incoming-max: target jobs at once */
	char transport[CONFIG_PATH_MAX];     /* [peer] transport: xl; "": not allowed */
	uint32_t outgoing_max;               /* [agent] outgoing-max: source jobs at once */
	uint32_t history_max;                /* [agent] history-max: finished jobs kept */
	uint32_t evacuation_copying_max;     /* [evacuation] copying-max */
	uint32_t evacuation_blackout_max;    /* [evacuation] blackout-max */
	uint32_t evacuation_target_max;      /* [evacuation] target-max */
	uint32_t evacuation_attempts_max;    /* [evacuation] attempts-max: of one guest */
	uint32_t evacuation_backoff_ms;      /* [evacuation] backoff-ms: after its first failure */
	char metrics_listen[64];             /* [metrics] listen: loopback address */
	uint16_t metrics_port;               /* [metrics] port: 0: not served */
	char metrics_file[CONFIG_PATH_MAX];  /* [metrics] textfile; "": none */
	char policies_dir[CONFIG_PATH_MAX];  /* [policy] folder: the operator's own */
	char policy[64];                     /* [policy] default */
	uint32_t downtime_limit_ms;          /* [policy] downtime-limit-ms; 0: the policy's */
	uint32_t bandwidth_mibps;            /* [policy] bandwidth-mibps; 0: no limit */
	uint32_t drain_ms;                   /* [policy] drain-ms: longest wait for disks */
	unsigned compress;                   /* [memory] compress: see codec_choice.h */
	unsigned numa;                       /* [memory] numa-node: see numa.h */
	uint32_t channels;                   /* [memory] channels: 0 for as many as pay */
	enum arbiter_kind arbiter;           /* [arbiter] kind */
	char arbiter_command[CONFIG_PATH_MAX]; /* [arbiter] command; "": none */
	uint32_t arbiter_after_ms;           /* [arbiter] after-ms: of doubt, before it is asked */
	uint32_t arbiter_timeout_ms;         /* [arbiter] timeout-ms: of the command */
	char arbiter_lease[CONFIG_PATH_MAX]; /* [arbiter] lease; "": none */
	char lockspace[48];                  /* [arbiter] lockspace: sanlock's; "": none */
	char xapi_socket[CONFIG_PATH_MAX];   /* [xapi] socket */
	uint32_t host_id;                    /* [arbiter] host-id: from 1; 0: none */
};

/* Built-in values; host_name is the system's, libexec_dir where this program's siblings are. */
void config_defaults(struct config *config);
/*
 * Defaults, then `path` (NULL: /etc/xenferry.conf, which may be absent), then the *.conf files of
 * "<path>.d" in order of their names. -EINVAL names file, line and key.
 */
int config_load(const char *path, struct config *config, struct err *err);
/* How connections to other hosts are secured. */
struct config_tls {
	struct tls_files files;
	char program[CONFIG_PATH_MAX + 16];
};

/* Returns the files, which lie in `tls` and in `config`; NULL when tls is off. */
const struct tls_files *config_tls(const struct config *config, struct config_tls *tls);
/* Every key with its default and its meaning, as POD: the heart of xenferry.conf(5). */
void config_reference(FILE *out);

#endif

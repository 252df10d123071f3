/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The backends' side of xenbus, as Linux 6.1 has it: a device for each directory below backend/ in
 * xenstore, from when it appears in state 1 until it is unregistered; what drives it is a table.
 *
 * Linux acts on watches; here a watch only says that a device is to be looked at again, and what
 * is then found decides. Nothing in here blocks but for xenstored's answers, and device_probe_ms
 * (costs.h).
 */
#ifndef XENFERRY_SIM_BACKEND_H
#define XENFERRY_SIM_BACKEND_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "disk_queue.h"
#include "err.h"
#include "hypervisor.h"
#include "store.h"

#define BACKENDS_MAX 1024
#define BACKEND_NAME_MAX 48  /* "vbd/1/51712" */
#define BACKEND_PATH_MAX 128

struct backend;
struct backends;

/* What tells two kinds of devices apart; every member implemented. */
struct backend_kind {
	const char *name; /* "vbd" */
	size_t size;      /* of the struct that begins with a struct backend */
	/* A new one: what xen_blkbk_probe() and netback_probe() do. */
	int (*probe)(struct backend *backend, struct err *err);
	/*
	 * Something in its nodes changed, or its time has come. `frontend_state` is 0 when there is
	 * no frontend. Returns 1 to be unregistered, 0, or -errno with `err`.
	 */
	int (*look)(struct backend *backend, int frontend_state, struct err *err);
	void (*interrupt)(struct backend *backend); /* its event channel */
	int (*input_fd)(struct backend *backend);   /* to be polled now; or -1 */
	void (*input)(struct backend *backend);
	void (*remove)(struct backend *backend);    /* lets go of everything */
};

struct backend {
	const struct backend_kind *kind;
	struct backends *all;
	uint32_t domid, id;
	char name[BACKEND_NAME_MAX];
	char path[BACKEND_PATH_MAX];
	char frontend[BACKEND_PATH_MAX];
	char sys[BACKEND_PATH_MAX]; /* its folder in sysfs */
	int state;                  /* as in xenstore; 5 after a failure */
	int port;                   /* its event channel; 0: none */
	bool stale;                 /* to be looked at */
	uint64_t due_us;            /* and then at the latest; UINT64_MAX: never */
};

extern const struct backend_kind backend_vbd, backend_vif;

/* ---- what drivers use ---- */

struct sim_host *backend_host(const struct backend *backend);
struct store *backend_store(const struct backend *backend);
struct sim_events *backend_events(const struct backend *backend);
struct disks *backend_disks(const struct backend *backend);
uint64_t backend_now_us(const struct backend *backend);

/* Writes the state, as xenbus_switch_state(): nothing when it is so already. */
int backend_switch(struct backend *backend, int state);
int backend_write(struct backend *backend, const char *key, const char *value);
int backend_write_number(struct backend *backend, const char *key, uint64_t number);
/* A number of the frontend's; -1 when there is none. */
int64_t backend_frontend_number(struct backend *backend, const char *key);
bool backend_is_online(struct backend *backend);
/* Writes a node of its folder in sysfs. */
void backend_sys_write(struct backend *backend, const char *key, const char *text);

/* ---- all of them ---- */

struct watcher;

/* `clock`, `host`, `store`, `watcher` and `disks` are the caller's. */
int backends_new(struct sim_host *host, struct store *store, struct watcher *watcher,
		 struct disks *disks, const struct clock *clock, struct backends **backends,
		 struct err *err);
/* Removes every device, as when its driver is unloaded. Accepts NULL. */
void backends_free(struct backends *backends);

/*
 * What to poll: fills `fds`, of which there are at least BACKENDS_MAX + 1, and returns how many.
 * Then, whatever was ready: the work.
 */
size_t backends_poll(struct backends *backends, struct pollfd *fds);
uint64_t backends_due_us(const struct backends *backends);
void backends_work(struct backends *backends, const struct pollfd *fds, size_t count);

/* A watch fired: `path` changed, under the token that it was set with. */
void backends_notice(struct backends *backends, const char *path, const char *token);
size_t backends_count(const struct backends *backends);

#endif

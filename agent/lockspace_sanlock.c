/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lockspaces of sanlock(8), by its daemon on this host. Of its leases none is taken. */
#include "lockspace.h"

#include <errno.h>
#include <sanlock.h>
#include <sanlock_admin.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/* Its own errors are below -200, and no errno. */
static int refuse(struct err *err, const char *name, int r)
{
	return err_set(err, ERR_FAILED, r > -200 && r < 0 ? r : -EIO, "sanlock's lockspace %s: %s",
		       name, r > -200 ? strerror(-r) : sanlock_strerror(r));
}

/* *id: by which this host is in the lockspace, if it is. */
static int own_id(const char *name, uint64_t *id, struct err *err)
{
	CLEANUP_FREE struct sanlk_lockspace *all = NULL;
	int count = 0;
	int r = sanlock_get_lockspaces(&all, &count, 0);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return err_set(err, ERR_FAILED, r,
			       "sanlock's lockspace %s: its daemon does not run on this host",
			       name);
	if (r < 0)
		return refuse(err, name, r);
	for (int i = 0; i < count; i++)
		if (strncmp(all[i].name, name, sizeof(all[i].name)) == 0 &&
		    !(all[i].flags & (SANLK_LSF_ADD | SANLK_LSF_REM)))
			*id = all[i].host_id;
	return 0;
}

/*
 * Where no process holds one of its leases a lockspace that cannot be renewed is let go of, and the
 * watchdog does not fire: USED says that there is more to stop than processes. It is refused where
 * this host's own lease is lost.
 */
static int sanlock_join(const char *name, uint32_t host_id, struct err *err)
{
	uint64_t id = 0; /* not in it */
	int rc = own_id(name, &id, err);
	int r;

	if (rc < 0)
		return rc;
	if (id == 0)
		return err_set(err, ERR_FAILED, -ENOENT,
			       "this host is not in sanlock's lockspace %s: sanlock client "
			       "add_lockspace -s %s:%u:PATH:0", name, name, host_id);
	if (id != host_id)
		return err_set(err, ERR_FAILED, -EINVAL,
			       "this host is number %llu in sanlock's lockspace %s, and [arbiter] "
			       "host-id is %u: they have to be the same",
			       (unsigned long long)id, name, host_id);
	r = sanlock_set_config(name, 0, SANLK_CONFIG_USED, NULL);
	if (r == -ENOSPC)
		return err_set(err, ERR_FAILED, -EIO,
			       "this host has lost sanlock's lockspace %s, and knows nothing of "
			       "the others", name);
	return r < 0 ? refuse(err, name, r) : 0;
}

static int sanlock_is_dead(const char *name, uint32_t host_id, bool *dead, struct err *err)
{
	CLEANUP_FREE struct sanlk_host *host = NULL;
	int count = 0;
	int r = sanlock_get_hosts(name, host_id, &host, &count, 0);

	if (r < 0)
		return refuse(err, name, r);
	*dead = count == 1 && (host->flags & SANLK_HOST_MASK) == SANLK_HOST_DEAD;
	return 0;
}

const struct lockspace_ops lockspace_sanlock = { sanlock_join, sanlock_is_dead };

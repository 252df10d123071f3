/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that move a guest into a file or out of one, and what they share with those that move it
 * to a host.
 */
#ifndef XENFERRY_DAEMON_FILES_H
#define XENFERRY_DAEMON_FILES_H

#include "daemon_clients.h"
#include "daemon_methods.h"
#include "rpc.h"

/* A name of a guest: not empty, not longer than one may be, fit for a line of a log. */
int daemon_check_guest(const char *vm, struct err *err);
/* "compress" and "channels", where they are said. */
int daemon_check_memory(const struct json_value *params, struct err *err);

/* The answer to a request that began a job; `caution` NULL: there is none. */
int daemon_answer_uuid(struct client *client, const struct rpc_id *id, const char *uuid,
		       const char *caution, struct err *err);

/* The methods vm.suspend, vm.checkpoint and vm.resume; they answer with the job's uuid. */
int files_suspend(struct methods *methods, struct client *client,
		  const struct rpc_request *request, struct err *err);
int files_checkpoint(struct methods *methods, struct client *client,
		     const struct rpc_request *request, struct err *err);
int files_resume(struct methods *methods, struct client *client,
		 const struct rpc_request *request, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XAPI as a client sees it: JSON-RPC 2.0, posted to /jsonrpc on its socket, one connection a call.
 */
#ifndef XENFERRY_XAPI_RPC_H
#define XENFERRY_XAPI_RPC_H

#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "json.h"

#define XAPI_REPLY_MAX (1024 * 1024)

/* Begins a call; the caller puts the parameters, which are an array, and ends with _call(). */
struct json_writer *xapi_rpc_begin(const char *method); /* NULL: out of memory */
/*
 * Makes the call on `socket` and waits for its answer until `deadline_us`: *result is a part of
 * *answer, which is to be freed. ERR_FAILED with XAPI's own code and parameters in the message when
 * it says no; ERR_NO_AGENT when it does not answer, or not in this way. Frees `call`.
 */
int xapi_rpc_call(const struct clock *clock, const char *socket, struct json_writer *call,
		  uint64_t deadline_us, struct json_value **answer,
		  const struct json_value **result, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors: a negative errno for the program, a sentence for the person.
 *
 * Functions return 0 or a negative errno. Where a person will read the reason, the last argument
 * is a caller-owned `struct err`, filled at the point of knowledge and prefixed going up:
 * "plug vif 0: script vif-bridge: exit 1".
 */
#ifndef XENFERRY_ERR_H
#define XENFERRY_ERR_H

/*
 * One row an error: the code, its text in JSON and logs, XAPI's error code, the exit status of
 * the command line (docs: xenferry(1)).
 */
#define ERR_TABLE(X) \
	X(NONE, "none", "", 0) \
	X(FAILED, "failed", "INTERNAL_ERROR", 1) \
	X(USAGE, "usage", "INVALID_VALUE", 2) \
	X(CANCELLED, "cancelled", "TASK_CANCELLED", 3) \
	X(NOT_CONVERGED, "not-converged", "VM_MIGRATE_FAILED", 4) \
	X(TIMED_OUT, "timed-out", "VM_MIGRATE_FAILED", 4) \
	X(NO_AGENT, "agent-unreachable", "HOST_OFFLINE", 5) \
	X(IN_DOUBT, "in-doubt", "VM_BAD_POWER_STATE", 6) \
	X(REFUSED, "refused", "OPERATION_NOT_ALLOWED", 7) \
	X(NO_GUEST, "no-such-guest", "UUID_INVALID", 7) \
	X(NO_PEER, "host-unreachable", "HOST_OFFLINE", 7) \
	X(NO_MEMORY, "not-enough-memory", "HOST_NOT_ENOUGH_FREE_MEMORY", 7) \
	X(INCOMPATIBLE, "incompatible", "VM_INCOMPATIBLE_WITH_THIS_HOST", 7) \
	X(LOST, "lost", "VM_CRASHED", 8)

enum err_code {
#define X(code, text, xapi, status) ERR_##code,
	ERR_TABLE(X)
#undef X
	ERR_CODES
};

#define ERR_MESSAGE_MAX 1024

struct err {
	enum err_code code;
	char message[ERR_MESSAGE_MAX];
};

/*
 * Fills `err` (NULL: only passes `rc` on) and returns `rc`, so that a failure is one line:
 * `return err_set(err, ERR_REFUSED, -EEXIST, "the name %s is taken", name);`
 * Control characters become blanks. The arguments may lie in `err` itself.
 */
int err_set(struct err *err, enum err_code code, int rc, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a failed system call: appends ": <strerror(errno)>" and returns -errno. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<prefix>: " before the message. Returns `rc` unchanged. */
int err_prefix(struct err *err, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

const char *err_text(enum err_code code);     /* "no-such-guest" */
const char *err_xapi(enum err_code code);     /* "UUID_INVALID" */
int err_exit_status(enum err_code code);      /* 7 */
enum err_code err_from_text(const char *text); /* ERR_FAILED when the text is unknown */

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a peer refuses or gives up, as the fields of REFUSED and ABORT.
 */
#ifndef XENFERRY_REASON_H
#define XENFERRY_REASON_H

#include <stddef.h>

#include "err.h"
#include "tlv.h"

#define REASON_BYTES_MAX (ERR_MESSAGE_MAX + 128) /* encoded */

/*
 * Puts the code's text and the sentence of `reason`. Control characters in it (a script's output
 * may have them) become blanks: the peer refuses a text that could break its log.
 */
void reason_encode(const struct err *reason, struct tlv_writer *writer);

/*
 * Fills `err` with the peer's code and "<peer>: <its sentence>"; returns `rc`. Whatever `bytes`
 * hold it stays a failure: an unknown or missing code is ERR_FAILED, and a sentence that is
 * missing, too long or not printable is said to be so.
 */
int reason_decode(const void *bytes, size_t size, const char *peer, int rc, struct err *err);

#endif

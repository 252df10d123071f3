/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the network where the guest is now. A broadcast RARP in the guest's name moves its MAC in
 * every switch at once, whatever the guest's own driver does, and long before it does.
 */
#ifndef XENFERRY_ANNOUNCE_H
#define XENFERRY_ANNOUNCE_H

#include <stdint.h>

#include "description.h"
#include "err.h"
#include "vif.h"

#define ANNOUNCE_FRAME_BYTES 60 /* the shortest Ethernet frame, without its checksum */

/* A reverse request "who am I" by and about `mac` (RFC 903). Pure. */
void announce_frame(const uint8_t mac[VIF_MAC_BYTES], uint8_t frame[ANNOUNCE_FRAME_BYTES]);

/*
 * Sends one frame for each VIF from its bridge; VIFs without one are passed over. Does not block.
 * 0, or the first failure after having gone on with the others.
 */
int announce_send(const struct description *guest, struct err *err);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host for devices, in a folder of its own: scripts to run, a sysfs, a xenstore in memory, and
 * the two backend drivers of Linux 6.1, which act whenever somebody waits.
 *
 * Time is the system's, since scripts are real processes; a test that needs a deadline to pass
 * moves `ahead_us`.
 */
#ifndef XENFERRY_FAKE_SITE_H
#define XENFERRY_FAKE_SITE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "description.h"
#include "site.h"

#define FAKE_DOMID 7u
#define FAKE_DISK_BYTES 8192

struct fake_site {
	struct clock clock; /* first: the clock's functions find the rest by it */
	struct site site;
	char folder[64];
	char scripts_dir[96], sys_dir[96], disk[96];
	uint64_t ahead_us;
	bool drivers_stuck; /* no backend ever does anything */
	void (*on_wait)(struct fake_site *fake, void *data); /* NULL: nothing more happens */
	void *data;
};

/*
 * With a disk (a file of FAKE_DISK_BYTES), a bridge "xenbr0", and the scripts "block" and
 * "vif-bridge", which note each run in the file "log" and make their device connected.
 */
struct fake_site *fake_site_new(void);
void fake_site_free(struct fake_site *fake);

/* Writes a script of /bin/sh; it runs with the host's folder as its first words' "$FOLDER". */
void fake_site_script(struct fake_site *fake, const char *name, const char *body);
/* What the scripts wrote to the file `name` of the folder; "" when there is none. Free it. */
char *fake_site_read(struct fake_site *fake, const char *name);
void fake_site_remove(struct fake_site *fake, const char *name);

/* Writes to the disk. */
void fake_site_write_disk(struct fake_site *fake, uint64_t at, const void *bytes, size_t size);
/* Writes a file of the folder, and the folders above it: "sys/dev/block/8:0/wwid". */
void fake_site_write(struct fake_site *fake, const char *name, const char *text);

/* A guest FAKE_DOMID with a VBD xvda on the disk and a VIF 0 on xenbr0. */
void fake_site_guest(struct fake_site *fake, struct description *guest);
uint64_t fake_site_deadline(struct fake_site *fake, uint64_t ms);

#endif

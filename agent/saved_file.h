/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest in a file: what it is, then its memory and state. As long as it is not whole the file has
 * another name, beside its own; so under its own name it is complete or absent.
 *
 * Not compressed it has the form of what `xl save` writes: xl's header, whose optional data is xl's
 * configuration and after it our description; libxl's stream around libxenguest's. Compressed,
 * frames as of devices/STREAM.md follow the same header under a magic of our own.
 */
#ifndef XENFERRY_SAVED_FILE_H
#define XENFERRY_SAVED_FILE_H

#include <stdbool.h>

#include "description.h"
#include "err.h"

#define SAVED_PATH_MAX 1024

struct saved_file;

/* What a plan does to it: the functions below, of the same names. */
struct saved_file_ops {
	int (*create)(struct saved_file *file, const struct description *guest, struct err *err);
	int (*finish)(struct saved_file *file, struct err *err);
	int (*publish)(struct saved_file *file, struct err *err);
	void (*drop)(struct saved_file *file);
	int (*open)(struct saved_file *file, struct description *guest, struct err *err);
};

extern const struct saved_file_ops saved_file_ops;

struct saved_file {
	const struct saved_file_ops *ops;
	char path[SAVED_PATH_MAX]; /* "": there is none */
	char part[SAVED_PATH_MAX]; /* its name until it is whole */
	int fd;                    /* -1: not open */
	bool framed;
};

/* Names the file for the job `uuid`; nothing is touched. ERR_USAGE unless `path` is absolute. */
int saved_file_name(struct saved_file *file, const char *path, const char *uuid, struct err *err);

/* ---- writing ---- */

/* Begins it, framed or not. ERR_REFUSED when a file of that name is there. */
int saved_file_create(struct saved_file *file, const struct description *guest, struct err *err);
/* All of the stream was written to `fd`: ends it and makes it durable under its other name. */
int saved_file_finish(struct saved_file *file, struct err *err);
/* Gives it its own name. Repeatable. ERR_REFUSED when another has taken that meanwhile. */
int saved_file_publish(struct saved_file *file, struct err *err);
/* Removes what was begun; harmless when there is nothing. */
void saved_file_drop(struct saved_file *file);

/* ---- reading ---- */

/*
 * Opens it, says which guest it has, and leaves `fd` where the stream begins. A file that plain
 * `xl save` wrote is read as well. ERR_INCOMPATIBLE when it is neither, with the remedy when it is
 * xl's and has what cannot be made here.
 */
int saved_file_open(struct saved_file *file, struct description *guest, struct err *err);

void saved_file_close(struct saved_file *file); /* harmless when it is not open */

#endif

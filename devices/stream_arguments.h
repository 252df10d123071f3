/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-stream's command line.
 */
#ifndef XENFERRY_STREAM_ARGUMENTS_H
#define XENFERRY_STREAM_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#define STREAM_USAGE \
	"xenferry-stream save DOMID [CHANNELS COMPRESS VERIFY] | " \
	"restore DOMID STORE_PORT CONSOLE_PORT PAGES_MAX [CHANNELS COMPRESS VERIFY]"

struct stream_arguments {
	bool saving;
	uint32_t domid, store_port, console_port; /* the ports: restoring */
	uint64_t pages_max;                       /* restoring */
	bool filtered;                            /* with the last three numbers: */
	uint32_t channels;                        /* 1 to CHANNELS_MAX */
	uint32_t compress;                        /* a codec's number or COMPRESS_AUTO */
	bool verify;
};

/* False when it is none of the usage's, or a number is out of its range. */
bool stream_arguments_parse(int argc, char **argv, struct stream_arguments *arguments);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a real worker reaches the other side beside its control connection (struct peer_ops).
 */
#ifndef XENFERRY_PEER_H
#define XENFERRY_PEER_H

#include "job.h"
#include "migration.h"

struct peer_tcp {
	struct peer peer;
	const struct clock *clock;
	const struct job *job;
	const struct job_note *note;
	const struct tls_files *tls; /* source: NULL: in plain text */
	int channel; /* target: where the daemon hands the memory connection over */
	struct link *link; /* target: heard meanwhile, as the source may give up */
};

/* `job`, `note` and `tls` stay the caller's, and have to live as long. */
void peer_source_init(struct peer_tcp *peer, const struct clock *clock, const struct job *job,
		      const struct job_note *note, const struct tls_files *tls);
void peer_target_init(struct peer_tcp *peer, const struct clock *clock, const struct job *job,
		      const struct job_note *note, const struct tls_files *tls, int channel,
		      struct link *link);

/* Connects to the target of this job and says our hello; as link_connect(). */
int peer_connect(const struct peer_tcp *peer, enum wire_kind kind, uint64_t deadline_us, int *fd,
		 struct err *err);

/* Our hello to the target of this job. */
struct wire_hello peer_hello(const struct job *job, const struct job_note *note,
			     enum wire_kind kind);

/* Answers the side that asked, on the welcomed connection `fd` (taken over). */
int peer_answer(const struct clock *clock, int fd, const struct job_note *note,
		enum outcome outcome, struct err *err);

/* A saved guest's file in the peer's place (steps_file.c); it stays the caller's, and open. */
struct peer_file {
	struct peer peer;
	const struct saved_file *file;
};

void peer_file_init(struct peer_file *peer, const struct saved_file *file);

#endif

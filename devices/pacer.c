/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pacer.h"

#define KEPT_US 100000

void pacer_set(struct pacer *pacer, uint64_t bytes_per_s, uint64_t now_us, uint64_t bytes)
{
	if (pacer->bytes_per_s != bytes_per_s)
		*pacer = (struct pacer){ bytes_per_s, now_us, bytes };
}

uint64_t pacer_wait_us(struct pacer *pacer, uint64_t now_us, uint64_t bytes)
{
	double due_us, passed_us;

	if (pacer->bytes_per_s == 0 || bytes < pacer->begun_bytes || now_us < pacer->begun_us)
		return 0;
	due_us = (double)(bytes - pacer->begun_bytes) * 1e6 / (double)pacer->bytes_per_s;
	passed_us = (double)(now_us - pacer->begun_us);
	if (passed_us > due_us + KEPT_US)
		*pacer = (struct pacer){ pacer->bytes_per_s, now_us - KEPT_US, bytes };
	return due_us > passed_us ? (uint64_t)(due_us - passed_us) : 0;
}

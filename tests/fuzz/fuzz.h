/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the harnesses share. Each is one file fuzz_<name>.c with one function, for libFuzzer and
 * AFL++ (`make fuzz`, `make fuzz FUZZER=afl`); replay.c is its main in a plain build, where it runs
 * over corpus/<name>/, so that what once was found is looked at for ever.
 */
#ifndef XENFERRY_FUZZ_H
#define XENFERRY_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Reads `size` bytes as some parser would. A mistake is a failed assertion; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file with these bytes, until the next call. It is in memory, and no other. */
const char *fuzz_file(const void *bytes, size_t size);
/*
 * The path of a folder in which the file `name`, which may be in one folder more, has these bytes,
 * until the next call.
 */
const char *fuzz_folder(const char *name, const void *bytes, size_t size);
/* A connected socket that these bytes wait on; nothing follows them. `type`: SOCK_STREAM, ... */
int fuzz_socket(int type, const void *bytes, size_t size);

#endif

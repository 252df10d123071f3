/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xxHash's XXH3 as fast as this processor can: where the library can choose its vector instructions
 * at run time, its functions' names stand for those that do.
 */
#ifndef XENFERRY_XXH3_H
#define XENFERRY_XXH3_H

#include <xxhash.h>

#ifdef HAVE_XXH3_64BITS_DISPATCH
#include <xxh_x86dispatch.h>
#endif

#endif

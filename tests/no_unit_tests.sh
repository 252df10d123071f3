#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Stands for the unit tests where cmocka was not found: a test that did not run is reported.
echo "SKIP: the unit tests need cmocka (libcmocka-dev); install it and configure again"
exit 77

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `failed.sh BUILD`: of each test that failed in that build, what it printed but for what was well.
cd "$1/tests" || exit

grep -lE '^:global-test-result: (FAIL|ERROR)' ./*.trs ./*/*.trs 2>/dev/null |
	while read -r result; do
		log=${result%.trs}.log
		printf '\n==== %s\n' "${log#./}"
		grep -vE '^(ok |\[ +(OK|RUN) +\])' "$log"
	done

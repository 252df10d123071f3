#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Peers of other versions of the protocol: one version apart they speak the older one's; farther
# apart each refuses and says what to do. For the later of two, this version is the previous one.
set -uo pipefail
export LC_ALL=C

cd "${top_builddir:?}/tests" || exit 1
failed=0
number() { sed -n "s/^#define $1 \([0-9]*\) .*/\1/p" "${top_srcdir:?}/handshake/wire.h"; }
newest=$(number WIRE_VERSION)
oldest=$(number WIRE_VERSION_OLDEST)
next=$((newest + 1)) later=$((newest + 2))

# meet CONNECTING ACCEPTING: leaves what they printed in $called and $answered.
meet() {
	local port

	coproc accepting { "./$2" accept; }
	read -r -t 20 port <&"${accepting[0]}"
	called=$(timeout 20 "./$1" connect "$port")
	read -r -t 20 answered <&"${accepting[0]}"
	# shellcheck disable=SC2154 # coproc sets it
	wait "$accepting_PID"
}

# check WHAT PATTERN TEXT
check() {
	# shellcheck disable=SC2053 # a pattern
	if [[ $3 == $2 ]]; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s: %s\n' "$1" "$3"
		failed=1
	fi
}

meet this_version this_version
check 'this version welcomes itself' "welcome, version $newest" "$called, $answered"
meet this_version next_version
check 'the next version welcomes this one' "welcome, version $newest" "$called, $answered"
meet next_version this_version
check 'this version welcomes the next one' "welcome, version $newest" "$called, $answered"
meet next_version next_version
check 'the next versions speak their own' "welcome, version $next" "$called, $answered"
meet later_version next_version
check 'the one after that still speaks the next' "welcome, version $next" "$called, $answered"
meet this_version later_version
check 'two versions apart: refused' \
	"refused: *versions $oldest to $newest *this one $next to $later*" "$answered"
check 'and the caller is told' "*versions $oldest to $newest *upgrade xenferry on the older*" \
	"$called"
meet later_version this_version
check 'two versions apart, the other way: refused' \
	"refused: *versions $next to $later *this one $oldest to $newest*" "$answered"
check 'and the caller is told as well' \
	"*versions $next to $later *upgrade xenferry on the older*" "$called"

exit "$failed"

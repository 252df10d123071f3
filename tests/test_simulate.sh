#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The simulator's slice of `make check`: all single faults, some thousands of random runs, and that
# it finds what is wrong on purpose. `make soak` runs the whole.
# shellcheck disable=SC2317 # functions are called by expect
set -uo pipefail

simulate=${top_builddir:-build}/tests/simulate
docs=${top_srcdir:-.}/docs/failures.md
failed=0

expect() {
	local name=$1 text

	shift
	if text=$("$@" 2>&1); then
		printf 'ok   - %s\n' "$name"
	else
		printf 'FAIL - %s\n%s\n' "$name" "$text"
		failed=1
	fi
}

table_is_current() {
	diff -u "$docs" <("$simulate" --failure-table) ||
		{ echo "run: $simulate --failure-table > $docs"; return 1; }
}

# A violation ends with 1, and the command that it names repeats it.
violation_is_repeated() {
	local text repeat

	text=$("$simulate" --exhaustive --mutant no-taken) && return 1
	repeat=$(sed -n 's/^to repeat: simulate //p' <<<"$text")
	read -ra words <<<"$repeat"
	text=$("$simulate" "${words[@]}") && return 1
	grep -q 'VIOLATION: ' <<<"$text"
}

expect 'every single fault' "$simulate" --exhaustive --faults 1
expect 'some thousand random runs' "$simulate" --random 20130 --runs 4000
expect 'every single fault of plans made at random' "$simulate" --any-plan 1 --runs 60
expect 'every planted mistake is found' "$simulate" --mutants
expect 'a violation is repeated by its command' violation_is_repeated
expect 'docs/failures.md is what the simulator says' table_is_current

exit "$failed"

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make coverage`: lines that ran, by folder, of the build's last `make check`; and the branches of
# the files in which each must have been taken both ways. coverage_scribe.c sees to it that what is
# killed counts as well.
set -euo pipefail

top=${top_srcdir:?is the source folder}
build=${top_builddir:?is the build folder}
wanted=${COVERAGE_MIN:-90} # per cent of the lines of each folder
strict='agent/runner.c handshake/sync.c agent/meet.c'

if ! command -v gcovr >/dev/null; then
	echo 'coverage: gcovr is not installed' >&2
	exit 77
fi

# The scribes of the last processes may still be writing.
for ((tries = 0; tries < 50; tries++)); do
	pgrep -x scribe >/dev/null || break
	sleep 0.2
done

# An assertion that fails is no branch that a test may take.
count() {
	gcovr --root "$top" --filter "$top/(agent|devices|handshake|hooks)/" \
		--exclude "$top/devices/sim/" --exclude-throw-branches \
		--exclude-lines-by-pattern '.*\bassert\(.*' --csv --output - "$build" \
		2>"$build/coverage.log"
}

count >"$build/coverage.csv" || { tail "$build/coverage.log"; exit 1; }
awk -F, -v wanted="$wanted" -v strict="$strict" '
	NR == 1 { next }
	{
		folder = $1
		sub(/\/.*/, "", folder)
		lines[folder] += $2
		ran[folder] += $3
		printf "%6.1f %%  %5d of %5d lines  %s\n", $4 * 100, $3, $2, $1
		if (index(" " strict " ", " " $1 " "))
			branches[$1] = sprintf("%d of %d branches", $6, $5)
	}
	END {
		for (folder in lines) {
			part = 100 * ran[folder] / lines[folder]
			printf "\n%6.1f %%  %s/", part, folder
			low = low || part < wanted
		}
		print ""
		for (file in branches)
			printf "%s: %s\n", file, branches[file]
		exit low
	}' "$build/coverage.csv"

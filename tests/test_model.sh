#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The model of the handover (tests/model/handover.pml): spin looks through all of it, finds every
# mistake planted in it, and its names are the code's.
# shellcheck disable=SC2317 # functions are called by expect
set -uo pipefail

top=$(cd "${top_srcdir:-.}" && pwd)
model=$top/tests/model/handover.pml
failed=0

if ! command -v spin >/dev/null || ! command -v cc >/dev/null; then
	echo 'SKIP: spin (or a C compiler for what it makes) is not installed'
	exit 77
fi
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
properties=$(sed -nE 's/^ltl ([a-z_]+) .*/\1/p' "$model")

expect() {
	local name=$1 text

	shift
	if text=$("$@" 2>&1); then
		printf 'ok   - %s%s\n' "$name" "${text:+ ($text)}"
	else
		printf 'FAIL - %s\n%s\n' "$name" "$text"
		failed=1
	fi
}

# `make_checker FLAG...`: spin's program for the model with those flags.
make_checker() {
	(cd "$place" && rm -f pan* && spin "$@" -a "$model" >spin.log 2>&1 &&
		cc -O1 -w -DNOREDUCE -DVECTORSZ=512 -o pan pan.c) || cat "$place/spin.log"
}

# Looks for a violation of the property: in all states, under weak fairness.
search() {
	(cd "$place" && ./pan -a -f -m1000000 -N "$1")
}

# Whole: no error, and neither memory nor depth cut the search short.
holds() {
	local text

	text=$(search "$1")
	if ! grep -q 'errors: 0$' <<<"$text" ||
		grep -qE 'Search not completed|max search depth too small' <<<"$text"; then
		echo "$text"
		return 1
	fi
	sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p' <<<"$text"
}

# What spin never came to would have been shown of nothing.
all_is_reached() {
	local text

	text=$(search settles | grep -A 20 'unreached in proctype')
	[[ $(grep -c '(0 of [0-9]* states)' <<<"$text") == 3 ]] || { echo "$text"; return 1; }
}

is_found() {
	make_checker "-D$1"
	[[ $(search "$2") =~ errors:\ [1-9] ]]
}

# ---- the names: what the model says is what the code has ----

# `in_model REGEX`: the words that the group in REGEX finds, sorted.
in_model() {
	grep -oE "$1" "$model" | sed -E "s/^.*$1.*$/\1/" | sort -u | xargs
}

# `rows_of FILE TABLE`: the first words of the rows of an X-macro table.
rows_of() {
	sed -n "/#define $2(X)/,/[^\\\\]$/p" "$top/$1" | grep -oE '\bX\([A-Z0-9_]+, *"' |
		sed -E 's/X\(([A-Z0-9_]+).*/\1/' | sort -u | xargs
}

# `enum_of FILE PREFIX`: the names of an enum's constants without their prefix.
enum_of() {
	sed 's,/\*.*\*/,,' "$top/$1" | grep -oE "\b$2_[A-Z_]+\b" | sed "s/^$2_//" |
		sort -u | xargs
}

# `same NAME MODEL CODE`: two lists of words.
same() {
	[[ -n $1 && $1 == "$2" ]] && return 0
	printf 'the model: %s\nthe code:  %s\n' "$1" "$2"
	return 1
}

sorted() {
	tr ' ' '\n' <<<"$*" | sort -u | xargs
}

points_are_the_codes() {
	same "$(in_model '\b(SP[0-9])\b')" "$(rows_of handshake/sync.h SYNC_TABLE)"
}

# A step's own lines own nothing; TAKEN_BACK is the model's take_back(). What an arbiter decided
# follows what it has seen, which is no part of this model: the simulator shows it.
events_are_the_codes() {
	same "$(sorted "$(in_model 'note\([A-Z]+, ([A-Z]+)\)')" STEP STEP_BLACKOUT TAKEN_BACK \
		RESOLVED_SOURCE RESOLVED_TARGET)" \
		"$(rows_of agent/journal.h JOURNAL_TABLE)"
}

# Those of the opening, of the clock, of the end and of an inquiry decide nothing.
types_are_the_codes() {
	local types

	types=$(sed -n '/^enum wire_type {/,/^}/p' "$top/handshake/wire.h" |
		sed -nE 's/^\tWIRE_([A-Z_]+).*/\1/p' | grep -v '^TYPES$' | sort -u | xargs)
	same "$(sorted "$(sed -nE 's/^mtype:wire = \{(.*)\};/\1/p' "$model" | tr -d ,)" \
		WELCOME REFUSED CLOCK CLOCK_ANSWER ABORTED OUTCOME QUESTION REPLY | xargs)" "$types"
}

outcomes_are_the_codes() {
	same "$(in_model '\bOUTCOME_([A-Z]+)\b')" "$(enum_of agent/arbiter.h OUTCOME)"
}

# A transport and an inquiry are of no job.
kinds_are_the_codes() {
	same "$(sorted "$(in_model '\b(CONTROL|MEMORY|ASK) connection')" TRANSPORT INQUIRY)" \
		"$(sed -n '/^enum wire_kind {/,/^}/p' "$top/handshake/wire.h" |
			sed -nE 's/^\tWIRE_([A-Z_]+).*/\1/p' | sort -u | xargs)"
}

# Who says a point, and whether it is answered: `SP3 source true`.
speakers() {
	sed -n '/#define SYNC_TABLE(X)/,/[^\\]$/p' "$top/handshake/sync.h" |
		sed -nE 's/.*X\((SP[0-9]), "[a-z]*", SIDE_([A-Z]+), (true|false).*/\1 \2 \3/p'
}

speakers_are_the_codes() {
	local point side answered to back

	while read -r point side answered; do
		to=to_target back=to_source
		[[ $side == TARGET ]] && to=to_source back=to_target
		grep -qF "say($to, SYNC, $point)" "$model" || { echo "who says $point?"; return 1; }
		if grep -qF "say($back, ANSWER, $point)" "$model"; then
			[[ $answered == true ]] || { echo "$point has no answer"; return 1; }
		elif [[ $answered == true ]]; then
			echo "who answers $point?"
			return 1
		fi
	done < <(speakers)
}

expect 'its points are the SYNC_TABLE' points_are_the_codes
expect 'its speakers and answers are the SYNC_TABLE' speakers_are_the_codes
expect 'its journal lines are the JOURNAL_TABLE' events_are_the_codes
expect "its messages are the wire's types" types_are_the_codes
expect "its connections are the wire's kinds" kinds_are_the_codes
expect 'its outcomes are enum outcome' outcomes_are_the_codes

make_checker
for property in $properties; do
	expect "holds: $property" holds "$property"
done
expect 'spin came to every statement' all_is_reached

while read -r mistake property; do
	expect "$mistake is found by $property" is_found "$mistake" "$property"
done < <(sed -nE 's,^#ifn?def (MISTAKE_[A-Z_]+) /\* breaks ([a-z_]+) \*/$,\1 \2,p' "$model" |
	sort -u)

exit "$failed"

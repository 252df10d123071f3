#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make mutation`: takes each undo and each journal write out of the agent in turn (mutation.pl),
# and wants a test to fail each time. Prints who found what; a mutant that nobody finds is an
# error. Compiles one file and links a few programs for each, out of tree; the rest is the build's.
set -uo pipefail

top=${top_srcdir:?is the source folder}
build=${top_builddir:?is the build folder}
place=$(mktemp -d) || exit 1
trap 'rm -rf "$place"' EXIT
# Who fails, or is killed, may leave its folder.
export TMPDIR=$place/tmp
mkdir "$TMPDIR" || exit 1
jobs=${MUTATION_JOBS:-2}

# Who comes to a mutant first has found it.
quick_tests='test_runner test_undo test_recover test_plan test_journal test_steps_file simulate'

compile() {
	# shellcheck disable=SC2086 # lists of words
	$MUTATION_CC -w -O1 -D_GNU_SOURCE -DPACKAGE_VERSION='"0"' \
		-iquote "$top/agent" -iquote "$top/common" -iquote "$top/handshake" \
		-iquote "$top/devices" -iquote "$top/hooks" $MUTATION_CFLAGS -c -o "$2" "$1"
}

# `link_with OBJECT PROGRAM THING...`: the mutant's object comes before the library that has the
# original.
link_with() {
	local libraries

	mapfile -t libraries < <(find "$build/agent" "$build/devices" "$build/handshake" \
		"$build/hooks" "$build/common" -maxdepth 2 -path '*/.libs/lib*.a' 2>/dev/null)
	# shellcheck disable=SC2086 # lists of words
	$MUTATION_CC -w -o "$2" "${@:3}" "$1" -Wl,--start-group "$build/tests/.libs/libfakes.a" \
		"${libraries[@]}" -Wl,--end-group $MUTATION_LIBS
}

# ---- the tests: what each needs, and the command that fails when it finds the mutant

# What the worker is made of beside its main.
other_objects() {
	# shellcheck disable=SC2016 # make's, not the shell's
	make -s --no-print-directory -C "$build/agent" objects \
		--eval 'objects: ; @echo $(xenferry_worker_OBJECTS:%=$(CURDIR)/%)' |
		tr ' ' '\n' | grep -v '/worker\.o$'
}

# The worker's own main has no unit test: workers that die on simulated hosts.
prepare_hosts() {
	local others

	mapfile -t others < <(other_objects)
	mkdir -p "$1/b/devices" "$1/b/tests" && cp -rL "$build/agent" "$1/b/" &&
		cp -rL "$build/devices/sim" "$build/devices/xenferry-stream" "$1/b/devices/" &&
		cp -rL "$build/tests/.libs" "$1/b/tests/" &&
		link_with "$1/mutant.o" "$1/b/agent/xenferry-worker" "${others[@]}" &&
		echo "env top_builddir=$1/b $top/tests/sim_crashes.sh copy-memory"
}

prepare_simulate() {
	link_with "$1/mutant.o" "$1/simulate" "$build"/tests/sim/simulate-*.o &&
		echo "$1/simulate --exhaustive --faults 1"
}

# `prepare FOLDER TEST`
prepare() {
	case $2 in
	sim_crashes.sh) prepare_hosts "$1" ;;
	simulate) prepare_simulate "$1" ;;
	*) link_with "$1/mutant.o" "$1/$2" "$build/tests/$2.o" && echo "$1/$2" ;;
	esac
}

say() {
	printf '%-8s %-64.64s %s\n' "$1" "$(cat "$2/what")" "${3-}"
}

try() {
	local folder=$place/$1 source test command tests=$quick_tests

	source=$(ls "$folder"/*.c)
	[[ $source == */worker.c ]] && tests=sim_crashes.sh
	compile "$source" "$folder/mutant.o" 2>"$folder/log" ||
		{ say BROKEN "$folder"; cat "$folder/log"; return; }
	for test in $tests; do
		command=$(prepare "$folder" "$test" 2>"$folder/log") ||
			{ say BROKEN "$folder"; cat "$folder/log"; return; }
		# shellcheck disable=SC2086 # a command and its words
		timeout 120 $command >"$folder/log" 2>&1 ||
			{ say found "$folder" "$test"; return; }
	done
	say SURVIVED "$folder"
}

# What is not changed must pass in the same way, or all of it would count as found.
sound() {
	mkdir "$place/none" && cp "$top/agent/runner.c" "$place/none/" &&
		echo 'nothing taken out' >"$place/none/what"
	[[ $(try none) == SURVIVED* ]] && return
	echo 'mutation: the tests fail without any mutant' >&2
	cat "$place/none/log" >&2
	return 1
}

export -f try say compile link_with other_objects prepare prepare_hosts prepare_simulate
export top build place quick_tests
sound || exit 1
perl "$top/tests/mutation.pl" "$top/agent" "$place" >"$place/numbers" || exit 1
xargs -P "$jobs" -I '{}' bash -c 'try {}' <"$place/numbers" | sort -k 1,1 -k 2 >"$place/table"
cat "$place/table"
printf '%d mutants, %d found\n' "$(wc -l <"$place/numbers")" "$(grep -c '^found' "$place/table")"
! grep -qv '^found' "$place/table"

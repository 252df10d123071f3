#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows that simulated hosts would notice: the drain, an undo, or the marking of a dirty page is
# taken out of a copy of the tree, and a scenario must fail, for the reason that its guest or its
# host gives. The same scenario holds as long as nothing is taken out.
#
#   sim_mutants.sh                     all of them
#   sim_mutants.sh --scenario NAME     one scenario, on the tree that the environment names

# shellcheck disable=SC2317 # called by name
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

self=$(readlink -f "${BASH_SOURCE[0]}")

# each_mutant COMMAND...: called with what the mutant lacks, the file, what is done to it, the
# scenario, and what that says then.
each_mutant() {
	"$@" 'the drain' devices/drain.c \
		's/return sample\.outstanding == 0;/return true;/' \
		slow_disk '"blocks_stale": *[1-9]'
	"$@" 'the undo of plug-devices' agent/steps_target.c \
		'/^int target_unplug(/,/^}/s/return .*/(void)m, (void)err; return 0;/' \
		failing_script 'left on B: '
	"$@" 'the undo of suspend-guest' agent/plan_table.c \
		'/"suspend-guest"/s/SOURCE(source_resume),/NEITHER,/' \
		late_failure '"status": *"suspended"'
	"$@" 'marking a written page dirty' devices/sim/hypervisor_memory.c \
		's/sim_set_bit(memory->pages->dirty, gfn);/(void)memory;/' \
		busy_guest '"programs_lost": *[1-9]'
}

# ---- scenarios: each says why it does not hold --------------------------------------------------

# On A a request takes 1.5 s and one is made each quarter of a second, so some are always under way.
# What was asked for there ends after the guest has written the same blocks anew on B, unless
# somebody waits for it.
slow_disk() {
	world_begin
	host_up A --memory-mib 128 --disk-latency-us 1500000 --blocks-per-s 4
	host_up B --memory-mib 128 --blocks-per-s 4000
	on A sh -c 'printf "[policy]\ndrain-ms = 10000\n" >>/etc/xenferry.conf'
	guest_up A 1 16 1 1 --disk-mib 1
	until_true 20 says 1 '"blocks_written": *[1-9]'
	move A B g1
	until_true 20 is_older_than $(($(field 1 uptime_ms) + 2500)) # all of A's have ended
	is_well 1 B 1 1
}

is_older_than() {
	(($(field 1 uptime_ms) > $1))
}

failing_script() {
	hosts_up --memory-mib 128
	guest_up A 1 16 1 1
	on B sed -i '2i exit 3' /etc/xen/scripts/block
	exits 1 'block.*exit 3' ferry A vm-migrate vm=g1 host=B live=true
	is_well 1 A 1 1
	nothing_left B
}

# The source gives up while its guest is suspended.
late_failure() {
	hosts_up --memory-mib 128
	guest_up A 1 16 1 1
	strike B 'kill introduce-domain'
	exits '[1-8]' . ferry A vm-migrate vm=g1 host=B live=true
	is_well 1 A 1 1
}

busy_guest() {
	hosts_up --memory-mib 128 --dirty-pages-per-s 5000 --working-set-pages 2000
	guest_up A 1 32 0 1
	move A B g1
	is_well 1 B 0 1
}

# ---- the trees ----------------------------------------------------------------------------------

# Copies what the tests run on, each where the other expects it, so that nothing has to be built but
# what changes. Sets source and build.
copy_tree() {
	local apart

	! grep -q '^srcdir = /' "$builddir/Makefile" ||
		{ echo 'skipped: configure was called by an absolute path'; exit 77; }
	apart=$(realpath --relative-to="$top_srcdir" "$builddir")
	source=$copies/1/2/3/4/${top_srcdir##*/} # deep enough for a build some folders away
	build=$(realpath -m "$source/$apart")
	[[ $build == "$copies"/* ]] ||
		{ echo "skipped: the build is too far from its sources: $apart"; exit 77; }
	mkdir -p "$source" "$build"
	cp -a "$top_srcdir/." "$source"
	[[ $apart != ..* ]] || cp -a "$builddir/." "$build"
	chmod -R u+w "$copies"
}

rebuild() {
	make -s -C "$build" SUBDIRS='devices devices/sim agent' all >"$copies/log" 2>&1 ||
		{ tail -n 15 "$copies/log"; return 1; }
}

# plays SCENARIO: on the copy, in a world of its own.
plays() {
	top_srcdir=$source top_builddir=$build timeout 120 bash "$self" --scenario "$1"
}

# is_caught FILE CHANGE SCENARIO EVIDENCE
is_caught() {
	local output

	sed -i "$2" "$source/$1"
	! cmp -s "$source/$1" "$top_srcdir/$1" || { echo "nothing in $1 to change"; return 1; }
	rebuild || return 1
	if output=$(plays "$3" 2>&1); then
		echo "$3 holds all the same"
		return 1
	fi
	tail -n 5 <<<"$output"
	grep -qE "$4" <<<"$output"
}

# try WHAT FILE CHANGE SCENARIO EVIDENCE
try() {
	check "$4 holds as long as nothing is taken out" plays "$4"
	check "without $1: $4 fails" is_caught "${@:2}"
	cat "$top_srcdir/$2" >"$source/$2" # as it was, and newer, so that it is built anew
	rebuild
}

all_mutants() {
	scratch=$(mktemp -d)
	copies=$scratch/tree
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	copy_tree
	each_mutant try
	exit "$failed"
}

if [[ ${1-} == --scenario ]]; then
	"$2"
else
	all_mutants
fi

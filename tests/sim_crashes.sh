#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who is killed with -9 at each step of a migration, on either side: the worker, the stream's child,
# the daemon. One copy of the guest runs afterwards, whole, and the other host has nothing left. It
# goes on from wherever it is. sim_fault.c strikes. With words: only what dies there.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

words=" $* "
here=A there=B

wanted() {
	[[ $words == '  ' || $words == *" $1 "* ]]
}

# side source|target: the host.
side() {
	[[ $1 == source ]] && echo "$here" || echo "$there"
}

# dies WHO WHERE WORD STAYS|MOVES [PARAMETER...]: WHO, on the source or the target, when a worker
# there writes WORD into its journal. The command line says so with any status but that of a loss.
dies() {
	wanted "$3" || return 0
	local host whom='' what="${5-plan=handover}: the $1 on the $2 dies at $3"

	host=$(side "$2")
	case $1 in
	daemon) whom=$(on "$host" pgrep -xo xenferryd) ;;
	stream) whom=stream ;;
	esac
	strike "$host" "kill $3 $whom"
	check "$what: it is said" exits '[0-6]' . \
		ferry "$here" vm-migrate vm=g1 host="$there" live=true --json "${@:5}"
	check "$what: it did" until_true 10 struck "$host" # the client may return before
	[[ $4 == STAYS ]] || { host=$here here=$there there=$host; }
	check "$what: the guest is well on $here" is_well 1 "$here" 1 1
	check "$what: nothing is left on $there" nothing_left "$there"
	check "$what: nobody is at it any more on $here" until_true 10 is_idle "$here"
}

# is_idle HOST: no job, no worker.
is_idle() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c '[ -z "$(ls /var/lib/xenferry/jobs; pgrep -x xenferry-worker)" ]'
}

hosts_up --memory-mib 512
check 'a guest starts' guest_up A 1 32 1 1

for word in describe-guest watch-disks copy-memory suspend-guest stop-and-copy drain-disks \
	write-release released; do
	dies worker source $word STAYS
done
for word in create-domain plug-devices hold-disks copy-memory introduce-domain; do
	dies worker target $word STAYS
done
for word in unpause-guest tear-down-source "done"; do
	dies worker source $word MOVES
done
for word in taken unpause-guest forget-macs announce-guest await-network release-disks \
	settle-guest "done"; do
	dies worker target $word MOVES
done
dies stream source suspend-guest STAYS
dies stream source stop-and-copy STAYS
dies daemon source watch-disks MOVES
dies daemon source released MOVES
dies daemon source tear-down-source MOVES
dies daemon target create-domain STAYS
dies daemon target introduce-domain MOVES
dies daemon target taken MOVES
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Workers that are killed, before each synchronisation point and after: whoever dies where, one copy
# of the guest runs, whole, and the other side has nothing left. sim_fault.c strikes. With words:
# only who dies there.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

words=" $* "

wanted() {
	[[ $words == '  ' || $words == *" $1 "* ]]
}

# dies WHERE WORD [PARAMETER...]: a worker dies, before the target has taken the guest.
dies() {
	wanted "$2" || return 0
	local what="${3-plan=handover}: the worker on $1 dies at $2"

	strike "$1" "kill $2"
	check "$what: it is said" exits '[1-8]' . ferry A vm-migrate vm=g1 host=B live=true "${@:3}"
	check "$what: it did" struck "$1"
	check "$what: the guest is well at the source" is_well 1 A 1 1
	check "$what: nothing is left at the target" nothing_left B
}

# dies_late WHERE WORD: it dies when the guest is the target's.
dies_late() {
	wanted "$2" || return 0
	local what="the worker on $1 dies at $2"

	strike "$1" "kill $2"
	check "$what: it is over" exits '[0-8]' . ferry A vm-migrate vm=g1 host=B live=true --json
	check "$what: it did" struck "$1"
	check "$what: the guest is well at the target" is_well 1 B 1 1
	check "$what: nothing is left at the source" nothing_left A
	check "$what: the guest goes back" move B A g1
	check "$what: it is well" is_well 1 A 1 1
}

hosts_up --memory-mib 512
check 'a guest starts' guest_up A 1 32 1 1

dies A describe-guest    # before SP0
dies B create-domain     # SP1
dies B plug-devices
dies B copy-memory       # SP2
dies A suspend-guest
dies A stop-and-copy
dies B introduce-domain
dies A drain-disks
dies A released          # SP3: the source may have given it away
dies_late B taken
dies_late B unpause-guest # SP4
dies_late A unpause-guest
dies_late A tear-down-source # SP5
dies_late B settle-guest
finish

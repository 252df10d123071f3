#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A doubt on simulated hosts: the target's worker stands still when it is to take the guest, so that
# nobody says whose it is. The operator switches the target off, says so, and the guest goes on.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

status_is() {
	[[ $(ferry A migration-param-get uuid="$uuid" param-name=status) == "$1" ]]
}

hosts_up --memory-mib 512
check 'a guest starts' guest_up A 1 32 1 1
strike B 'stop forget-macs'
uuid=$(ferry A vm-migrate vm=g1 host=B live=true plan=xenserver-6.2 async=true)
check 'while all goes well there is no doubt to answer' \
	exits 7 'no doubt' ferry A migration-resolve uuid="$uuid" outcome=source
check 'who waits is told of the doubt' exits 6 'migration-resolve' \
	ferry A migration-wait uuid="$uuid" timeout=90
check 'the target stood still' struck B
check 'it is a doubt in the list' grep -q in-doubt <(ferry A migration-list params=status)
check 'this target may not take it' exits 7 'cannot run it|no doubt' \
	ferry B migration-resolve uuid="$uuid" outcome=target
host_down B
check 'the operator answers' ferry A migration-resolve uuid="$uuid" outcome=source
check 'the doubt is over' until_true 30 status_is failed
check 'it says who decided' grep -q 'the operator says' \
	<(ferry A migration-param-get uuid="$uuid" param-name=error-message)
check 'the guest is well at the source' is_well 1 A 1 1
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A migration that is only asked about: all reasons at once, or how long it takes; and nothing is
# created.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# ask STATUS PATTERN [PARAMETER...]: a dry run of g1 from A to B.
ask() {
	exits "$1" "$2" ferry A vm-migrate vm=g1 host=B live=true dry-run=true "${@:3}"
}

domid() {
	ferry A vm-list params=domid,name-label --minimal | tr ',' '\n' | head -n 1
}

lists_none() {
	[[ -z $(ferry A migration-list params=uuid --minimal) ]] &&
		[[ -z $(ferry B migration-list params=uuid --minimal) ]]
}

hosts_up --memory-mib 256
check 'a guest starts' guest_up A 1 64 1 1

check 'it could go' ask 0 'g1 can go to B: in about [0-9.]+ s.* an assumed [0-9]+ MiB/s'
check 'programs hear it, too' ask 0 '"feasible":true,"reasons":\[\]' --json
check 'the guest is where it was' is_well 1 A 1 1
check 'it never was away' says 1 '"moves": 0,' '"cancelled": 0,'
check 'nothing was created' nothing_left B
check 'it is in no list of migrations' lists_none

check 'it is filled, under the same name' guest_up B 5 200 0 0
on B xenstore-write "/local/domain/$(ferry B vm-list params=domid --minimal)/name" g1
check 'all reasons are said at once' exits 7 'MiB free' \
	ferry A vm-migrate vm=g1 host=B live=true dry-run=true
check 'each in its line' ask 7 'the name g1 is taken'
check 'their number ends it' ask 7 'g1 cannot go to B: 2 reasons'
check 'programs see each' ask 7 '"code":"refused".*"code":"not-enough-memory"' --json
check 'a host that nobody answers from is a reason' exits 7 'reason' \
	ferry A vm-migrate vm=g1 host=127.0.0.1:9 live=true dry-run=true
check 'the host that it is on is one' exits 7 'the same host' \
	ferry A vm-migrate vm=g1 host=A live=true dry-run=true
check 'a guest that is not there is one' exits 7 'no guest' \
	ferry A vm-migrate vm=nosuch host=B live=true dry-run=true

# What stands against it at either host.
host_up C --preload "$fault" --memory-mib 256 --cpu-leaf-max 7
on A xenstore-write "/local/domain/$(domid 1)/control/feature-suspend" 0
on A xenstore-write "/local/domain/0/backend/vkbd/$(domid 1)/0/state" 1
for what in 'cannot suspend' 'cannot be moved: vkbd 0' 'Leaf 0 .* is not compatible' \
	'3 reasons'; do
	check "both hosts' reasons: $what" exits 7 "$what" \
		ferry A vm-migrate vm=g1 host=C live=true dry-run=true
done
check 'a migration is refused for what its source has against it' exits 7 'cannot be moved: vkbd' \
	ferry A vm-migrate vm=g1 host=B live=true
on A xenstore-rm "/local/domain/0/backend/vkbd/$(domid 1)"
on A xenstore-rm "/local/domain/$(domid 1)/control/feature-suspend"
check 'or for what its target has' exits 7 'Leaf 0 ' \
	ferry A vm-migrate vm=g1 host=C live=true
check 'the guest is still well' is_well 1 A 1 1
finish

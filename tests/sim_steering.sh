#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An operator steers migrations between simulated hosts: policies, bandwidth, a pause, cancels,
# timeouts, and a guest that dirties too fast for its policy.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# begins PARAMETER...: g1 leaves A for B, and nobody waits for it; sets $uuid.
begins() {
	uuid=$(ferry A vm-migrate vm=g1 host=B live=true async=true "$@")
}

# value NAME: of the migration's record.
value() {
	ferry A migration-param-get uuid="$uuid" param-name="$1"
}

is() {
	[[ $(value "$1") == "$2" ]]
}

sent_more_than() {
	(($(value memory-wire-bytes) > $1))
}

stays() {
	check "$1: the guest is well at the source" is_well 1 A 1 1
	check "$1: nothing is left at the target" nothing_left B
}

ends() {
	exits "$1" "$2" ferry A migration-wait uuid="$uuid" timeout=60
}

# ---- what is refused ----------------------------------------------------------------------------

refuses() {
	check "refused by key: $2" exits '[27]' "$1" ferry A vm-migrate vm=g1 host=B live=true "$2"
}

bad_words() {
	refuses 'bandwidth-mibps= wants a whole number' bandwidth-mibps=100mbit
	refuses 'bandwidth-mibps= wants a whole number' bandwidth-mibps=-1
	refuses 'bandwidth_mibps is 1 to' bandwidth-mibps=99999999
	refuses 'did you mean .bandwidth-mibps' bandwidth-mbps=100
	refuses 'downtime_limit_ms' downtime-limit-ms=0
	refuses 'no policy .brave' policy=brave
	refuses 'numa_node wants' numa-node=near
	refuses 'timeout_action' timeout-action=pray
}

policies() {
	check 'policies are listed' test \
		"$(ferry A policy-list params=name --minimal)" = \
		minimal-downtime,suspend-workload-if-needed,post-copy,very-large-vms
	check "RHV's file is without a mistake" \
		ferry A policy-check file="$top_srcdir/tests/policies/minimal-downtime.json"
	check 'post-copy says beforehand what it cannot do' exits 0 'no post-copy' \
		ferry A vm-migrate vm=g1 host=B live=true policy=post-copy
	check 'and back' move B A g1
}

# ---- while it runs ------------------------------------------------------------------------------

cancel_in_first_pass() {
	begins bandwidth-mibps=1
	check 'slow copy: it is under way' until_true 10 sent_more_than 100000
	check 'slow copy: a cancel in the first pass is heard' \
		ferry A migration-cancel uuid="$uuid"
	check 'slow copy: it says cancelled' ends 3 cancelled
	stays 'slow copy'
}

speed_up() {
	begins bandwidth-mibps=1
	check 'limit: it is under way' until_true 10 sent_more_than 100000
	check 'limit: it is lifted while it runs' \
		ferry A migration-param-set uuid="$uuid" bandwidth-mibps=0
	check 'limit: it ends soon' ends 0 ''
	check 'limit: the guest is well' is_well 1 B 1 1
	check 'limit: nobody hears an order afterwards' exits 7 'not running|nothing hears' \
		ferry A migration-param-set uuid="$uuid" bandwidth-mibps=5
	check 'limit: it goes back' move B A g1
}

pause() {
	begins pause-before-switchover=true
	check 'pause: it waits for the operator' until_true 20 is awaits-continue true
	check 'pause: the guest runs on at the source' is_well 1 A 1 1
	check 'pause: it goes on when told' ferry A migration-continue uuid="$uuid"
	check 'pause: and ends' ends 0 ''
	check 'pause: the guest is well' is_well 1 B 1 1
	check 'pause: it goes back' move B A g1
	begins pause-before-switchover=true
	check 'pause: it waits again' until_true 20 is awaits-continue true
	check 'pause: it can be cancelled' ferry A migration-cancel uuid="$uuid"
	stays 'cancelled pause'
}

timeouts() {
	begins bandwidth-mibps=1 timeout-s=2
	check 'timeout: it is given up' ends 4 'timeout-s=2'
	stays 'timeout'
	begins pause-before-switchover=true timeout-s=1 timeout-action=suspend
	check 'timeout: or it is handed over' ends 0 ''
	check 'timeout: the guest is well' is_well 1 B 1 1
	check 'timeout: it goes back' move B A g1
}

# What the guest dirties every second is more than what may go: it ends as the policy says.
dirty_guest() {
	begins bandwidth-mibps=8 limit-last-pass=true
	check 'too dirty: minimal-downtime gives it up' ends 4 'does not converge'
	stays 'too dirty'
	check 'too dirty: what handovers cost is remembered' \
		on A sh -c 'grep -q samples /var/lib/xenferry/costs/B.handover.json'
	check 'too dirty: without a limit it moves' move A B g1
	check 'too dirty: the guest is well' is_well 1 B 1 1
	check 'too dirty: it goes back' move B A g1
}

# The cap of the guest on A, as Xen's tools see it: nothing of it is left when the worker is killed
# while the guest is slowed down.
throttle_and_crash() {
	local worker

	begins bandwidth-mibps=8 limit-last-pass=true policy=suspend-workload-if-needed
	check 'too dirty: the guest is slowed down' until_true 40 is_throttled
	worker=$(on A pgrep -o -x xenferry-worker)
	on A kill -KILL "$worker"
	check 'too dirty: the worker is killed meanwhile, and that is settled' ends '1' ''
	stays 'killed'
	rate vm=g1 seconds=2 --json >"$scratch/after"
	check 'too dirty: the guest is as fast as it was' as_fast
}

is_throttled() {
	(($(value throttle-percent) >= 20))
}

as_fast() {
	cat "$scratch/before" "$scratch/after"
	(($(dirtied before) * 8 < $(dirtied after) * 10))
}

dirtied() {
	sed -n 's/.*"dirty_bytes_per_s": *\([0-9]*\).*/\1/p' "$scratch/$1"
}

rate() {
	on A env LD_PRELOAD="$builddir/devices/sim/.libs/libxenferry-sim.so" \
		xenferry --config /etc/xenferry.conf dirty-rate "$@"
}

dirty_rate() {
	check 'dirty-rate: it is measured' exits 0 'g1 dirties [0-9.]+ MiB/s' rate vm=g1 seconds=1
	check 'dirty-rate: the guest is well' is_well 1 A 1 1
	begins bandwidth-mibps=1
	check 'dirty-rate: a migration tracks the guest' until_true 10 sent_more_than 100000
	check 'dirty-rate: refused meanwhile' exits 7 'tracked already' rate vm=g1
	check 'dirty-rate: the migration goes on' \
		ferry A migration-param-set uuid="$uuid" bandwidth-mibps=0
	check 'dirty-rate: to its end' ends 0 ''
	check 'dirty-rate: it goes back' move B A g1
	rate vm=g1 seconds=5 >"$scratch/rate" 2>&1 &
	sleep 1
	check 'dirty-rate: a migration is refused while it measures' exits 1 'tracked already' \
		ferry A vm-migrate vm=g1 host=B live=true
	wait $! || true
	check 'dirty-rate: it was not disturbed' grep -q 'g1 dirties' "$scratch/rate"
	check 'dirty-rate: then it moves' move A B g1
}

hosts_up --memory-mib 512 --dirty-pages-per-s 20000 --working-set-pages 6000
check 'a guest starts' guest_up A 1 64 1 1
bad_words
policies
cancel_in_first_pass
speed_up
pause
timeouts
dirty_guest
rate vm=g1 seconds=2 --json >"$scratch/before"
throttle_and_crash
dirty_rate
finish

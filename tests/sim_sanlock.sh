#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Simulated hosts in a lockspace of the real sanlock, a daemon each, whose watchdog is the script:
# a host that is to be reset is switched off. The target dies when it is to take the guest, and the
# source hears of that from sanlock alone.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

PATH=$PATH:/usr/sbin
for program in sanlock faketime; do
	type -P "$program" >/dev/null || { echo "$program is not installed"; exit 77; }
done
grep -q HAVE_SANLOCK=1 "$builddir/config.status" || { echo "built without sanlock"; exit 77; }

# host_has_sanlock HOST: a daemon of its own, for which time goes ten times as fast: a host is dead
# when it has not renewed its lease for 140 seconds. faketime keeps things by process number, of
# which each host has its own.
host_has_sanlock() {
	on "$1" sh -c 'mkdir -p /run/sanlock && mount -t tmpfs tmpfs /run/sanlock'
	# shellcheck disable=SC2016 # the host's
	SANLOCK_PRIVILEGED=0 on "$1" unshare --mount sh -c 'mount -t tmpfs tmpfs /dev/shm &&
		exec faketime -m -f "+0 x10" sanlock daemon -D -w 0 -h 0 -e "$1" -U root -G root' \
		sanlock "$1" </dev/null >"$scratch/sanlock.$1" 2>&1 &
	until_true 10 on "$1" sanlock client status >/dev/null
}

# joins HOST ID
joins() {
	on "$1" sanlock client add_lockspace -s "pool:$2:$shared/lockspace:0"
}

# host_has_arbiter HOST ID
host_has_arbiter() {
	on "$1" sh -c 'cd /etc && mkdir -p xenferry.conf.d && cat >xenferry.conf.d/1.conf' <<-CONF
		[arbiter]
		kind = sanlock
		lease = $shared/lease
		lockspace = pool
		host-id = $2
		after-ms = 0
	CONF
}

# is_held HOST: its lockspace stays, and with it what the watchdog waits for.
is_held() {
	on "$1" sanlock client status -D | grep -q 'external_used=1'
}

# refuses WHAT PATTERN
refuses() {
	check "$1" exits 7 "$2" ferry A vm-migrate vm=g1 host=B live=true
}

status_is() {
	[[ $(ferry A migration-param-get uuid="$uuid" param-name=status) == "$1" ]]
}

export TMPDIR=$PWD # where there is O_DIRECT, unlike in a tmpfs
hosts_up --memory-mib 512
shared=$scratch
truncate -s 1M "$shared/lockspace"
truncate -s 2M "$shared/lease"
sanlock direct init -s "pool:0:$shared/lockspace:0" >/dev/null
check 'a guest starts' guest_up A 1 32 1 1
host_has_arbiter A 3
host_has_arbiter B 2
refuses 'who has no sanlock moves nothing' 'its daemon does not run on this host'
for host in A B; do check "$host has sanlock" host_has_sanlock "$host"; done
refuses 'who is not in the lockspace moves nothing' 'this host is not in'
check 'A is in the lockspace' joins A 1
refuses 'who is another there moves nothing' 'this host is number 1'
host_has_arbiter A 1
refuses 'a target that is not in the lockspace is none' 'the target: this host is not in'
check 'B is in the lockspace' joins B 2
strike B 'stop forget-macs'
uuid=$(ferry A vm-migrate vm=g1 host=B live=true plan=xenserver-6.2 async=true)
check 'the target stands still when it is to take the guest' until_true 20 struck B
check 'it would be reset if it lost the lockspace' is_held B
host_down B
check 'sanlock ends the doubt' until_true 60 status_is completed
check 'it says who decided' \
	grep -q 'sanlock (the other host is dead) says that the guest is the target' \
	<(on A cat /run/sim/A/log/xenferryd)
check 'the copy here is gone' test -z "$(guests_on A)"
finish

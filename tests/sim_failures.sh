#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What goes wrong on simulated hosts: the guest goes on at the source, and the target has nothing
# left. Two of them take as long as they may, so the others are tried meanwhile.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# fails WHAT STATUS PATTERN [PARAMETER...]: the move of g1 from A to B fails so.
fails() {
	check "$1: it fails and says why" exits "$2" "$3" \
		ferry A vm-migrate vm=g1 host=B live=true "${@:4}"
	check "$1: the guest is well at the source" is_well 1 A 1 1
	check "$1: nothing is left at the target" nothing_left B
}

# script HOST NAME COMMAND: has the host's hotplug script begin with that.
script() {
	on "$1" sed -i "2i $3" "/etc/xen/scripts/$2"
}

unscript() {
	on "$1" sed -i 2d "/etc/xen/scripts/$2"
}

# ---- what takes long ----------------------------------------------------------------------------

# A script that never ends, to C; a source that dies before it opens the memory connection, to D.
begin_waiting() {
	host_up C --memory-mib 256
	host_up D --memory-mib 256
	# shellcheck disable=SC2016 # the script's
	script C block 'case $1 in add) exec sleep 1000 ;; esac'
	check 'hanging script: a guest starts' guest_up A 2 32 1 1
	hanging=$(ferry A vm-migrate vm=g2 host=C live=true async=true)
	check 'source dies: a guest starts' guest_up A 3 32 1 1
	strike A 'kill watch-disks'
	check 'source dies: that is said' exits 1 'died in watch-disks' \
		ferry A vm-migrate vm=g3 host=D live=true
}

end_waiting() {
	check 'hanging script: it is killed at the deadline, and that is said' \
		exits 4 'block.*(deadline|killed)' ferry A migration-wait uuid="$hanging"
	check 'hanging script: the guest is well at the source' is_well 2 A 1 1
	check 'hanging script: nothing is left at the target' nothing_left C
	check 'source dies: the guest is well' is_well 3 A 1 1
	check 'source dies: nothing is left at the target' nothing_left D
}

# ---- disks --------------------------------------------------------------------------------------

# On E requests take 0.2 s each; a few of them are always under way.
slow_disk() {
	local backend

	host_up E --memory-mib 256 --preload "$fault" --disk-latency-us 200000 --blocks-per-s 20
	check 'stuck disk: a guest starts' guest_up E 4 32 1 1
	backend=$(on E pgrep -x simbackend)
	strike E "stop stop-and-copy $backend"
	check 'stuck disk: the drain does not wait for ever' exits 4 'xvda|51712' \
		ferry E vm-migrate vm=g4 host=B live=true
	on E kill -CONT "$backend"
	check 'stuck disk: it was stuck' struck E
	check 'stuck disk: the guest goes on as if nothing had been' is_well 4 E 1 1
	check 'stuck disk: it did not reconnect' says 4 '"cancelled": 1,' '"moves": 0,'
	check 'stuck disk: nothing is left at the target' nothing_left B
	check 'slow disk: it moves all the same' move E B g4
	check 'slow disk: the guest is well' is_well 4 B 1 1
	host_down E
}

# ---- scripts, memory, names ---------------------------------------------------------------------

failing_scripts() {
	script B vif-bridge 'echo "no cable" >\&2; exit 3'
	fails 'failing vif script' 1 'vif-bridge.*exit 3.*no cable'
	unscript B vif-bridge
	script B block 'kill -9 $$'
	fails 'killed block script' 1 'block.*signal 9'
	unscript B block
}

no_memory() {
	check 'target out of memory: it is filled' guest_up B 5 480 0 0
	check 'target out of memory: refused' exits 7 'MiB' \
		ferry A vm-migrate vm=g1 host=B live=true
	check 'target out of memory: the guest is well' is_well 1 A 1 1
	on B simdestroy --folder /run/sim/B --store /run/xenstored --vm g5
	check 'target out of memory: it moves when there is some' move A B g1
	check 'target out of memory: the guest is well there' is_well 1 B 1 1
	check 'and goes back' move B A g1
}

bad_names() {
	check 'unknown guest' exits 7 'no guest' ferry A vm-migrate vm=nosuch host=B live=true
	check 'unknown host' exits 7 'nowhere' ferry A vm-migrate vm=g1 host=nowhere live=true
	check 'host without an agent' exits '[157]' '10\.98\.7\.7' \
		timeout 60 "$simhost" --world "$scratch/world" --name A --exec \
		xenferry --config /etc/xenferry.conf vm-migrate vm=g1 host=10.98.7.7 live=true
}

hosts_up --memory-mib 512
check 'a guest starts' guest_up A 1 32 1 1
begin_waiting
failing_scripts
no_memory
bad_names
slow_disk
end_waiting
finish

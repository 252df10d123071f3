#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# On a host of two NUMA nodes memory is copied on the one that it is of.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

(($(nproc --all) > 1)) || { echo 'this machine has one processor only'; exit 77; }

# runs_near NODE: the stream's process may use processors of that node alone; they take turns.
runs_near() {
	local pid allowed cpu

	pid=$(on A pgrep -o -x xenferry-stream) || return 1
	allowed=$(on A sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid/status")
	echo "it may use $allowed"
	[[ -n $allowed ]] || return 1
	for cpu in ${allowed//,/ }; do
		[[ $cpu != *-* ]] && ((cpu % 2 == $1)) || return 1
	done
}

# copies_near NODE [PARAMETER...]: a migration that begins and is called back.
copies_near() {
	local uuid near=0

	uuid=$(ferry A vm-migrate vm=g1 host=B live=true async=true bandwidth-mibps=1 "${@:2}")
	until_true 20 runs_near "$1" || near=1
	ferry A migration-cancel uuid="$uuid"
	return "$near"
}

hosts_up --memory-mib 256 --numa-nodes 2
check 'a guest starts' guest_up A 1 64 1 1
node=$(($(ferry A vm-list params=domid --minimal) % 2)) # so are domains

check 'memory is copied on its own node' copies_near "$node"
check 'or where the operator says' copies_near $((1 - node)) numa-node=$((1 - node))
check 'not where domain 0 has no processor' exits '[17]' 'bound to NUMA node 5' \
	ferry A vm-migrate vm=g1 host=B live=true numa-node=5
check 'the guest is well' is_well 1 A 1 1
check 'nothing is left at the target' nothing_left B
check 'it moves wherever it runs' move A B g1 numa-node=off
check 'the guest is well there' is_well 1 B 1 1
finish

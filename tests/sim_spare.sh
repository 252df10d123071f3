#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The spare worker of a job, on simulated hosts: it stands by while a guest moves, settles the job
# when the worker is killed, is not missed when it dies itself, and goes when it is not needed.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

pid_of() {
	on "$1" pgrep -x "$2"
}

has_spare() {
	[[ -n $(pid_of "$1" xenferry-spare) ]]
}

has_none() {
	! has_spare "$1"
}

# begin WHAT: g1 goes from A to B, slowly, and both workers have a spare one.
begin() {
	uuid=$(ferry A vm-migrate vm=g1 host=B live=true async=true bandwidth-mibps=1)
	check "$1: somebody stands by at the source" until_true 20 has_spare A
	check "$1: somebody stands by at the target" until_true 20 has_spare B
}

# ends STATUS: as fast as it can now.
ends() {
	ferry A migration-param-set uuid="$uuid" bandwidth-mibps=0 || true # nobody may hear it
	exits "$1" '' ferry A migration-wait uuid="$uuid"
}

# settled_by HOST PID: who took the job's lock last.
settled_by() {
	on "$1" grep -qx "$2" "/var/lib/xenferry/history/$uuid/lock"
}

# all_is_well WHAT: the guest stayed, and neither host has anything of the job, a spare neither.
all_is_well() {
	check "$1: the guest is well where it was" is_well 1 A 1 1
	check "$1: nothing is left at the target" nothing_left B
	check "$1: nobody stands by any more" until_true 10 has_none A
}

# dies HOST WORD: the worker there, when it writes that into its journal.
dies() {
	local what="the worker on $1 is killed at $2" spare

	begin "$what"
	spare=$(pid_of "$1" xenferry-spare)
	strike "$1" "kill $2"
	check "$what: the migration fails" ends 1
	check "$what: the spare settles the job" until_true 20 settled_by "$1" "$spare"
	all_is_well "$what"
}

# dies_without WHAT COMMAND: kills the source's worker, while it copies, and its spare.
dies_without() {
	begin "$1"
	check "$1: they die" on A sh -c "$2"
	check "$1: the migration fails" ends 1
	all_is_well "$1"
}

# daemon_dies WHAT: while g1 is under way; its spare does not outlive it, and the next has its own.
daemon_dies() {
	begin "$1"
	spare=$(pid_of A xenferry-spare)
	check "$1: it does" on A pkill -9 -xo xenferryd
	check "$1: another one stands by" until_true 20 has_another A "$spare"
	spare=$(pid_of A xenferry-spare)
}

has_another() {
	local pid

	pid=$(pid_of "$1" xenferry-spare)
	[[ $pid =~ ^[0-9]+$ && $pid != "$2" ]]
}

hosts_up --memory-mib 256
check 'a guest starts' guest_up A 1 64 1 1
dies A stop-and-copy
dies B introduce-domain
dies_without 'its spare was dead' 'pkill -9 -x xenferry-spare && pkill -9 -x xenferry-worker'
dies_without 'all are killed' 'pkill -9 -x "xenferry-(worker|spare)"'

what='the daemon dies, and then the worker'
daemon_dies "$what"
strike A 'kill stop-and-copy'
check "$what: the migration fails" ends 1
check "$what: the spare settles the job" until_true 20 settled_by A "$spare"
all_is_well "$what"

daemon_dies 'the daemon dies'
check 'the daemon dies: the migration goes on' ends 0
check 'the daemon dies: the guest is well at the target' is_well 1 B 1 1
check 'the daemon dies: nobody stands by any more' until_true 10 has_none A
check 'nothing is left at the source' nothing_left A
check 'nobody stands by at the target' until_true 10 has_none B
finish

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pool.sh BUILDDIR [evacuation|service|cluster]: what takes more than check.sh's lab, on real Xen
# (`make check-pool`): three hosts, one of which is emptied onto the others; the daemon as systemd
# runs it, hardened; and two hosts of a Corosync and Pacemaker cluster, whose guest is an
# ocf:xenferry:domain. Prints what check.sh prints, and ends as it does.
set -euo pipefail

# shellcheck source=tests/lab/check.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/check.sh"

# Images of its own: systemd's and a cluster's programs, and room for them.
LAB+=-pool
RUN=$LAB/run
NS+=-pool
DOM0_PACKAGES+=,corosync,pacemaker,crmsh,systemd
HOST_MIB=1408
DOM0_MIB=832

FENCE_PORT=7001
IDLE_MAC=00:16:3e:00:00:51

# ---- a host is emptied --------------------------------------------------------------------------

# runs_at HOST GUEST: and on no other; all of them have to answer.
runs_at() {
	local host list found=
	for host in $(hosts); do
		list=$(on "$host" xl list) || return 1
		! grep -q "^$2 " <<< "$list" || found+=$host
	done
	[ "$found" = "$1" ]
}

# The two guests are to come to two hosts, by the host list's rules.
keep_apart() {
	on A "sed -i 's/]}\$/], \"guests\": [{\"name\": \"g1\", \"apart\": \"pair\"}, \
		{\"name\": \"idle\", \"apart\": \"pair\"}]}/' /etc/xenferry/hosts.json"
}

went_to_two_hosts() {
	local g1_at
	g1_at=$(lab_guest_where)
	case $g1_at in
	B) runs_at C idle ;;
	C) runs_at B idle ;;
	*) return 1 ;;
	esac
}

nothing_runs_on() { silent "$1" xenferry vm-list --minimal; }

check_evacuation() {
	lab_up --hosts 3
	lab_install "$1"
	start_guest A
	on A "xl create -q /root/idle.cfg 'vif=[\"mac=$IDLE_MAC,bridge=xenbr0\"]'"
	keep_apart
	check "evacuation: a dry run shows where each guest would go" \
		prints A 'target.*: (B|C)$' xenferry host-evacuate dry-run=true
	check "evacuation: a dry run moves nothing" runs_at A idle
	check "evacuation: the host is emptied" on A xenferry host-evacuate
	check "evacuation: the two guests are on two hosts" went_to_two_hosts
	check "evacuation: g1 answers pings and writes" wait_for_guest 60
	check "evacuation: the TCP connection opened before still echoes" tcp_echoes
	check "evacuation: no write lost, none out of order" lab_disk_check
	check "evacuation: no guest is on A" nothing_runs_on A
	check "evacuation: nothing left on A" eventually 20 clean A
	check "evacuation: who went when is drawn" \
		prints A '<svg' xenferry host-evacuate-timeline format=svg
	close_tcp
	lab_down
}

# ---- systemd's service --------------------------------------------------------------------------

# has_service HOST: systemd, in a container that is the host itself but for its processes, runs the
# daemon as its unit says.
has_service() {
	on "$1" start-service || return 1
	prints "$1" '^NoNewPrivs:[[:space:]]*1$' cat "/proc/$(on "$1" pidof xenferryd)/status"
}

check_service() {
	local host
	lab_up --hosts 2
	lab_install "$1"
	start_guest A
	for host in $(hosts); do
		check "service: the hardened unit runs on $host" has_service "$host"
	done
	check "service: A to B" migrate A B
	check_arrival "service" A B
	check "service: B to A" migrate B A
	check_arrival "service" B A
	close_tcp
	lab_down
}

# ---- a cluster ----------------------------------------------------------------------------------

# The machine outside, which fence_lab asks: resets the host whose name it reads.
serve_fencing() {
	exec_in_ns socat "TCP-LISTEN:$FENCE_PORT,fork,reuseaddr" \
		"SYSTEM:read -r host && echo system_reset | \
			socat - UNIX-CONNECT\\:$RUN/\$host.monitor > /dev/null && \
			echo \$host >> $RUN/fenced && echo done" > "$RUN/fence.log" 2>&1 &
	echo $! > "$RUN/fence.pid"
	: > "$RUN/fenced"
}

# join HOST: its agent and its part of the cluster run.
join() { on "$1" 'pidof xenferryd > /dev/null || start-agent' && on "$1" start-cluster 2; }

both_are_online() { prints A 'Online: \[ A B \]' crm_mon -1; }

configure_cluster() {
	on_with_input A crm configure load replace - <<- 'CIB'
		property stonith-enabled=true stonith-timeout=120s
		rsc_defaults resource-stickiness=100
		primitive fence stonith:fence_lab \
			params pcmk_host_list="A B" pcmk_host_check=static-list
		primitive g1 ocf:xenferry:domain \
			params name=g1 config=/root/g1.cfg options="bandwidth-mibps=8" \
			meta allow-migrate=true \
			op monitor interval=20s timeout=60s \
			op start timeout=180s op stop timeout=180s \
			op migrate_to timeout=300s op migrate_from timeout=180s
		location g1-on-A g1 50: A
	CIB
}

nothing_failed() {
	local status
	status=$(on A crm_mon -1) && ! grep -A3 Failed <<< "$status"
}

# is_copying HOST: the guest's memory goes from there.
is_copying() { prints "$1" copying xenferry migration-list params=status; }

# reset_in_mid_copy FROM: B's button is pressed while the guest goes from there.
reset_in_mid_copy() {
	eventually 120 is_copying "$1"
	echo system_reset | socat - "UNIX-CONNECT:$RUN/B.monitor" > /dev/null
}

was_fenced() { grep -qx "$1" "$RUN/fenced"; }

# comes_back HOST: it is up again after its reset, and joins.
comes_back() {
	local deadline=$((SECONDS + 300))
	until LAB_SECONDS=10 on "$1" true 2> /dev/null; do
		in_time "$deadline" "host $1 did not come up again" || return 1
		sleep 1
	done
	join "$1"
}

check_standby() {
	open_tcp
	on A crm node standby A
	check "standby: the guest goes to B" eventually 300 guest_runs_at B
	check "standby: the TCP connection opened before still echoes" tcp_echoes
	check "standby: no write lost, none out of order" lab_disk_check
	check "standby: the cluster knows of no failure" nothing_failed
	check "standby: nothing left on A" eventually 60 clean A
	on A crm node online A
	check "standby: both nodes are online again" eventually 60 both_are_online
	close_tcp
}

# check_reset WHO FROM TO: the cluster moves the guest, and B, which is one of the two, is reset.
check_reset() {
	: > "$RUN/fenced"
	on A crm resource move g1 "$3"
	check "reset of the $1: it is pressed in mid-copy" reset_in_mid_copy "$2"
	check "reset of the $1: the cluster fences B" eventually 180 was_fenced B
	check "reset of the $1: the guest runs on A" eventually 300 answers_at A
	on A crm resource clear g1
	check "reset of the $1: B comes back" comes_back B
	check "reset of the $1: both nodes are online" eventually 180 both_are_online
	check "reset of the $1: one guest runs, on A, to the end" one_runs_at A
	check "reset of the $1: nobody is in doubt" eventually 120 nobody_doubts
}

# answers_at HOST: the other one may be down.
answers_at() { guest_is_on "$1" && wait_for_guest 60; }
one_runs_at() { runs_at "$1" g1 && wait_for_guest 60; }
nobody_doubts() {
	local host
	for host in $(hosts); do silent "$host" ls /var/lib/xenferry/jobs || return 1; done
}

check_cluster() {
	local host
	lab_up --hosts 2
	lab_install "$1"
	serve_fencing
	for host in $(hosts); do
		check "cluster: $host joins" join "$host"
	done
	check "cluster: both nodes are online" eventually 180 both_are_online
	check "cluster: it takes its configuration" configure_cluster
	check "cluster: the guest is started on A" eventually 300 guest_runs_at A
	check_standby
	check_reset source B A
	check_reset target A B
	lab_down
}

# ---- all ----------------------------------------------------------------------------------------

check_pool() {
	local part
	[ $# -ge 1 ] || { echo "usage: pool.sh BUILDDIR [evacuation|service|cluster]" >&2; exit 2; }
	require_lab
	name_images
	trap finish EXIT
	for part in ${2:-evacuation service cluster}; do "check_$part" "$1"; done
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

check_pool "$@"

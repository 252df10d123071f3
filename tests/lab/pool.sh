#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pool.sh BUILDDIR [evacuation|service|xl|cluster]: what takes more than check.sh's lab, on real Xen
# (`make check-pool`): three hosts, one of which is emptied onto the others; the daemon as systemd
# runs it, hardened; plain xl, with our transport in ssh's place and its files; and two hosts of a
# Corosync and Pacemaker cluster, whose guest is an ocf:xenferry:domain. Prints what check.sh
# prints, and ends as it does.
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
		eventually 90 prints A 'target.*: (B|C)$' xenferry host-evacuate dry-run=true
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
}

# ---- xl, with us in ssh's place -----------------------------------------------------------------

# transport HOST [PARAMETER]: xl moves g1 from A, and starts us as it would start ssh.
transport() { on A "xl migrate -s 'xenferry transport ${2:-}' g1 $1"; }

# allow_transports HOST: its operator lets others' xl migrate to its own.
allow_transports() {
	on "$1" "sed -i 's,^\\[peer\\],&\\ntransport = /usr/sbin/xl,' /etc/xenferry.conf &&
		start-agent"
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
	allow_transports B
	start_guest A
	for host in $(hosts); do
		check "service: the hardened unit runs on $host" has_service "$host"
	done
	# systemd has only just started there: a host busy with that may miss a handshake's deadline
	check "service: B would take g1" eventually 90 \
		on A xenferry vm-migrate vm=g1 host=B live=true dry-run=true
	check "service: A to B" migrate A B
	check_arrival "service" A B
	check "service: B to A" migrate B A
	check_arrival "service" B A
	check "service: xl migrate, by our transport, to B" transport B
	check_arrival "service, transport" A B
	close_tcp
}

# ---- plain xl's migration, and its files --------------------------------------------------------

# fails PATTERN COMMAND…: and a line of what it says matches.
fails() {
	local output status=0 pattern=$1
	shift
	output=$("$@" 2>&1) || status=$?
	echo "$output"
	[ "$status" -ne 0 ] && grep -qE "$pattern" <<< "$output"
}

# rename_in_list FROM TO: in A's list of hosts.
rename_in_list() { on A "sed -i 's/\"$1\"/\"$2\"/' /etc/xenferry/hosts.json"; }

# check_no_transport WHAT PATTERN HOST
check_no_transport() {
	local domid
	domid=$(on A xl domid g1)
	check "transport refused: $1" fails "$2" transport "$3"
	check "transport refused: $1: the guest is untouched" guest_is_untouched "$domid"
}

check_no_transports() {
	check_no_transport "B's operator has not allowed it" '\[peer\] transport' B
	allow_transports B
	rename_in_list B C
	check_no_transport "B's certificate where C should be" certificate C
	rename_in_list C B
	check_no_transport "nobody there" '192\.168\.50\.99' 192.168.50.99
}

# watch_wire: what passes between A and B from now on is noted at B.
watch_wire() {
	on B "setsid tcpdump -i eth0 -U -s 256 -Z root -w /root/wire tcp and host $(address A) \
		< /dev/null > /dev/null 2>&1 &"
	eventually 30 on B test -s /root/wire
}

# only_tls_passed: by the agent's port and no other, and not the words that xl begins with at either
# side.
only_tls_passed() {
	on B "pid=\$(pidof tcpdump) && kill \$pid && timeout 30 tail --pid=\$pid -f /dev/null"
	prints B '^[0-9]{3,}$' 'tcpdump -n -r /root/wire port 8002 2> /dev/null | wc -l' &&
		silent B 'tcpdump -n -r /root/wire not port 8002 2> /dev/null' &&
		on B '! grep -qaE "migration receiver ready|Xen saved domain" /root/wire'
}

# takes_at_least SECONDS COMMAND…
takes_at_least() {
	local before=$SECONDS
	"${@:2}" && echo "it took $((SECONDS - before)) s" && [ $((SECONDS - before)) -ge "$1" ]
}

check_transport() {
	check_no_transports
	check "transport: the wire is watched" watch_wire
	# 160 MiB, of which each page is sent once at least
	check "transport: xl migrate to B, as slowly as it was told to" \
		takes_at_least 38 transport B bandwidth-mibps=4
	check "transport: nothing passed but TLS" only_tls_passed
	check_arrival "transport" A B
}

goes_on_at_b() { [ "$(on B xl domid g1)" = "$1" ] && guest_runs_at B; }

check_xl_files() {
	local domid
	check "files: xl save" on B xl save g1 /root/xl.save
	check "files: vm-resume takes xl's file" silent B xenferry vm-resume file=/root/xl.save
	check_arrival "files: resumed from xl's" A B
	check "files: xl list -l shows g1" prints B '"name": "g1"' xl list -l g1
	domid=$(on B xl domid g1)
	check "files: xl save -c" on B 'rm /root/xl.save && xl save -c g1 /root/xl.save'
	check "files: refused while its guest goes on" \
		exits 7 'on this host already' B xenferry vm-resume file=/root/xl.save
	check "files: refused: the guest is untouched" goes_on_at_b "$domid"
	check "files: vm-suspend" \
		silent B 'rm /root/xl.save && xenferry vm-suspend vm=g1 file=/root/our.save'
	check "files: xl restore takes our file" \
		on B 'xl restore /root/our.save && rm /root/our.save'
	check_arrival "files: restored from ours" A B
}

check_xl() {
	lab_up --hosts 2
	lab_install "$1"
	start_guest A
	check_transport
	scene "files" B
	check_xl_files
	close_tcp
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
	on A crm node standby A > /dev/null
	check "standby: the guest goes to B" eventually 300 guest_runs_at B
	check "standby: the TCP connection opened before still echoes" tcp_echoes
	check "standby: no write lost, none out of order" lab_disk_check
	check "standby: the cluster knows of no failure" nothing_failed
	check "standby: nothing left on A" eventually 60 clean A
	on A crm node online A > /dev/null
	check "standby: both nodes are online again" eventually 60 both_are_online
	close_tcp
}

# check_reset WHO FROM TO: the cluster moves the guest, and B, which is one of the two, is reset.
check_reset() {
	: > "$RUN/fenced"
	on A crm resource move g1 "$3" > /dev/null
	check "reset of the $1: it is pressed in mid-copy" reset_in_mid_copy "$2"
	check "reset of the $1: the cluster fences B" eventually 180 was_fenced B
	check "reset of the $1: the guest runs on A" eventually 300 answers_at A
	on A crm resource clear g1 > /dev/null
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
}

# ---- all ----------------------------------------------------------------------------------------

check_pool() {
	local part
	[ $# -ge 1 ] || {
		echo "usage: pool.sh BUILDDIR [evacuation|service|xl|cluster]" >&2
		exit 2
	}
	require_lab
	name_images
	trap finish EXIT
	for part in ${2:-evacuation service xl cluster}; do
		"check_$part" "$1"
		finish # the next one's lab is another
	done
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

check_pool "$@"

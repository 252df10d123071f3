# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the tests on simulated hosts share: guests on two hosts, A and B, and checks. Sourced.
set -euo pipefail
export LC_ALL=C

builddir=${top_builddir:?}
simhost=$builddir/devices/sim/simhost
fault=$builddir/tests/.libs/libsimfault.so
failed=0

# shellcheck source=devices/sim/world.sh
. "${top_srcdir:?}/devices/sim/world.sh"

"$simhost" --check || exit # says why

# check WHAT COMMAND...: it holds when the command succeeds; otherwise what that printed is shown.
check() {
	if ("${@:2}") >"$scratch/check" 2>&1; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n' "$1"
		tail -n 15 "$scratch/check" | sed 's/^/    /'
		failed=1
	fi
}

# hosts_up OPTION...: A and B.
hosts_up() {
	world_begin
	host_up A --preload "$fault" "$@"
	host_up B --preload "$fault" "$@"
}

# finish: the logs of the hosts help to see why.
finish() {
	local host

	((failed == 0)) || for host in "${!host_pids[@]}"; do
		tail -n 20 "$scratch/$host.log"
		echo "# what xenferryd on $host said:"
		on "$host" tail -n 20 "/run/sim/$host/log/xenferryd" || true
	done
	exit "$failed"
}

# exits STATUS PATTERN COMMAND...: with a status that matches, and a sentence that does.
exits() {
	local output status=0

	output=$("${@:3}" 2>&1) || status=$?
	printf 'status %s: %s\n' "$status" "$output"
	# shellcheck disable=SC2053 # a pattern
	[[ $status == $1 ]] && grep -qE "$2" <<<"$output"
}

# strike HOST FAULT: what is to befall a worker there, see sim_fault.c.
strike() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'echo "'"$2"'" >"$XENFERRY_SIM/fault"'
}

struck() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c '! test -e "$XENFERRY_SIM/fault"'
}

# costs HOST NAME=NUMBER...: what steps cost there from now on, see devices/sim/costs.h.
costs() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'for cost; do
		sed -i "/^${cost%%=*}=/d" "$XENFERRY_SIM/costs"
		echo "$cost" >>"$XENFERRY_SIM/costs"
	done' costs "${@:2}"
}

# ---- migrations ---------------------------------------------------------------------------------

# move FROM TO NAME [PARAMETER...]: silent, as any success.
move() {
	local output

	output=$(ferry "$1" vm-migrate vm="$3" host="$2" live=true "${@:4}" 2>&1) ||
		{ printf 'status %s: %s\n' $? "$output"; return 1; }
	[[ -z $output ]] || { echo "$output"; return 1; }
}

# ---- what must hold of a guest ------------------------------------------------------------------

field() {
	verdict "$1" | sed -n "s/.*\"$2\": *\"\\{0,1\\}\\([^\",]*\\).*/\\1/p"
}

# is_well NUMBER HOST VBDS VIFS: it runs there, with all its devices, and found each page and each
# block in order since it came.
is_well() {
	until_true 20 is_well_or_never_will "$@" && says "$1" '"ok": true' && return
	verdict "$1"
	return 1
}

# What was not ok once never is again.
is_well_or_never_will() {
	says "$1" '"ok": false' ||
		says "$1" '"status": "running"' "\"host\": \"/run/sim/$2\"" \
			"\"vbds_connected\": $3," "\"vifs_connected\": $4," '"ok": true' \
			'"memory_verified": true' '"disk_verified": true'
}

# lists HOST NAME: nothing but this guest runs there.
guests_on() {
	ferry "$1" vm-list params=name-label --minimal
}

# nothing_left HOST: no domain, no node, no interface, no job of a guest that is not there.
nothing_left() {
	until_true 10 is_clean "$1" >"$scratch/left" && return
	is_clean "$1"
}

is_clean() {
	local left

	left=$(on "$1" sh -c '
		xenstore-list /local/domain | grep -vx 0
		xenstore-ls -f /local/domain/0/backend 2>/dev/null | grep "/backend/[a-z]*/"
		xenstore-ls -f /libxl 2>/dev/null
		xenstore-ls -f /vm 2>/dev/null
		ls /sys/class/net | grep "^vif"
		find /run/xen/held -type f 2>/dev/null
		ls /var/lib/xenferry/jobs
		pgrep -x xenferry-stream; pgrep -x xenferry-tls
		pgrep -x xenferry-worker; pgrep -x xenferry-spare
		find /run/sim/'"$1"' -name "ram.[1-9]*"') || true
	[[ -z $left ]] || { echo "left on $1: $left"; return 1; }
}

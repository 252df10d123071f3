# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Simulated hosts for a script that ends them, too: the demo, the tests, the benchmarks. Sourced;
# `simhost` must name the program.
#
#   world_begin         a world of one's own, and $scratch, a folder that goes with it; at the
#                       script's end all of it goes
#   host_up NAME …      host_down NAME
#   on NAME COMMAND…    on a host, or on the third machine, `switch`
#   guest_up HOST NUMBER …      and what it says of itself: verdict, says

: "${simhost:?}"

world_begin() {
	scratch=$(mktemp -d)
	declare -gA host_pids=()
	trap world_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# All at once, and then for the keeper, who sees that the last one is gone.
world_end() {
	local status=$? deadline=$((SECONDS + 10))

	trap '' INT TERM HUP
	# shellcheck disable=SC2046 # numbers: the hosts, the pinger
	kill $(jobs -p) 2>/dev/null || true
	wait
	while [[ -d $scratch/world ]] && ((SECONDS < deadline)); do sleep 0.02; done
	rm -rf "$scratch"
	exit "$status"
}

# host_up NAME [OPTION…]: returns when it is up; what it has to say stays in $scratch/NAME.log.
host_up() {
	local line=

	rm -f "$scratch/$1.up"
	mkfifo "$scratch/$1.up"
	"$simhost" --world "$scratch/world" --name "$@" >"$scratch/$1.up" 2>"$scratch/$1.log" &
	host_pids[$1]=$!
	read -r -t 30 line <"$scratch/$1.up" && [[ $line == *' is up: '* ]] && return
	cat "$scratch/$1.log" >&2
	return 1
}

host_down() {
	kill "${host_pids[$1]}"
	wait "${host_pids[$1]}" || true
	unset "host_pids[$1]"
}

on() {
	"$simhost" --world "$scratch/world" --name "$1" --exec "${@:2}"
}

# ferry HOST ARGUMENT…: the command line there; bounded, as nothing here takes longer.
ferry() {
	on "$1" timeout 120 xenferry --config /etc/xenferry.conf "${@:2}"
}

# until_true SECONDS COMMAND…: false when it did not come true.
until_true() {
	local deadline=$((SECONDS + $1))

	until "${@:2}"; do
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# ---- guests -------------------------------------------------------------------------------------

guest_uuid() {
	printf '5f0c2c1e-7c36-4b67-9d0c-%012d\n' "$1"
}

# guest_address NUMBER VIF, guest_mac NUMBER VIF: VIFs count from 0.
guest_address() {
	echo "10.98.$1.$(($2 + 1))"
}

guest_mac() {
	printf '00:16:3e:98:%02x:%02x\n' "$1" "$2"
}

# guest_up HOST NUMBER MIB VBDS VIFS [OPTION…]: gNUMBER, with disks of its own; the options are
# simcreate's. Returns when it has all its devices. The third machine knows its MACs as any machine
# does that talks to it.
guest_up() {
	local options=() i

	for ((i = 0; i < $4; i++)); do
		options+=(--vbd "/run/sim/disks/g$2-$i")
	done
	for ((i = 0; i < $5; i++)); do
		options+=(--vif "mac=$(guest_mac "$2" $i),ip=$(guest_address "$2" $i)")
		on switch ip neighbour replace "$(guest_address "$2" $i)" \
			lladdr "$(guest_mac "$2" $i)" dev switch nud permanent
	done
	on "$1" simcreate --folder "/run/sim/$1" --store /run/xenstored --name "g$2" \
		--uuid "$(guest_uuid "$2")" --memory-mib "$3" "${options[@]}" "${@:6}" >/dev/null
	until_true 20 says "$2" "\"vbds_connected\": $4," "\"vifs_connected\": $5," && return
	verdict "$2" >&2
	return 1
}

# verdict NUMBER: what the guest says of itself (devices/sim/verdict.h), wherever it is.
verdict() {
	on switch cat "/run/sim/verdicts/$(guest_uuid "$1").json" 2>/dev/null
}

# says NUMBER PATTERN…: each stands in its verdict.
says() {
	local text pattern

	text=$(verdict "$1") || return 1
	for pattern in "${@:2}"; do
		grep -qE "$pattern" <<<"$text" || return 1
	done
}

# ---- pings --------------------------------------------------------------------------------------

PING_INTERVAL_MS=5

# ping_begin NUMBER: from the switch's machine, until ping_end.
ping_begin() {
	"$simhost" --world "$scratch/world" --name switch --exec simping "$(guest_address "$1" 0)" \
		"$PING_INTERVAL_MS" >"$scratch/ping" &
	pinger=$!
}

# Sets gap_ms, the longest silence, and how many pings were sent and lost.
ping_end() {
	kill "$pinger"
	wait "$pinger" || true
	# shellcheck disable=SC2034 # for who called
	read -r gap_ms sent lost < <(sed 's/[a-z_]*=//g' "$scratch/ping")
}

# answered NUMBER: how many pings the guest has answered in its life.
answered() {
	verdict "$1" | sed -n 's/.*"pings_answered": *\([0-9]*\).*/\1/p'
}

answered_more_than() {
	(($(answered "$1") > $2))
}

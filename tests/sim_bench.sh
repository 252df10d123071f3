#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench`: the first benchmarks, on two simulated hosts. One JSON object a line on stdout, for
# programs; the report for people goes to stderr and to bench.txt in the build tree.
#
#   stream-pass-through   what an idle guest's memory moves at, against xc_domain_save alone, over
#                         the same network
#   blackout-…            suspended to unpaused, of a guest with 16 devices against one with 1;
#                         each device costs the same to plug

# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

rounds=${BENCH_ROUNDS:-5}
stream_mib=${BENCH_MIB:-1024}
sink_port=9000

# statistics: of the numbers on stdin, "median min max n".
statistics() {
	sort -g | awk '{ v[NR] = $1 } END {
		median = (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
		printf "%.3f %s %s %d\n", median, v[1], v[NR], NR
	}'
}

# report NAME UNIT FILE AGAINST FILE: a line for programs and one for people.
report() {
	local median min max n other

	read -r median min max n < <(statistics <"$3")
	read -r other _ < <(statistics <"$5")
	awk -v name="$1" -v unit="$2" -v median="$median" -v min="$min" -v max="$max" -v n="$n" \
		-v against="$4" -v other="$other" 'BEGIN {
		ratio = other > 0 ? median / other : 0
		printf "{\"bench\": \"%s\", \"unit\": \"%s\", \"median\": %s, ", name, unit, median
		printf "\"min\": %s, \"max\": %s, ", min, max
		printf "\"n\": %d, \"against\": \"%s\", \"ratio\": %.4f}\n", n, against, ratio
		printf "%-34s %14.1f %-8s (%.1f to %.1f, n %d)   %.2f of %s\n", name, median, \
			unit, min, max, n, ratio, against | "tee -a bench.txt >&2"
	}'
}

# number NAME: of the record in $scratch/record.
number() {
	sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$scratch/record"
}

# step_ms NAME: how long the source took for it.
step_ms() {
	grep -o "{[^{}]*\"name\":\"$1\",\"side\":\"source\"[^{}]*}" "$scratch/record" |
		sed 's/.*"start_ms":\([0-9.]*\),"end_ms":\([0-9.]*\).*/\1 \2/' |
		awk '{ print $2 - $1 }'
}

# recorded_move FROM TO NAME PLAN
recorded_move() {
	ferry "$1" vm-migrate vm="$3" host="$2" live=true plan="$4" --json >"$scratch/record"
}

# ---- stream-pass-through ------------------------------------------------------------------------

# What the library does alone, from HOST to the sink on the other.
save_alone() {
	local domid

	domid=$(on "$1" xenstore-list /local/domain | grep -vx 0)
	on "$1" env LD_PRELOAD="$builddir/devices/sim/.libs/libxenferry-sim.so" \
		"$builddir/tests/bench_save" "$domid" "$(address_of "$2")" "$sink_port" |
		sed 's/[a-z]*=//g' | awk '{ printf "%.0f\n", $1 / $2 * 1e6 }'
}

address_of() {
	on switch cat "/run/sim/$1/address"
}

bench_stream() {
	local round from=A to=B

	on A "$builddir/tests/bench_save" sink "$sink_port" &
	on B "$builddir/tests/bench_save" sink "$sink_port" &
	guest_up A 1 "$stream_mib" 0 0
	for ((round = 0; round < rounds; round++)); do
		save_alone "$from" "$to" >>"$scratch/alone"
		recorded_move "$from" "$to" g1 handover
		awk -v bytes="$(number wire_bytes)" -v ms="$(step_ms copy-memory)" \
			'BEGIN { printf "%.0f\n", bytes / ms * 1000 }' >>"$scratch/whole"
		read -r from to <<<"$to $from"
	done
	report stream-pass-through bytes/s "$scratch/whole" "xc_domain_save into a socket" \
		"$scratch/alone"
}

# ---- blackout -----------------------------------------------------------------------------------

# blackouts NUMBER PLAN: of the guest, there and back, into $scratch/NUMBER.PLAN.
blackouts() {
	local round from=A to=B

	for ((round = 0; round < 2 * ((rounds + 1) / 2); round++)); do
		recorded_move "$from" "$to" "g$1" "$2"
		number downtime_ms >>"$scratch/$1.$2"
		read -r from to <<<"$to $from"
	done
}

bench_blackout() {
	local plan

	guest_up A 2 32 1 0
	guest_up A 3 32 8 8
	for plan in handover xenserver-6.2; do
		blackouts 2 $plan
		blackouts 3 $plan
		report "blackout-$plan-16-devices" ms "$scratch/3.$plan" "with 1 device" \
			"$scratch/2.$plan"
	done
}

cd "$builddir"
: >bench.txt
world_begin
printf '%s_ms=50\n' vbd_plug vif_plug vbd_unplug vif_unplug vbd_close >"$scratch/costs"
host_up A --memory-mib $((stream_mib + 512)) --costs "$scratch/costs"
host_up B --memory-mib $((stream_mib + 512)) --costs "$scratch/costs"
bench_stream
bench_blackout

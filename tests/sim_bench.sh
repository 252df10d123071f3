#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench`: the first benchmarks, on two simulated hosts. One JSON object a line on stdout, for
# programs; the report for people goes to stderr and to bench.txt in the build tree.
#
#   stream-pass-through   what an idle guest's memory moves at, against xc_domain_save alone into a
#                         bare socket of the same host: bytes that are there, a second
#   blackout-…            suspended to unpaused, of a guest with 16 devices against one with 1;
#                         each device costs the same to plug
#
# What is compared takes turns, so that whatever else the machine does hits both.

# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"
# shellcheck source=tests/filter_bench.sh
. "${top_srcdir:?}/tests/filter_bench.sh"
# shellcheck source=tests/steering_bench.sh
. "${top_srcdir:?}/tests/steering_bench.sh"

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

# step_ms NAME [SIDE]: how long the source, or the target, took for it.
step_ms() {
	grep -o "{[^{}]*\"name\":\"$1\",\"side\":\"${2:-source}\"[^{}]*}" "$scratch/record" |
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

# What a whole migration does: the target restores, too.
move_whole() {
	recorded_move "$1" "$2" g1 handover
	awk -v bytes="$(number wire_bytes)" -v ms="$(step_ms copy-memory)" \
		'BEGIN { printf "%.0f\n", bytes / ms * 1000 }'
}

bench_stream() {
	local host round from=A to=B

	for host in A B; do
		# in plain text, as what it is compared with
		host_up $host --memory-mib $((stream_mib + 512)) --dirty-pages-per-s 0 --tls off
		on $host "$builddir/tests/bench_save" sink "$sink_port" &
		disown # it ends with its host, and nobody need read that it was killed
	done
	guest_up A 1 "$stream_mib" 0 0
	for ((round = 0; round < rounds; round++)); do
		save_alone "$from" "$to" >>"$scratch/alone"
		move_whole "$from" "$to" >>"$scratch/whole"
		read -r from to <<<"$to $from"
	done
	report stream-pass-through bytes/s "$scratch/whole" "xc_domain_save into a socket" \
		"$scratch/alone"
	host_down A
	host_down B
}

# ---- blackout -----------------------------------------------------------------------------------

# blackout NUMBER PLAN FROM TO
blackout() {
	recorded_move "$3" "$4" "g$1" "$2"
	number downtime_ms >>"$scratch/$1.$2"
}

# blackouts PLAN MOVES: of both guests, to and fro.
blackouts() {
	local move from=A to=B

	for ((move = 0; move < $2; move++)); do
		blackout 2 "$1" "$from" "$to"
		blackout 3 "$1" "$from" "$to"
		read -r from to <<<"$to $from"
	done
	report "blackout-$1-16-devices" ms "$scratch/3.$1" "with 1 device" "$scratch/2.$1"
}

bench_blackout() {
	local host

	printf '%s_ms=50\n' vbd_plug vif_plug vbd_unplug vif_unplug vbd_close >"$scratch/costs"
	for host in A B; do
		host_up $host --memory-mib 256 --costs "$scratch/costs"
	done
	guest_up A 2 32 1 0
	guest_up A 3 32 8 8
	# a blackout of a millisecond or two needs many looks
	blackouts handover $((rounds * 6))
	blackouts xenserver-6.2 $((2 * ((rounds + 1) / 2)))
}

cd "$builddir"
: >bench.txt
world_begin
bench_stream
bench_blackout
bench_filter
bench_steering

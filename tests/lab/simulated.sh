# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# `lab bench --simulated`: how well the simulated host foretells what real Xen does. From the records
# of real migrations, and there from what happens before the guest is suspended, come four costs;
# the same programs move a like guest on simulated hosts with these costs; and what their blackout
# takes, which nothing was taken from, is compared with the real one. Sourced by `lab`.
#
#   page_us        the rate at which the first pass over memory went
#   sync_us        a durable line of the journal: between a meeting's end and the next step's begin
#   hypercall_us   and
#   wake_us        what describe-guest and create-domain took: both are made of these, in shares
#                  that come from simulated hosts on which one of the two costs something

SIM_MOVES=5
PROBE_US=500 # what one of the two costs while shares are measured

# span FILE NAME SIDE: when a step, or a meeting, began and ended there; in ms.
span() {
	grep -oE "\{[^{}]*\"name\": *\"$2\"[^{}]*\"side\": *\"$3\"[^{}]*\}" "$1" | head -1 |
		sed -E 's/.*"start_ms": *([0-9.]+).*"end_ms": *([0-9.]+).*/\1 \2/'
}

# pass FILE WHICH FIELD: of the passes over memory, the first (1) or the last ($).
pass() {
	grep -o '"passes".*' "$1" | grep -o '{[^{}]*}' | sed -n "$2p" |
		sed -E "s/.*\"$3\": *([0-9]+).*/\1/"
}

# facts FILE: of a migration's record: describe-guest, create-domain and a durable line in ms, a
# page in us, pages in the last pass, and suspended to unpaused in ms.
facts() {
	local describe create meeting watch
	describe=$(span "$1" describe-guest source)
	create=$(span "$1" create-domain target)
	meeting=$(span "$1" SP1 source)
	watch=$(span "$1" watch-disks source)
	awk -v rate="$(pass "$1" 1 send_bytes_per_s)" -v last="$(pass "$1" '$' sent_bytes)" \
		-v downtime="$(field downtime_ms "$1")" '
		{ print $2 - $1, $4 - $3, $7 - $6, 4096e6 / rate, last / 4096, downtime }
	' <<< "$describe $create $meeting $watch"
}

# medians: of each column on stdin, in one line.
medians() {
	awk '{ for (i = 1; i <= NF; i++) v[i, NR] = $i; columns = NF }
	END {
		for (c = 1; c <= columns; c++) {
			for (i = 2; i <= NR; i++)
				for (j = i; j > 1 && v[c, j] < v[c, j - 1]; j--) {
					t = v[c, j]; v[c, j] = v[c, j - 1]; v[c, j - 1] = t
				}
			printf "%.3f%s", (v[c, int((NR + 1) / 2)] + v[c, int(NR / 2) + 1]) / 2,
				c < columns ? " " : "\n"
		}
	}'
}

# simulate BUILDDIR PAGES COST…: the facts, in medians, of a guest like the lab's that moves between
# simulated hosts with these costs and has that many pages to send in the end.
simulate() (
	simhost=$1/devices/sim/simhost
	pages=$2
	# shellcheck source=devices/sim/world.sh
	. "$HERE/../../devices/sim/world.sh"
	world_begin
	from=A to=B
	printf '%s\n' "${@:3}" > "$scratch/costs"
	for host in A B; do
		host_up $host --memory-mib 512 --costs "$scratch/costs" --blocks-per-s 10 \
			--dirty-pages-per-s 2000 --working-set-pages "$pages"
	done
	guest_up A 1 160 1 1
	for ((move = 0; move < SIM_MOVES; move++)); do
		ferry "$from" vm-migrate vm=g1 host="$to" live=true --json > "$scratch/record"
		facts "$scratch/record"
		read -r from to <<< "$to $from"
	done | medians
)

# shares REAL NONE HYPERCALL WAKE: the two costs, in us, from the facts of the lab and of simulated
# hosts on which nothing, or one of them, costs PROBE_US. No cost is below nothing.
shares() {
	printf '%s\n' "$@" | awk -v probe="$PROBE_US" '
	{ describe[NR] = $1; create[NR] = $2 }
	function alone(a, b) { return (a * y1 + b * y2) / (a * a + b * b) }
	END {
		y1 = describe[1] - describe[2]; y2 = create[1] - create[2]
		h1 = describe[3] - describe[2]; h2 = create[3] - create[2]
		w1 = describe[4] - describe[2]; w2 = create[4] - create[2]
		both = h1 * w2 - h2 * w1
		h = both ? (y1 * w2 - y2 * w1) / both : 0
		w = both ? (h1 * y2 - h2 * y1) / both : 0
		if (h < 0) { h = 0; w = alone(w1, w2) }
		if (w < 0) { w = 0; h = alone(h1, h2) }
		printf "%.0f %.0f\n", h * probe, w * probe
	}'
}

# predict BUILDDIR RECORD…: prints the comparison. Sets measured_ms and predicted_ms.
predict() {
	local builddir=$1 real none probe_hypercall probe_wake hypercall wake sync page pages costs
	shift
	real=$(for record; do facts "$record"; done | medians)
	read -r _ _ sync page pages measured_ms <<< "$real"
	pages=$(printf %.0f "$pages")
	none=$(simulate "$builddir" "$pages" page_us=0)
	probe_hypercall=$(simulate "$builddir" "$pages" "hypercall_us=$PROBE_US")
	probe_wake=$(simulate "$builddir" "$pages" "wake_us=$PROBE_US")
	read -r hypercall wake < <(shares "$real" "$none" "$probe_hypercall" "$probe_wake")
	costs=("hypercall_us=$hypercall" "wake_us=$wake" "page_us=$(printf %.0f "$page")"
		"sync_us=$(awk -v ms="$sync" 'BEGIN { printf "%.0f", ms * 1000 }')")
	read -r _ _ _ _ _ predicted_ms < <(simulate "$builddir" "$pages" "${costs[@]}")
	echo "simulated with $pages pages in the end and ${costs[*]}:"
	echo "suspended to unpaused: predicted $predicted_ms ms, measured $measured_ms ms," \
		"ratio $(ratio "$predicted_ms" "$measured_ms")"
}

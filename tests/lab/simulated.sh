# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# `lab bench --simulated`: how well the simulated host foretells what real Xen does. Every other
# migration of a lab's run is what the costs of simulated hosts are taken from; the same programs
# move a like guest on these; and what their blackout takes is compared with that of the migrations
# which nothing was taken from. Sourced by `lab`.
#
#   page_us   what a page took of the last pass over memory
#   sync_us   write-release: a durable line of the journal
#   wake_us   introduce-domain: how often that wakes somebody, simulated hosts tell on which waking
#             up costs something, beside ones on which nothing does
#
# The drain, the bridges, the meetings, the commit and the unpausing are foretold from these alone.

SIM_MOVES=5
PROBE_US=500 # what waking up costs while that is counted

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

# facts FILE: of a migration's record: introduce-domain and write-release in ms, pages in the last
# pass, a page of them in us, and suspended to unpaused in ms.
facts() {
	awk -v sent="$(pass "$1" '$' sent_bytes)" -v rate="$(pass "$1" '$' send_bytes_per_s)" \
		-v downtime="$(field downtime_ms "$1")" '
		{ print $2 - $1, $4 - $3, sent / 4096, rate ? 4096e6 / rate : 0, downtime }
	' <<< "$(span "$1" introduce-domain target) $(span "$1" write-release source)"
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

# wake_us REAL NONE PROBE: from how long introduce-domain takes in the lab, and on simulated hosts
# on which waking up costs nothing, or PROBE_US. No cost is below nothing.
wake_us() {
	printf '%s\n' "$@" | awk -v probe="$PROBE_US" '
	{ introduce[NR] = $1 }
	END {
		wakes = (introduce[3] - introduce[2]) / probe
		us = wakes > 0 ? (introduce[1] - introduce[2]) / wakes : 0
		printf "%.0f\n", (us > 0 ? us : 0)
	}'
}

# predict BUILDDIR RECORD…: prints the comparison. Sets measured_ms and predicted_ms.
predict() {
	local builddir=$1 real pages page sync none probe costs i
	local records=("${@:2}") taken=() compared=()
	[ "${#records[@]}" -ge 2 ] || die "to foretell anything takes two migrations by handover"
	for i in "${!records[@]}"; do
		if ((i % 2)); then compared+=("${records[i]}"); else taken+=("${records[i]}"); fi
	done
	real=$(for i in "${taken[@]}"; do facts "$i"; done | medians)
	read -r _ _ _ _ measured_ms < <(for i in "${compared[@]}"; do facts "$i"; done | medians)
	read -r _ sync pages page _ <<< "$real"
	pages=$(printf %.0f "$pages")
	none=$(simulate "$builddir" "$pages" wake_us=0)
	probe=$(simulate "$builddir" "$pages" "wake_us=$PROBE_US")
	costs=("wake_us=$(wake_us "$real" "$none" "$probe")" "page_us=$(printf %.0f "$page")"
		"sync_us=$(awk -v ms="$sync" 'BEGIN { printf "%.0f", ms * 1000 }')")
	read -r _ _ _ _ predicted_ms < <(simulate "$builddir" "$pages" "${costs[@]}")
	echo "simulated with $pages pages in the end and ${costs[*]}:"
	echo "suspended to unpaused: predicted $predicted_ms ms, measured $measured_ms ms," \
		"ratio $(ratio "$predicted_ms" "$measured_ms")"
}

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# `lab bench --simulated`: how well the simulated host foretells what real Xen does. The costs of
# simulated hosts are taken from some steps of a lab run's migrations by handover; the same programs
# move a like guest on these; and what their blackout takes, all of it, is compared with the run's.
# Medians throughout, as single migrations in the lab differ by more than a factor of two. Sourced by
# `lab`.
#
#   page_read_us     what a page of the last pass over memory took at the source
#   context_us       what the target took after the source was done with the last
#   sync_us          write-release: a durable line of the journal
#   wake_us          introduce-domain: how often that wakes somebody, simulated hosts tell on which
#                    waking up costs something, beside ones on which nothing does
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

# facts FILE: of a migration's record, in ms: introduce-domain, write-release and suspend-guest; then
# pages in the last pass, what one took at the source and what the target took after them, in us, and
# suspended to unpaused in ms.
facts() {
	local spans
	spans=("$(span "$1" introduce-domain target)" "$(span "$1" write-release source)"
		"$(span "$1" suspend-guest source)" "$(span "$1" stop-and-copy source)"
		"$(span "$1" copy-memory target)")
	awk -v bytes="$(pass "$1" '$' sent_bytes)" -v downtime="$(field downtime_ms "$1")" '{
		pages = bytes / 4096
		print $2 - $1, $4 - $3, $6 - $5, pages, ($8 - $7) / pages * 1000,
			($10 > $8 ? $10 - $8 : 0) * 1000, downtime
	}' <<< "${spans[*]}"
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

# simulate BUILDDIR PAGES SUSPEND_MS COST…: the facts, in medians, of a guest like the lab's that
# moves between simulated hosts with these costs, has that many pages to send in the end, which it
# dirties over and over, and takes so long to suspend.
simulate() (
	simhost=$1/devices/sim/simhost
	pages=$2
	suspend_us=$(printf %.0f "$3e3")
	# shellcheck source=devices/sim/world.sh
	. "$HERE/../../devices/sim/world.sh"
	world_begin
	from=A to=B
	printf '%s\n' "${@:4}" > "$scratch/costs"
	for host in A B; do
		host_up $host --memory-mib 512 --costs "$scratch/costs" --blocks-per-s 10 \
			--dirty-pages-per-s $((pages * 100)) --working-set-pages "$pages" \
			--suspend-cost-us "$suspend_us"
	done
	guest_up A 1 160 1 1
	for ((move = 0; move < SIM_MOVES; move++)); do
		ferry "$from" vm-migrate vm=g1 host="$to" live=true downtime-limit-ms=10000 \
			--json > "$scratch/record"
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
	local record real like_it none probe costs
	local sync suspend pages read context
	[ -e "${2:-}" ] || die "to foretell anything takes a migration by handover"
	real=$(for record in "${@:2}"; do facts "$record"; done | medians)
	read -r _ sync suspend pages read context measured_ms <<< "$real"
	like_it=("$1" "$(printf %.0f "$pages")" "$suspend")
	none=$(simulate "${like_it[@]}" wake_us=0)
	probe=$(simulate "${like_it[@]}" "wake_us=$PROBE_US")
	costs=("wake_us=$(wake_us "$real" "$none" "$probe")" "page_read_us=$(printf %.0f "$read")"
		"context_us=$(printf %.0f "$context")" "sync_us=$(printf %.0f "${sync}e3")")
	read -r _ _ _ _ _ _ predicted_ms < <(simulate "${like_it[@]}" "${costs[@]}")
	echo "simulated with ${like_it[1]} pages in the end and ${costs[*]}:"
	echo "suspended to unpaused: predicted $predicted_ms ms, measured $measured_ms ms," \
		"ratio $(ratio "$predicted_ms" "$measured_ms")"
}

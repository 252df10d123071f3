# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What bench_policy says in virtual time, at a few points with the real programs on simulated hosts,
# of which a handover takes a tenth of a second, as it does in the lab. Sourced by sim_bench.sh.
#
#   steering-limit-kept, -prediction   percent of the migrations that completed, of guests that dirty
#                                      from none to twice what a link of 100 MiB/s sends; before them
#                                      one each way, from which the handover's costs are learnt
#   steering-downtime, -total          ms, against libxenguest's default stop rule (fewer than 50
#                                      dirty pages, or five passes) on the same guests by turns: it is
#                                      tests/policies/libxenguest-default.json
#   steering-cancel-…                  ms from the command to its end, everything undone, against a
#                                      command that does nothing

# shellcheck disable=SC2154 # sim_bench.sh's
# shellcheck disable=SC2016 # awk's

# steered_move NUMBER FROM TO POLICY: noted in $scratch/POLICY: limit, predicted, actual, total.
steered_move() {
	ferry "$2" vm-migrate vm="g$1" host="$3" live=true policy="$4" compress=none \
		bandwidth-mibps=100 limit-last-pass=true --json >"$scratch/record" || return 0
	echo "$(number downtime_limit_ms) $(number predicted_downtime_ms) $(number downtime_ms)" \
		"$(number total_ms)" >>"$scratch/$4"
}

# A host as slow as the lab's.
steered_host() {
	printf '%s\n' hypercall_us=1000 sync_us=30000 wake_us=1000 >"$scratch/costs"
	host_up "$1" --memory-mib 256 --costs "$scratch/costs" "${@:2}"
	on "$1" mkdir -p /etc/xenferry/policies
	on "$1" cp "$top_srcdir/tests/policies/libxenguest-default.json" /etc/xenferry/policies
}

# steered_guest NUMBER DIRTY_PAGES_PER_S WORKING_SET_PAGES: to and fro.
steered_guest() {
	local round from=S$1 to=T$1 host policy

	for host in "$from" "$to"; do
		steered_host "$host" --dirty-pages-per-s "$2" --working-set-pages "$3"
	done
	guest_up "$from" "$1" 96 1 1
	move "$from" "$to" "g$1" policy=suspend-workload-if-needed compress=none
	move "$to" "$from" "g$1" policy=suspend-workload-if-needed compress=none
	for ((round = 0; round < rounds; round++)); do
		for policy in suspend-workload-if-needed libxenguest-default; do
			steered_move "$1" "$from" "$to" $policy
			steered_move "$1" "$to" "$from" $policy
		done
	done
	host_down "S$1"
	host_down "T$1"
}

# steered_share CONDITION: percent of the runs that meet it; fields: limit, predicted, actual.
steered_share() {
	awk '{ n++; good += ('"$1"') } END { print n ? 100 * good / n : 0 }' "$scratch/$ours"
}

milliseconds() {
	echo $(($(date +%s%N) / 1000000))
}

# timed FILE COMMAND...: how long it took, in ms, into $scratch/FILE.
timed() {
	local begun

	begun=$(milliseconds)
	"${@:2}" >"$scratch/said" 2>&1 || true
	echo $(($(milliseconds) - begun)) >>"$scratch/$1"
}

# cancelled FILE STATUS PARAMETER...: g50 begins to move and is called back once it has that status.
cancelled() {
	local uuid deadline=$((SECONDS + 60))

	uuid=$(ferry S50 vm-migrate vm=g50 host=T50 live=true async=true "${@:3}")
	until [[ $(ferry S50 migration-param-get uuid="$uuid" param-name=status) == "$2" ]] ||
		((SECONDS > deadline)); do :; done
	sleep 0.2
	timed "$1" ferry S50 migration-cancel uuid="$uuid"
}

bench_cancel() {
	local host round

	for host in S50 T50; do
		host_up "$host" --memory-mib 256 --dirty-pages-per-s 20000 --working-set-pages 6000
	done
	guest_up S50 50 64 1 1
	for ((round = 0; round < rounds; round++)); do
		timed nothing ferry S50 migration-list
		cancelled cancel-first copying bandwidth-mibps=1
		cancelled cancel-suspended blackout bandwidth-mibps=8 limit-last-pass=true \
			downtime-limit-ms=60000
	done
	report steering-cancel-first-pass ms "$scratch/cancel-first" 'a command that does nothing' \
		"$scratch/nothing"
	report steering-cancel-suspended ms "$scratch/cancel-suspended" \
		'a command that does nothing' "$scratch/nothing"
}

# steered_times NAME FIELD: ours against libxenguest's.
steered_times() {
	awk '{ print $'"$2"' }' "$scratch/$ours" >"$scratch/ours"
	awk '{ print $'"$2"' }' "$scratch/libxenguest-default" >"$scratch/theirs"
	report "$1" ms "$scratch/ours" "libxenguest's default stop rule" "$scratch/theirs"
}

bench_steering() {
	local number=40 pages ours=suspend-workload-if-needed

	for pages in 0 6400 12800 25600 51200; do
		steered_guest $((number += 1)) "$pages" 12000
	done
	echo 100 >"$scratch/all"
	steered_share '$3 <= $1' >"$scratch/kept"
	steered_share '$2 - $3 <= 0.2 * $3 && $3 - $2 <= 0.2 * $3' >"$scratch/predicted"
	report steering-limit-kept % "$scratch/kept" 'all that completed' "$scratch/all"
	report steering-prediction % "$scratch/predicted" 'all that completed' "$scratch/all"
	steered_times steering-downtime 3
	steered_times steering-total 4
	bench_cancel
}

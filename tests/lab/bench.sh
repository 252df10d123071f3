# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# `lab bench`: the same guest, moved to and fro by different means in turn, in one run, so that what
# the machine does meanwhile hits all of them alike. Sourced by `lab`.
#
#   gap      longest time between two answers to pings, one every 20 ms
#   total    from the command to its end, as the operator waits for it
#   agent    what the migration says of itself: suspended to unpaused (our plans only)
#   wire     what the source's network card sent meanwhile, MiB
#   PLAN-plain   a plan of ours without TLS; PLAN-filtered: with compress=auto
#   floor    suspend and resume in place: no migration can be shorter

PING_INTERVAL_MS=20
SETTLE_SECONDS=3      # after the guest answers: what comes late counts as well
MOVES_PER_BOOT=10     # the guest loses about 1 MB a move
MIGRATE_PORT=2223

# xl_migrate FROM TO: over plain TCP where people use ssh, so that encryption is not compared.
xl_migrate() {
	on "$2" "setsid socat -t 60 TCP-LISTEN:$MIGRATE_PORT,reuseaddr EXEC:'xl migrate-receive' \
		< /dev/null > /var/log/xl-receive.log 2>&1 &"
	on "$1" "xl migrate -s '' g1 'socat - TCP:$(address "$2"):$MIGRATE_PORT'"
}

# our_migrate PLAN FROM TO [PARAMETER...]: prints the migration's record.
our_migrate() { on "$2" xenferry vm-migrate vm=g1 host="$3" live=true plan="$1" --json "${@:4}"; }

suspend_in_place() { on "$1" "floor \$(xl domid g1) $GUEST"; }

# move CONTENDER FROM TO
move() {
	case $1 in
	xl) xl_migrate "$2" "$3" ;;
	floor) suspend_in_place "$2" ;;
	*-plain) our_migrate "${1%-plain}" "$2" "$3" ;;
	*-filtered) our_migrate "${1%-filtered}" "$2" "$3" compress=auto ;;
	*) our_migrate "$1" "$2" "$3" ;;
	esac
}

# sent_bytes HOST: by its network card.
sent_bytes() { on "$1" cat /sys/class/net/eth0/statistics/tx_bytes; }

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# field NAME FILE: a number of a JSON object, or 0.
field() { sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p" "$2" | head -1 | grep . || echo 0; }

# measure CONTENDER FROM TO: moves the guest under pings. Sets gap_ms, sent, lost, total_ms,
# agent_ms, wire_mib and disk_ok.
measure() {
	local begin ping wire
	wire=$(sent_bytes "$2")
	exec_in_ns "$IMAGES/bin/ping" "$GUEST" "$PING_INTERVAL_MS" > "$RUN/ping.out" &
	ping=$!
	sleep 1
	begin=$(milliseconds)
	if ! move "$@" > "$RUN/move.out" 2> "$RUN/move.err"; then
		kill "$ping"
		tail -5 "$RUN/move.err" >&2
		die "$1 did not move the guest from $2 to $3; see $RUN/move.err"
	fi
	total_ms=$(($(milliseconds) - begin))
	wire_mib=$((($(sent_bytes "$2") - wire) >> 20))
	wait_for_guest 60 || true # then the gap and the disk say so
	sleep "$SETTLE_SECONDS"
	kill "$ping"
	wait "$ping" || true
	read -r gap_ms sent lost < <(sed 's/[a-z_]*=//g' "$RUN/ping.out")
	agent_ms=$(field downtime_ms "$RUN/move.out")
	disk_ok=true
	lab_disk_check > "$RUN/disk.out" || disk_ok=false
}

# takes_part CONTENDER ROUND: xl takes longer and varies less; it sits out two rounds of five.
takes_part() { [ "$1" != xl ] || [ $(($2 * 3 % 5)) -gt 1 ]; }

# ratio NUMBER NUMBER: null if it has no meaning.
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN {
		if (a == "null" || b == "null" || b == 0)
			print "null"
		else
			printf "%.4f\n", a / b
	}'
}

print_row() { printf '%-17s %9s %9s %6s %5s %8s %7s %6s  %s\n' "$@" >&2; }

# secure CONTENDER FROM TO: the two agents speak TLS with each other, or plain text.
secure() {
	local host tls=on
	[[ $1 != *-plain ]] || tls=off
	for host in "$2" "$3"; do configure "$host" "$tls"; done
}

# one_round CONTENDER: measures, prints a line for people, and adds one to the results.
one_round() {
	local from to moves gap_ms sent lost total_ms agent_ms wire_mib disk_ok share=-
	moves=$(cat "$RUN/moves" 2> /dev/null || echo 0)
	from=$(lab_guest_where)
	if [ "$moves" -ge "$MOVES_PER_BOOT" ]; then
		lab_guest_start "$from"
		moves=0
	fi
	to=$(hosts | grep -vx "$from" | head -1)
	secure "$1" "$from" "$to"
	measure "$1" "$from" "$to"
	[ "$1" != handover ] || cp "$RUN/move.out" "$RUN/records/$(milliseconds)"
	[ "$1" = floor ] || moves=$((moves + 1))
	echo "$moves" > "$RUN/moves"
	[ "$agent_ms" = 0 ] || share=$(ratio "$agent_ms" "$gap_ms")
	print_row "$1" "$gap_ms" "$total_ms" "$sent" "$lost" "$agent_ms" "$share" "$wire_mib" \
		"$disk_ok"
	[ "$disk_ok" = true ] || sed 's/^/  /' "$RUN/disk.out" >&2
	echo "$1 $gap_ms $sent $lost $total_ms $disk_ok $agent_ms $share $wire_mib" >> "$RUN/results"
}

# median CONTENDER COLUMN: of the results, or null.
median() {
	awk -v c="$1" -v n="$2" '$1 == c && $n != "-" { print $n }' "$RUN/results" | sort -n | awk '
		{ v[NR] = $1 }
		END {
			if (NR)
				print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2
			else
				print "null"
		}'
}

# round_to_json < RESULT: one line of the results as an object.
round_to_json() {
	local contender gap sent lost total disk_ok agent share wire
	read -r contender gap sent lost total disk_ok agent share wire
	printf '{"contender": "%s", "gap_ms": %s, "sent": %s, "lost": %s, ' \
		"$contender" "$gap" "$sent" "$lost"
	[ "$share" = - ] || printf '"downtime_ms": %s, "share_of_gap": %s, ' "$agent" "$share"
	printf '"wire_mib": %s, "total_ms": %s, "disk_ok": %s}' "$wire" "$total" "$disk_ok"
}

# print_json XL HANDOVER FLOOR SHARE PLAIN: the medians come with the rounds that they are of, and
# with what simulated hosts foretell, if they were asked.
print_json() {
	local line comma=
	printf '{"rounds": ['
	while read -r line; do
		printf '%s' "$comma"
		round_to_json <<< "$line"
		comma=', '
	done < "$RUN/results"
	printf '], "median_gap_ms": {"xl": %s, "handover": %s, "floor": %s, ' "$1" "$2" "$3"
	printf '"handover-plain": %s}, ' "$5"
	printf '"median_share_of_gap": %s, "handover_to_xl": %s, "handover_to_floor": %s, ' \
		"$4" "$(ratio "$2" "$1")" "$(ratio "$2" "$3")"
	printf '"handover_to_plain": %s, "median_total_ms": %s, "median_wire_mib": %s' \
		"$(ratio "$2" "$5")" "$(each_to_json "$contenders" 5)" \
		"$(each_to_json "$contenders" 9)"
	[ -z "${predicted_ms:-}" ] ||
		printf ', "simulated": {"measured_ms": %s, "predicted_ms": %s, "ratio": %s}' \
			"$measured_ms" "$predicted_ms" "$(ratio "$predicted_ms" "$measured_ms")"
	printf '}\n'
}

# of_each CONTENDERS COLUMN: the medians, "xl 1 handover 2".
of_each() {
	local contender
	for contender in $1; do printf '%s %s ' "$contender" "$(median "$contender" "$2")"; done
}

# each_to_json CONTENDERS COLUMN: the same as an object.
each_to_json() {
	of_each "$@" | awk '{ for (i = 1; i < NF; i += 2)
		printf "%s\"%s\": %s", (i > 1 ? ", " : "{"), $i, $(i + 1); print "}" }'
}

# print_summary XL HANDOVER FLOOR SHARE PLAIN
print_summary() {
	echo "median gap: xl $1 ms, handover $2 ms, floor $3 ms; the agent's share of it: $4"
	echo "handover to xl: $(ratio "$2" "$1"), handover to floor: $(ratio "$2" "$3")"
	echo "median total, ms: $(of_each "$contenders" 5)"
	echo "median on the wire, MiB: $(of_each "$contenders" 9)"
	[ "$5" = null ] || echo "without TLS: $5 ms, handover to that: $(ratio "$2" "$5")"
}

lab_bench() {
	local rounds=5 contenders="handover xl floor" json=false simulated=false
	local contender round medians measured_ms='' predicted_ms=''
	while [ $# -gt 0 ]; do
		case $1 in
		--rounds) rounds=${2:-}; shift ;;
		--contenders) contenders=${2//,/ }; shift ;;
		--json) json=true ;;
		--simulated) simulated=true ;;
		*) usage ;;
		esac
		shift
	done
	[[ $rounds =~ ^[1-9][0-9]?$ ]] || usage
	lab_guest_where > /dev/null 2>&1 || lab_guest_start A
	: > "$RUN/results"
	rm -rf "$RUN/records"
	mkdir "$RUN/records"
	print_row contender gap_ms total_ms sent lost agent_ms share wire_mib disk_ok
	for ((round = 1; round <= rounds; round++)); do
		for contender in $contenders; do
			! takes_part "$contender" "$round" || one_round "$contender"
		done
	done
	medians=("$(median xl 2)" "$(median handover 2)" "$(median floor 2)" "$(median handover 8)"
		"$(median handover-plain 2)")
	! $simulated || predict "$(< "$RUN/builddir")" "$RUN"/records/* >&2
	if $json; then print_json "${medians[@]}"; else print_summary "${medians[@]}"; fi
	! grep -q false "$RUN/results" || die "a write of the guest was lost or landed out of order"
}

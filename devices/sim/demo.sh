#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest moves between two simulated hosts, as XenServer 6.2 did it and back as we do, under pings;
# then what came of it: see usage().
set -euo pipefail
export LC_COLLATE=C

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
sources=@sources@
simhost=$here/simhost
costs=xenserver-6.2

# shellcheck source=devices/sim/world.sh
. "$sources/world.sh"

usage() {
	cat <<-'TEXT'
	usage: demo [--json] [--time-scale X]

	  --json          one JSON object on stdout, everything else on stderr
	  --time-scale X  lets what steps cost in the xenserver-6.2 run pass X times as fast (1);
	                  its times are shown as they were without
	TEXT
}

say() {
	printf 'demo: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# set_costs SCALE: on both hosts.
set_costs() {
	local host

	for host in A B; do
		# shellcheck disable=SC2016 # for awk, and for the host
		awk -F= -v scale="$1" '/^[a-z]/ { printf "%s=%d\n", $1, $2 / scale }' \
			"$sources/presets/$costs" | on "$host" sh -c 'cat >"$XENFERRY_SIM/costs"'
	done
}

# move PLAN FROM TO SCALE: leaves the run's JSON in $scratch/run.PLAN.
move() {
	local before gap_ms sent lost

	say "$1: g1 moves from $2 to $3"
	ping_begin 1
	until_true 10 answered_more_than 1 "$(answered 1)" || die "the guest answers no ping"
	ferry "$2" vm-migrate vm=g1 host="$3" live=true plan="$1" --json >"$scratch/record" ||
		die "the migration failed: $(<"$scratch/record")"
	before=$(answered 1)
	until_true 30 answered_more_than 1 "$before" || die "the guest is not heard of again"
	until_true 30 says 1 '"memory_verified": true' '"disk_verified": true' ||
		say "the guest does not find itself intact: $(verdict 1)"
	ping_end
	printf '{"time_scale": %s, "ping": {"gap_ms": %s, "sent": %s, "lost": %s}, ' \
		"$4" "$gap_ms" "$sent" "$lost" >"$scratch/run.$1"
	printf '"verdict": %s, "record": %s}\n' "$(verdict 1)" "$(<"$scratch/record")" \
		>>"$scratch/run.$1"
}

main() {
	local format=() scale=1

	while (($# > 0)); do
		case $1 in
		--json) format=(--json) ;;
		--time-scale) scale=${2-} && shift ;;
		--help) usage && return ;;
		*) usage >&2 && exit 2 ;;
		esac
		shift
	done
	[[ $scale =~ ^[1-9][0-9]?(\.[0-9]+)?$ ]] || die "--time-scale wants 1 to 99, not '$scale'"
	"$simhost" --check || exit
	world_begin
	say "starting two hosts and a guest"
	host_up A --costs "$costs" --dirty-pages-per-s 2000 --working-set-pages 2000
	host_up B --costs "$costs" --dirty-pages-per-s 2000 --working-set-pages 2000
	# the log's guest had one disk and two VIFs, and 2 GiB
	guest_up A 1 256 1 2 || die "the guest did not start"
	set_costs "$scale"
	move xenserver-6.2 A B "$scale"
	set_costs 1
	move handover B A 1
	printf '{"costs": "%s", "runs": [%s, %s]}\n' "$costs" "$(<"$scratch/run.xenserver-6.2")" \
		"$(<"$scratch/run.handover")" | "$here/demo-report" "${format[@]}"
}

main "$@"

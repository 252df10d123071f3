#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that dirties its memory moves between two simulated hosts and back by every plan, under
# pings, with the programs that are shipped.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# goes FROM TO PLAN GAP_MS: g1 moves, is well, answers pings from where it is now, and was not
# silent for longer.
goes() {
	local gap_ms sent lost

	ping_begin 1
	until_true 10 answered_more_than 1 "$(answered 1)"
	check "$3 from $1 to $2: silent success" move "$1" "$2" g1 plan="$3"
	check "$3 from $1 to $2: the guest is well" is_well 1 "$2" 1 2
	check "$3 from $1 to $2: nothing is left behind" nothing_left "$1"
	check "$3 from $1 to $2: it answers pings" \
		until_true 20 answered_more_than 1 "$(answered 1)"
	ping_end
	check "$3 from $1 to $2: silent for $gap_ms ms, $lost of $sent pings lost, at most $4 ms" \
		awk "BEGIN { exit !($gap_ms <= $4 && $lost < $sent) }"
}

hosts_up --memory-mib 512 --dirty-pages-per-s 3000 --working-set-pages 4000 --queue-depth 8
check 'a guest starts' guest_up A 1 64 1 2
check 'it is listed where it is' test "$(guests_on A) $(guests_on B)" = 'g1 '

plans=$(ferry A plan-list params=name --minimal)
check 'there are plans' test -n "$plans"
for plan in ${plans//,/ }; do
	goes A B "$plan" 1000
	goes B A "$plan" 1000
done

check 'it moved each time' says 1 "\"moves\": $(($(wc -w <<<"${plans//,/ }") * 2)),"
check 'a migration has its record' exits 0 '"status":"completed".*"SP5"' \
	ferry A vm-migrate vm=g1 host=B live=true --json
check 'the guest is well after that' is_well 1 B 1 2

check 'filtered, over three channels, compared at the end' \
	exits 0 '"verified_pages":[1-9]' \
	ferry B vm-migrate vm=g1 host=A live=true compress=auto channels=3 verify=true --json
check 'the guest is well after that, too' is_well 1 A 1 2
check 'an unknown compressor is refused' exits 2 'none, lz4, zstd or auto' \
	ferry A vm-migrate vm=g1 host=B live=true compress=gzip
check 'seventeen channels are refused' exits 2 'channels are 0 to 16' \
	ferry A vm-migrate vm=g1 host=B live=true channels=17

check 'who pings it meanwhile hears of the gap' \
	exits 0 '"packet_gap_ms":[0-9.]+,"packets_sent":[1-9][0-9]*,"packets_lost":[0-9]' \
	ferry A vm-migrate vm=g1 host=B live=true probe="$(guest_address 1 0)" --json
check 'only an address is pinged' exits 2 'probe= wants' \
	ferry B vm-migrate vm=g1 host=A live=true probe=web1
check 'the guest is well after the pings' is_well 1 B 1 2
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A stream that is damaged, cut, out of order or not what it says it is; a page that is another in
# the end, behind all checksums; a channel that dies: each time the guest goes on at the source, and
# the target has nothing left. Of a channel that is slow it is said which.
# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# strike_stream HOST WORD: what is to befall a stream there, see sim_fault_stream.c.
strike_stream() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'echo "'"$2"'" >"$XENFERRY_SIM/stream-fault"'
}

stream_struck() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c '! test -e "$XENFERRY_SIM/stream-fault"'
}

# fails HOST WORD STATUS PATTERN PARAMETER...: so does the move of g1 from A to B.
fails() {
	strike_stream "$1" "$2"
	check "$2: it fails and says why" exits "$3" "$4" \
		ferry A vm-migrate vm=g1 host=B live=true "${@:5}"
	check "$2: it was struck" stream_struck "$1"
	check "$2: the guest is well at the source" is_well 1 A 1 1
	check "$2: nothing is left at the target" nothing_left B
}

hosts_up --memory-mib 512 --dirty-pages-per-s 500 --working-set-pages 200
for host in C D; do
	host_up "$host" --preload "$fault" --memory-mib 256
done
check 'a guest starts' guest_up A 1 64 1 1
check 'another starts' guest_up C 2 32 1 1

# half a minute, which the others need not wait for
strike_stream C stall
stalled=$(ferry C vm-migrate vm=g2 host=D live=true channels=3 async=true)
check 'stall: it was struck' until_true 30 stream_struck C

fails A damage 1 'frame [0-9]+ of the memory stream is damaged' channels=2
fails A damage 1 'frame [0-9]+ of the memory stream is damaged' compress=zstd
fails A cut 1 'memory stream' channels=2
fails A reorder 1 'memory stream' compress=lz4
fails A mistype 1 'type 77' channels=2
fails B forge 1 'pages are not what they were at the source' verify=true

check 'a channel that dies: it is found, and said which' exits '[14]' \
	'channel [1-3] of 3 of the memory stream stood still' ferry C migration-wait uuid="$stalled"
check 'a channel that dies: the guest is well at the source' is_well 2 C 1 1
check 'a channel that dies: nothing is left at the target' nothing_left D

check 'after all that it moves' move A B g1 compress=auto channels=4 verify=true
check 'and is well' is_well 1 B 1 1

strike_stream B slow
check 'a channel that is slow: the record says which' exits 0 '"slow_channel": *[1-4]' \
	ferry B vm-migrate vm=g1 host=A live=true channels=4 verify=true --json
check 'a channel that is slow: it was struck' stream_struck B
check 'a channel that is slow: the target says it, too' \
	on A grep -q 'channel [1-4] of the memory stream is slow' /run/sim/A/log/xenferryd
check 'a channel that is slow: the guest is well at the target' is_well 1 A 1 1
check 'a channel that is slow: nothing is left at the source' nothing_left B
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests of all shapes: several at once in both directions, one with many devices, one with none.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# all_at_once: g1 and g2 leave A while g3 and g4 leave B.
all_at_once() {
	local movers=() mover failures=0

	for mover in 'A B g1' 'A B g2' 'B A g3' 'B A g4'; do
		# shellcheck disable=SC2086 # three words
		move $mover &
		movers+=($!)
	done
	for mover in "${movers[@]}"; do
		wait "$mover" || failures=$((failures + 1))
	done
	return "$failures"
}

hosts_up --memory-mib 512
for number in 1 2; do
	check "g$number starts on A" guest_up A $number 32 1 1
done
for number in 3 4; do
	check "g$number starts on B" guest_up B $number 32 1 1
done
check 'four guests move at once, two each way' all_at_once
for number in 1 2; do
	check "g$number is well on B" is_well $number B 1 1
done
for number in 3 4; do
	check "g$number is well on A" is_well $number A 1 1
done

check 'a guest with 8 disks and 8 VIFs starts' guest_up A 5 32 8 8
for plan in handover xenserver-6.2; do
	check "it moves by $plan" move A B g5 plan=$plan
	check "it is well with all of them" is_well 5 B 8 8
	check "it comes back by $plan" move B A g5 plan=$plan
	check "it is well with all of them there" is_well 5 A 8 8
done

check 'a guest without any device starts' guest_up A 6 32 0 0
check 'it moves' move A B g6
check 'it is well' is_well 6 B 0 0
finish

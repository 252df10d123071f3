#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every plan, struck before each point of synchronisation: the guest goes on at the source, with
# devices that its rings tell were never gone, and nothing is left at the target. Then it moves.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# struck_at PLAN HOST STEP: the worker of HOST is killed as it begins STEP.
struck_at() {
	strike "$2" "kill $3"
	check "$1, $3 dies at $2: the command says so" exits 1 . \
		ferry A vm-migrate vm=g1 host=B live=true plan="$1"
	check "$1, $3 dies at $2: it was struck" struck "$2"
	check "$1, $3 dies at $2: the guest is well at the source" is_well 1 A 1 2
	check "$1, $3 dies at $2: it did not reconnect" says 1 "\"moves\": $moves,"
	check "$1, $3 dies at $2: nothing is left at the target" nothing_left B
	check "$1, $3 dies at $2: no job is left at the source" until_true 10 no_job A
}

no_job() {
	on "$1" sh -c '! ls /var/lib/xenferry/jobs | grep -q .'
}

# is_underway HOST: a job there has its plan.
is_underway() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'test -e "$(echo /var/lib/xenferry/jobs/*/plan.json)"'
}

# A plan of the operator's own, on the source's host alone, for a disk that is a file; its worker
# dies when the devices are closed, and the file is gone when the next one looks.
own_plan() {
	local example=$top_srcdir/docs/examples/file-disks.json uuid

	local take='mkdir -p /etc/xenferry/plans; cat >/etc/xenferry/plans/file-disks.json'

	on A sh -c "$take" <"$example"
	check 'own plan: it is listed' \
		grep -q file-disks <(ferry A plan-list params=name --minimal)
	check 'own plan: it passes the rules' ferry A plan-check file="$example"
	check 'own plan: one that does not exist is refused' exits 7 'no plan .nobodys' \
		ferry A vm-migrate vm=g1 host=B live=true plan=nobodys
	strike A 'kill write-release'
	uuid=$(ferry A vm-migrate vm=g1 host=B live=true plan=file-disks bandwidth-mibps=8 \
		async=true)
	check 'own plan: it is under way' until_true 20 is_underway A
	check 'own plan: its file goes' on A rm /etc/xenferry/plans/file-disks.json
	check 'own plan: its worker dies when the disks are closed' exits 1 . \
		ferry A migration-wait uuid="$uuid"
	check 'own plan: it was struck' struck A
	check 'own plan: the guest is well at the source' is_well 1 A 1 2
	check 'own plan: nothing is left at the target' nothing_left B
	on A sh -c "$take" <"$example"
	check 'own plan: it moves' move A B g1 plan=file-disks
	check 'own plan: the guest is well' is_well 1 B 1 2
	check 'own plan: the other host has no such plan' exits 7 'no plan .file-disks' \
		ferry B vm-migrate vm=g1 host=A live=true plan=file-disks
}

hosts_up --memory-mib 512
for host in A B; do # so that drivers are met while they are at it
	costs $host device_probe_ms=50
done
check 'a guest starts' guest_up A 1 64 1 2
moves=0
plans=$(ferry A plan-list params=name --minimal)
for plan in ${plans//,/ }; do
	steps=$(ferry A plan-show plan="$plan" --json)
	struck_at "$plan" A describe-guest # before SP0
	struck_at "$plan" B create-domain  # before SP1
	struck_at "$plan" B copy-memory
	struck_at "$plan" B introduce-domain # before SP2: the guest is suspended
	for step in drain-disks close-disks unplug-vifs write-release; do # before SP3
		grep -q "\"name\":\"$step\"" <<<"$steps" && struck_at "$plan" A "$step"
	done
	check "$plan: it moves all the same" move A B g1 plan="$plan"
	check "$plan: the guest is well" is_well 1 B 1 2
	check "$plan: and back" move B A g1 plan="$plan"
	check "$plan: the guest is well again" is_well 1 A 1 2
	check "$plan: nothing is left behind" nothing_left B
	moves=$((moves + 2))
done
own_plan
finish

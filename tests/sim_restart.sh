#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The daemon is restarted, as by an upgrade, while a guest moves between simulated hosts: the
# migration goes on, and the new daemon shows it, steers it and hears its end.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

sent_more_than() {
	(($(ferry A migration-param-get uuid="$uuid" param-name=memory-wire-bytes) > $1))
}

daemon_pid() {
	on "$1" pgrep -xo xenferryd
}

# restart HOST: as systemctl does it; until another one answers.
restart() {
	local before

	before=$(daemon_pid "$1")
	on "$1" kill -TERM "$before"
	until_true 20 another_answers "$1" "$before"
}

another_answers() {
	[[ $(daemon_pid "$1") != "$2" ]] && ferry "$1" vm-list --minimal
}

status_at() {
	ferry "$1" migration-list uuid="$uuid" params=status --minimal
}

worker_pid() {
	on "$1" pgrep -xo xenferry-worker
}

# restarted_at HOST: which daemon is restarted while g1 goes from A to B, slowly.
restarted_at() {
	local worker

	uuid=$(ferry A vm-migrate vm=g1 host=B live=true async=true bandwidth-mibps=1)
	check "$1: it is under way" until_true 10 sent_more_than 100000
	worker=$(worker_pid "$1")
	check "$1: its daemon is another one" restart "$1"
	check "$1: the same worker goes on" test "$(worker_pid "$1")" = "$worker"
	check "$1: the new daemon has it in its list" \
		test "$(status_at "$1")" = copying
	check "$1: another worker stands by" until_true 20 on "$1" pgrep -x xenferry-spare
	check "$1: it can be steered" \
		ferry A migration-param-set uuid="$uuid" bandwidth-mibps=0
	check "$1: it ends well" ferry A migration-wait uuid="$uuid" timeout=60
	check "$1: the guest is well at the target" is_well 1 B 1 1
	check "$1: nothing is left at the source" nothing_left A
	check "$1: both say so" until_true 10 both_completed
}

both_completed() {
	local host

	for host in A B; do
		[[ $(status_at "$host") == completed ]] || return
	done
}

hosts_up --memory-mib 256
check 'a guest starts' guest_up A 1 64 1 1
restarted_at A
check 'it goes back' move B A g1
restarted_at B
finish

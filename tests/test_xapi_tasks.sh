#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What XAPI sees of migrations: xenferry-xapi between the daemon as it was built and a stand-in for
# XAPI, see xapi_standin.py.
# shellcheck source=tests/daemon.sh
. "${top_srcdir:?}/tests/daemon.sh"

socket=$folder/xapi
printf '[xapi]\nsocket = %s\n' "$socket" >>"$folder/conf"
standin=
watcher=

standin() {
	timeout 20 "$top_srcdir/tests/xapi_standin.py" "$@"
}

# until_true COMMAND...
until_true() {
	local tries

	for ((tries = 0; tries < 200; tries++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

start_standin() {
	"$top_srcdir/tests/xapi_standin.py" serve "$socket" &
	standin=$!
	until_true standin call "$socket" task.get_all_records >"$folder/tasks" 2>&1
}

start_watcher() {
	"$builddir/agent/xenferry-xapi" --config "$folder/conf" 2>>"$folder/watcher" &
	watcher=$!
}

# shellcheck disable=SC2317 # called by the trap
end_all() {
	[[ -z $standin ]] || kill "$standin"
	[[ -z $watcher ]] || kill "$watcher"
	clean_up
}
trap end_all EXIT

tasks() {
	standin call "$socket" task.get_all_records
}

# shows PATTERN: some task is like that.
# shellcheck disable=SC2317 # called by until_true and expect
shows() {
	tasks | grep -q -- "$1"
}

# shellcheck disable=SC2317 # called by expect
comes_to_show() {
	until_true shows "$1"
}

migrate() {
	ferry vm-migrate vm="$1" host=B live=true async=true
}

expect 'where there is no XAPI nobody is shown anything' 0 '*no XAPI here*' \
	"$builddir/agent/xenferry-xapi" --config "$folder/conf"
start_standin
start_watcher # before the daemon, which it waits for
start_daemon

# ---- a task for each migration ----

slow=$(migrate slow)
expect 'a migration is a task' 0 '' comes_to_show '"name_label": "Migrating slow to B"'
expect 'which says whose it is' 0 '' comes_to_show "\"other_config\": {\"xenferry\": \"$slow\"}"
expect 'and how far it has come' 0 '' comes_to_show '"progress": 0.25, .*"status": "pending"'
expect 'its cancel is taken' 0 '""' standin call "$socket" task.cancel OpaqueRef:task-0
expect 'and cancels the migration' 0 '' comes_to_show '"status": "cancelled"'
expect 'whose guest stays' 3 '*cancelled*' ferry migration-wait uuid="$slow"

crashed=$(migrate late-crash)
expect 'one that fails is shown with the reason' 0 '' \
	comes_to_show '"error_info": \["INTERNAL_ERROR", "the worker died .*"failure"'
quick=$(migrate quick)
expect 'one that goes well is shown as done' 0 '' \
	comes_to_show "\"progress\": 1.0, \"result\": \"$quick\", \"status\": \"success\""
expect 'each has its own' 0 '' shows "\"result\": \"$crashed\""

# ---- when either goes away ----

second=$(migrate slow-too)
expect 'another one is shown' 0 '' comes_to_show '"name_label": "Migrating slow-too to B"'
kill "$watcher"
wait "$watcher"
start_watcher
expect 'a session that has ended is begun anew' 0 '""' standin call "$socket" session.logout_all
stop_daemon
start_daemon
ferry migration-cancel uuid="$second"
kill "$standin"
wait "$standin"
rm "$socket"
start_standin
third=$(migrate slow)
expect 'XAPI started anew is told anew' 0 '' comes_to_show "\"xenferry\": \"$third\""
kill "$watcher"
wait "$watcher"
start_watcher
ferry migration-cancel uuid="$third"
expect 'a task is adopted by who is started anew' 0 '' comes_to_show '"status": "cancelled"'
expect 'and not made twice' 0 1 grep -c 'Migrating slow to B' <(tasks | tr '}' '\n')

exit "$failed"

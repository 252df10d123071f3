#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xenferryd and xenferry as they were built, with fake_worker in the worker's place: what clients,
# other hosts and workers may do to the daemon, and what it says.
# shellcheck source=tests/daemon.sh
. "${top_srcdir:?}/tests/daemon.sh"

migrate() {
	ferry vm-migrate vm="$1" host=B live=true "${@:2}"
}

# shellcheck disable=SC2317 # called by expect
status_of() {
	ferry migration-param-get uuid="$1" param-name=status
}

job=5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a11
nonce=00112233445566778899aabbccddeeff

sed 's/^#\([a-z]\)/\1/' "${top_srcdir:?}/agent/xenferry.conf" >"$folder/example"
mkdir "$folder/example.d"
printf '[agent]\nsocket = /nowhere/control.sock\n' >"$folder/example.d/socket.conf"
expect 'the example keeps to the keys there are' 5 '*/nowhere/*' \
	"$builddir/agent/xenferry" --config "$folder/example" vm-list
expect 'nobody answers before it runs' 5 '*does not answer on*' ferry vm-list
start_daemon

# ---- guests ----

expect 'guests print as xe prints them' 0 \
	'uuid ( RO)           : u1?     name-label ( RO): g1?*host ( RO): A' ferry vm-list
expect 'the minimal list is the uuids' 0 'u1' ferry vm-list --minimal
touch "$folder/state/no-guests"
expect 'a failed listing says why' 1 '*cannot be listed: no hypervisor here' ferry vm-list
rm "$folder/state/no-guests"

# ---- migrations that end ----

expect 'success is silent' 0 '' migrate quick
expect 'success has a record' 0 '{"uuid":*"status":"completed"*"steps":\[*' migrate quick --json
expect 'the last word of the progress is the end' 0 '*completed 100%*' migrate quick --progress
expect 'a refusal has its sentence and its status' 7 'xenferry: B lacks 2 GiB' migrate refused
expect 'a copy without an end has its own status' 4 '*dirties faster*' migrate diverging
expect 'a guest is only moved live' 7 '*live=true*' ferry vm-migrate vm=quick host=B
expect 'a host has the form of one' 2 '*neither a name nor an address*' \
	ferry vm-migrate vm=quick 'host=a b' live=true
expect 'another policy is refused' 7 '*no policy*' migrate quick policy=brave
expect 'past migrations are listed' 0 '*refused*completed*' ferry migration-list
expect 'a migration that never was is not found' 7 '*no migration*' ferry migration-wait uuid=$job
expect 'a uuid is no path' 2 '*not a migration*' ferry migration-wait uuid=../../etc

# ---- migrations that run ----

slow=$(migrate slow async=true)
expect 'an asynchronous one prints its uuid' 0 "$slow" echo "$slow"
expect 'the same request attaches to it' 0 "$slow" migrate slow async=true
expect 'the same guest goes nowhere else meanwhile' 7 "*$slow*" \
	ferry vm-migrate vm=slow host=10.0.0.9 live=true
other=$(migrate slow-too async=true)
expect 'too many at once are refused' 7 '*outgoing-max*' migrate quick
expect 'waiting shows progress, and has an end' 4 'copying 25%*goes on*' \
	ferry migration-wait uuid="$slow" timeout=1 --progress
expect 'a cancel is silent' 0 '' ferry migration-cancel uuid="$slow"
expect 'who waits for it hears of it' 3 'xenferry: *cancelled*' ferry migration-wait uuid="$slow"
expect 'its record stays' 0 cancelled status_of "$slow"

# ---- events ----

# until_heard PATTERN: migrates until who waits for events has heard of it.
# shellcheck disable=SC2317 # called by expect
until_heard() {
	local tries

	for ((tries = 0; tries < 50; tries++)); do
		migrate quick >"$folder/quick" 2>&1
		grep -q "$1" "$folder/events" && return
	done
	return 1
}

ferry event-wait timeout=10 --json >"$folder/events" &
waiter=$!
expect 'who waits for events hears of a migration' 0 '' until_heard '"event":"finished"'
kill "$waiter"
expect 'its beginning is one' 0 '*"event":"created","record":{"uuid":*' \
	grep -m 1 '"event":"created"' "$folder/events"
expect 'waiting for events has an end' 0 '*' ferry event-wait timeout=1
expect 'diagnostics are one object' 0 '*"agent":*"guests":*"migrations":*"evacuation":*' \
	ferry diagnostics

# ---- metrics ----

# scrape REQUEST [HEADER]: what comes back.
# shellcheck disable=SC2317 # called by expect
scrape() {
	local metrics_port

	metrics_port=$(sed -n '/metrics/,$ s/^port = //p' "$folder/conf")
	exec 6<>"/dev/tcp/127.0.0.1/$metrics_port"
	printf '%s HTTP/1.1\r\nHost: a\r\n%s\r\n' "$1" "${2-}" >&6
	timeout 10 cat <&6
	exec 6<&-
}

expect 'a scraper counts what has ended' 0 \
	'*200 OK*migrations_total{direction="outgoing",result="refused"} 1*' scrape 'GET /metrics'
expect 'OpenMetrics is given to who wants it' 0 '*# TYPE xenferry_migrations counter*# EOF' \
	scrape 'GET /metrics' $'Accept: application/openmetrics-text\r\n'
expect 'there is no other page' 0 'HTTP/1.1 404*' scrape 'GET /'
expect 'nothing is changed through it' 0 'HTTP/1.1 405*' scrape 'POST /metrics'
(scrape "GET /$(printf '%09000d' 0)") >/dev/null 2>&1 # may be cut off while it speaks
expect 'who asks without an end asks alone' 0 '*200 OK*' scrape 'GET /metrics'
if command -v promtool >/dev/null; then
	scrape 'GET /metrics' | sed '1,/^\r$/d' >"$folder/page"
	expect 'promtool finds nothing' 0 '' promtool check metrics <"$folder/page"
	expect 'nor in the file' 0 '' promtool check metrics <"$folder/xenferry.prom"
else
	echo 'skip - promtool is not installed (Debian: prometheus)'
fi

# ---- workers that die ----

expect 'a worker that never began has failed' 1 '*killed by signal 9*' migrate crash
expect 'one that says nonsense has failed' 1 '*ended with status 5*' migrate mute
expect 'one that copied is recovered by its spare' 1 '*its spare took everything back' \
	migrate late-crash
expect 'one that had begun is recovered' 1 '*everything was taken back' migrate early-crash
expect 'a recovery that dies leaves a doubt' 6 '*look for the guest at both hosts*' \
	migrate crash-twice
expect 'a guest in doubt is not moved again' 7 '*already*' \
	ferry vm-migrate vm=crash-twice host=10.0.0.9 live=true

# ---- a daemon that dies ----

expect 'one daemon uses a state' 1 '*another xenferryd*' \
	"$builddir/agent/xenferryd" --config "$folder/conf"
stop_daemon
expect 'it stops, and its workers do not' 0 0 echo "$stopped"
start_daemon
expect 'a running worker is found again' 0 copying status_of "$other"
expect 'its job is the same' 0 "$other" migrate slow-too async=true
expect 'a doubt is recovered again' 6 '*both hosts*' \
	ferry migration-wait uuid="$(ferry migration-list params=uuid,status | grep -B1 in-doubt |
		sed -n 's/^uuid.*: //p')"
doubtful=$(ferry migration-list params=uuid,status | grep -B1 in-doubt | sed -n 's/^uuid.*: //p')
expect 'where there is no doubt none is answered' 7 '*no doubt*copying*' \
	ferry migration-resolve uuid="$other" outcome=source
expect 'a doubt is answered with a side' 2 '*source or target*' \
	ferry migration-resolve uuid="$doubtful" outcome=nowhere
expect 'an operator answers a doubt' 0 '' \
	ferry migration-resolve uuid="$doubtful" outcome=source

# resolved: its recovery, which starts at once, settles the job and it goes to the history
# shellcheck disable=SC2317 # called by expect
resolved() {
	local tries

	for ((tries = 0; tries < 100; tries++)); do
		[[ $(status_of "$doubtful") == in-doubt ]] || break
		sleep 0.1
	done
	status_of "$doubtful"
}
expect 'the recovery that hears of it settles the job' 0 failed resolved
expect 'what is over has no doubt' 7 '*no doubt*over' \
	ferry migration-resolve uuid="$doubtful" outcome=target
expect 'it can still be cancelled' 0 '' ferry migration-cancel uuid="$other"
expect 'its end is seen' 3 '*cancelled*' ferry migration-wait uuid="$other"

# A worker of the daemon that stopped has just begun, and not said yet who it is.
stop_daemon
young=77777777-0000-4000-8000-000000000001
mkdir "$folder/state/jobs/$young"
echo '{"vm": "young", "host": "B"}' >"$folder/state/jobs/$young/request.json"
exec 7>"$folder/state/jobs/$young/lock"
flock 7
start_daemon 7>&-
expect 'a job that somebody has just begun has not failed' 0 preparing status_of "$young"
exec 7>&-
expect 'one that nobody begins has' 1 '*did not say*' ferry migration-wait uuid="$young"

# ---- other hosts ----

expect 'a stranger gets a reason' 0 '*GET /*' probe bytes "$port"
expect 'a version of the future gets a reason' 0 'incompatible?*version*' probe version "$port"
expect 'memory of no job is refused' 1 '*no job here waits*' probe memory "$port" $job $nonce

mkfifo "$folder/control"
probe control "$port" $job $nonce >"$folder/control" &
exec 6<"$folder/control"
read -r -t 20 first <&6
expect 'a guest that comes gets a worker' 0 welcome echo "$first"
expect 'too many guests at once are refused' 1 '*incoming-max*' probe control "$port" $job $nonce
expect 'memory with another nonce is refused' 1 '*no job here waits*' \
	probe memory "$port" $job ffffffffffffffffffffffffffffffff
expect 'its memory comes to its worker' 0 "welcome?$job" probe memory "$port" $job $nonce
exec 6<&-
expect 'its end is known here too' 0 '' ferry migration-wait uuid=$job
expect 'a job that is over does not come again' 1 '*known already*' \
	probe control "$port" $job $nonce
expect 'who asks is answered by a worker' 0 'welcome?asked' probe ask "$port" $job $nonce

# ---- clients that do not behave ----

socket=$folder/run/control.sock
expect 'the socket is its owner'"'"'s alone' 0 'srw-------' stat -c %A "$socket"
expect 'what is not JSON is answered so' 0 '*-32700*' probe line "$socket" 'hello'
expect 'an unknown method is answered so' 0 '*-32601*' \
	probe line "$socket" '{"jsonrpc": "2.0", "id": 1, "method": "vm.burn"}'
expect 'an unknown parameter is named' 0 '*-32602*"exit_status":2*' \
	probe line "$socket" '{"jsonrpc": "2.0", "id": 1, "method": "vm.list", "params": {"x": 1}}'
expect 'a line without an end is refused' 0 '*at most 65536 bytes*' probe long-line "$socket"
expect 'it is still there' 0 'u1' ferry vm-list --minimal

# ---- what it will not do ----

stop_daemon
expect 'it stops again' 0 0 echo "$stopped"
expect 'the socket is gone' 1 '' test -e "$socket"
sed -i 's/^port = 0/&\nlisten = 0.0.0.0/' "$folder/conf"
expect 'no plain text without an operator' 7 '*tls = off*' \
	"$builddir/agent/xenferryd" --config "$folder/conf"
sed -i 's/^listen.*/&\nprot = 1/' "$folder/conf"
expect 'a mistake in the configuration is named' 2 "*conf:*no key 'prot'*" \
	"$builddir/agent/xenferryd" --config "$folder/conf"

exit "$failed"

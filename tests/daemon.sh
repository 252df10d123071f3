# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the tests of xenferryd and its clients share: the daemon as it was built, with fake_worker in
# the worker's place, and checks. Sourced.
set -uo pipefail
export LC_ALL=C

builddir=${top_builddir:?}
folder=$(mktemp -d) || exit 1
failed=0
daemon=

mkdir "$folder/libexec"
ln -s "$builddir/tests/fake_worker" "$folder/libexec/xenferry-worker"
cat >"$folder/hosts.json" <<'JSON'
{"hosts": [{"name": "B", "address": "127.0.0.1", "port": 9}]}
JSON
cat >"$folder/conf" <<CONF
[agent]
name = A
state = $folder/state
socket = $folder/run/control.sock
libexec = $folder/libexec
hosts = $folder/hosts.json
outgoing-max = 2
history-max = 30
[peer]
port = 0
incoming-max = 1
[metrics]
port = $((20000 + RANDOM % 10000))
textfile = $folder/xenferry.prom
CONF

# ---- the daemon ----

# Starts it and returns when it listens; its log goes on into $folder/log.
start_daemon() {
	local line

	rm -f "$folder/says"
	mkfifo "$folder/says"
	"$builddir/agent/xenferryd" --config "$folder/conf" 2>"$folder/says" &
	daemon=$!
	exec 5<"$folder/says"
	while read -r -t 20 line <&5; do
		echo "$line" >>"$folder/log"
		[[ $line == *" listens on "* ]] && break
	done
	cat <&5 >>"$folder/log" &
	exec 5<&-
	port=$(<"$folder/state/port")
}

# Leaves its exit status in $stopped.
stop_daemon() {
	kill "$daemon"
	wait "$daemon"
	stopped=$?
	daemon=
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	[[ -n $daemon ]] && kill "$daemon" 2>/dev/null
	wait
	rm -rf "$folder"
}
trap clean_up EXIT

ferry() {
	timeout 20 "$builddir/agent/xenferry" --config "$folder/conf" "$@"
}

probe() {
	timeout 20 "$builddir/tests/probe" "$@"
}

# ---- checks ----

# expect WHAT STATUS PATTERN COMMAND...: the command ends with that status, and what it prints, with
# both outputs together, matches the pattern.
expect() {
	local output status

	output=$("${@:4}" 2>&1)
	status=$?
	# shellcheck disable=SC2053 # it is a pattern
	if [[ $status == "$2" && $output == $3 ]]; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n  %s\n  status %s, wanted %s\n  wanted: %s\n%s\n' "$1" "${*:4}" \
			"$status" "$2" "$3" "$output"
		failed=1
	fi
}

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Simulated hosts themselves: what they refuse, and that nothing is left of one, however it ends.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# shellcheck disable=SC2154 # world_begin sets scratch
start() {
	timeout 30 "$simhost" --world "$scratch/world" "$@"
}

# processes_of WORLD: all that knows of it, hosts and keeper.
processes_of() {
	pgrep -f -- "--world $1( |$)" | grep -vx "$$"
}

# ends_by SIGNAL: a host of a world of its own does, and leaves nothing.
ends_by() {
	local world=$scratch/ends host line

	rm -f "$scratch/ends.up"
	mkfifo "$scratch/ends.up"
	env --default-signal=INT "$simhost" --world "$world" --name A >"$scratch/ends.up" &
	host=$!
	read -r -t 30 line <"$scratch/ends.up"
	echo "$line"
	kill -s "$1" "$host"
	wait "$host" || true
	until_true 5 all_gone "$world"
}

all_gone() {
	[[ ! -e $1 ]] && ! processes_of "$1"
}

# On a machine with next to nothing.
without_programs() {
	mkdir "$scratch/bin"
	ln -s "$(command -v readlink)" "$scratch/bin"
	exits 77 'missing: .*unshare.*apt-get install' \
		env PATH="$scratch/bin" "$BASH" "$simhost" --check
}

# On a machine without Debian's xenstored: something else is where it would be.
without_xenstored() {
	: >"$scratch/nothing"
	# shellcheck disable=SC2016 # the inner shell's
	exits 77 'missing: /usr/lib/xen-4\.17/bin/xenstored.*apt-get install' \
		unshare --user --map-root-user --mount sh -c \
		'mount --bind "$1" /usr/lib/xen-4.17/bin/xenstored && shift && exec "$@"' - \
		"$scratch/nothing" "$simhost" --world "$scratch/nowhere" --name B
}

# With all its own, but for the port.
second_agent() {
	# shellcheck disable=SC2016 # the other shell's
	exits 1 'port 8002: address already in use' on A timeout 10 sh -c '
		sed "s,/run/xenferry,/run/sim/A/second,; s,/var/lib/xenferry,/run/sim/A/second," \
			/etc/xenferry.conf >/run/sim/A/second.conf
		exec xenferryd --config /run/sim/A/second.conf'
}

# What a demo begins ends with it, by Ctrl-C, too, whatever it was about to do.
interrupted_demo() {
	local demo words=()

	mkdir "$scratch/tmp"
	env --default-signal=INT TMPDIR="$scratch/tmp" "$builddir/devices/sim/demo" \
		2>"$scratch/demo.err" &
	demo=$!
	until_true 30 grep -q "$1" "$scratch/demo.err"
	kill -INT "$demo"
	wait "$demo" || words+=("status $?")
	words+=("$(ls -A "$scratch/tmp")" "$(pgrep -f -- "--world $scratch/tmp")")
	echo "${words[@]}"
	rmdir "$scratch/tmp" && [[ ${words[*]} == 'status 130  ' ]]
}

world_begin
host_up A --memory-mib 256
check 'its name is taken' exits 1 'named A is up already' start --name A
check 'and it is still there' on A xenstore-exists /
check 'a name is a word' exits 1 'letters' start --name '../A'
check 'unknown costs are refused' exits 1 'no costs named cheap: .*xenserver-6.2' \
	start --name B --costs cheap
check 'more memory than the machine has is refused' exits 7 'this machine has' \
	start --name B --memory-mib 99999999
check 'memory is a number' exits 1 'wants a number' start --name B --memory-mib much
check 'a host that is not up runs nothing' exits 1 'no simulated host named B' \
	start --name B --exec true
check 'what is missing is named' without_programs
check 'a missing xenstored is named' without_xenstored
check 'a guest larger than the host is refused' exits 7 'memory' on A simcreate \
	--folder /run/sim/A --store /run/xenstored --name g1 --uuid "$(guest_uuid 1)" \
	--memory-mib 1024
check 'and nothing is left of it' nothing_left A
check 'a port that is taken is named' second_agent
check 'unknown words are refused' exits 2 'usage' start --frobnicate
check 'nothing of those is left' exits 0 '^A$' on A sh -c \
	'cd /run/sim && ls -d [A-Z]'
host_down A
check 'the world ends with its last host' until_true 5 all_gone "$scratch/world"
check 'a demo that is interrupted leaves nothing' interrupted_demo 'starting two'
check 'nor in the middle of a migration' interrupted_demo 'g1 moves'
for signal in INT TERM HUP KILL; do
	check "ended by SIG$signal it leaves nothing" ends_by $signal
done
finish

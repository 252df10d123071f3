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
check 'unknown words are refused' exits 2 'usage' start --frobnicate
check 'nothing of those is left' exits 0 '^A$' on A sh -c \
	'cd /run/sim && ls -d [A-Z]'
host_down A
check 'the world ends with its last host' until_true 5 all_gone "$scratch/world"
for signal in INT TERM HUP KILL; do
	check "ended by SIG$signal it leaves nothing" ends_by $signal
done
finish

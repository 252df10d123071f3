# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# `lab fault`: a migration that something befalls, on real Xen, one after another; the programs know
# nothing of it. After each: exactly one copy of the guest runs, it answers, its disk is in order,
# nothing is left where it is not, and a plain migration works. Sourced by `lab`.
#
#   fault        what happens
#   at           the synchronisation point that comes next; copy: while memory is copied
#   side         whom it happens to
#   outcome      what became of the migration, and where the guest runs
#   resume_ms    from the fault until the guest answers a ping from the host that was struck; where
#                the fault has no moment of its own, the longest silence
#   gap_ms       the guest's longest silence, by pings from outside

CUT_SECONDS=30        # longer than a doubt takes to be shown
JOB_SECONDS=240       # for a job to settle once the fault is over
STRIKE_SECONDS=90     # for a migration to come to where it is struck
COPYING_MS=1500       # after its begin, the copy is under way
KILL=9 STOP=19 CONT=18

# A line a case: the fault, where, whom, and what the journal says at that moment.
fault_cases() {
	cat <<- CASES
		worker-killed SP0 source describe-guest
		worker-killed SP1 source watch-disks
		worker-killed copy source copy-memory
		worker-killed SP2 source stop-and-copy
		worker-killed SP3 source released
		worker-killed SP4 source unpause-guest
		worker-killed SP5 source tear-down-source
		worker-killed SP0 target begin
		worker-killed SP1 target plug-devices
		worker-killed copy target copy-memory
		worker-killed SP2 target introduce-domain
		worker-killed SP3 target taken
		worker-killed SP4 target unpause-guest
		worker-killed SP5 target settle-guest
		stream-killed copy source copy-memory
		stream-killed SP2 source stop-and-copy
		stream-killed copy target copy-memory
		daemon-killed SP1 source watch-disks
		daemon-killed copy source copy-memory
		daemon-killed SP3 source released
		daemon-killed SP5 source tear-down-source
		daemon-killed SP1 target plug-devices
		daemon-killed copy target copy-memory
		daemon-killed SP3 target taken
		daemon-killed SP5 target settle-guest
		network-cut SP0 source describe-guest
		network-cut SP1 target plug-devices
		network-cut copy source copy-memory
		network-cut SP2 target introduce-domain
		network-cut SP3 source released
		network-cut SP3 target taken
		network-cut SP4 target announce-guest
		network-cut SP5 source tear-down-source
		host-reset SP1 target plug-devices
		host-reset copy target copy-memory
		host-reset SP2 target introduce-domain
		out-of-memory SP0 target -
		block-script-fails SP1 target add
		vif-script-fails SP1 target online
		block-script-hangs SP1 target add
		vif-script-hangs SP1 target online
		block-script-fails SP5 source remove
		vif-script-hangs SP5 source offline
	CASES
}

# ---- the faults: each moves the guest from $from to $to and lets it happen on $struck -----------

# The operator's command. Its words are kept; it may fail, or lose its agent.
try_to_move() {
	on "$from" xenferry vm-migrate vm=g1 host="$to" live=true --json \
		> "$RUN/move.out" 2> "$RUN/move.err" || true
}

# begin_strike WORD AT SIGNAL PROGRAM: on $struck; sets `striker`.
begin_strike() {
	local delay=0
	[ "$2" != copy ] || delay=$COPYING_MS
	on "$struck" strike "$STRIKE_SECONDS" "$1" "$delay" "$3" "$4" "$GUEST" \
		> "$RUN/strike.out" 2>&1 &
	striker=$!
	striker_says ready
}

striker_says() {
	until grep -q "$1" "$RUN/strike.out"; do
		kill -0 "$striker" 2> /dev/null || return 1
		sleep 0.1
	done
}

# killed PROGRAM AT WORD
killed() {
	begin_strike "$3" "$2" "$KILL" "$1" || return 1
	try_to_move
	wait "$striker"
}

worker_killed() { killed xenferry-worker "$@"; }
stream_killed() { killed xenferry-stream "$@"; }
daemon_killed() { killed xenferryd "$@"; }

# signal_workers SIGNAL: of $struck, if there still are any.
signal_workers() { on "$struck" "pkill -$1 -x xenferry-worker || true"; }

# held AT WORD COMMAND…: the worker stands still where it is struck, while the command is run.
held() {
	local mover
	begin_strike "$2" "$1" "$STOP" xenferry-worker || return 1
	try_to_move &
	mover=$!
	striker_says struck || return 1
	"${@:3}"
	wait "$mover"
	wait "$striker" || true # its host may have been reset
}

# Hosts hear us, and not each other.
set_isolated() {
	local host
	for host in $(hosts); do in_ns bridge link set dev "tap$host" isolated "$1"; done
}

cut_for_a_while() {
	set_isolated on
	signal_workers "$CONT"
	sleep "$CUT_SECONDS"
	doubt=$(on "$from" xenferry migration-list params=status --minimal 2> /dev/null |
		grep -o in-doubt || true)
	set_isolated off
}

network_cut() { held "$@" cut_for_a_while; }

# As by its button: what was on its disk is there when it is up again, and nothing else.
reset_host() {
	local deadline=$((SECONDS + 240))
	echo system_reset | socat - "UNIX:$RUN/$struck.monitor" > /dev/null
	kill "$striker" 2> /dev/null || true # it would wait for who is there no more
	until LAB_SECONDS=10 on "$struck" true 2> /dev/null; do
		in_time "$deadline" "host $struck did not come up again" || return 1
		sleep 1
	done
}

host_reset() { held "$@" reset_host; }

# What the target has left goes to a guest that never runs.
out_of_memory() {
	local free
	free=$(on "$to" xl info free_memory)
	on "$to" "xl create -q -p /root/idle.cfg 'memory=$((free - 60))' 'vif=[]'"
	try_to_move
	on "$to" xl destroy idle
}

# with_script SCRIPT ACTION COMMAND: the script does that instead when it is called for the action.
with_script() {
	local script=/etc/xen/scripts/$1
	on "$struck" "cp -p $script $script.right && sed -i '2i case \$1 in $2) $3 ;; esac' $script"
	try_to_move
	wait_for_jobs || true
	on "$struck" mv "$script.right" "$script"
}

block_script_fails() { with_script block "$2" 'exit 3'; }
block_script_hangs() { with_script block "$2" 'exec sleep 1000'; }
vif_script_fails() { with_script vif-bridge "$2" 'exit 3'; }
vif_script_hangs() { with_script vif-bridge "$2" 'exec sleep 1000'; }

# ---- afterwards ---------------------------------------------------------------------------------

# Daemons that were killed are started again, as a service manager would.
start_agents() {
	local host
	for host in $(hosts); do
		on "$host" "pidof xenferryd > /dev/null || start-agent" || return 1
	done
}

jobs_left() {
	local host
	for host in $(hosts); do on "$host" ls /var/lib/xenferry/jobs; done
}

wait_for_jobs() {
	local deadline=$((SECONDS + JOB_SECONDS))
	until [ -z "$(jobs_left)" ]; do
		in_time "$deadline" "a job does not settle: $(jobs_left)" || return 1
		sleep 0.5
	done
}

# How many copies of the guest could run at this moment, on all hosts.
running_copies() {
	local host
	for host in $(hosts); do on "$host" xl list; done |
		awk '$1 ~ /^g1(--incoming)?$/ && $5 !~ /[pscd]/ { n++ } END { print n + 0 }'
}

# said_of_job HOST FIELD: of its last migration.
said_of_job() {
	# shellcheck disable=SC2016 # the other shell's
	on "$1" 'xenferry migration-param-get param-name='"$2"' \
		uuid=$(ls -t /var/lib/xenferry/history | head -1)' 2> /dev/null || echo unknown
}

# plain_move: from where the guest is, as if nothing had been.
plain_move() {
	local here there
	here=$(lab_guest_where) || return 1
	there=$(other_host "$here")
	on "$here" xenferry vm-migrate vm=g1 host="$there" live=true || return 1
	[ "$(lab_guest_where)" = "$there" ] && wait_for_guest 60 && is_clean_soon "$here"
}

other_host() { hosts | grep -vx "$1" | head -1; }

is_clean_soon() {
	local deadline=$((SECONDS + 30))
	until on "$1" leftovers; do in_time "$deadline" "something is left on $1" || return 1; done
}

# must WHAT COMMAND…: what has to hold; otherwise that is said, and the case is a violation.
must() {
	"${@:2}" > "$RUN/must.out" 2>&1 && return
	wrong+="${wrong:+; }$1"
	tail -5 "$RUN/must.out" | sed 's/^/  /' >&2
}

# look_after: everything that must hold. Sets wrong, where, copies and disk_ok.
look_after() {
	disk_ok=true
	must "an agent does not start" start_agents
	must "a job did not settle" wait_for_jobs
	must "the guest does not answer, or its disk takes no writes" wait_for_guest 60
	where=$(lab_guest_where 2> /dev/null) || where=nowhere
	copies=$(running_copies)
	must "there are $copies running copies" test "$copies" -eq 1
	lab_disk_check > "$RUN/disk.out" || { disk_ok=false; wrong+="; its disk is not in order"; }
	[ "$where" = nowhere ] || must "something is left" is_clean_soon "$(other_host "$where")"
}

# ---- one case after another ---------------------------------------------------------------------

# side_of HOST: in words, of this case.
side_of() {
	case $1 in
	"$from") echo "the guest runs at the source" ;;
	"$to") echo "the guest runs at the target" ;;
	*) echo "the guest is gone" ;;
	esac
}

# one_fault FAULT AT SIDE WORD: adds a line to the results.
one_fault() {
	local from to struck striker doubt='' wrong='' where copies disk_ok outcome
	local ping gap_ms sent lost resume_ms
	keep_guest_fresh
	: > "$RUN/strike.out"
	from=$(lab_guest_where)
	to=$(other_host "$from")
	struck=$to
	[ "$3" != source ] || struck=$from
	exec_in_ns "$IMAGES/bin/ping" "$GUEST" "$PING_INTERVAL_MS" > "$RUN/ping.out" &
	ping=$!
	"${1//-/_}" "$2" "$4" > "$RUN/fault.out" 2>&1 || wrong="the fault did not happen"
	look_after
	kill "$ping"
	wait "$ping" || true
	read -r gap_ms sent lost < <(sed 's/[a-z_]*=//g' "$RUN/ping.out")
	resume_ms=$(sed -n 's/^answered_ms=//p' "$RUN/strike.out" | grep . || echo "$gap_ms")
	outcome="$(said_of_job "$from" status)${doubt:+ after a doubt}, $(side_of "$where")"
	must "a plain migration afterwards does not work" plain_move
	printf '%-19s %-4s %-6s %8s ms  %s%s\n' "$1" "$2" "$3" "$resume_ms" "$outcome" \
		"${wrong:+  VIOLATION: $wrong}" >&2
	{
		printf '{"fault": "%s", "at": "%s", "side": "%s", "outcome": "%s", ' \
			"$1" "$2" "$3" "$outcome"
		printf '"running_copies": %s, "disk_ok": %s, "resume_ms": %s, "gap_ms": %s, ' \
			"$copies" "$disk_ok" "$resume_ms" "$gap_ms"
		printf '"violation": "%s"}\n' "$wrong"
	} >> "$RUN/faults"
}

# A case moves the guest twice; and whatever the one before did, this one begins with a guest.
keep_guest_fresh() {
	local moves
	moves=$(cat "$RUN/moves" 2> /dev/null || echo 0)
	if [ "$moves" -ge "$MOVES_PER_BOOT" ] || ! wait_for_guest 30 2> /dev/null; then
		lab_guest_start "$(lab_guest_where 2> /dev/null || echo A)"
		moves=0
	fi
	echo $((moves + 2)) > "$RUN/moves"
}

# measure_floor: how long the guest takes to answer when it is resumed in place; five times.
measure_floor() {
	local i host
	host=$(lab_guest_where)
	: > "$RUN/results"
	for ((i = 0; i < 5; i++)); do
		suspend_in_place "$host" | sed 's/.*_answer_ms=/floor /' >> "$RUN/results"
		sleep 1
	done
	floor_ms=$(median floor 2)
}

# resumed_ms: the median after a death while the guest was suspended and not given away yet.
resumed_ms() {
	sed -n 's/.*-killed", "at": "SP2".*"resume_ms": \([0-9.]*\).*/killed \1/p' "$RUN/faults" \
		> "$RUN/results"
	median killed 2
}

print_fault_json() {
	printf '{"cases": [%s], "floor_ms": %s, "resumed_to_floor": %s, "violations": %s}\n' \
		"$(paste -sd , "$RUN/faults")" "$floor_ms" "$1" "$2"
}

lab_fault() {
	local json=false pattern=. floor_ms to_floor fault at side word violations
	while [ $# -gt 0 ]; do
		case $1 in
		--json) json=true ;;
		--cases) pattern=${2:-}; shift ;;
		*) usage ;;
		esac
		shift
	done
	[ "$(hosts | wc -l)" -eq 2 ] || die "faults want two hosts"
	lab_guest_where > /dev/null 2>&1 || lab_guest_start A
	measure_floor
	: > "$RUN/faults"
	while read -r fault at side word <&3; do
		one_fault "$fault" "$at" "$side" "$word"
	done 3< <(fault_cases | grep -E -- "$pattern")
	violations=$(grep -vc '"violation": ""' "$RUN/faults" || true)
	to_floor=$(ratio "$(resumed_ms)" "$floor_ms")
	echo "$(wc -l < "$RUN/faults") cases, $violations violations; resumed before SP3:" \
		"$to_floor times the floor's $floor_ms ms" >&2
	if $json; then print_fault_json "$to_floor" "$violations"; fi
	[ "$violations" -eq 0 ]
}

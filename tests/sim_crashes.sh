#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who is killed with -9 at each step of a migration, on either side: the worker, the stream's child,
# the daemon. One copy of the guest runs afterwards, whole, and the other host has nothing left. It
# goes on from wherever it is. sim_fault.c strikes. With words: only what dies there. With --all:
# everybody, at each line that either side writes into its journal, in each of the built-in plans or
# in those that are named; that takes half an hour (`make soak`).

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

words=" $* "
here=A there=B

wanted() {
	[[ $words == '  ' || $words == *" $1 "* ]]
}

# side source|target: the host.
side() {
	[[ $1 == source ]] && echo "$here" || echo "$there"
}

# dies WHO WHERE WORD STAYS|MOVES|EITHER [PARAMETER...]: WHO, on the source or the target, when a
# worker there writes WORD into its journal. The command line says so with any status but that of a
# loss.
dies() {
	wanted "$3" || return 0
	local host whom='' what="${5-plan=handover}: the $1 on the $2 dies at $3"

	host=$(side "$2")
	case $1 in
	daemon) whom=$(on "$host" pgrep -xo xenferryd) ;;
	stream) whom=stream ;;
	esac
	strike "$host" "kill $3 $whom"
	check "$what: it is said" exits '[0-6]' . \
		ferry "$here" vm-migrate vm=g1 host="$there" live=true --json "${@:5}"
	check "$what: it did" until_true 10 struck "$host" # the client may return before
	[[ $4 != EITHER ]] || check "$what: it settles" until_true 120 is_settled
	if [[ $4 == MOVES || ($4 == EITHER && $(guests_on "$there") == g1) ]]; then
		host=$here here=$there there=$host
	fi
	check "$what: the guest is well on $here" is_well 1 "$here" 1 1
	check "$what: nothing is left on $there" nothing_left "$there"
	check "$what: nobody is at it any more on $here" until_true 10 is_idle "$here"
}

# is_idle HOST: no job, no worker.
is_idle() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c '[ -z "$(ls /var/lib/xenferry/jobs; pgrep -x xenferry-worker)" ]'
}

is_settled() {
	is_idle A && is_idle B
}

# rows PLAN source|target: the steps that this side writes down, and on which side of SP3.
rows() {
	ferry A plan-show plan="$1" --json | tr '{' '\n' | awk -v side="$2" -v outcome=STAYS '
		match($0, /"name":"[^"]*","summary/) {
			name = substr($0, RSTART + 8, RLENGTH - 18)
			if (index($0, "\"" side "\":true"))
				print name, outcome
			if (index($0, "\"sync_point\":\"SP3\""))
				outcome = "MOVES"
		}'
}

# all_die PLAN: each of them, at each row, on either side.
all_die() {
	local plan=plan=$1 at word outcome

	for at in source target; do
		while read -r word outcome; do
			dies worker $at "$word" "$outcome" "$plan"
			dies daemon $at "$word" EITHER "$plan"
		done < <(echo begin STAYS; rows "$1" $at; echo "done MOVES")
	done
	dies worker source released STAYS "$plan"
	dies worker target taken MOVES "$plan"
	dies daemon target taken EITHER "$plan"
	for word in suspend-guest drain-disks stop-and-copy; do
		dies stream source $word EITHER "$plan" # it may have done its work
	done
	dies_under_way stream target "$plan"
	dies_under_way worker target "$plan"
	dies_under_way worker source "$plan"
}

# dies_under_way WHO WHERE PLAN: while memory is copied, which is made to last.
dies_under_way() {
	local host what="$3: the $1 on the $2 dies while memory is copied" uuid

	host=$(side "$2")
	uuid=$(ferry "$here" vm-migrate vm=g1 host="$there" live=true "$3" bandwidth-mibps=4 \
		async=true)
	check "$what: it copies" until_true 20 on "$host" pgrep -x xenferry-stream
	check "$what: it dies" on "$host" pkill -9 -x "xenferry-$1"
	check "$what: it is said" exits '[0-6]' . ferry "$here" migration-wait uuid="$uuid"
	check "$what: the guest is well on $here" is_well 1 "$here" 1 1
	check "$what: nothing is left on $there" nothing_left "$there"
	check "$what: nobody is at it any more on $here" until_true 10 is_idle "$here"
}

# dies_before_stream: the worker on the source, whose stream takes its time to end: until then it
# may switch the tracking of dirty pages off, which no other migration could know.
dies_before_stream() {
	wanted before-stream || return 0
	local what='the worker on the source dies, and its stream later' uuid stream

	uuid=$(ferry "$here" vm-migrate vm=g1 host="$there" live=true bandwidth-mibps=4 \
		async=true)
	check "$what: it copies" until_true 20 copies "$uuid"
	stream=$(on "$here" pgrep -x xenferry-stream)
	check "$what: the stream stands still" on "$here" kill -STOP "$stream"
	check "$what: the worker dies" on "$here" pkill -9 -x xenferry-worker
	check "$what: it is said" exits '[0-6]' . ferry "$here" migration-wait uuid="$uuid"
	check "$what: the guest is well on $here" is_well 1 "$here" 1 1
	check "$what: nothing is left on $there" nothing_left "$there"
	check "$what: no other migration begins" exits 1 'tracked already' \
		ferry "$here" vm-migrate vm=g1 host="$there" live=true
	check "$what: the stream goes on" on "$here" kill -CONT "$stream"
	check "$what: nobody is at it any more" until_true 10 nothing_moves "$here"
	check "$what: then it moves" move "$here" "$there" g1
	check "$what: and is well on $there" is_well 1 "$there" 1 1
	check "$what: and goes back" move "$there" "$here" g1
}

copies() {
	(($(ferry "$here" migration-param-get uuid="$1" param-name=memory-wire-bytes) > 100000))
}

nothing_moves() {
	! on "$1" pgrep -x xenferry-stream
}

# dies_in_script WHERE PLAN SCRIPT WORD COST: the worker, while that script runs, which COST makes
# last; those of the recovery take no time.
dies_in_script() {
	wanted in-script || return 0
	local host what="$2: the worker on the $1 dies while $3 $4 runs" uuid

	host=$(side "$1")
	costs "$host" "$5=2000"
	uuid=$(ferry "$here" vm-migrate vm=g1 host="$there" live=true plan="$2" async=true)
	check "$what: it takes its time" until_true 20 on "$host" pgrep -fx 'sleep 2.000'
	costs "$host" "$5=0"
	check "$what: it does" on "$host" pkill -9 -x xenferry-worker
	check "$what: it is said" exits '[0-6]' . ferry "$here" migration-wait uuid="$uuid"
	check "$what: the script has ended" until_true 10 runs_no_script "$host" "$3 $4"
	check "$what: the guest is well on $here" is_well 1 "$here" 1 1
	check "$what: its VIF is on the bridge" has_vif "$here"
	check "$what: nothing is left on $there" nothing_left "$there"
}

runs_no_script() {
	! on "$1" pgrep -f "scripts/$2|sleep 2.000"
}

has_vif() {
	on "$1" sh -c 'ls /sys/class/net/xenbr0/brif | grep "^vif"'
}

# file_dies VERB WORD RUNS|SAVED: the worker, when it writes WORD, of a guest that goes into a file
# or, with vm-resume, out of it; where the guest is in the end.
file_dies() {
	wanted "$2" || return 0
	local what="$1: the worker dies at $2" arguments=(vm=g1)

	[[ $1 != vm-resume ]] || arguments=()
	strike "$here" "kill $2"
	check "$what: it is said" exits '[0-6]' . \
		ferry "$here" "$1" "${arguments[@]}" file="$scratch/saved" --json
	check "$what: it did" until_true 10 struck "$here"
	check "$what: it settles" until_true 60 is_idle "$here"
	if [[ $3 == SAVED ]]; then
		check "$what: nothing runs" nothing_left "$here"
		check "$what: there is the file" test -e "$scratch/saved"
		[[ $1 == vm-resume ]] || check "$what: and out of it" exits 0 '' \
			ferry "$here" vm-resume file="$scratch/saved"
	else
		check "$what: the guest is well" is_well 1 "$here" 1 1
	fi
}

# files_die: at each line of a suspend, of a resume and of a checkpoint.
files_die() {
	local word

	for word in begin describe-guest open-file watch-disks copy-memory suspend-guest \
		stop-and-copy drain-disks finish-file take-guest; do
		file_dies vm-suspend $word RUNS
		check "vm-suspend: the worker died at $word: there is no file" \
			test ! -e "$scratch/saved"
	done
	for word in taken publish-file tear-down-source "done"; do
		file_dies vm-suspend $word SAVED
		rm -f "$scratch/saved"
	done
	for word in open-file copy-memory resume-guest finish-file taken publish-file "done"; do
		file_dies vm-checkpoint $word RUNS
		rm -f "$scratch/saved"
	done
	check 'into a file' exits 0 '' ferry "$here" vm-suspend vm=g1 file="$scratch/saved"
	for word in begin read-file create-domain plug-vifs plug-vbds copy-memory \
		introduce-domain take-guest; do
		file_dies vm-resume $word SAVED
	done
	file_dies vm-resume taken RUNS
	for word in forget-macs unpause-guest announce-guest await-network settle-guest "done"; do
		rm -f "$scratch/saved"
		check 'into a file' exits 0 '' ferry "$here" vm-suspend vm=g1 file="$scratch/saved"
		file_dies vm-resume $word RUNS
	done
	rm -f "$scratch/saved"
}

hosts_up --memory-mib 512
check 'a guest starts' guest_up A 1 32 1 1

if [[ ${1-} == --all ]]; then
	shift
	plans=${*:-$(ferry A plan-list params=name --minimal)}
	words='  '
	for plan in ${plans//,/ }; do
		all_die "$plan"
	done
	files_die
	finish
fi

for word in describe-guest watch-disks copy-memory suspend-guest stop-and-copy drain-disks \
	write-release released; do
	dies worker source $word STAYS
done
for word in create-domain plug-devices hold-disks copy-memory introduce-domain; do
	dies worker target $word STAYS
done
for word in unpause-guest tear-down-source "done"; do
	dies worker source $word MOVES
done
for word in taken unpause-guest forget-macs announce-guest await-network release-disks \
	settle-guest "done"; do
	dies worker target $word MOVES
done
dies_under_way stream target plan=handover
dies_before_stream
dies_in_script target handover block add vbd_plug_ms
dies_in_script target handover vif-bridge online vif_plug_ms
dies_in_script source xenserver-5.5 block remove vbd_unplug_ms
dies_in_script source xenserver-5.5 vif-bridge offline vif_unplug_ms
file_dies vm-suspend finish-file RUNS
file_dies vm-suspend taken SAVED
dies stream source suspend-guest STAYS
dies stream source stop-and-copy EITHER # it may have done its work
dies daemon source watch-disks MOVES
dies daemon source released MOVES
dies daemon source tear-down-source MOVES
dies daemon target create-domain STAYS
dies daemon target introduce-domain MOVES
dies daemon target taken MOVES
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host without Xen, for anybody on any Linux machine: see usage() and README.md.
#
# A world is a switch and the hosts on it. It consists of namespaces, so that nothing in it is seen
# or changed outside, and everything in it is gone when its last process is: memory, disks, links.
#
#   keeper   one a world: holds the user namespace, the switch's network, and the tmpfs on /run that
#            all hosts share (the machines' folders, disks, leases, verdicts); ends after the last
#            host
#   boot     one a host: takes its name and address, and becomes `init` in namespaces of its own
#   init     sets the host up, starts its programs, and ends when one of them does; the kernel then
#            kills the rest
#
# Outside is only the world's folder, for finding each other; the keeper removes it.
set -euo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

self=$(readlink -f "${BASH_SOURCE[0]}")
here=${self%/*}
build=${here%/devices/sim}
sources=@sources@ # where scripts/ and presets/ are

XENSTORED=/usr/lib/xen-4.17/bin/xenstored # not the wrapper in PATH, which refuses without Xen
PRELOAD=$here/.libs/libxenferry-sim.so
NETWORK=10.98 # the world's own: hosts are $NETWORK.0.N/16
OUTSIDE=$NETWORK.255.254 # the third machine's address, at the switch
READY_SECONDS=20
joining=(--user --mount --preserve-credentials) # nsenter's

usage() {
	cat <<-'TEXT'
	usage: simhost --name NAME [--world DIR] [--memory-mib N] [--cpu-leaf-max N]
	               [--numa-nodes N] [--costs PRESET|FILE]
	               [--disk-latency-us N] [--disk-bytes-per-s N] [--dirty-pages-per-s N]
	               [--working-set-pages N] [--queue-depth N] [--blocks-per-s N]
	               [--suspend-cost-us N]
	               [--preload LIBRARY] [--tls on|off]
	       simhost --name NAME [--world DIR] --exec COMMAND...
	       simhost --check

	Runs a simulated host in the foreground, until Ctrl-C: a hypervisor in shared memory,
	Debian's xenstored, backends, guests, a bridge xenbr0 and xenferryd. Needs no root. Hosts of
	one world (one for each user, unless --world says another folder) are on one switch.

	  --memory-mib N  the host's memory (1024)
	  --cpu-leaf-max  the last leaf of its processor (13): guests move to no smaller one
	  --numa-nodes N  of which processors, and guests, are by turns (1)
	  --costs PRESET  what plugging and unplugging cost: none, xenserver-6.2, or a file
	  --preload       one more library for xenferry's programs, to make things go wrong
	  --tls off       speaks plain text with other hosts (on)
	  --exec          runs a command on a host that is up, with the programs in PATH:
	                  simhost --name A --exec xenferry vm-list
	                  NAME may be `switch`: then it runs on a third machine at the switch
	  --check         says why simulated hosts cannot run here (exit 77), or nothing
	TEXT
}

die() {
	echo "simhost: $*" >&2
	exit 1
}

# die_of FILE WORDS: with the last lines of what a program said.
die_of() {
	echo "simhost: ${*:2}" >&2
	tail -n 5 "$1" >&2 || true
	exit 1
}

# await WHAT COMMAND...: until it succeeds; a host that does not come up says what it waited for.
await() {
	local deadline=$((SECONDS + READY_SECONDS))

	until "${@:2}" 2>/dev/null; do
		((SECONDS < deadline)) || die "$1 is not there after $READY_SECONDS seconds"
		sleep 0.02
	done
}

# ---- what the machine must have -----------------------------------------------------------------

missing_things() {
	local program

	for program in ip openssl unshare nsenter setpriv flock xenstore-read; do
		type -P "$program" >/dev/null || echo "$program"
	done
	[[ -x $XENSTORED ]] || echo "$XENSTORED"
}

# Prints why no simulated host can run here, if none can.
obstacle() {
	local missing words

	missing=$(missing_things)
	if [[ -n $missing ]]; then
		echo "missing: ${missing//$'\n'/ };" \
			"apt-get install iproute2 openssl util-linux xen-utils-4.17 xenstore-utils"
	elif ! words=$(unshare --user --map-root-user --mount --net --pid --fork \
		sh -c 'mount -t proc proc /proc && mount -t tmpfs tmpfs /run' 2>&1); then
		echo "no user namespaces ($words): sysctl kernel.unprivileged_userns_clone=1"
	fi
}

check() {
	local why

	why=$(obstacle)
	[[ -z $why ]] || { echo "simulated hosts cannot run here: $why" >&2; exit 77; }
}

# ---- the world ----------------------------------------------------------------------------------

# Makes sure that the world's folder is there, is ours, and stays while this process holds fd 9.
# Only one process at a time gets beyond, until it closes fd 7.
enter_world() {
	[[ $world != /run/* ]] || die "--world must not be below /run: a host has its own"
	while :; do
		(umask 077 && mkdir -p "$world") || die "cannot make the world's folder $world"
		[[ -O $world ]] || die "the world's folder $world is somebody else's: see --world"
		{ exec 7>>"$world/lock" 9>>"$world/users"; } 2>/dev/null || continue
		flock -x 7
		flock -s 9 # waits for a keeper that is about to end
		[[ $world/users -ef /proc/self/fd/9 && $world/lock -ef /proc/self/fd/7 ]] && return
	done
}

# note_process NAMESPACE FILE PID: writes down who is PID, and in which namespace of that kind.
note_process() {
	echo "$3 $(readlink "/proc/$3/ns/$1")" >"$2.new"
	mv "$2.new" "$2"
}

# find_process NAMESPACE FILE: prints the PID that was noted, unless the process is gone. The
# namespace tells it from a later one of that number.
find_process() {
	local pid namespace

	[[ -f $2 ]] && read -r pid namespace <"$2" &&
		[[ $(readlink "/proc/$pid/ns/$1") == "$namespace" ]] && echo "$pid"
}

find_keeper() {
	find_process user "$world/keeper"
}

start_keeper() {
	setsid unshare --user --map-root-user --mount --net \
		bash "$self" --stage keep --world "$world" </dev/null >"$world/log" 2>&1 7>&- &
	until find_keeper >/dev/null; do
		kill -0 $! 2>/dev/null || die_of "$world/log" "the switch did not start"
		sleep 0.02
	done
}

# The switch learns where a MAC is and forgets it as any does, and forwards at once.
keep() {
	cd /
	ip link set lo up
	ip link add switch type bridge forward_delay 0 stp_state 0
	ip address add "$OUTSIDE/16" dev switch
	ip link set switch up
	mount -t tmpfs -o size=100%,mode=755 tmpfs /run
	mkdir -p /run/sim/{disks,leases,verdicts} /run/netns
	touch /run/netns/switch
	mount --bind /proc/self/ns/net /run/netns/switch
	note_process user "$world/keeper" $$
	# ours are the locks of who started us: let go, and wait until nobody has them
	exec 9>&- 9>>"$world/users"
	flock -x 9
	rm -rf "$world"
}

# Prints the keeper's PID, who is started if need be.
have_keeper() {
	find_keeper || { start_keeper && find_keeper; }
}

# ---- a host: its name, its address --------------------------------------------------------------

# Prints the addresses of the hosts that are up, under the world's lock.
take_address() {
	local number=1 taken

	taken=$(cat /run/sim/*/address 2>/dev/null || true)
	while grep -qx "$NETWORK.0.$number" <<<"$taken"; do
		number=$((number + 1))
	done
	echo "$NETWORK.0.$number" >"/run/sim/$name/address"
}

write_hosts_list() {
	local file comma=

	{
		printf '{"hosts": ['
		for file in /run/sim/*/address; do
			printf '%s{"name": "%s", "address": "%s"}' "$comma" \
				"$(basename "${file%/address}")" "$(<"$file")"
			comma=', '
		done
		printf ']}\n'
	} >/run/sim/hosts.json.new
	mv /run/sim/hosts.json.new /run/sim/hosts.json
}

# The world is a pool: its authority is made with the first host.
make_certificate() {
	"$build/agent/xenferry-certificates" /run/sim/tls 30 "$name/$(<"/run/sim/$name/address")"
}

# Every process of the host has fd 8, so the name is taken for as long as one lives.
boot() {
	exec 8>>"/run/sim/.$name"
	flock -n 8 || die "a host named $name is up already: choose another --name, or end that one"
	rm -rf "/run/sim/$name"
	mkdir -p "/run/sim/$name/log"
	(
		flock 6
		take_address
		write_hosts_list
		make_certificate
	) 6>>/run/sim/.lock
	exec unshare --mount --net --pid --fork --kill-child \
		bash "$self" --stage init "${options[@]}"
}

# ---- a host: its own machine --------------------------------------------------------------------

# own DIR: makes it the host's, with links to what the machine has there.
own() {
	local machines=/run/machine$1

	mkdir -p "$machines"
	mount --rbind "$1" "$machines"
	mount -t tmpfs -o mode=755 tmpfs "$1"
	find "$machines" -mindepth 1 -maxdepth 1 -exec ln -s -t "$1" {} +
}

# own_folder DIR/NAME: an empty one, whether the machine has it or not.
own_folder() {
	rm -f "$1" # the link, if there was such a folder
	mkdir -p "$1"
}

set_up_files() {
	local folder

	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	for folder in /etc /var/lib /var/log; do
		own "$folder"
	done
	for folder in /etc/xen /etc/xenferry /var/lib/xen /var/lib/xenferry /var/log/xen; do
		own_folder "$folder"
	done
	for folder in /run/xen /run/xenstored /run/xenferry; do
		mkdir -p "$folder"
		mount -t tmpfs -o mode=755 tmpfs "$folder"
	done
	cp -r "$sources/scripts" /etc/xen/scripts
	ln -s /run/sim/hosts.json /etc/xenferry/hosts.json
	rm -f /etc/xenferry.conf
	cat >/etc/xenferry.conf <<-CONF
	[agent]
	name = $name
	state = /var/lib/xenferry
	socket = /run/xenferry/control.sock
	hosts = /etc/xenferry/hosts.json
	plans = /etc/xenferry/plans
	libexec = $build/agent
	[policy]
	folder = /etc/xenferry/policies
	[peer]
	listen = 0.0.0.0
	tls = $tls
	certificate = /run/sim/tls/$name/host.crt
	key = /run/sim/tls/$name/host.key
	ca = /run/sim/tls/$name/ca.crt
	[hooks]
	folder = /run/sim/$name/xapi.d
	timeout-ms = 2000
	CONF
}

set_up_network() {
	# nothing speaks IPv6 of its own accord where guests are listened to
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	ip link set lo up
	# eth0 first: were the two ends' numbers the same, a cable would take up to a second to be
	# noticed (linkwatch_urgent_event() in the kernel)
	ip link add eth0 type veth peer name "port$outer_pid" netns switch
	ip link add xenbr0 type bridge forward_delay 0 stp_state 0
	ip link set eth0 master xenbr0 up
	ip -n switch link set "port$outer_pid" master switch up
	ip address add "$(<"$XENFERRY_SIM/address")/16" dev xenbr0
	ip link set xenbr0 up
}

set_variables() {
	export PATH=$build/agent:$build/devices:$here:$PATH
	export XENFERRY_SIM=/run/sim/$name XENSTORED_RUNDIR=/run/xenstored
	# for programs built with sanitizers, before whose own library the preloaded one comes
	export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
}

# start PROGRAM ARGUMENT...: in the background, with its words in the host's log/.
start() {
	local program=${1##*/}

	"$@" </dev/null >>"$XENFERRY_SIM/log/$program" 2>&1 &
	started[$!]=$program
}

start_programs() {
	local store=$XENSTORED_RUNDIR shared=/run/sim

	LD_PRELOAD=$PRELOAD start "$XENSTORED" -N --pid-file "$store/pid"
	await xenstored xenstore-exists /
	start simbackend --folder "$XENFERRY_SIM" --store "$store" "${backend_options[@]}"
	start simguest --folder "$XENFERRY_SIM" --store "$store" --lease-dir $shared/leases \
		--verdicts $shared/verdicts "${guest_options[@]}"
	start_agent
	await xenferryd test -S /run/xenferry/control.sock
}

start_agent() {
	LD_PRELOAD=$PRELOAD${preload:+:$preload} start xenferryd --config /etc/xenferry.conf
}

# Process 1 of the host.
init() {
	local outer_pid ended program status
	declare -A started

	read -r outer_pid _ </proc/self/stat # as yet the outer /proc
	trap 'exit 0' TERM
	set_variables
	note_process pid "$XENFERRY_SIM/pid" "$outer_pid"
	set_up_files
	cp "$costs" "$XENFERRY_SIM/costs"
	simmachine --folder "$XENFERRY_SIM" --memory-mib "$memory_mib" "${machine_options[@]}"
	set_up_network
	start_programs
	echo "$name is up: $memory_mib MiB, $(<"$XENFERRY_SIM/address"), costs ${costs##*/}"
	# as systemd does: an agent that was killed, or told to end for a restart, is started again
	while status=0; wait -n -p ended || status=$?
		[[ ${started[$ended]} == xenferryd && $status =~ ^(0|137)$ ]]; do
		start_agent
	done
	program=${started[$ended]}
	die_of "$XENFERRY_SIM/log/$program" "$name goes down, as its $program has ended"
}

# ---- what a person starts -----------------------------------------------------------------------

# Kills the host's first process, and the kernel the rest with it. All of them have the other end of
# the pipe, which is at its end when the last one is gone.
power_off() {
	trap '' INT TERM HUP
	kill -KILL "$host" || true
	wait "$host" || true
	cat <&5
	# its memory was there; unless the name was another host's
	nsenter --target "$keeper" "${joining[@]}" \
		flock -n "/run/sim/.$name" rm -rf "/run/sim/$name" || true
} 2>/dev/null

run() {
	local keeper host status=0

	check
	enter_world
	keeper=$(have_keeper)
	exec 7>&-
	mkfifo "$world/$$"
	exec 6<>"$world/$$"
	exec 5<"$world/$$"
	rm "$world/$$"
	nsenter --target "$keeper" "${joining[@]}" setpriv --pdeathsig KILL \
		bash "$self" --stage boot "${options[@]}" 5<&- 9>&- &
	host=$!
	exec 6>&-
	trap power_off EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	wait "$host" || status=$?
	exit "$status"
}

exec_on_host() {
	local keeper pid=

	keeper=$(find_keeper) || die "no simulated host is up: start one with simhost --name $name"
	set_variables
	[[ $name != switch ]] || exec nsenter --target "$keeper" "${joining[@]}" --net "$@"
	pid=$(find_process pid "/proc/$keeper/root/run/sim/$name/pid") ||
		die "no simulated host named $name is up"
	exec nsenter --target "$pid" "${joining[@]}" --net --pid "$@"
}

# ---- the command line ---------------------------------------------------------------------------

is_number() {
	[[ $2 =~ ^[0-9]{1,12}$ ]] || die "$1 wants a number, not '$2'"
}

preset_names() {
	find "$sources/presets" -type f -printf '%f\n' | sort | paste -sd ' '
}

find_costs() {
	local preset=$sources/presets/$1

	if [[ $1 != */* && -f $preset ]]; then
		echo "$preset"
	elif [[ -f $1 ]]; then
		readlink -f "$1"
	else
		die "no costs named $1: there are $(preset_names), or give a file"
	fi
}

usage_error() {
	usage >&2
	exit 2
}

main() {
	local stage=run name='' world=${TMPDIR:-/tmp}/xenferry-sim-$UID memory_mib=1024 costs=none
	local preload='' tls=on options=() backend_options=() guest_options=() \
		machine_options=()

	while (($# > 0)); do
		case $1 in
		--check | --help) stage=${1#--} && shift && continue ;;
		--exec) stage=exec_on_host && shift && break ;;
		esac
		(($# > 1)) || usage_error
		case $1 in
		--stage) stage=$2 ;;
		--name) name=$2 ;;
		--world) world=$2 ;;
		--costs) costs=$2 ;;
		--preload) preload=$2 ;;
		--tls) [[ $2 =~ ^(on|off)$ ]] || die "--tls wants on or off, not '$2'" && tls=$2 ;;
		--memory-mib) is_number "$1" "$2" && memory_mib=$2 ;;
		--cpu-leaf-max | --numa-nodes)
			is_number "$1" "$2" && machine_options+=("$1" "$2") ;;
		--disk-latency-us | --disk-bytes-per-s)
			is_number "$1" "$2" && backend_options+=("$1" "$2") ;;
		--dirty-pages-per-s | --working-set-pages | --queue-depth | --blocks-per-s | \
			--suspend-cost-us)
			is_number "$1" "$2" && guest_options+=("$1" "$2") ;;
		*) usage_error ;;
		esac
		shift 2
	done
	case $stage in
	check | keep) "$stage" && return ;;
	help) usage && return ;;
	esac
	[[ $name =~ ^[A-Za-z][A-Za-z0-9-]{0,15}$ ]] ||
		die "--name wants up to 16 letters, digits and dashes, a letter first, not '$name'"
	costs=$(find_costs "$costs")
	options=(--name "$name" --world "$world" --memory-mib "$memory_mib" --costs "$costs"
		--preload "$preload" --tls "$tls" "${backend_options[@]}" "${guest_options[@]}"
		"${machine_options[@]}")
	"$stage" "$@"
}

main "$@"

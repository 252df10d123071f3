#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The site's own programs on simulated hosts: they are run where xenopsd runs them, any of those
# before may say no, and none of those afterwards can undo what has happened.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# hook HOST NAME <BODY: a program of that host's, "vm-pre-migrate/10a".
hook() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'mkdir -p "$XENFERRY_SIM/xapi.d/${1%/*}" && cat >"$XENFERRY_SIM/xapi.d/$1" &&
		chmod 755 "$XENFERRY_SIM/xapi.d/$1"' hook "$2"
}

no_hooks() {
	local host

	for host in A B; do
		# shellcheck disable=SC2016 # the host's
		on "$host" sh -c 'rm -rf "$XENFERRY_SIM/xapi.d" "$XENFERRY_SIM/said"'
	done
}

# said HOST: what hooks wrote there, a line each; without the numbers of domains.
said() {
	# shellcheck disable=SC2016 # the host's
	on "$1" sh -c 'cat "$XENFERRY_SIM/said" 2>/dev/null || true' | sed 's/domid [0-9]*/domid N/'
}

says_lines() {
	diff <(said "$1") <(printf '%s\n' "${@:2}")
}

try_move() {
	exits "$1" "$2" ferry A vm-migrate vm=g1 host=B live=true
}

stays() {
	check "$1: the guest is well at the source" is_well 1 A 1 1
	check "$1: nothing is left at the target" nothing_left B
}

log_of_all() {
	local host name

	for host in A B; do
		for name in vm-pre-migrate vm-post-migrate vm-pre-shutdown vm-post-destroy; do
			hook "$host" "$name/10log" <<-HOOK
				#!/bin/sh
				echo "$name \$*" >>/run/sim/$host/said
			HOOK
		done
	done
}

hosts_up --memory-mib 256
check 'a guest starts' guest_up A 1 64 1 1
uuid=$(ferry A vm-list params=uuid --minimal)

# ---- all of them --------------------------------------------------------------------------------

log_of_all
check 'a dry run names those of both hosts, and runs none' exits 0 \
	'hook vm-pre-migrate/10log at the target' \
	ferry A vm-migrate vm=g1 host=B live=true dry-run=true
check 'so it does to programs' exits 0 '"side":"source","name":"vm-post-destroy/10log"' \
	ferry A vm-migrate vm=g1 host=B live=true dry-run=true --json
check 'none was run' test -z "$(said A)"
check 'the guest moves' move A B g1
check 'the source has run its own, in order' says_lines A \
	"vm-pre-migrate -vmuuid $uuid -reason source -vmdomid N" \
	"vm-pre-shutdown -vmuuid $uuid -reason suspend -vmdomid N" \
	"vm-post-destroy -vmuuid $uuid -reason suspend"
check 'the target has run its own, in order' until_true 10 says_lines B \
	"vm-pre-migrate -vmuuid $uuid -reason destination" \
	"vm-post-migrate -vmuuid $uuid -reason destination -vmdomid N"
check 'the guest is well' is_well 1 B 1 1
no_hooks
check 'it goes back' move B A g1

# ---- a veto -------------------------------------------------------------------------------------

log_of_all
hook A vm-pre-migrate/20veto <<-'HOOK'
	#!/bin/sh
	echo 'a backup is under way'
	exit 2
HOOK
check 'source: its veto is heard, in its words' \
	try_move 1 'hook vm-pre-migrate/20veto: exit 2: a backup is under way'
stays 'veto at the source'
check 'source: the target is told that the guest does not come' until_true 10 says_lines B \
	"vm-pre-migrate -vmuuid $uuid -reason destination" \
	"vm-post-destroy -vmuuid $uuid -reason destination"
no_hooks
hook B vm-pre-migrate/20veto <<-'HOOK'
	#!/bin/sh
	echo 'no more guests today' >&2
	exit 100
HOOK
check 'target: its veto is heard at the source' \
	try_move 1 'the target: .*hook vm-pre-migrate/20veto: exit 100: no more guests today'
stays 'veto at the target'

# ---- what goes wrong with them ------------------------------------------------------------------

no_hooks
hook A vm-pre-migrate/20hang <<-'HOOK'
	#!/bin/sh
	echo 'waiting for the backup'
	sleep 1000
HOOK
check 'one that hangs is killed at its deadline' \
	try_move 1 'hook vm-pre-migrate/20hang: still running at the deadline, killed: waiting'
stays 'a hook that hangs'
no_hooks
hook A vm-pre-migrate/20plain </dev/null
on A chmod 644 /run/sim/A/xapi.d/vm-pre-migrate/20plain
check 'what is not executable is a veto, with the remedy' try_move 1 'chmod \+x'
check 'a dry run says so beforehand' exits 7 'chmod \+x' \
	ferry A vm-migrate vm=g1 host=B live=true dry-run=true
no_hooks
hook A vm-pre-migrate/20one <<-'HOOK'
	#!/bin/sh
	head -c 1000000 /dev/zero | tr '\0' x
	exit 1
HOOK
hook B vm-post-migrate/20fails <<-'HOOK'
	#!/bin/sh
	echo 'no rule for this guest'
	exit 3
HOOK
check 'a megabyte and the status 1 keep nobody; a post hook that fails is said, and no failure' \
	try_move 0 'the guest has moved, but: .*vm-post-migrate/20fails: exit 3: no rule'
check 'the guest is well at the target' is_well 1 B 1 1
last=$(ferry A migration-list params=uuid --minimal | sed 's/,.*//')
check 'the operator is told of the post hook' exits 0 'vm-post-migrate/20fails: exit 3: no rule' \
	ferry A migration-param-get uuid="$last" param-name=error-message
check 'and that the guest has moved' test \
	"$(ferry A migration-param-get uuid="$last" param-name=status)" = completed
no_hooks
check 'and back' move B A g1

# ---- the example of a firewall, with nft played --------------------------------------------------

mkdir -p "$scratch"/{vm-pre-migrate,vm-post-destroy,path,addresses}
for folder in vm-pre-migrate vm-post-destroy; do
	cp "$top_srcdir/hooks/examples/firewall" "$scratch/$folder/50firewall"
done
printf '#!/bin/sh\necho "$*" >>%s/nft.log\n! test -e %s/nft.fails\n' "$scratch" "$scratch" \
	>"$scratch/path/nft"
chmod +x "$scratch/path/nft"
printf '192.0.2.7\n192.0.2.8\n' >"$scratch/addresses/$uuid"

# firewall HOOK REASON [UUID]
firewall() {
	PATH=$scratch/path:$PATH GUEST_ADDRESSES=$scratch/addresses \
		"$scratch/$1/50firewall" -vmuuid "${3-$uuid}" -reason "$2"
}

nft_heard() {
	diff "$scratch/nft.log" <(printf '%s\n' "$@")
}

check 'firewall: nothing at the source before it leaves' firewall vm-pre-migrate source
check 'firewall: nothing for a guest that it does not know' \
	firewall vm-pre-migrate destination 00000000-0000-4000-8000-000000000000
check 'firewall: opens at the target' firewall vm-pre-migrate destination
check 'firewall: closes where the guest has gone' firewall vm-post-destroy suspend
check 'firewall: each address, once' nft_heard 'add element bridge guests allowed { 192.0.2.7 }' \
	'add element bridge guests allowed { 192.0.2.8 }' \
	'delete element bridge guests allowed { 192.0.2.7 }' \
	'delete element bridge guests allowed { 192.0.2.8 }'
: >"$scratch/nft.fails"
check 'firewall: says no when it cannot open' exits 2 'cannot be let through' \
	firewall vm-pre-migrate destination
check 'firewall: closing what is not open is no failure' firewall vm-post-destroy destination

# ---- the host's own -----------------------------------------------------------------------------

hook A host-pre-evacuate/10a <<-'HOOK'
	#!/bin/sh
	echo "$# $1 ${#2} $3 $4" >>/run/sim/A/said
HOOK
worker=$builddir/agent/xenferry-worker
check 'a hook of the host is run for the daemon' \
	on A "$worker" --config /etc/xenferry.conf hook host-pre-evacuate none
check "it has xapi's arguments" says_lines A '4 -hostuuid 36 -reason none'
hook A host-pre-evacuate/20b <<-'HOOK'
	#!/bin/sh
	echo 'not before Sunday'
	exit 2
HOOK
check 'it may say no' exits 1 'hook host-pre-evacuate/20b: exit 2: not before Sunday' \
	on A "$worker" --config /etc/xenferry.conf hook host-pre-evacuate none
check 'it keeps a host from being emptied' \
	exits '[17]' 'host-pre-evacuate/20b: exit 2: not before Sunday' ferry A host-evacuate
check 'and nobody has left' is_well 1 A 1 1
no_hooks
for name in host-pre-evacuate host-post-evacuate; do
	hook A "$name/10a" <<-HOOK
		#!/bin/sh
		echo "$name" >>/run/sim/A/said
	HOOK
done
check 'a host whose hook lets it is emptied' ferry A host-evacuate
check 'the guest is well at the other' is_well 1 B 1 1
check 'its hooks were run before and after' \
	until_true 20 says_lines A host-pre-evacuate host-post-evacuate
check 'there are no others' exits 2 "no hook 'host-lunch'" \
	on A "$worker" --config /etc/xenferry.conf hook host-lunch none
finish

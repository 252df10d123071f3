#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host of thirty guests is emptied onto two others. Two guests fail wherever they come to, and the
# agent is killed in the middle: the others move, the two run on where they were.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

guests=30
failing=(7 19)

# fails_there HOST: the VIF script of the guests that are to fail.
fails_there() {
	local its_mac line number

	# shellcheck disable=SC2016 # the script's
	its_mac='$(xenstore-read "$XENBUS_PATH/mac")'
	for number in "${failing[@]}"; do
		line="[ \$1-$its_mac = online-$(guest_mac "$number" 0) ]"
		on "$1" sed -i "2i if $line; then echo no cable >\\&2; exit 3; fi" \
			/etc/xen/scripts/vif-bridge
	done
}

# restart_agent HOST: killed, it is started again.
restart_agent() {
	local before

	before=$(on "$1" pgrep -xo xenferryd)
	on "$1" kill -KILL "$before"
	until_true 20 answers "$1" "$before"
}

answers() {
	[[ $(on "$1" pgrep -xo xenferryd) != "$2" ]] && ferry "$1" migration-list >/dev/null 2>&1
}

# rules JSON: what A's host list says beside the hosts.
rules() {
	on A sh -c 'sed "s/}[[:space:]]*\$/}/; \$ s/}\$/, \"guests\": '"${1//\"/\\\\\\\"}"'}/" \
		/run/sim/hosts.json >/run/xenferry/hosts.json &&
		ln -sf /run/xenferry/hosts.json /etc/xenferry/hosts.json'
}

no_rules() {
	on A ln -sf /run/sim/hosts.json /etc/xenferry/hosts.json
}

moved_more_than() {
	(($(ferry A host-evacuate-timeline format=json | sed 's/.*"moved":\([0-9]*\).*/\1/') > $1))
}

all_are_well() {
	local number host

	for ((number = 1; number <= guests; number++)); do
		host=
		for host in B C; do
			says "$number" "\"host\": \"/run/sim/$host\"" && break
		done
		is_well "$number" "$host" 0 "$(vifs_of "$number")" || return
	done
}

# vifs_of NUMBER: most have none, so that the test does not take long.
vifs_of() {
	echo $((($1 % 6) == 1))
}

stay_on_A() {
	local number

	for number in "${failing[@]}"; do
		is_well "$number" A 0 1 || return
	done
	[[ $(guests_on A) == "g${failing[0]},g${failing[1]}" ]] ||
		[[ $(guests_on A) == "g${failing[1]},g${failing[0]}" ]]
}

hosts_up --memory-mib 1024
host_up C --memory-mib 1024
for host in A B C; do
	on "$host" sh -c 'printf "[evacuation]\nbackoff-ms = 100\n" >>/etc/xenferry.conf'
done
check 'an agent that was killed is started again' restart_agent A
for ((number = 1; number <= guests; number++)); do
	guest_up A $number 16 0 "$(vifs_of $number)" || { failed=1; break; }
done
check 'thirty guests start' test "$failed" = 0

# ---- what is asked beforehand -------------------------------------------------------------------

check 'the hosts are listed' test "$(ferry A host-list params=name --minimal)" = B,C
check 'a plan has a target for each' exits 0 '"left":0' ferry A host-evacuate dry-run=true --json
check 'nobody is in the way' test -z "$(ferry A host-get-vms-which-prevent-evacuation)"
check 'another host is emptied by its own agent' exits 7 'ask it there' \
	ferry A host-evacuate host=B
check 'an order is one of four' exits 2 'largest, smallest' \
	ferry A host-evacuate order=alphabet
rules '[{"name": "g1", "pinned": "its dongle is here"}, {"name": "g2", "tags": ["ssd"]}]'
check 'who is pinned is named with the reason' exits 0 'its dongle is here' \
	ferry A host-get-vms-which-prevent-evacuation
check 'who wants what no host has is named, too' exits 0 'the tag ssd' \
	ferry A host-get-vms-which-prevent-evacuation
check 'a plan says that somebody stays' exits 7 '2 of 30 guests cannot go' \
	ferry A host-evacuate dry-run=true
rules '[{"name": "g1", "apart": "db"}, {"name": "g1"}]'
check 'a rule that is there twice is refused by its line' exits 2 'hosts.json:[0-9]*: guest g1 is' \
	ferry A host-evacuate dry-run=true
no_rules
check 'a host that nobody knows is no target' exits 7 'cannot go' \
	ferry A host-evacuate targets=10.98.7.7 dry-run=true

# ---- emptying it --------------------------------------------------------------------------------

fails_there B
fails_there C
check 'it begins' ferry A host-evacuate order=smallest async=true
check 'a second one is refused' exits 7 'being emptied already' ferry A host-evacuate
check 'some have moved' until_true 60 moved_more_than 3
check 'the agent dies in the middle, and is there again' restart_agent A
check 'it goes on, and ends with the two that fail' exits 1 '28 guests have moved, 2 are left' \
	ferry A host-evacuate-wait timeout=100
check 'the reasons are told' exits 1 'g7 stays: .*no cable' ferry A host-evacuate-wait
check 'the two run at the source' stay_on_A
check 'a picture is drawn' exits 0 '</svg>' ferry A host-evacuate-timeline format=svg
check 'a table is shown' exits 0 'failed .*g19: .*no cable' ferry A host-evacuate-timeline

# ---- the rest -----------------------------------------------------------------------------------

for host in B C; do
	on "$host" sed -i 2,3d /etc/xen/scripts/vif-bridge
done
check 'without the fault the host becomes empty, silently' test -z "$(ferry A host-evacuate 2>&1)"
check 'all thirty are well' all_are_well
check 'nothing is left at the source' nothing_left A
check 'there is nothing to stop' exits 7 'not being emptied' ferry A host-evacuate-cancel
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Simulated hosts know each other by certificates: who is let in, what the operator is told of who
# is not, and that a guest is well whatever becomes of its encryption.

# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

# log_says HOST PATTERN: what the agent and the workers there have said.
log_says() {
	until_true 5 on "$1" grep -qE "$2" "/run/sim/$1/log/xenferryd" && return
	on "$1" tail -n 5 "/run/sim/$1/log/xenferryd"
	return 1
}

# own_list HOST SED_SCRIPT: from here on the host has a list of its own.
own_list() {
	on "$1" sh -c "sed '$2' /run/sim/hosts.json >/run/xenferry/hosts.json &&
		ln -sf /run/xenferry/hosts.json /etc/xenferry/hosts.json"
}

shared_list() {
	on "$1" ln -sf /run/sim/hosts.json /etc/xenferry/hosts.json
}

# refused WHAT FROM TO NUMBER PATTERN: gNUMBER does not leave, and the operator reads why.
refused() {
	check "$1: exit 7 and why" exits 7 "$5" ferry "$2" vm-migrate vm="g$4" host="$3" live=true
	check "$1: the guest is well" is_well "$4" "$2" 1 1
	check "$1: nothing is left at the target" nothing_left "$3"
}

source_of() {
	ferry B migration-list params=source --minimal
}

is_let_in() {
	check 'the source is known by its certificate' \
		log_says B 'the source is A by its certificate'
	check 'the record names it' exits 0 '^A$' source_of
	check 'a host may be called by its address' move B "$(on A cat /run/sim/A/address)" g1
	check 'and the guest is well' is_well 1 A 1 1
}

is_not_in_the_list() {
	own_list B 's/"name": "A"/"name": "Z"/'
	refused 'not in the list' A B 1 'certificate of A .*is of no host in the list'
	check 'not in the list: the log says so' log_says B 'refused .*certificate of A'
	shared_list B
}

has_another_name() {
	own_list A 's/"name": "B"/"certificate": "other", &/'
	refused 'another name' A B 1 'not that of other but of: B'
	check 'another name: the log says so' log_says B 'refused this host.s certificate'
	shared_list A
}

# Certificates of another pool, at the source.
is_of_another_pool() {
	# shellcheck disable=SC2016 # the host's
	on A sh -c 'xenferry-certificates /run/xenferry/pool 1 A &&
		cp -r /run/sim/tls/A /run/xenferry/own &&
		cp /run/xenferry/pool/A/host.* /run/sim/tls/A'
	refused 'another pool' A B 1 'refused this host.s certificate: another authority'
	check 'another pool: the log says so' log_says B 'refused .*is not of this pool'
	on A sh -c 'cp /run/xenferry/own/* /run/sim/tls/A'
}

has_no_certificate() {
	on A mv /run/sim/tls/A /run/sim/tls/away
	refused 'no certificate' A B 1 'host.crt: No such file.*pool-certificates'
	on A mv /run/sim/tls/away /run/sim/tls/A
}

speaks_plain_text() {
	host_up C --memory-mib 256 --tls off
	check 'plain text: a guest starts' guest_up C 2 32 1 1
	refused 'plain text to TLS' C B 2 'only TLS: write tls = on'
	check 'plain text to TLS: the log says so' log_says B 'refused .*speaks plain text'
	check 'TLS to plain text: exit 7 and why' exits 7 'tls = off|speaks? TLS' \
		ferry A vm-migrate vm=g1 host=C live=true
	check 'TLS to plain text: the guest is well' is_well 1 A 1 1
	check 'TLS to plain text: the log says so' log_says C 'refused .*TLS'
	host_down C
}

# tls_dies HOST: all that encrypts there, while a guest is on its way.
tls_dies() {
	local uuid

	uuid=$(ferry A vm-migrate vm=g1 host=B live=true bandwidth-mibps=16 async=true)
	check "TLS dies at $1: the guest is on its way" until_true 20 exits 0 copying \
		ferry A migration-param-get uuid="$uuid" param-name=status
	until_true 10 on "$1" pkill -KILL -x xenferry-tls
	check "TLS dies at $1: it failed, and that is said" exits '[14]' . \
		ferry A migration-wait uuid="$uuid"
	check "TLS dies at $1: the guest is well at the source" is_well 1 A 1 1
	check "TLS dies at $1: nothing is left at the target" nothing_left B
}

hosts_up --memory-mib 512 --dirty-pages-per-s 3000 --working-set-pages 4000
check 'a guest starts' guest_up A 1 64 1 1
check 'it moves' move A B g1
check 'and is well' is_well 1 B 1 1
is_let_in
is_not_in_the_list
has_another_name
is_of_another_pool
has_no_certificate
speaks_plain_text
tls_dies A
tls_dies B
check 'it moves after all that' move A B g1
check 'and is well after all that' is_well 1 B 1 1
check 'nothing is left of it' nothing_left A
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What bash offers after xenferry's words, with the real program's help and lists played.
# shellcheck disable=SC2317 # check() calls the functions
set -uo pipefail
export LC_ALL=C

builddir=${top_builddir:?}
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# The lists that a daemon would be asked for; the rest is the program's own.
cat >"$scratch/xenferry" <<SCRIPT
#!/bin/sh
case \$1 in
vm-list) echo 'g1,g2,two\\,words' ;;
host-list) echo 'A,B' ;;
migration-list) echo '11111111-0000-4000-8000-000000000001,22222222-0000-4000-8000-000000000002' ;;
*) exec "$builddir/agent/xenferry" "\$@" ;;
esac
SCRIPT
chmod +x "$scratch/xenferry"
PATH=$scratch:$PATH
# shellcheck source=docs/xenferry.bash
. "${top_srcdir:?}/docs/xenferry.bash"

# offers LINE WORD...: exactly these, in any order.
offers() {
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	_xenferry
	diff <(printf '%s\n' "${COMPREPLY[@]}" | sort) <(printf '%s\n' "${@:2}" | sort)
}

# among LINE WORD: this one of several.
among() {
	COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
	_xenferry
	printf '%s\n' "${COMPREPLY[@]}" | grep -qxF -e "$2" && return
	printf '%s\n' "${COMPREPLY[@]}"
	return 1
}

check() {
	if ("${@:2}") >"$scratch/check" 2>&1; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n' "$1"
		sed 's/^/    /' "$scratch/check"
		failed=1
	fi
}

check 'each verb that begins so' offers 'xenferry vm-' vm-list vm-migrate vm-suspend vm-resume \
	vm-checkpoint
check 'all verbs' among 'xenferry ' migration-list
check "a verb's parameters" among 'xenferry vm-migrate ' bandwidth-mibps=
check 'those that begin so' offers 'xenferry vm-migrate d' downtime-limit-ms= dry-run=
check 'flags' offers 'xenferry vm-list --mi' --minimal
check 'guests' offers 'xenferry vm-migrate vm=g' g1 g2
check 'a name with a comma in it is one name' offers 'xenferry vm-migrate vm=t' 'two,words'
check 'hosts' offers 'xenferry vm-migrate vm=g1 host=' A B
check 'migrations' offers 'xenferry migration-wait uuid=2' 22222222-0000-4000-8000-000000000002
check 'plans, from the program' among 'xenferry plan-show plan=' handover
check 'policies, from the program' among 'xenferry vm-migrate policy=' minimal-downtime
check 'nothing for what it does not know' offers 'xenferry vm-lunch x' ''
check 'verbs after help' offers 'xenferry help plan-s' plan-show
exit "$failed"

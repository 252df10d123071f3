#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual pages: each is there, and neither mandoc nor groff has anything to say against it.
# shellcheck disable=SC2317 # check() calls the functions
set -uo pipefail
export LC_ALL=C.UTF-8

pages=${top_builddir:?}/docs
failed=0

check() {
	local words

	if words=$("${@:2}" 2>&1); then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n%s\n' "$1" "$words"
		failed=1
	fi
}

# pod2man ends a list in a list with an empty block, which shows nothing.
mandoc_is_content() {
	! mandoc -T lint -W warning "$1" | grep -v 'empty block: RS'
}

groff_is_content() {
	[[ -z $(man --warnings -l "$1" 2>&1 >/dev/null | tee /dev/stderr) ]]
}

tells_of() {
	grep -q -e "$2" "$1" || { echo "nothing of $2"; return 1; }
}

if ! command -v pod2man >/dev/null; then
	echo 'SKIP: pod2man is not installed'
	exit 77
fi
for page in xenferry.1 xenferryd.8 xenferry.conf.5 xenferry-hooks.7 xenferry-protocol.7; do
	check "$page is there" test -s "$pages/$page"
	if command -v mandoc >/dev/null; then
		check "$page: mandoc finds nothing" mandoc_is_content "$pages/$page"
	else
		echo "skip - $page: mandoc is not installed"
	fi
	if command -v man >/dev/null && command -v groff >/dev/null; then
		check "$page: groff finds nothing" groff_is_content "$pages/$page"
	else
		echo "skip - $page: man or groff is not installed"
	fi
done
check 'each verb is in xenferry.1' tells_of "$pages/xenferry.1" 'vm.migrate'
check 'the keys of hooks are in xenferry.conf.5' tells_of "$pages/xenferry.conf.5" 'timeout.ms'
check 'the hello is in xenferry-protocol.7' tells_of "$pages/xenferry-protocol.7" XENFERRY
exit "$failed"

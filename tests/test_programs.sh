#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The programs as they were built: they run in the build tree, beside each other, and link what they
# may, so that nothing which blocks on Xen gets into the daemon.
# shellcheck disable=SC2317 # check() calls the functions
set -uo pipefail
export LC_ALL=C

builddir=${top_builddir:?}
failed=0

# check WHAT COMMAND...: it holds when the command succeeds; otherwise what that printed is shown.
check() {
	local output
	if output=$("${@:2}" 2>&1); then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n%s\n' "$1" "$output"
		failed=1
	fi
}

is_a_program() {
	[[ $(head -c 4 "$builddir/$1") == $'\x7fELF' ]]
}

# links_only PROGRAM LIBRARY...: asks for nothing but these, and what comes with the compiler.
links_only() {
	local program=$builddir/$1 allowed
	shift
	allowed="($(IFS='|' && echo "$*")|libc|libm|libgcc_s|libasan|libubsan|ld-linux-x86-64)"
	needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p')
	[[ -n $needed ]] && ! grep -vxE "$allowed" <<<"$needed"
}

# A symbol that a program exports replaces a library's own of that name, and libxenguest has many
# with plain names. What is the C library's (@), a sanitizer's or weak, as its interceptors, may.
exports_nothing() {
	! nm -D --defined-only "$builddir/$1" |
		grep -vE '@| [WV] |san_|sancov|sanitizer|interceptor'
}

if ! command -v readelf >/dev/null; then
	echo 'SKIP: binutils is not installed'
	exit 77
fi

for program in agent/xenferry agent/xenferryd agent/xenferry-worker agent/xenferry-stream \
	agent/xenferry-tls; do
	check "$program is a program in the build tree" is_a_program "$program"
done
check 'xenferry answers without an agent' "$builddir/agent/xenferry" help
check 'xenferryd answers without Xen' "$builddir/agent/xenferryd" --version

check 'xenferry links no Xen library' links_only agent/xenferry libyajl libinih
check 'xenferryd links no Xen library' \
	links_only agent/xenferryd libuv libyajl libinih libsystemd
check 'xenferry-worker links no event loop' links_only agent/xenferry-worker \
	libxenctrl libxenguest libxenstore libxengnttab libxentoollog libmnl libyajl libinih \
	libsanlock_client
check 'xenferry-stream links libxenguest and little else' links_only devices/xenferry-stream \
	libxenctrl libxenguest libxenforeignmemory libxentoollog liblz4 libzstd libxxhash
check 'xenferry-tls links the TLS library and nothing else' \
	links_only handshake/xenferry-tls libssl libcrypto
for program in agent/xenferry-worker devices/xenferry-stream; do
	check "$program replaces no symbol of a library" exports_nothing "$program"
done

exit "$failed"

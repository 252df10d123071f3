#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The filtered stream, as specified: what the filter sends, an independent reader and Xen's own
# verify-stream-v2 understand; what was sent by version 1 once, the filter still does.
# shellcheck disable=SC2317 # check() calls the functions
set -euo pipefail
export LC_ALL=C

tool=${top_builddir:?}/tests/stream_tool
reader=${top_srcdir:?}/tests/stream_reader.py
golden=$top_srcdir/tests/golden
verifier=/usr/lib/xen-4.17/bin/verify-stream-v2
failed=0

/usr/bin/python3 -c 'import lz4.block, xxhash, zstandard' 2>/dev/null || {
	echo 'skip: needs python3-lz4, python3-xxhash and python3-zstandard'
	exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# check WHAT COMMAND...: it holds when the command succeeds.
check() {
	if ("${@:2}") >output 2>&1; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n' "$1"
		tail -n 5 output
		failed=1
	fi
}

# returns STREAM FRAMES COMMAND...: what the command makes of the frames is the stream.
returns() {
	"${@:3}" <"$2" >returned && cmp "$1" returned
}

refuses() {
	! "${@:2}" <"$1" >/dev/null
}

is_verified() {
	PYTHONPATH=/usr/lib/xen-4.17/lib/python python3 "$verifier" -f libxc -i "$1"
}

"$tool" make 1500 4 >stream
"$tool" weed <stream >weeded
for compress in none lz4 zstd auto; do
	"$tool" send "$compress" <stream >frames
	check "$compress: the reader gets what libxenguest wrote" returns weeded frames "$reader"
	check "$compress: and so does the target" returns weeded frames "$tool" receive
	if [[ -e $verifier ]]; then
		"$tool" receive <frames >returned
		check "$compress: Xen's own verifier finds no fault in it" is_verified returned
	fi
done

head -c -1 frames >shortened
check 'cut: the reader refuses it' refuses shortened "$reader"
check 'cut: so does the target' refuses shortened "$tool" receive
{ head -c 30000 frames; printf 'X'; tail -c +30002 frames; } >damaged
check 'damaged: the reader refuses it' refuses damaged "$reader"
check 'damaged: so does the target' refuses damaged "$tool" receive

"$tool" make 40 4 >stream
for compress in none lz4 zstd; do
	check "$compress: the reader understands the golden frames" \
		returns stream "$golden/frames-1-$compress" "$reader"
	check "$compress: so does the target" \
		returns stream "$golden/frames-1-$compress" "$tool" receive
done
"$tool" send none <stream >frames
check 'what is sent today are the golden frames' cmp frames "$golden/frames-1-weeded"
[[ -e $verifier ]] || echo 'skip - verify-stream-v2: xen-utils-4.17 is not installed'
exit $failed

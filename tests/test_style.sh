#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The house style, as far as a program can see it. One line a check; a check whose tool is not
# installed says so.
set -uo pipefail
export LC_ALL=C.UTF-8

cd "${top_srcdir:-$(dirname "${BASH_SOURCE[0]}")/..}" || exit 1

folders=()
for folder in common handshake devices hooks agent tests; do
	[[ -d $folder ]] && folders+=("$folder")
done
mapfile -t sources < <(find "${folders[@]}" -name '*.[ch]' | sort)
mapfile -t scripts < <(
	for file in bootstrap .ci/run $(find "${folders[@]}" -type f ! -name '*.[cho]' | sort); do
		[[ -f $file ]] && head -n 1 "$file" | grep -qaE '^#!.*\<(ba)?sh\>' && echo "$file"
	done
)
mapfile -t makefiles < <(find Makefile.am "${folders[@]}" -name Makefile.am | sort)
failed=0

# Prints the verdict on a check: its name, and what it found (nothing: it holds).
verdict() {
	if [[ -z $2 ]]; then
		printf 'ok   - %s\n' "$1"
	else
		printf 'FAIL - %s\n%s\n' "$1" "$2"
		failed=1
	fi
}

skip() {
	printf 'skip - %s: %s is not installed\n' "$1" "$2"
}

without_spdx() {
	local spdx='SPDX-License-Identifier: LGPL-2.1-or-later'

	for file in "${sources[@]}" "${makefiles[@]}"; do
		head -n 1 "$file" | grep -qF "$spdx" || echo "$file"
	done
	for file in "${scripts[@]}"; do
		sed -n 2p "$file" | grep -qF "$spdx" || echo "$file"
	done
}

# Tables may be wider, as they are read down: rows, and what .clang-format leaves alone.
wide_lines() {
	for file in "${sources[@]}" "${scripts[@]}"; do
		expand -t 8 "$file" | awk -v file="$file" -v width="$(wc -L <"$file")" '
			BEGIN { if (width <= 100) exit }
			/clang-format off/ { table = 1 }
			/clang-format on/ { table = 0 }
			length($0) > 100 && !table && !/^ *(\{|X\()/ { print file ":" NR }'
	done
}

# What a folder's Makefile.am does not know is not built from a tarball.
unlisted_sources() {
	for file in "${sources[@]}"; do
		folder=${file%/*}
		[[ -f $folder/Makefile.am ]] || continue
		name=${file##*/}
		grep -qwF -e "$name" -e "${name%.c}" "$folder/Makefile.am" || echo "$file"
	done
}

# A harness that the table of parsers does not have.
unlisted_harnesses() {
	local file name

	for file in tests/fuzz/fuzz_*.c; do
		name=$(basename "$file" .c)
		[[ $name == fuzz_input ]] || grep -q "^|.*\`${name#fuzz_}\`" docs/HACKING.md ||
			echo "$file"
	done
}

# The headers of the folders given, as an alternation.
headers_of() {
	find "$@" -name '*.h' -printf '%f\n' | sort -u | sed 's/\./\\./g' | paste -sd '|'
}

# Includes go agent -> {handshake, devices, hooks} -> common. A folder's own header of the same name
# is its own.
wrong_includes() {
	local folder others theirs own

	for folder in common handshake devices hooks; do
		[[ -d $folder ]] || continue
		others=()
		for other in handshake devices hooks agent; do
			[[ $other != "$folder" && -d $other ]] && others+=("$other")
		done
		theirs=$(headers_of "${others[@]}")
		own=$(headers_of "$folder" common)
		[[ -n $theirs ]] || continue
		grep -rnE --include='*.[ch]' "^# *include \"([a-z_]*/)*($theirs)\"" "$folder" |
			grep -vE "\"(${own:-$^})\""
	done
}

long_files() {
	wc -l "${sources[@]}" "${scripts[@]}" |
		awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
}

long_functions() {
	ctags -x --c-kinds=f --fields=+ne --_xformat='%{end} %{line} %N %F' "${sources[@]}" |
		awk '$1 - $2 >= 60 { printf "%s:%d %s: %d lines\n", $4, $2, $3, $1 - $2 + 1 }'
}

# `pattern file...`: where a pattern stands in code; a line of a comment block does not count.
in_code() {
	grep -nHE "$@" | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(/?\*|//|#[^i])'
}

cppcheck_says() {
	local includes=() folder

	for folder in common handshake devices hooks agent; do
		includes+=(-I "$folder")
	done
	# it knows neither the cleanup attribute (memleak) nor statement expressions (the AST)
	cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
		--suppress=memleak --suppress=resourceLeak --suppress=internalAstError \
		-D_GNU_SOURCE "${includes[@]}" \
		--template='{file}:{line}: {id}: {message}' "${sources[@]}" 2>&1
}

banned='sprintf|vsprintf|strcpy|strcat|gets|alloca|system|popen'

verdict 'every file says its licence first' "$(without_spdx)"
verdict "every source stands in its folder's Makefile.am" "$(unlisted_sources)"
verdict 'every harness of a parser is in HACKING.md' "$(unlisted_harnesses)"
verdict 'no blanks at the end of a line' \
	"$(grep -nHE '[[:blank:]]+$' "${sources[@]}" "${scripts[@]}" "${makefiles[@]}")"
verdict 'no line is wider than 100 columns' "$(wide_lines)"
verdict 'no call that has no bound, and none of a shell' \
	"$(in_code "(^|[^[:alnum:]_])($banned)[[:space:]]*\(" "${sources[@]}")"
verdict 'no include climbs out of its folder' \
	"$(grep -nHE '#[[:space:]]*include "(\.\.|.*/\.\.)/' "${sources[@]}")"
verdict 'includes go agent -> {handshake, devices, hooks} -> common' "$(wrong_includes)"
verdict 'no file is over 600 lines' "$(long_files)"
verdict 'nothing is left for later' \
	"$(grep -nHwE 'TO''DO|FIX''ME|XX''X' "${sources[@]}" "${scripts[@]}" "${makefiles[@]}")"

if ctags --version 2>/dev/null | grep -q Universal; then
	verdict 'no function is over 60 lines' "$(long_functions)"
else
	skip 'no function is over 60 lines' 'Universal Ctags'
fi
if command -v shellcheck >/dev/null; then
	verdict 'shellcheck finds nothing' "$(shellcheck -x -f gcc "${scripts[@]}")"
else
	skip 'shellcheck' 'shellcheck'
fi
if command -v cppcheck >/dev/null; then
	verdict 'cppcheck finds nothing' "$(cppcheck_says)"
else
	skip 'cppcheck' 'cppcheck'
fi

exit "$failed"

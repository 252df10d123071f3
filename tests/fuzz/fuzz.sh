#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `fuzz.sh libfuzzer|afl [HARNESS...]`: builds the harnesses with that engine and the sanitizers, in
# a folder of their own, and runs each for FUZZ_SECONDS (60), FUZZ_JOBS (2) at a time. FUZZ_SEED is
# libFuzzer's: 0, another way every time; else the same way for the same code. What they find is in
# <folder>/found/: it belongs into the corpus, with the fix.
set -uo pipefail

engine=${1:-libfuzzer}
top=${top_srcdir:?is the source folder}
place=${top_builddir:?is the build folder}/fuzz-$engine
seconds=${FUZZ_SECONDS:-60}
jobs=${FUZZ_JOBS:-2}
seed=${FUZZ_SEED:-0}
input_max=16384
shift

sanitize='address,undefined'
case $engine in
libfuzzer) compiler=clang flags="-fsanitize=fuzzer-no-link,$sanitize" ;;
afl) compiler=afl-clang-fast flags="-fsanitize=$sanitize" ;;
*)
	echo 'usage: fuzz.sh libfuzzer|afl [HARNESS...]' >&2
	exit 2
	;;
esac
if ! command -v "$compiler" >/dev/null; then
	echo "fuzz: $compiler is not installed" >&2
	exit 77
fi

export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=1
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1

build() {
	mkdir -p "$place" && cd "$place" || return
	[[ -f config.status ]] || "$top/configure" -q CC="$compiler" \
		CFLAGS="-g -O1 -fno-omit-frame-pointer $flags -fno-sanitize-recover=all" \
		--with-fuzzing-engine=-fsanitize=fuzzer || return
	for folder in common handshake devices hooks agent; do
		make -s -j "$jobs" -C $folder >make.log || return
	done
	make -s -j "$jobs" -C tests fuzz-targets >make.log
}

# With the corpus that has grown in earlier runs; a leak, a crash, 10 s for one input are findings.
run_libfuzzer() {
	local name=$1

	"$place/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -seed="$seed" \
		-max_len=$input_max -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$place/found/$name-" \
		"$place/corpus/$name" "$top/tests/fuzz/corpus/$name" >"$place/$name.log" 2>&1 &&
		awk -v name="$name" '
			/cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
			/number_of_executed_units/ { runs = $2 }
			END { printf "%-12s %9d runs, coverage %d\n", name, runs, cov }
		' "$place/$name.log"
}

run_afl() {
	local name=$1 found

	afl-fuzz -V "$seconds" -G $input_max -t 2000 -i "$top/tests/fuzz/corpus/$name" \
		-o "$place/afl-$name" -- "$place/tests/fuzz/fuzz_$name" >"$place/$name.log" 2>&1 ||
		return
	found=$(find "$place/afl-$name" \( -path '*crashes*' -o -path '*hangs*' \) -name 'id:*')
	[[ -n $found ]] && echo "$found" && return 1
	awk -v name="$name" '/^execs_done/ { runs = $3 } /^edges_found/ { edges = $3 }
		END { printf "%-12s %9d runs, %d edges\n", name, runs, edges }
	' "$place/afl-$name/default/fuzzer_stats"
}

# One harness, from a shell of its own: what it did, or the end of its log when it found something.
run_one() {
	mkdir -p "$place/corpus/$1" "$place/found"
	"run_$engine" "$1" && return
	printf 'FAIL - %s:\n%s\n' "$1" "$(tail -n 40 "$place/$1.log")"
	return 1
}

build >&2 || exit 1
if (($# == 0)); then
	mapfile -t names < <(find "$top/tests/fuzz" -name 'fuzz_*.c' ! -name fuzz_input.c \
		-printf '%f\n' | sed 's/^fuzz_//; s/\.c$//' | sort)
	set -- "${names[@]}"
fi
export -f run_one run_libfuzzer run_afl
export engine top place seconds seed input_max
printf '%s\n' "$@" | xargs -P "$jobs" -I '{}' bash -c 'run_one {}'

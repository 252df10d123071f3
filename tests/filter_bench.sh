# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The filter's part of `make bench`: a maker of libxenguest's stream, the filter's two ends and a
# reader, over a link that can be made slow (bench_filter.c). Sourced by sim_bench.sh.
#
#   filter-processor       bytes of a stream that one processor filters in a second without
#                          compressing, against what it reads and writes at all
#   filter-idle-bytes      what an idle guest, 80 % zero, costs on the wire, against its memory
#   filter-idle-time       and in time, on 1 Gb/s, against the plain stream
#   filter-auto-N          compress=auto on N Mb/s, against the best of the fixed settings
#   filter-channels        four connections, each with a window of 256 KiB, against one, between
#                          two network namespaces that are 20 ms apart, there and back
#   filter-memory-N        the sender's and the receiver's peak with a sparse guest of N GiB,
#                          against 1 GiB; both are sent twice, with other contents, and fill the
#                          caches of both ends
#   filter-target          bytes of a stream that the target's end writes in a second, against what
#                          xc_domain_restore reads from a file

# ran WAY CHANNELS MIB ZERO_PERCENT PASSES MBIT_PER_S DELAY_MS: into $scratch/ran.
ran() {
	"$builddir/tests/bench_filter" "$@" >"$scratch/ran"
}

# of NAME: of what was printed.
of() {
	sed -n "s/.*\b$1=\([0-9]*\).*/\1/p" "$scratch/ran"
}

# rate BYTES US: into a number of bytes a second.
rate() {
	awk -v bytes="$1" -v us="$2" 'BEGIN { printf "%.0f\n", (us ? bytes / us * 1e6 : 0) }'
}

bench_filter_processor() {
	local way round

	for ((round = 0; round < rounds; round++)); do
		for way in plain none; do
			ran $way 1 512 0 1 0 0
			rate "$(of stream)" "$(of send_cpu_us)" >>"$scratch/processor.$way"
		done
	done
	report filter-processor bytes/s "$scratch/processor.none" 'one processor that copies' \
		"$scratch/processor.plain"
}

bench_filter_idle() {
	local way round

	for ((round = 0; round < rounds; round++)); do
		for way in plain none; do
			ran $way 1 512 80 1 1000 0
			of us >>"$scratch/idle_us.$way"
			of wire >>"$scratch/idle_bytes.$way"
		done
	done
	report filter-idle-bytes bytes "$scratch/idle_bytes.none" 'all of memory' \
		"$scratch/idle_bytes.plain"
	report filter-idle-time us "$scratch/idle_us.none" 'the plain stream at 1 Gb/s' \
		"$scratch/idle_us.plain"
}

# bench_filter_auto MBIT_PER_S MIB
bench_filter_auto() {
	local way round best=none ways=(none lz4 zstd auto)

	for ((round = 0; round < rounds; round++)); do
		ways=("${ways[@]:1}" "${ways[0]}") # nobody is always the last
		for way in "${ways[@]}"; do
			ran $way 1 "$2" 30 1 "$1" 0
			of us >>"$scratch/auto_$1.$way"
		done
	done
	for way in lz4 zstd; do
		if (($(statistics <"$scratch/auto_$1.$way" | cut -d. -f1) <
		     $(statistics <"$scratch/auto_$1.$best" | cut -d. -f1))); then
			best=$way
		fi
	done
	report "filter-auto-$1" us "$scratch/auto_$1.auto" "compress=$best" "$scratch/auto_$1.$best"
}

bench_filter_channels() {
	local channels round

	for ((round = 0; round < rounds; round++)); do
		for channels in 1 4; do
			ran none $channels 192 0 1 0 20
			rate "$(of wire)" "$(of us)" >>"$scratch/channels.$channels"
		done
	done
	report filter-channels bytes/s "$scratch/channels.4" 'one channel, 20 ms away' \
		"$scratch/channels.1"
}

bench_filter_memory() {
	local gib round

	for ((round = 0; round < (rounds + 1) / 2; round++)); do
		for gib in 1 4 16; do
			ran none 4 $((gib * 1024)) 80 2 0 0
			echo $(($(of send_kib) + $(of receive_kib))) >>"$scratch/memory.$gib"
		done
	done
	for gib in 4 16; do
		report filter-memory-$gib KiB "$scratch/memory.$gib" 'a guest of 1 GiB' \
			"$scratch/memory.1"
	done
}

# The library's own rate is that of vm-resume: a guest comes out of a file on a simulated host.
bench_filter_target() {
	local round file=$scratch/saves/g1

	host_up F --memory-mib $((stream_mib + 512)) --dirty-pages-per-s 0
	guest_up F 1 "$stream_mib" 0 0
	mkdir -p "$scratch/saves"
	for ((round = 0; round < rounds; round++)); do
		ferry F vm-suspend vm=g1 file="$file" compress=none
		ferry F vm-resume file="$file" --json >"$scratch/record"
		awk -v bytes="$(stat -c %s "$file")" -v ms="$(step_ms copy-memory target)" \
			'BEGIN { printf "%.0f\n", bytes / ms * 1000 }' >>"$scratch/target.library"
		rm "$file"
		ran none 1 512 0 1 0 0
		rate "$(of stream)" "$(of receive_cpu_us)" >>"$scratch/target.filter"
	done
	report filter-target bytes/s "$scratch/target.filter" 'xc_domain_restore from a file' \
		"$scratch/target.library"
	host_down F
}

bench_filter() {
	bench_filter_processor
	bench_filter_idle
	bench_filter_auto 100 64
	bench_filter_auto 1000 256
	bench_filter_auto 10000 1024
	bench_filter_channels
	bench_filter_memory
	bench_filter_target
}

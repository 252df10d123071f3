#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `xenferry transport` in ssh's place: bytes to and from the xl of a host that allows it. Daemon,
# worker and command line are as they were built; xl is played, and this host plays both.
# shellcheck source=tests/daemon.sh
. "${top_srcdir:?}/tests/daemon.sh"

sed -i "s|^libexec = .*|libexec = $builddir/agent|" "$folder/conf"
sed -i 's|^incoming-max = .*|incoming-max = 8|' "$folder/conf"

# Plays xl at the other host: says hello, takes what comes, and says how much that was.
cat >"$folder/xl" <<'XL'
#!/bin/sh
[ "$*" = migrate-receive ] || exit 9
echo ready
cksum
XL
chmod +x "$folder/xl"

# transport WORD...: to this host, as xl starts it.
# shellcheck disable=SC2317 # called by expect
transport() {
	ferry transport "$@" "127.0.0.1:$port" xl migrate-receive
}

# shellcheck disable=SC2317 # called by expect
sends() {
	transport "${@:2}" <"$1"
}

head -c 3000000 /dev/urandom >"$folder/guest"
start_daemon
expect 'nobody gets at xl who was not allowed to' 7 '*under*peer*transport*' sends /dev/null
stop_daemon
sed -i "s|^port = 0|&\ntransport = $folder/xl|" "$folder/conf"
start_daemon
expect 'bytes go there, and answers come back' 0 "ready?$(cksum <"$folder/guest")" \
	sends "$folder/guest"
expect 'nothing is something to send, too' 0 "ready?$(cksum </dev/null)" sends /dev/null
before=$(date +%s%N)
expect 'a limit is kept to' 0 "ready?$(cksum <"$folder/guest")" \
	sends "$folder/guest" bandwidth-mibps=2
took_ms=$((($(date +%s%N) - before) / 1000000))
expect 'so that it takes its time' 0 '' test "$took_ms" -ge 1200
expect 'no other command is run' 2 "*'reboot' cannot be asked*" ferry transport 127.0.0.1 reboot
expect 'nor one with options' 2 "*'-e' cannot be asked*" \
	ferry transport 127.0.0.1 xl migrate-receive -e
expect 'a host has to be named' 2 '*wants a HOST*' ferry transport
expect 'and to be there' 7 '*127.0.0.1*' ferry transport 127.0.0.1:9 xl migrate-receive
rm "$folder/xl"
expect 'where xl is missing the connection ends' 0 '' sends /dev/null
expect 'and the log says why' 0 '*xl cannot be started*' grep 'cannot be started' "$folder/log"

# shellcheck disable=SC2317 # called by expect
through_xl() {
	printf '#!/bin/sh\nexec cat\n' >"$folder/xl"
	chmod +x "$folder/xl"
	sh -c "exec $builddir/agent/xenferry --config $folder/conf transport 127.0.0.1:$port \
		xl -v migrate-receive" <"$folder/guest" >"$folder/back"
	cmp "$folder/back" "$folder/guest"
}
expect 'both ways at once, as xl calls it' 0 '' through_xl

# Of what the worker blocks and ignores for itself: SIGPIPE and SIGTERM are 0x5000.
# shellcheck disable=SC2317 # called by expect
xl_hears_signals() {
	local kind mask

	printf '#!/bin/sh\nexec grep -E "^Sig(Blk|Ign):" /proc/self/status\n' >"$folder/xl"
	chmod +x "$folder/xl"
	sends /dev/null >"$folder/signals" || return
	cat "$folder/signals"
	while read -r kind mask; do
		[[ $kind == Sig* ]] && ((!(0x$mask & 0x5000))) || return 1
	done <"$folder/signals"
	[[ $(wc -l <"$folder/signals") == 2 ]]
}
expect 'xl hears signals as any program does' 0 '*SigIgn*' xl_hears_signals

stop_daemon
exit "$failed"

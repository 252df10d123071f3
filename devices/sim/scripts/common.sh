# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the scripts share. XENBUS_PATH names the device's backend, relative to domain 0's own nodes.

: "${XENBUS_PATH:?}" "${XENFERRY_SIM:?}"

# fail WORDS: as xen-hotplug-common.sh's fatal(): the toolstack reads the words from xenstore.
fail() {
	xenstore-write "$XENBUS_PATH/hotplug-error" "$*" "$XENBUS_PATH/hotplug-status" error
	echo "$*" >&2
	exit 1
}

# What a plugged device holds of the host until it is unplugged, as a loop device or a firewall's
# rules elsewhere: a file, so that one can see what was forgotten.
held=/run/xen/held/$(echo "$XENBUS_PATH" | tr / -)

hold() {
	mkdir -p "${held%/*}"
	: >"$held"
}

let_go() {
	rm -f "$held"
}

succeed() {
	hold
	xenstore-write "$XENBUS_PATH/hotplug-status" connected
}

# pay COST: takes as many milliseconds as the host's costs say. They are read each time, so that
# they may be changed while the host runs.
pay() {
	ms=$(sed -n "s/^$1=//p" "$XENFERRY_SIM/costs")
	[ "${ms:-0}" -eq 0 ] || sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin that XAPI calls, as it was built, called as xapi calls one: see xapi_caller.py.
# shellcheck source=tests/daemon.sh
. "${top_srcdir:?}/tests/daemon.sh"

plugin=$builddir/agent/plugins/xenferry
if [[ ! -x $plugin ]]; then
	echo 'skip - the plugin was not built: xmlrpc-c was not found'
	exit 77
fi

# xapi FUNCTION [NAME=VALUE...]: what it answers.
xapi() {
	"$top_srcdir/tests/xapi_caller.py" "$plugin" --config "$folder/conf" "$@"
}

# shellcheck disable=SC2317 # called by expect
xapi_typed() {
	"$top_srcdir/tests/xapi_caller.py" --typed "$plugin" --config "$folder/conf" "$@"
}

# xapi_raw CALL: with an argument that xapi would not give.
# shellcheck disable=SC2317 # called by expect
xapi_raw() {
	"$top_srcdir/tests/xapi_caller.py" --raw "$1" "$plugin" --config "$folder/conf"
}

# uuid_of ANSWER
uuid_of() {
	sed -n 's/.*"uuid": *"\([^"]*\)".*/\1/p' <<<"$1"
}

expect 'without an agent the host is offline' 0 'Failure HOST_OFFLINE | *does not answer*' \
	xapi version
start_daemon

# ---- what it can be asked for ----

expect 'it says its version' 0 'Success {"version":"*"protocol":*"host":"A"*}' xapi version
expect 'texts may have a type' 0 'Success {"version":*' xapi_typed version
expect 'at first nothing is under way' 0 'Success {*"host":"A","running":\[\]}' xapi status
expect 'at first the list is empty' 0 'Success \[\]' xapi list

expect 'diagnostics have all that is known' 0 \
	'Success {"agent":{*},"guests":\[{*"name-label":"g1"*\],"migrations":\[\],"evacuation":*}' \
	xapi diagnostics
expect 'a plan says why there is none' 0 'Failure INTERNAL_ERROR | *cannot be listed*' \
	xapi evacuate_plan targets=B
expect 'so does who asks what prevents it' 0 'Failure INTERNAL_ERROR | *cannot be listed*' \
	xapi prevent_evacuation
expect 'an order is one that there is' 0 'Failure INVALID_VALUE | *upside*' \
	xapi evacuate order=upside

slow=$(uuid_of "$(xapi migrate vm=slow host=B)")
expect 'a migration begins at once, and is listed' 0 "Success \[{\"uuid\":\"$slow\"*" xapi list
expect 'it is under way' 0 "Success *\"running\":\[{\"uuid\":\"$slow\"*" xapi status
expect 'the same call attaches to it' 0 "Success {\"uuid\":\"$slow\"*" \
	xapi migrate vm=slow host=B live=true
expect 'waiting has an end that is no failure' 0 "Success *\"status\":\"copying\"*" \
	xapi wait uuid="$slow" timeout=1
expect 'it has a status of its own' 0 "Success {\"uuid\":\"$slow\"*\"status\":\"copying\"*" \
	xapi status uuid="$slow"
expect 'it can be cancelled' 0 "Success *\"status\":\"cancelled\"*" xapi cancel uuid="$slow"
expect 'who waits for a cancelled one hears so' 0 'Failure TASK_CANCELLED | *cancelled*' \
	xapi wait uuid="$slow"

quick=$(uuid_of "$(xapi migrate vm=quick host=B compress=none channels=2)")
expect 'success is awaited' 0 "Success {\"uuid\":\"$quick\"*\"status\":\"completed\"*" \
	xapi wait uuid="$quick" timeout=20
expect 'it has a timeline' 0 'Success {*"blackout"*}' xapi timeline uuid="$quick"
expect 'which can be a picture' 0 'Success "<svg*' xapi timeline uuid="$quick" format=svg

# ---- migrations that fail ----

# fails GUEST: what who waits for it hears.
# shellcheck disable=SC2317 # called by expect
fails() {
	xapi wait uuid="$(uuid_of "$(xapi migrate vm="$1" host=B)")" timeout=20
}
expect 'a target without room has its code' 0 'Failure OPERATION_NOT_ALLOWED | B lacks 2 GiB' \
	fails refused
expect 'a copy without an end has failed' 0 'Failure VM_MIGRATE_FAILED |  | A | B | *faster*' \
	fails diverging
expect 'a dead worker has failed' 0 'Failure VM_MIGRATE_FAILED |  | A | B | *signal 9*' fails crash
expect 'a doubt is no state to do anything in' 0 'Failure VM_BAD_POWER_STATE | *look for*' \
	fails crash-twice

# ---- calls that are wrong ----

expect 'an unknown function has the code of one' 0 'Failure UNKNOWN_XENAPI_PLUGIN_FUNCTION | burn' \
	xapi burn
expect 'a missing argument is named' 0 'Failure INVALID_VALUE | argument | *wants host=*' \
	xapi migrate vm=quick
expect 'an unknown argument is named' 0 "Failure INVALID_VALUE | *no parameter 'hots'*'host'?" \
	xapi migrate vm=quick hots=B
expect 'nothing but its own arguments is taken' 0 "Failure INVALID_VALUE | *'socket'*" \
	xapi list socket=/etc/passwd
expect 'a number is one' 0 'Failure INVALID_VALUE | *whole number*' \
	xapi migrate vm=quick host=B channels=many
expect 'a text is not empty' 0 'Failure INVALID_VALUE | *vm= wants*' xapi migrate vm= host=B
expect 'a wait is not longer than a minute' 0 'Failure INVALID_VALUE | *at most 60*' \
	xapi wait uuid="$quick" timeout=61
expect 'a uuid is no path' 0 "Failure INVALID_VALUE | *not a migration*" \
	xapi wait uuid=../../etc/passwd
expect 'what never was is not found' 0 'Failure OPERATION_NOT_ALLOWED | there is no migration*' \
	xapi status uuid=5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a11
expect 'a guest may have any name' 0 'Failure *' xapi migrate $'vm=\xc3\xa9<&>\n' host=B

# ---- what is no call ----

expect 'what is not XML is said so' 0 'Failure XENAPI_PLUGIN_FAILURE | *no XML-RPC*' xapi_raw hello
expect 'nor is nothing' 0 'Failure XENAPI_PLUGIN_FAILURE | *no XML-RPC*' xapi_raw ''
expect 'an answer is no call' 0 'Failure XENAPI_PLUGIN_FAILURE | *' \
	xapi_raw '<methodResponse><params/></methodResponse>'
expect 'a session alone is no call' 0 'Failure XENAPI_PLUGIN_FAILURE | *a session and a struct*' \
	xapi_raw '<methodCall><methodName>list</methodName><params><param><value>s</value></param>
		</params></methodCall>'
expect 'arguments are a struct' 0 'Failure XENAPI_PLUGIN_FAILURE | *no struct*' \
	xapi_raw '<methodCall><methodName>list</methodName><params><param><value>s</value></param>
		<param><value>t</value></param></params></methodCall>'
list='<value><array><data/></array></value>'
expect 'a list in the place of a text is named' 0 'Failure XENAPI_PLUGIN_FAILURE | *| vm: *' \
	xapi_raw "<methodCall><methodName>migrate</methodName><params><param><value>s</value>
		</param><param><value><struct><member><name>vm</name>$list</member></struct></value>
		</param></params></methodCall>"
expect 'a struct without an end is said so' 0 'Failure XENAPI_PLUGIN_FAILURE | *no XML-RPC*' \
	xapi_raw '<methodCall><methodName>list</methodName><params><param><value><struct>'
long=$(printf '%0131000d' 0)
expect 'the longest argument that there is is no call' 0 'Failure XENAPI_PLUGIN_FAILURE | *' \
	xapi_raw "$long"
deep=$(printf '<value><array><data>%.0s' {1..5000})
expect 'nor is the deepest' 0 'Failure XENAPI_PLUGIN_FAILURE | *' \
	xapi_raw "<methodCall><methodName>list</methodName><params><param>$deep"
# shellcheck disable=SC2046 # words
expect 'too many arguments are too many' 0 'Failure XENAPI_PLUGIN_FAILURE | *33 arguments*' \
	xapi list $(printf 'a%s=b ' {1..33})

exit "$failed"

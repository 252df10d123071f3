#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The agent for Pacemaker, with the daemon and the command line as they were built; the worker and
# xl are played. And what the cluster's own tools say of it, where they are installed.
# shellcheck source=tests/daemon.sh
. "${top_srcdir:?}/tests/daemon.sh"

agent=$top_srcdir/hooks/ocf/domain

mkdir "$folder/bin"
ln -s "$builddir/agent/xenferry" "$folder/bin/xenferry"
# Plays xl: what runs is a list of names, which fake_worker shows to the daemon.
cat >"$folder/bin/xl" <<XL
#!/bin/bash
running=$folder/state/running
case \$1 in
create) sed -n 's/^name = "\(.*\)"/\1/p' "\$3" >>"\$running" ;;
shutdown) [[ ! -e $folder/deaf ]] || exit 0 ;&
destroy) sed -i "/^\$2\$/d" "\$running" ;;
domid) grep -qx "\$2" "\$running" ;;
*) exit 1 ;;
esac
XL
# Other tests have workers, too.
printf '#!/bin/sh\nexit 1\n' >"$folder/bin/pgrep"
chmod +x "$folder"/bin/{xl,pgrep}
mkdir -p "$folder/state"
: >"$folder/state/running"

export PATH=$folder/bin:$PATH
export OCF_RESKEY_name=slow OCF_RESKEY_config=$folder/slow.cfg OCF_RESKEY_conf=$folder/conf
export OCF_RESKEY_CRM_meta_migrate_target=B OCF_RESKEY_CRM_meta_timeout=20000
printf 'name = "slow"\n' >"$folder/slow.cfg"

# ocf ACTION [VARIABLE=VALUE...]
# shellcheck disable=SC2317 # called by expect
ocf() {
	timeout 60 env "${@:2}" "$agent" "$1"
}

# plays NAME: a guest of that name runs, whose migration goes as fake_worker plays it.
plays() {
	export OCF_RESKEY_name=$1
	echo "$1" >"$folder/state/running"
}

# has_job STATUS: the guest has one.
# shellcheck disable=SC2317 # called by until_job_is
has_job() {
	ferry migration-list params=vm-name-label,status |
		grep -A1 ": $OCF_RESKEY_name\$" | grep -q ": $1\$"
}

# shellcheck disable=SC2317 # called by expect
until_job_is() {
	local tries

	for ((tries = 0; tries < 200; tries++)); do
		has_job "$1" && return
		sleep 0.1
	done
	return 1
}

# What the scheduler does when migrate_to has failed.
# shellcheck disable=SC2317 # called by expect
after_failure() {
	crm_simulate -S -x "$top_srcdir/tests/ocf_standby.xml" --op-fail 'g1_migrate_to_0@A=1' \
		-O "$folder/failed.xml" >/dev/null && crm_simulate -S -x "$folder/failed.xml"
}

# ---- what the cluster reads ----

expect 'it describes itself' 0 '*<resource-agent name="domain"*' ocf meta-data
if command -v xmllint >/dev/null && [[ -d /usr/share/resource-agents ]]; then
	"$agent" meta-data >"$folder/meta-data"
	# shellcheck disable=SC2317 # called by expect
	valid() {
		cd /usr/share/resource-agents && xmllint --noout --valid - <"$folder/meta-data"
	}
	expect 'as the DTD has it' 0 '' valid
else
	echo 'skip - resource-agents or libxml2-utils is not installed'
fi
expect 'an unknown action is not implemented' 3 '*usage*' ocf promote
expect 'a guest wants a name' 6 '*ocf-exit-reason:name=*' ocf monitor OCF_RESKEY_name=
expect 'and one that is a word' 6 '*no guest*' ocf monitor OCF_RESKEY_name='a;reboot'
expect 'and a configuration' 6 '*no absolute path*' ocf start OCF_RESKEY_config=slow.cfg
expect 'which can be read' 5 '*cannot be read*' ocf validate-all OCF_RESKEY_config=/nowhere
expect 'what is needed is named' 5 '*xl is not installed*' ocf monitor PATH=/nowhere:/bin

# ---- start and stop ----

expect 'without an agent it is xl that is asked' 7 '' ocf monitor
expect 'and a guest can be stopped' 0 '' ocf stop
start_daemon
expect 'nothing runs at first' 7 '' ocf monitor
expect 'a guest is started' 0 '' ocf start
expect 'it runs' 0 '' ocf monitor
expect 'to start it twice starts it once' 0 '' ocf start
expect 'one guest is there' 0 1 grep -c . "$folder/state/running"
expect 'it is stopped' 0 '' ocf stop
expect 'it does not run any more' 7 '' ocf monitor
expect 'to stop it twice is no mistake' 0 '' ocf stop
expect 'it is started again' 0 '' ocf start
touch "$folder/deaf"
expect 'who does not shut down is destroyed' 0 '*destroyed' ocf stop OCF_RESKEY_shutdown_timeout=1
rm "$folder/deaf"

# ---- migrations ----

plays quick
expect 'a guest is moved' 0 '*migration * to B' ocf migrate_to
expect 'who is here has come' 0 '' ocf migrate_from
plays refused
expect 'a refusal is told in its own words' 1 '*ocf-exit-reason:not moved to B: B lacks 2 GiB' \
	ocf migrate_to
plays diverging
expect 'so is a copy without an end' 1 '*not moved to B: *faster*' ocf migrate_to
expect 'an unknown option is told' 1 "*no parameter 'polcy'*" \
	ocf migrate_to OCF_RESKEY_options=polcy=x
expect 'a target has to be named' 2 '*no node*' ocf migrate_to OCF_RESKEY_CRM_meta_migrate_target=
expect 'who has not come has not come' 1 '*did not come*' \
	ocf migrate_from OCF_RESKEY_name=other OCF_RESKEY_CRM_meta_timeout=2000
expect 'who is not here does not go' 7 '*not here*' ocf migrate_to OCF_RESKEY_name=other

plays slow
expect 'what takes too long is cancelled in time' 1 '*no more time*operator cancelled it' \
	ocf migrate_to OCF_RESKEY_CRM_meta_timeout=4000
expect 'the guest is where it was' 0 '' ocf monitor

# in_background ACTION: $attempt is its process, what it says goes to $folder/attempt.
in_background() {
	"$agent" "$1" >"$folder/attempt" 2>&1 &
	attempt=$!
}

# attempt_ends: the status with which it does.
# shellcheck disable=SC2317 # called by expect
attempt_ended() {
	echo "$ended $(<"$folder/attempt")"
}

OCF_RESKEY_CRM_meta_timeout=90000 in_background migrate_to
expect 'a migration is under way' 0 '' until_job_is copying
running=$(ferry migration-list params=uuid,status | grep -B1 ': copying$' | sed -n 's/^uuid.*: //p')
second=$(ferry vm-migrate vm=slow host=B live=true async=true)
expect 'a second attempt attaches to it' 0 "$running" echo "$second"
kill "$attempt"
wait "$attempt"
ended=$?
expect 'told to stop it cancels and comes back' 0 '1 *told to stop*operator cancelled it' \
	attempt_ended

OCF_RESKEY_CRM_meta_timeout=90000 in_background migrate_to
expect 'another one is under way' 0 '' until_job_is copying
expect 'who stops the guest cancels it first' 0 '*is cancelled' ocf stop
wait "$attempt"
ended=$?
expect 'who had begun it hears of it' 0 '1 *operator cancelled it' attempt_ended
expect 'the guest is stopped' 7 '' ocf monitor

# ---- a doubt ----

plays crash-twice
expect 'a doubt is not come back with as success' 1 '*look for the guest at both hosts*' \
	ocf migrate_to OCF_RESKEY_CRM_meta_timeout=4000
expect 'a guest in doubt neither runs nor does not' 1 '*in doubt*' ocf monitor
expect 'who stops it, as after fencing, gives the copy up' 0 '*given up*' ocf stop
expect 'then there is no doubt any more' 7 '' ocf monitor

# ---- the cluster's tester ----

export OCF_RESKEY_name=slow OCF_RESKEY_CRM_meta_timeout=4000
if command -v ocf-tester >/dev/null; then
	expect 'ocf-tester finds nothing' 0 '*passed all tests' ocf-tester -n slow \
		-o name=slow -o config="$folder/slow.cfg" -o conf="$folder/conf" "$agent"
else
	echo 'skip - resource-agents is not installed'
fi

# ---- the cluster's scheduler ----

if command -v crm_simulate >/dev/null; then
	expect 'a node on standby is left by a migration' 0 \
		'*migrate_to on A*migrate_from on B*stop on A*Started B*' \
		crm_simulate -S -x "$top_srcdir/tests/ocf_standby.xml"
	expect 'after one that failed both sides are stopped' 0 '*stop on B*stop on A*start on B*' \
		after_failure
else
	echo 'skip - pacemaker-cli-utils is not installed'
fi

stop_daemon
exit "$failed"

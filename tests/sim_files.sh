#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest goes into a file and comes back, compressed or not; a checkpoint leaves it running; a disk
# that is full leaves it running, and no file.
# shellcheck disable=SC2317 # check() calls the functions
# shellcheck source=tests/sim.sh
. "${top_srcdir:?}/tests/sim.sh"

verifier=/usr/lib/xen-4.17/bin/verify-stream-v2

files() {
	find "$saves" -type f -printf '%f\n'
}

is_gone() {
	[[ -z $(guests_on A) ]]
}

is_verified() {
	PYTHONPATH=/usr/lib/xen-4.17/lib/python /usr/bin/python3 "$verifier" -f xl -i "$1"
}

hosts_up --memory-mib 512 --dirty-pages-per-s 500 --working-set-pages 500
saves=$scratch/saves
mkdir "$saves"
check 'a guest starts' guest_up A 1 64 1 1

for compress in none zstd; do
	check "$compress: into a file" exits 0 '' \
		ferry A vm-suspend vm=g1 file="$saves/g1" compress="$compress"
	check "$compress: the guest is gone" is_gone
	check "$compress: there is the file, and no other" test "$(files)" = g1
	[[ $compress != none || ! -e $verifier ]] ||
		check "$compress: Xen's own verifier finds no fault in it" is_verified "$saves/g1"
	check "$compress: and out of it" exits 0 '' ferry A vm-resume file="$saves/g1"
	check "$compress: the guest is well" is_well 1 A 1 1
	rm -f "$saves/g1"
done

# Its header, its configuration and nothing of ours.
as_xl_saves() {
	/usr/bin/python3 "${top_srcdir:?}/tests/xl_saved.py" "$saves/$1" g1 "$(guest_uuid 1)" 64 \
		/run/sim/disks/g1-0 "$(guest_mac 1 0)"
}

check 'as xl saves: into a file' exits 0 '' ferry A vm-checkpoint vm=g1 file="$saves/twin"
check 'as xl saves: it is made one of those' as_xl_saves twin
check 'as xl saves: who runs already is refused' exits 7 'on this host already' \
	ferry A vm-resume file="$saves/twin"
check 'as xl saves: into another file' exits 0 '' ferry A vm-suspend vm=g1 file="$saves/xl"
check 'as xl saves: it is made one of those, too' as_xl_saves xl
[[ ! -e $verifier ]] || check 'as xl saves: Xen'"'"'s own verifier finds no fault in it' \
	is_verified "$saves/xl"
check 'as xl saves: and out of it' exits 0 '' ferry A vm-resume file="$saves/xl"
check 'as xl saves: the guest is well' is_well 1 A 1 1
check 'as xl saves: it moves on' move A B g1
check 'as xl saves: and is well there' is_well 1 B 1 1
check 'as xl saves: and back' move B A g1
rm -f "$saves/twin" "$saves/xl"

check 'a checkpoint' exits 0 '' ferry A vm-checkpoint vm=g1 file="$saves/checkpoint"
check 'the guest runs on' is_well 1 A 1 1
check 'its file is there' test "$(files)" = checkpoint
check 'a file that is there is not replaced' exits 7 'already' \
	ferry A vm-suspend vm=g1 file="$saves/checkpoint"
check 'a path that is none is refused' exits 2 'absolute' ferry A vm-suspend vm=g1 file=g1
check 'what is no saved guest is refused' exits 7 'no saved guest' \
	ferry A vm-resume file="$builddir/config.status"
on A mount -t tmpfs -o size=16m none "$saves"
check 'a full disk: it fails' exits 1 'No space left' ferry A vm-suspend vm=g1 file="$saves/g1"
check 'a full disk: nothing is left on it' test -z "$(on A ls -A "$saves")"
check 'the guest is well after all that' is_well 1 A 1 1
finish

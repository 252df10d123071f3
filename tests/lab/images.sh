# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Builds what the lab boots, in two layers, each in a folder named after a hash of its inputs:
#
#   base-HASH     kernel, hypervisor and a small Debian with the Xen tools: from Debian's archive,
#                 in a minute or two
#   images-HASH   base plus our own files: what QEMU boots and the lab's tools, in some seconds
#
# A changed input is a changed name, so nothing stale is ever booted. Sourced by `lab`.

SUITE=bookworm
DOM0_PACKAGES=xen-utils-4.17,xenstore-utils,bridge-utils,iproute2,socat,kmod,udev,procps
DOM0_PACKAGES+=,iputils-ping,tcpdump
DOM0_PACKAGES+=,libuv1,libyajl2,libinih1,libmnl0,libsanlock-client1,libssl3,libsystemd0 # what xenferry links
DOM0_MODULES="xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-netback xen-blkback
	bridge stp llc loop virtio_net net_failover failover
	tls gcm ghash-generic chacha20poly1305 chacha_generic poly1305_generic
	chacha-x86_64 libchacha poly1305-x86_64"
BOOT_MODULES="virtio virtio_ring virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev virtio_blk
	ext4 mbcache jbd2 crc16 crc32c_generic libcrc32c"
GUEST_MODULES="xen-netfront xen-blkfront"

# copy_modules KERNEL DESTINATION MODULE…: those that are not built in, with their index.
copy_modules() {
	local kernel=$1 to=$2 version module file
	shift 2
	version=$(ls "$kernel/lib/modules")
	for module; do
		file=$(find "$kernel/lib/modules" -name "$module.ko" -print -quit)
		[ -z "$file" ] || install -D -m 644 "$file" "$to${file#"$kernel"}"
	done
	depmod -b "$to" "$version" 2> /dev/null
}

# build_base FOLDER: everything that comes from Debian's archive.
build_base() {
	local to=$1 kernel deb
	apt-get update -qq
	kernel=$(apt-cache depends linux-image-amd64 |
		sed -n 's/.*Depends: \(linux-image-6\)/\1/p' | head -1)
	mkdir -p "$to/debs" "$to/kernel"
	(cd "$to/debs" &&
		apt-get download -q -o APT::Sandbox::User=root "$kernel" xen-hypervisor-4.17-amd64)
	for deb in "$to"/debs/*.deb; do dpkg -x "$deb" "$to/kernel"; done
	rm -r "$to/debs"
	depmod -b "$to/kernel" "${kernel#linux-image-}" 2> /dev/null
	# QEMU's multiboot loader wants plain ELF
	gunzip -c "$to/kernel/boot/xen-4.17-amd64.gz" > "$to/xen"
	cp "$to/kernel/boot/vmlinuz-${kernel#linux-image-}" "$to/vmlinuz"
	debootstrap --variant=minbase --include="$DOM0_PACKAGES" "$SUITE" "$to/dom0" \
		${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
	rm -rf "$to/dom0/var/cache/apt" "$to/dom0/var/lib/apt/lists"
}

# pack_initramfs TREE FILE
pack_initramfs() {
	(cd "$1" && find . | cpio -o -H newc --quiet | gzip -1) > "$2"
}

# busybox_tree TREE: a root file system of busybox alone.
busybox_tree() {
	local applet
	mkdir -p "$1"/{bin,sbin,proc,sys,dev,new}
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
	done
}

# compile PROGRAM SOURCE|FLAG…: a tool of the lab, in HERE.
compile() (
	cd "$HERE"
	"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Wshadow -o "$@"
)

# build_images BASE FOLDER: guest, dom0, the initramfs between them, and the tools of both sides.
build_images() {
	local base=$1 to=$2 kernel=$1/kernel
	mkdir -p "$to/bin"
	compile "$to/bin/writer" guest/writer.c -static
	compile "$to/bin/ledger" guest/ledger.c
	compile "$to/bin/remote" remote.c -static # static: the dom0's libc is not ours
	compile "$to/bin/ping" ping.c echo.c
	compile "$to/bin/strike" strike.c echo.c -static
	compile "$to/bin/floor" floor.c echo.c -lxenctrl -lxenguest -lxenstore

	busybox_tree "$to/guest"
	install "$HERE/guest/init" "$to/guest/init"
	install "$HERE/guest/poweroff" "$to/guest/sbin/poweroff"
	install "$to/bin/writer" "$to/guest/bin/writer"
	# shellcheck disable=SC2086 # lists of words
	copy_modules "$kernel" "$to/guest" $GUEST_MODULES
	pack_initramfs "$to/guest" "$to/guest.img"

	busybox_tree "$to/early"
	install "$HERE/dom0/early-init" "$to/early/init"
	# shellcheck disable=SC2086
	copy_modules "$kernel" "$to/early" $BOOT_MODULES
	pack_initramfs "$to/early" "$to/early.img"

	cp -al "$base/dom0" "$to/dom0" # hard links: nothing below may change a base's file in place
	# shellcheck disable=SC2086
	copy_modules "$kernel" "$to/dom0" $DOM0_MODULES
	install -d "$to/dom0/var/log/xen" # Xen's hotplug scripts fail without
	install "$HERE/dom0/init" "$to/dom0/sbin/lab-init"
	install "$to"/bin/{remote,floor,strike} \
		"$HERE"/dom0/{start-agent,start-service,start-cluster,ask-console} \
		"$HERE/dom0/leftovers" \
		"$to/dom0/usr/local/bin"
	install "$HERE/dom0/fence_lab" "$to/dom0/usr/sbin" # where Pacemaker looks for it
	install -m 644 "$base/vmlinuz" "$to/guest.img" "$to/dom0/boot"
	install -m 644 "$HERE"/guest/*.cfg "$to/dom0/root"
	truncate -s 900M "$to/dom0.ext4"
	mkfs.ext4 -q -F -O ^metadata_csum -d "$to/dom0" "$to/dom0.ext4"
	rm -r "$to/dom0" "$to/guest" "$to/early"
}

# built LAYER HASH INPUT…: runs build_LAYER INPUT… FOLDER unless it is there; forgets older ones.
built() {
	local layer=$1 folder=$LAB/$1-$2 old
	shift 2
	[ ! -d "$folder" ] || return 0
	echo "lab: building the $layer layer in $folder" >&2
	rm -rf "$folder.part"
	# in the background, because a command whose status is asked for runs on after errors
	"build_$layer" "$@" "$folder.part" >> "$LAB/build.log" 2>&1 &
	wait $! || {
		tail -20 "$LAB/build.log" >&2
		die "the $layer layer was not built; see $LAB/build.log"
	}
	mv "$folder.part" "$folder"
	for old in "$LAB/$layer"-*; do
		[ "$old" = "$folder" ] || rm -rf "$old"
	done
}

# Sets BASE and IMAGES to the folders that belong to the sources as they are now; builds nothing.
name_images() {
	local base_hash images_hash
	base_hash=$({
		declare -f build_base
		echo "$SUITE $DOM0_PACKAGES"
	} | sha256sum | cut -c 1-12)
	images_hash=$({
		echo "$base_hash"
		cd "$HERE" && find images.sh ./*.c dom0 guest -type f | sort | xargs sha256sum
	} | sha256sum | cut -c 1-12)
	BASE=$LAB/base-$base_hash IMAGES=$LAB/images-$images_hash
}

# Builds what is missing. Safe to repeat, and by two at once.
ensure_images() {
	mkdir -p "$LAB"
	exec {images_lock}> "$LAB/lock"
	flock "$images_lock"
	: > "$LAB/build.log"
	built base "${BASE##*-}"
	built images "${IMAGES##*-}" "$BASE"
	exec {images_lock}>&-
}

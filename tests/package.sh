#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# `package.sh deb|rpm BUILDDIR`: makes the package from a distribution of that build, in a folder
# of its own, and looks at what is in it. Tests are not run once more. Needs debhelper (and
# lintian), or rpm.
set -euo pipefail
export LC_ALL=C.UTF-8

kind=${1:?deb or rpm} build=$(readlink -f "${2:?a build folder}")
place=$(mktemp -d)
trap 'chmod -R u+w "$place" && rm -rf "$place"' EXIT

# has LISTING: the files that a host needs, as `path`s in a listing of the package.
has() {
	local path missing=0

	for path in /usr/sbin/xenferryd /usr/bin/xenferry /usr/libexec/xenferry/xenferry-worker \
		/usr/libexec/xenferry/xenferry-stream /usr/libexec/xenferry/xenferry-tls \
		/etc/xenferry.conf /systemd/system/xenferryd.service man7/xenferry-hooks.7 \
		/bash-completion/completions/xenferry doc/xenferry/examples/firewall; do
		grep -qF "$path" "$1" || { echo "the package lacks $path"; missing=1; }
	done
	return "$missing"
}

quietly() {
	"$@" >"$place/log" 2>&1 || { tail -n 40 "$place/log"; exit 1; }
}

make_deb() {
	cd "$place/xenferry-$version"
	quietly env DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage -us -uc -b
	cd "$place"
	dpkg-deb -c xenferry_*.deb >"$place/listing"
	has "$place/listing"
	! command -v lintian >/dev/null || lintian --fail-on error xenferry_*.changes
	ls xenferry_*.deb
}

make_rpm() {
	quietly rpmbuild -bb --nodeps --nocheck --define "_topdir $place/rpm" \
		--define "_sourcedir $place" --define 'debug_package %{nil}' \
		"$place/xenferry-$version/rpm/xenferry.spec"
	rpm -qlp "$place"/rpm/RPMS/*/xenferry-*.rpm >"$place/listing" 2>/dev/null
	has "$place/listing"
	ls "$place"/rpm/RPMS/*/
}

version=$(sed -n 's/^PACKAGE_VERSION = //p' "$build/Makefile")
quietly make -s -C "$build" dist-xz
mv "$build/xenferry-$version.tar.xz" "$place/"
tar -xf "$place/xenferry-$version.tar.xz" -C "$place"
for said in "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$place/xenferry-$version/debian/changelog")" \
	"$(sed -n 's/^Version: *//p' "$place/xenferry-$version/rpm/xenferry.spec")"; do
	[[ $said == "$version" ]] || { echo "a package says $said, configure.ac $version"; exit 1; }
done
"make_$kind"

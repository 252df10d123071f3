#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# make-page.sh POD2MAN VERSION SOURCE PAGE COMMAND...: the manual page PAGE ("name.section") from a pod
# SOURCE whose line "=for reference" stands for what COMMAND prints.
set -eu
pod2man=$1 version=$2 source=$3 page=$4
shift 4
name=${page%.*}

{
	sed '/^=for reference$/,$d' "$source"
	"$@"
	sed '1,/^=for reference$/d' "$source"
} > "$page.pod"
"$pod2man" --utf8 -c xenferry -r "xenferry $version" -n "$name" -s "${page##*.}" "$page.pod" "$page.new"
rm "$page.pod"
mv "$page.new" "$page"

# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion for xenferry(1). It knows nothing of verbs and parameters: 'xenferry help' does, and
# guests, hosts and migrations come from xenferry's own lists.

# A list with commas between, one a line; "\," is a comma of a name.
_xenferry_lines() {
	xenferry "$@" --minimal 2>/dev/null | sed -e 's/\([^\\]\),/\1\n/g' -e 's/\\\([,\\]\)/\1/g'
}

# What may stand after `$2=` of the verb $1.
_xenferry_values() {
	case $2 in
	vm | name-label | vm-name-label) _xenferry_lines vm-list params=name-label ;;
	host) _xenferry_lines host-list params=name ;;
	uuid) _xenferry_lines migration-list params=uuid ;;
	plan) _xenferry_lines plan-list params=name ;;
	policy) _xenferry_lines policy-list params=name ;;
	file | out) compgen -f -- "$3" ;;
	live | async | dry-run | verify) printf 'true\nfalse\n' ;;
	esac
}

# What may stand after the verb $1: a parameter, a flag, another verb's name.
_xenferry_parameters() {
	xenferry help "$1" 2>/dev/null |
		sed -nE 's/^ +(reqd|optional) params +: //; T; s/<[^>]*>//; s/, */=\n/g; s/([^=])$/\1=/; p'
	printf '%s\n' --json --minimal --progress --socket
	[[ $1 != help ]] || _xenferry_lines help --all
}

_xenferry() {
	local line=${COMP_LINE:0:COMP_POINT} word verb key prefix reply
	local -a words

	# not COMP_WORDS: they are split at '=' and ':'
	read -ra words <<<"$line"
	word=${line##*[[:blank:]]}
	verb=${words[1]-}
	COMPREPLY=()
	if ((${#words[@]} < 2)) || { ((${#words[@]} == 2)) && [[ -n $word ]]; }; then
		mapfile -t COMPREPLY < <(_xenferry_lines help --all)
		prefix=
	elif [[ $word == *=* ]]; then
		key=${word%%=*}
		word=${word#*=}
		prefix=
		[[ $word != *:* ]] || prefix=${word%"${word##*:}"}
		mapfile -t COMPREPLY < <(_xenferry_values "$verb" "$key" "$word")
	else
		mapfile -t COMPREPLY < <(_xenferry_parameters "$verb")
		prefix=
	fi
	words=()
	for reply in "${COMPREPLY[@]}"; do
		# bash has the word before the last ':' already
		[[ -z $reply || $reply != "$word"* ]] || words+=("${reply#"$prefix"}")
	done
	COMPREPLY=("${words[@]}")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}
complete -F _xenferry xenferry

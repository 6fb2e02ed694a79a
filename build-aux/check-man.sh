#!/bin/sh
# check-man.sh: proves that the man pages list the options and commands that the programs print with --help, with the same sentences; the
# settings have a page that is made from their table.  Where a formatter is installed, the pages must also pass it without a warning.
# Exit status 1 if something differs.
set -u
LC_ALL=C
export LC_ALL

build=${REGCRED_BUILD:-.}
src=${REGCRED_SRC:-$(dirname "$0")/..}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
wrong=0

# Both lists take the same form: the option or command as it is typed, a tab, the sentence that explains it, which may begin with a
# capital and end with a full stop or not.
sentences='
function entry(typed, sentence)
{
	sub(/\.$/, "", sentence)
	print typed "\t" tolower(substr(sentence, 1, 1)) substr(sentence, 2)
}'

# What --help prints: options begin with two blanks and "--", commands with two blanks and a letter, their sentence is in the next line.
from_help()
{
	awk "$sentences"'
	/^[Ss]ettings/ { exit }
	sentence_follows {
		sub(/^ +/, "")
		entry(typed, $0)
		sentence_follows = 0
		next
	}
	/^  [a-z]/ {
		typed = substr($0, 3)
		sentence_follows = 1
	}
	/^  --/ {
		match($0, /^  --[a-z-]+( [A-Z]+ )?/)
		typed = substr($0, 3, RLENGTH - 2)
		rest = substr($0, RLENGTH + 1)
		sub(/ +$/, "", typed)
		sub(/^ +/, "", rest)
		entry(typed, rest)
	}'
}

# What the page says: ".It Fl -name Ar ARG" or ".It Cm name", each with its sentence in the next line.
from_page()
{
	awk "$sentences"'
	sentence_follows {
		entry(typed, $0)
		sentence_follows = 0
		next
	}
	/^\.It (Fl -|Cm )/ {
		typed = ""
		glue = 1
		for (i = 2; i <= NF; i++) {
			if ($i == "Ns") {
				glue = 1
			} else if ($i == "Oo") {
				typed = typed (glue ? "[" : " [")
				glue = 1
			} else if ($i == "Oc") {
				typed = typed "]"
				glue = 0
			} else if ($i != "Fl" && $i != "Ar" && $i != "Cm") {
				typed = typed (glue ? "" : " ") ($i ~ /^-/ ? "-" : "") $i
				glue = 0
			}
		}
		sentence_follows = 1
	}' "$1"
}

# compare PROGRAM PAGE
compare()
{
	if ! "$build/$1" --help >"$work/$1.out" || ! from_help <"$work/$1.out" >"$work/$1.help" || ! [ -s "$work/$1.help" ]; then
		echo "check-man: $build/$1 --help prints no options"
		wrong=1
		return
	fi
	from_page "$2" >"$work/$1.page"
	# The page may have an order of its own.
	sort "$work/$1.help" >"$work/help"
	sort "$work/$1.page" >"$work/page"
	if ! diff "$work/help" "$work/page" >"$work/differs"; then
		echo "check-man: $2 differs from $1 --help (<: --help, >: the page):"
		grep '^[<>]' "$work/differs"
		wrong=1
	fi
	echo "check-man: $1: $(wc -l <"$work/help" | tr -d ' ') options and commands"
}

# lint PAGE: what a formatter complains about.
lint()
{
	if command -v mandoc >/dev/null 2>&1; then
		mandoc -T lint -W warning "$1" >"$work/lint" 2>&1
	elif command -v groff >/dev/null 2>&1; then
		groff -mandoc -Tascii -ww -z "$1" >"$work/lint" 2>&1
	elif man -l --warnings /dev/null >/dev/null 2>&1; then
		man -l --warnings "$1" 2>"$work/lint" >/dev/null
	else
		echo "check-man: $1: no mandoc, groff or man to format it with"
		return
	fi
	if [ -s "$work/lint" ]; then
		echo "check-man: $1:"
		cat "$work/lint"
		wrong=1
	fi
}

compare regcredd "$src/man/regcredd.8"
compare regcred "$src/man/regcred.1"
compare docker-credential-regcred "$src/man/docker-credential-regcred.1"
lint "$src/man/regcredd.8"
lint "$src/man/regcred.1"
lint "$build/man/regcred.conf.5"
lint "$src/man/docker-credential-regcred.1"
lint "$src/man/regcred-kubelet-provider.1"
exit "$wrong"

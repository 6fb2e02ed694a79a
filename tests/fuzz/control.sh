#!/bin/sh
# Shows that the fuzz targets can fail: each takes something wrong for right and has to notice it at inputs that are kept, and a program
# that has every kind of fault is caught at each.
set -u
build=${REGCRED_BUILD:-.}/tests/fuzz
source=${REGCRED_SRC:-.}/tests/fuzz
failed=0
# shellcheck disable=SC3045 # dash and bash know it
ulimit -c 0
TMPDIR=$(mktemp -d) || exit 1 # programs that abort leave something
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

told() {
	echo "$1: $2"
	[ "$1" != FAIL ] || failed=1
}

# must_fail NAME WORDS COMMAND...
must_fail() {
	name=$1 words=$2
	shift 2
	{ said=$(timeout 60 "$@" 2>&1); } 2>/dev/null # where the shell says how it ended
	status=$?
	case $status,$said in
	0,*) told FAIL "$name: nothing was noticed" ;;
	77,*) told SKIP "$name: this build has no sanitizer" ;;
	*,*"$words"*) told PASS "$name: is noticed" ;;
	*) told FAIL "$name: $said" ;;
	esac
}

for directory in "$source"/corpus/*/; do
	target=$(basename "$directory")
	must_fail "$target: something wrong" 'does not hold' "$build/fuzz" "$target" --wrong "$directory"
done
for input in "$source"/faults/request/*; do
	must_fail "request: a password of another account ($(basename "$input"))" 'does not hold: !holds' "$build/fuzz" request --wrong "$input"
	timeout 60 "$build/fuzz" request "$input" >/dev/null 2>&1 || told FAIL "request: $input: fails in a right run"
done
must_fail 'what must hold' 'does not hold' "$build/fuzz" control "$source/faults/must"
must_fail 'a step past the end' 'heap-buffer-overflow' "$build/fuzz" control "$source/faults/overflow"
must_fail 'undefined behaviour' 'runtime error' "$build/fuzz" control "$source/faults/undefined"
must_fail 'a leak' 'LeakSanitizer' env ASAN_OPTIONS=detect_leaks=1 "$build/fuzz" control "$source/faults/leak"
must_fail 'a hang' '' timeout 2 "$build/fuzz" control "$source/faults/hang"
"$build/fuzz" control "$source/faults/none" >/dev/null 2>&1 || told FAIL 'without a fault: fails'
exit "$failed"

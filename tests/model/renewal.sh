#!/bin/sh
# renewal.sh: has spin go through all that can happen to a login while it is renewed (renewal.pml).
# With all rules there is no way to a login that neither works nor says what to do; without any one
# of them there is, or the rule, or the model, is good for nothing.
set -u
model=${REGCRED_SRC:-.}/tests/model/renewal.pml
cc=${CC:-cc}
for tool in spin "$cc"; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "SKIP: $tool is missing"
		exit 77
	fi
done
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp "$model" "$work/renewal.pml" || exit 1
cd "$work" || exit 1
failed=0

told() {
	echo "$1: $2"
	[ "$1" != FAIL ] || failed=1
}

# run NAMES...: prints "holds", "fails" or what went wrong.
run() {
	defines=
	for name in "$@"; do
		defines="$defines -D$name"
	done
	# shellcheck disable=SC2086 # a list of words
	if ! said=$(spin $defines -a renewal.pml 2>&1 && "$cc" -O2 -DSAFETY -DMEMLIM=3000 -o pan pan.c 2>&1); then
		echo "does not build: $said"
		return
	fi
	# -E: it ends when nothing can happen any more.
	said=$(timeout 900 ./pan -E -m100000 2>&1)
	case $said in
	*'assertion violated'*) echo fails ;;
	*'Search not completed'* | *'search depth too small'*) echo 'was not searched through' ;;
	*'errors: 0'*) echo holds ;;
	*) echo "does not end" ;;
	esac
}

holds() {
	outcome=$(run "$@")
	if [ "$outcome" = holds ]; then
		told PASS "with all rules: $*"
	else
		told FAIL "with all rules: $*: it $outcome"
	fi
}

# fails RULE NAMES...: the rule is taken out.
fails() {
	outcome=$(run "$@")
	if [ "$outcome" = fails ]; then
		told PASS "the rule is needed: $*"
	else
		told FAIL "the rule is needed: $*: it $outcome without"
	fi
}

holds CHOSEN
holds CHOSEN LATE
holds READABLE
holds SECOND KILLS=1 SILENCES=0 ROTATIONS=1 TAKES=4
holds SECOND LATE KILLS=0 ROTATIONS=1 TAKES=4
holds SECOND ALWAYS KILLS=1 COPIES=0 ROLLBACKS=0
# A call that is applied when nobody waits any more is found by the check of each day.
holds READABLE LATE CHECKED KILLS=1
fails LATE READABLE KILLS=0

fails NO_LEASE READABLE KILLS=0 SILENCES=0 ROTATIONS=1 TAKES=3
fails NO_RECHECK READABLE KILLS=0
fails NO_DEADLINE READABLE KILLS=0
fails NO_INTENT CHOSEN LATE
fails NEW_VALUE CHOSEN LATE
fails NO_RETRY CHOSEN
fails NO_RETRY READABLE
fails NO_RENEWAL CHOSEN
fails NO_RENEWAL READABLE
fails NO_RENEWAL SECOND KILLS=0 SILENCES=0 TAKES=4
fails DISCARD_FIRST SECOND ALWAYS KILLS=1 SILENCES=0 TAKES=2 COPIES=0
fails ANY_NAME SECOND ALWAYS KILLS=1 SILENCES=0 TAKES=2 COPIES=0
fails ROLL_ANY SECOND KILLS=0 SILENCES=0 COPIES=0
fails NO_CHECK SECOND KILLS=0 SILENCES=0 TAKES=4
exit "$failed"

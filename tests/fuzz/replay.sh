#!/bin/sh
# Replays the kept inputs of each target, and compares what the JSON gate reads with what Python reads.
set -u
build=${REGCRED_BUILD:-.}
corpus=${REGCRED_SRC:-.}/tests/fuzz/corpus
failed=0
for directory in "$corpus"/*/; do
	target=$(basename "$directory")
	if [ ! -x "$build/tests/fuzz/$target" ]; then
		echo "FAIL: $target: there are inputs, but no such target"
		failed=1
	elif ! said=$(timeout 300 "$build/tests/fuzz/$target" "$directory" 2>&1); then
		echo "FAIL: $target: $said"
		failed=1
	else
		echo "PASS: $target: $said"
	fi
done
for target in "$build"/tests/fuzz/*; do
	if [ -f "$target" ] && [ -x "$target" ] && [ ! -d "$corpus/$(basename "$target")" ]; then
		echo "FAIL: $target has no inputs"
		failed=1
	fi
done
if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
	"${PYTHON:-python3}" "${REGCRED_SRC:-.}/tests/fuzz/json_agrees.py" "$build/tests/fuzz/json" "$corpus/json" || failed=1
fi
exit "$failed"

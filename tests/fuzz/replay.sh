#!/bin/sh
# Replays the kept inputs of each target, and compares what the JSON gate reads with what Python reads.
set -u
build=${REGCRED_BUILD:-.}
corpus=${REGCRED_SRC:-.}/tests/fuzz/corpus
failed=0
for directory in "$corpus"/*/; do
	target=$(basename "$directory")
	if ! said=$(timeout 300 "$build/tests/fuzz/fuzz" "$target" "$directory" 2>&1); then
		echo "FAIL: $target: $said"
		failed=1
	else
		echo "PASS: $target: $said"
	fi
done
for target in $(grep -o 'X([a-z]*)' "${REGCRED_SRC:-.}/tests/fuzz/fuzz.h" | tr -d 'X()'); do
	if [ "$target" != control ] && [ ! -d "$corpus/$target" ]; then
		echo "FAIL: $target has no inputs"
		failed=1
	fi
done
# Each input of `request` finds the same database, whatever those before it have written.
talk=$corpus/request/talk-create
said=$("$build/tests/fuzz/fuzz" request --dump "$talk" "$talk" | cut -f 2)
if [ "$(echo "$said" | uniq)" != ' 201 201 200 404 200 200' ]; then
	echo "FAIL: request: the same conversation was answered $said"
	failed=1
fi
if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
	"${PYTHON:-python3}" "${REGCRED_SRC:-.}/tests/fuzz/json_agrees.py" "$build/tests/fuzz/fuzz" "$corpus/json" || failed=1
fi
exit "$failed"

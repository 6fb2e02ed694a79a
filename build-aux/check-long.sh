#!/bin/sh
# check-long.sh ITEM...: runs what takes minutes; an item is a module of tests/api (its name, or NAME@WEBSERVER) or a program of the build tree (its
# path).  Its output comes as it is made; ends with "N passed, N failed, N skipped".  Exit status 1 if something failed.
set -u

build=${REGCRED_BUILD:-.}
source_dir=${REGCRED_SRC:-.}
REGCRED_LONG=1
CK_VERBOSITY=normal
export REGCRED_LONG CK_VERBOSITY
totals=$(mktemp) && log=$(mktemp) || exit 1
trap 'rm -f "$totals" "$log"' EXIT
trap 'exit 130' INT TERM HUP

run_item()
{
	case $1 in
	*.py) "${PYTHON:-python3}" -B "$source_dir/$1" ;;
	*/*) "$build/$1" ;;
	*@*) "${PYTHON:-python3}" "$source_dir/tests/api/run.py" --jobs 1 --front "${1#*@}" "${1%@*}" ;;
	*) "${PYTHON:-python3}" "$source_dir/tests/api/run.py" --jobs 1 "$1" ;;
	esac
}

# The numbers that a program said itself (Check's line, or a closing line like ours), else one for the whole.
sums()
{
	awk -v status="$1" '
	/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
		gsub(/,/, "")
		p += $3 - $5 - $7; f += $5 + $7; own = 1
	}
	/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $1; f += $3; s += $5; own = 1 }
	END {
		if (!own)
			p = status == 0
		if (status != 0 && f == 0)
			f = 1
		print p + 0, f + 0, s + 0
	}' "$log"
}

n=0
for item in "$@"; do
	n=$((n + 1))
	echo "--- $n of $#: $item"
	{
		run_item "$item" 2>&1
		echo $? >"$totals.status"
	} | tee "$log"
	sums "$(cat "$totals.status")" >>"$totals"
	rm -f "$totals.status"
done
awk '{ p += $1; f += $2; s += $3 } END { print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; exit f != 0 }' "$totals"

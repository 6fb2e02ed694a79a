#!/bin/sh
# check-circles.sh [BUILD-TREE]: proves that no two object files of src/ need each other, directly or in a circle: an arrow from each file
# that uses a symbol to the file that defines it, sorted by tsort.  What tsort complains about is printed; exit status 1 then.
set -eu
LC_ALL=C
export LC_ALL

source=$(cd "${REGCRED_SRC:-$(dirname "$0")/..}" && pwd)
cd "${1:-${REGCRED_BUILD:-.}}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Every object that make has built from a source that is still there, program by program: their mains define main, which nobody uses.
find src -name '*.o' | sort | while read -r object; do
	if [ -f "$source/${object%.o}.c" ] || [ -f "${object%.o}.c" ]; then echo "$object"; fi
done >"$scratch/objects"
xargs nm -A <"$scratch/objects" | awk '
{
	split($1, at, ":")
	file = at[1]
	name = $NF
	kind = NF == 2 ? $1 : $(NF - 1)
	sub(/.*:/, "", kind)
	if (kind == "U")
		used[file, name] = 1
	else if (kind ~ /^[TDBRVC]$/ && name != "main")
		defined[name] = file
}
END {
	for (pair in used) {
		split(pair, p, SUBSEP)
		if (p[2] in defined && defined[p[2]] != p[1])
			print p[1], defined[p[2]]
	}
}' | sort -u >"$scratch/arrows"

if tsort "$scratch/arrows" >/dev/null 2>"$scratch/loops"; then
	echo "check-circles: $(wc -l <"$scratch/objects") objects, $(wc -l <"$scratch/arrows") arrows, no circle"
else
	cat "$scratch/loops" >&2
	exit 1
fi

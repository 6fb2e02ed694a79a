#!/bin/sh
# check-names.sh [SOURCE-TREE]: proves that a name means one thing in all of src/: no two structs, unions or enums have the same tag, and
# no two files have a static function of the same name, so that grep, perf and gdb find the one that was meant.
set -eu
LC_ALL=C
export LC_ALL

cd "${1:-${REGCRED_SRC:-.}}/src"
# shellcheck disable=SC2046 # a list of names without spaces
set -- $(find . -name '*.[ch]' | sed 's|^\./||' | sort)

awk '
function meet(kind, name)
{
	count++
	if ((kind, name) in first && first[kind, name] != FILENAME) {
		printf "src/%s:%d: %s %s is also in src/%s\n", FILENAME, FNR, kind, name, first[kind, name]
		bad++
	}
	first[kind, name] = FILENAME
}

# A definition: struct NAME {, perhaps behind static, const, typedef.
/^[a-z ]*(struct|union|enum) [a-z_0-9]+ *\{/ {
	split(substr($0, 1, index($0, "{") - 1), word, " ")
	for (i = 1; word[i] !~ /^(struct|union|enum)$/; i++)
		;
	meet("tag", word[i + 1])
}

# The return type stands in a line of its own.
before ~ /^static / && before !~ /[({;=]/ && /^[a-z_0-9]+\(/ {
	name = $0
	sub(/\(.*/, "", name)
	meet("static function", name)
}
{ before = $0 }

END {
	printf "check-names: %d names, %d that mean two things\n", count, bad
	exit bad > 0
}' "$@"

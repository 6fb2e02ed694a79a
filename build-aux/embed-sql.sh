#!/bin/sh
# embed-sql.sh TABLE FIRST FILE...: writes the C form of the numbered SQL files, whose numbers begin with FIRST, to standard output.
#
# Arrays of characters, not string literals: a literal of more than 4,095 bytes is beyond what C promises.
set -eu
LC_ALL=C
export LC_ALL

table=$1
first=$2
shift 2
number=$((first - 1))
for file in "$@"; do
	name=$(basename "$file" .sql)
	number=$((number + 1))
	case $name in
	[0-9][0-9][0-9][0-9]_*) ;;
	*) echo "embed-sql: $file: a migration is called NNNN_what.sql" >&2; exit 1 ;;
	esac
	if [ "$(printf '%04d' "$number")" != "${name%%_*}" ]; then
		echo "embed-sql: $file: expected number $number: numbers go up by one" >&2
		exit 1
	fi
done

echo '/* Made by build-aux/embed-sql.sh from sql/: edit those files. */'
echo '#include "store/migrations.h"'
echo
echo '#include <stddef.h>'

number=$((first - 1))
for file in "$@"; do
	number=$((number + 1))
	printf '\nstatic const char sql_%d[] = {\n' "$number"
	awk '
	BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = sprintf("\\%03o", i) }
	function quoted(c)
	{
		if (c == "\\" || c == "\047")
			return "\047\\" c "\047"
		if (c >= " " && c <= "~")
			return "\047" c "\047"
		return "\047" code[c] "\047"
	}
	{
		line = "\t"
		for (i = 1; i <= length($0); i++)
			line = line quoted(substr($0, i, 1)) ", "
		print line "\047\\n\047,"
	}
	END { print "\t\047\\0\047" }' "$file"
	echo '};'
done

printf '\nconst struct migration %s[] = {\n' "$table"
number=$((first - 1))
for file in "$@"; do
	number=$((number + 1))
	printf '\t{%d, "%s", sql_%d},\n' "$number" "$(basename "$file" .sql)" "$number"
done
printf '\t{0, NULL, NULL}\n};\n'

#!/bin/sh
# embed-ui.sh FILE...: prints C source with the files of the page, so that regcredd can serve it without a web server's help.
set -eu
LC_ALL=C
export LC_ALL

type_of()
{
	case $1 in
	*.html) echo 'text/html; charset=utf-8' ;;
	*.js) echo 'text/javascript; charset=utf-8' ;;
	*.css) echo 'text/css; charset=utf-8' ;;
	*.svg) echo 'image/svg+xml' ;;
	*) echo "embed-ui.sh: what is $1?" >&2 && exit 1 ;;
	esac
}

bytes() { od -An -v -tu1 | sed 's/  */,/g; s/^,//; s/$/,/'; }

echo '/* Made by build-aux/embed-ui.sh. */'
echo '#include "api/ui.h"'
n=0
for file in "$@"; do
	n=$((n + 1))
	printf '\nstatic const unsigned char file_%d[] = {\n' "$n"
	bytes <"$file"
	printf '};\nstatic const unsigned char packed_%d[] = {\n' "$n"
	gzip -9 -n <"$file" | bytes
	echo '};'
done
printf '\nconst struct ui_file ui_files[] = {\n'
n=0
for file in "$@"; do
	n=$((n + 1))
	tag=$(cksum <"$file" | tr ' ' '-')
	printf '\t{"%s", "%s", "\\"%s\\"", {file_%d, packed_%d}, {sizeof(file_%d), sizeof(packed_%d)}},\n' "${file##*/}" "$(type_of "$file")" "$tag" \
		"$n" "$n" "$n" "$n"
done
printf '\t{0},\n};\n'

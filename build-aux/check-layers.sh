#!/bin/sh
# check-layers.sh [SOURCE-TREE]: proves that the #includes of src/ point to the same or a lower layer, and that each library is known
# to the few files that may know it.  One line for each that does not; exit status 1 if there is one.
set -eu
LC_ALL=C
export LC_ALL

root=${1:-${REGCRED_SRC:-.}}
cd "$root/src"
set -- *.c *.h *.def

awk '
BEGIN {
	# Layer by layer, from the bottom: the names of the files without .c, .h, .def; * stands for any ending.
	# config.h is the settings as plain data.  store.h is an interface with the plain list_query, which query fills.
	layer(0, "arena clock err log harden http json_in json_out network limiter refusals disk board metrics registry_url challenge outbound config.h")
	layer(1, "schema types process query column verification store.h")
	layer(2, "store store_sqlite sql secret audit registry_check tokens migrations")
	layer(3, "proxy auth resource verifier repr html rekey resolve handout inject")
	layer(4, "app backup nginx_check")
	layer(5, "gateway sandbox pool status config main cli cli_*")
	# What runs on other machines.
	layer(2, "client")
	layer(3, "remote")
	layer(5, "docker_credential")

	# Which file may include a header of a library.
	only("fcgiapp.h", "gateway.c")
	only("fcgi_stdio.h", "")
	only("fcgios.h", "")
	only("seccomp.h", "sandbox.c")
	only("sqlite3.h", "store_sqlite.c sql.c")
	only("cjson/cJSON.h", "json_in.c")
	only("cJSON.h", "json_in.c")
	only("curl/curl.h", "registry_check.c client.c")
	# Encryption is in secret.c; the others wipe memory, decode base64, draw a random request id or hash the entries of a table.
	only("sodium.h", "secret.c arena.c json_in.c http.c gateway.c limiter.c registry_check.c")
}

function layer(number, names,    list, n, i)
{
	n = split(names, list, " ")
	for (i = 1; i <= n; i++)
		layer_of_name[list[i]] = number
}

function only(header, files,    list, n, i)
{
	restricted[header] = 1
	n = split(files, list, " ")
	for (i = 1; i <= n; i++)
		may[header, list[i]] = 1
}

# The layer of a file, -1 if it has no row: its whole name first, then without its ending, then by its first word.
function layer_of(file,    name)
{
	if (file in layer_of_name)
		return layer_of_name[file]
	name = file
	sub(/\.[a-z]+$/, "", name)
	if (name in layer_of_name)
		return layer_of_name[name]
	sub(/_.*/, "_*", name)
	return name in layer_of_name ? layer_of_name[name] : -1
}

function complain(text)
{
	printf "src/%s:%d: %s\n", FILENAME, FNR, text
	bad++
}

FNR == 1 {
	files++
	if (layer_of(FILENAME) < 0)
		complain("has no row in the table of layers (build-aux/check-layers.sh)")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	includes++
	if (layer_of(part[2]) < 0)
		complain("includes \"" part[2] "\", which has no row in the table of layers")
	else if (layer_of(part[2]) > layer_of(FILENAME))
		complain("layer " layer_of(FILENAME) " includes \"" part[2] "\" of layer " layer_of(part[2]))
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	header = $0
	sub(/^[^<"]*[<"]/, "", header)
	sub(/[>"].*/, "", header)
	if (header in restricted && !((header, FILENAME) in may))
		complain("must not include <" header ">")
}

END {
	printf "check-layers: %d files, %d includes, %d wrong\n", files, includes, bad
	exit bad > 0
}' "$@"

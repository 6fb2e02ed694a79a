#!/bin/sh
# check-wings.sh [SOURCE-TREE]: proves that the #includes of src/ point to the same wing or to one above it in the table of wings, that
# each library is known to the few files that may know it.  One line for each that does not; exit status 1 if there is one.
set -eu
LC_ALL=C
export LC_ALL

root=${1:-${REGCRED_SRC:-.}}
cd "$root/src"

# shellcheck disable=SC2046 # a list of names without spaces
set -- $(find . -name '*.[ch]' -o -name '*.def' | sed 's|^\./||' | sort)

awk '
BEGIN {
	# The wings, from the one that knows nothing of the others down; HACKING.md says what each is for.
	count = split("base shared outbound registry nginx_check model secret store store/sqlite store/postgres access audit resource login renew client service api server cli", wing, " ")
	for (i = 1; i <= count; i++)
		place[wing[i]] = i

	# Which file may include a header of a library.
	only("fcgiapp.h", "server/gateway.c")
	only("fcgi_stdio.h", "")
	only("fcgios.h", "")
	only("seccomp.h", "server/sandbox.c")
	only("sqlite3.h", "store/sqlite/")
	only("libpq-fe.h", "store/postgres/")
	only("cjson/cJSON.h", "base/json_in.c")
	only("cJSON.h", "base/json_in.c")
	only("curl/curl.h", "outbound/fetch.c registry/get_token.c registry/follow.c client/client.c")
	only("jose/jose.h", "secret/jws.c")
	only("openssl/err.h", "renew/sign.c secret/jws.c")
	only("openssl/evp.h", "renew/sign.c")
	only("openssl/pem.h", "renew/sign.c")
	# Encryption is in secret/; the others wipe memory, decode base64, draw a random request id or hash the entries of a table.
	only("sodium.h", "client/cli_client.c secret/ base/arena.c base/json_in.c base/http.c base/text.c base/multipart.c shared/limiter.c server/gateway.c registry/inquiry.c registry/claims.c")
}

# FILES: names, or folders of which every file may.
function only(header, files,    list, n, i)
{
	restricted[header] = 1
	n = split(files, list, " ")
	for (i = 1; i <= n; i++)
		may[header, list[i]] = 1
}

function wing_of(file)
{
	sub("/[^/]*$", "", file)
	return file
}

function complain(text)
{
	printf "src/%s:%d: %s\n", FILENAME, FNR, text
	bad++
}

FNR == 1 {
	files++
	here = wing_of(FILENAME)
	if (!(here in place))
		complain("is in no wing of the table (build-aux/check-wings.sh)")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	includes++
	there = wing_of(part[2])
	if (!(there in place))
		complain("includes \"" part[2] "\": write the path from src/, WING/NAME.h")
	else if (place[there] > place[here])
		complain(here " includes \"" part[2] "\", which is below it")
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	header = $0
	sub(/^[^<"]*[<"]/, "", header)
	sub(/[>"].*/, "", header)
	if (header in restricted && !((header, FILENAME) in may) && !((header, here "/") in may))
		complain("must not include <" header ">")
}

END {
	printf "check-wings: %d files, %d includes, %d wrong\n", files, includes, bad
	exit bad > 0
}' "$@"

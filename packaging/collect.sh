#!/bin/sh
# collect.sh DIRECTORY PROGRAM...: what an image without anything else needs to run these programs: they, their libraries, the certificates of
# registries, and the directories that they write to.  For packaging/Containerfile.
set -eu

to=$1
shift
umask 022
mkdir -p "$to/usr/bin" "$to/tmp" "$to/etc/ssl/certs"
for program in "$@"; do
	install -s -m 0755 "$program" "$to/usr/bin/"
	# The loader is the one name without an arrow that is a path.
	ldd "$program" | sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'
done | sort -u | while read -r library; do
	mkdir -p "$to$(dirname "$library")"
	cp -L "$library" "$to$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$to/etc/ssl/certs/"
echo 'hosts: files dns' >"$to/etc/nsswitch.conf"
echo 'root:x:0:0:root:/:/sbin/nologin' >"$to/etc/passwd"
echo 'root:x:0:' >"$to/etc/group"
chmod 1777 "$to/tmp"
install -d -m 0770 "$to/var/lib/regcred"
install -d -m 0775 "$to/run/regcred"

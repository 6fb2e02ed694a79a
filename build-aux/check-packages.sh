#!/bin/sh
# check-packages.sh [SUITE...]: in a fresh Debian 12 and 13, made by debootstrap: builds the packages twice, from the checkout and from the tarball of
# it, in different folders and at different times, and compares them; installs them, pulls an image through the server that its unit's ExecStart
# starts, behind nginx; installs newer packages and the older ones again, removes and purges; then installs them over what 0.1.0 left.
# As root, with a mirror in apt's sources; minutes long, so part of `make check-long`.
set -u

root=$(cd "${REGCRED_SRC:-$(dirname "$0")/..}" && pwd -P)
# shellcheck source=build-aux/common.sh disable=SC2154
. "$root/build-aux/common.sh"
[ $# -gt 0 ] || set -- bookworm trixie
need_fresh_debian unshare ip

work=$(mktemp -d "${TMPDIR:-/tmp}/rc-packages-XXXXXX") || exit 1
inside=
end()
{
	leave
	rm -rf --one-file-system "$work"
}
leave() { [ -z "$inside" ] || umount -l "$inside/proc" 2>/dev/null; inside=; }
enter() { leave; inside=$1; mount -t proc proc "$inside/proc"; }
trap end EXIT
trap 'exit 130' INT TERM HUP

in_it() { chroot "$inside" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }
in_shell() { in_it sh -c "$1"; }
# With a network of its own: the ports of the test are fixed.
# shellcheck disable=SC2016 # for the shell in there
in_own_network() { unshare -n sh -c 'ip link set lo up && exec "$@"' sh chroot "$inside" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@" </dev/null; }

build_twice()
{
	cp -a "$work/base" "$work/builder" && enter "$work/builder" && copy_source "$inside/root/one" || return
	try 'the packages are built' in_it /root/one/package /root/packages-one || return
	in_shell 'mkdir -p /srv/another/place && cd /root/one && autoreconf -fi && mkdir build-tar && cd build-tar &&
		../configure && make dist && tar -xf regcred-*.tar.gz -C /srv/another/place' >"$work/log" 2>&1 || tail -n 20 "$work/log"
	sleep 2 # so that all times differ
	try 'they are built from the tarball, elsewhere and later' in_shell 'TZ=Asia/Tokyo /srv/another/place/regcred-*/package /root/packages-two'
	for file in "$inside"/root/packages-one/*.deb; do
		try "the same bytes: $(basename "$file")" cmp "$file" "$inside/root/packages-two/$(basename "$file")"
	done
	if command -v lintian >/dev/null 2>&1; then
		try 'lintian finds nothing' lintian --allow-root --fail-on error,warning "$inside"/root/packages-one/*.deb
	else
		skip 'lintian is missing'
	fi
	rm -rf "$work/packages"
	mv "$inside/root/packages-one" "$work/packages"
}

# The same packages with another number.
make_newer()
{
	mkdir -p "$inside/root/newer"
	for file in "$work"/packages/*.deb; do
		rm -rf "$work/unpacked"
		dpkg-deb -R "$file" "$work/unpacked" && sed -i "s/^Version: .*/&+1/; s/(= $version)/(= $version+1)/" "$work/unpacked/DEBIAN/control" &&
			dpkg-deb --root-owner-group -b "$work/unpacked" "$inside/root/newer" || return 1
	done
}

# Whether any process lives in there: its /proc shows those of the whole machine.
runs_in_it()
{
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/root")" != "$inside" ] || return 0
	done
	return 1
}
install_them() { in_shell "apt-get install -q -y --no-install-recommends --allow-downgrades $1"; }
owner_and_mode() { in_shell "[ \"\$(stat -c '%U %a' $1)\" = '$2' ]"; }
key_sum() { sha256sum <"$inside/var/lib/regcred/master.key"; }

install_and_pull()
{
	try 'they are installed' in_shell 'apt-get update -q && apt-get install -q -y --no-install-recommends /root/packages/*.deb nginx-light docker-registry skopeo apache2-utils curl' || return
	try 'nothing runs' not runs_in_it
	try 'nothing is enabled' not in_shell 'ls /etc/systemd/system/*.wants/regcredd*'
	# No systemd runs here: what it would be told.
	try 'an upgrade restarts a pool that runs' in_shell "grep -q 'deb-systemd-invoke .*regcredd.service' /var/lib/dpkg/info/regcred-server.postinst"
	try 'an upgrade leaves its socket alone' not in_shell "grep -q 'deb-systemd-invoke .*regcredd.socket' /var/lib/dpkg/info/regcred-server.postinst"
	try 'a removal stops both' in_shell "grep -q 'deb-systemd-invoke stop regcredd.service regcredd.socket' /var/lib/dpkg/info/regcred-server.prerm"
	try 'the key is for its user only' owner_and_mode /var/lib/regcred/master.key 'regcred 400'
	try 'the directory is for its user only' owner_and_mode /var/lib/regcred 'regcred 700'
	try 'what it runs on checks' in_it regcred admin check
	try 'a login, and a pull with it' in_own_network /root/tests/pull
	try 'the configuration of nginx is right' in_it regcred admin check --nginx /etc/nginx/nginx.conf
}

upgrade_and_remove()
{
	version=$(dpkg-deb -f "$work"/packages/regcred-server_*.deb Version)
	make_newer >"$work/log" 2>&1 || tail "$work/log"
	before=$(key_sum)
	echo '# mine' >>"$inside/etc/regcred/regcred.conf"
	try 'they are upgraded' install_them '/root/newer/*.deb'
	try 'the new version is there' in_shell "dpkg-query -W -f '\${Version}' regcred-server | grep -qx '$version+1'"
	try 'the key is kept' [ "$before" = "$(key_sum)" ]
	try 'changed settings are kept' grep -q '# mine' "$inside/etc/regcred/regcred.conf"
	try 'a pull after the upgrade' in_own_network /root/tests/pull --again
	try 'the older ones are installed again' install_them '/root/packages/*.deb'
	try 'a pull after the downgrade' in_own_network /root/tests/pull --again
	try 'the server is removed' in_it apt-get remove -q -y regcred-server
	try 'no program is left' not [ -e "$inside/usr/sbin/regcredd" ]
	try 'key and settings are kept by a removal' [ "$before" = "$(key_sum)" -a -e "$inside/var/lib/regcred/regcred.db" -a -e "$inside/etc/regcred/regcred.conf" ]
	try 'it is installed again, with its logins' install_them '/root/packages/regcred-server_*.deb'
	try 'a pull with them' in_own_network /root/tests/pull --again
	try 'all are purged' in_it apt-get purge -q -y regcred-server regcred-client regcred-doc
	for left in /var/lib/regcred /etc/regcred /run/regcred /usr/share/regcred /usr/share/doc/regcred-doc; do
		try "$left is gone" not [ -e "$inside$left" ]
	done
}

# What 0.1.0 left: it had no package, so its user, settings, key and database were made by hand.
put_0_1_0()
{
	data=$root/tests/data/0.1.0
	mkdir -p "$inside/etc/regcred" "$inside/var/lib/regcred" && cp "$data/regcred.conf" "$inside/etc/regcred/" &&
		cp "$data/key" "$inside/root/key-0.1.0" && chmod 600 "$inside/root/key-0.1.0" &&
		install -m 400 "$data/master.key" "$inside/var/lib/regcred/" &&
		python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())' \
			"$inside/var/lib/regcred/regcred.db" "$data/regcred.sql" &&
		head -c 1048576 /dev/zero >"$inside/var/lib/regcred/regcred.db.ballast" &&
		in_shell 'chown -R regcred:regcred /var/lib/regcred && chmod 700 /var/lib/regcred && chmod 600 /var/lib/regcred/regcred.db'
}

upgrade_0_1_0()
{
	try 'what 0.1.0 left is put there' put_0_1_0 || return
	try 'they are installed over it' install_them '/root/packages/*.deb'
	try 'its settings are taken over' grep -q '^threads  *= 8' "$inside/etc/regcred/regcred.conf"
	try 'its settings that are none any more are commented out' not grep -Eq '^(ballast_bytes|process_log_keep_s)' "$inside/etc/regcred/regcred.conf"
	# shellcheck disable=SC2016 # for the shell in there
	try 'the database of 0.1.0 works, with its key and its login' in_own_network /root/tests/with-server sh -c 'cd /root &&
		regcred login http://127.0.0.1:18472 --key-file key-0.1.0 && [ "$(regcred ls -q)" = 1c3 ] && regcred verify 1c3'
	try 'a copy of the database of 0.1.0 is kept' in_shell 'ls /var/lib/regcred/regcred.db.version-8'
	try 'the audit log from 0.1.0 on is proven' in_it regcred admin audit verify
	try 'the copy can be restored' in_it regcred admin restore /var/lib/regcred/regcred.db.version-8
	try 'it opens with the key' in_it regcred admin check
}

for suite in "$@"; do
	has_suite || continue
	rm -rf --one-file-system "$work/base" "$work/builder" "$work/target"
	try 'a fresh Debian' fresh_debian "$work/base" && build_twice && mv "$work/base" "$work/target" && enter "$work/target" || continue
	cp -r "$work/packages" "$inside/root/packages" && cp -r "$root/packaging/debian/tests" "$inside/root/tests" || continue
	install_and_pull && upgrade_and_remove && upgrade_0_1_0
	leave
done
finish

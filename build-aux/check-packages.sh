#!/bin/sh
# check-packages.sh: builds the Debian packages twice, in different folders, and compares them; installs them into a fresh Debian made by
# debootstrap; starts the server by its unit's ExecStart behind nginx, stores a login, pulls an image with it; installs a newer version over
# them, removes and purges them.  As root, with a mirror in apt's sources; minutes long, so part of `make check-long`.
set -u

root=${REGCRED_SRC:-$(cd "$(dirname "$0")/.." && pwd -P)}
skip() { echo "SKIP: $1"; echo '0 passed, 0 failed, 1 skipped'; exit 77; }
[ "$(id -u)" -eq 0 ] || skip 'check-packages.sh runs as root'
command -v debootstrap >/dev/null 2>&1 || skip 'debootstrap is missing'
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
[ -n "$suite" ] && [ -n "$mirror" ] || skip 'apt has no mirror of this Debian'

work=$(mktemp -d /tmp/rc-packages-XXXXXX) || exit 1
inside=$work/debian
end()
{
	for pid in $pids; do kill "$pid" 2>/dev/null; done
	umount "$inside/proc" 2>/dev/null
	umount "$inside/dev" 2>/dev/null
	rm -rf --one-file-system "$work"
}
pids=
trap end EXIT
trap 'exit 130' INT TERM HUP
passed=0
failed=0
# try WHAT COMMAND...
try()
{
	what=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "PASS: $what"
		passed=$((passed + 1))
	else
		echo "FAIL: $what"
		tail -n 30 "$work/log"
		failed=$((failed + 1))
	fi
}
not() { ! "$@"; }
in_it() { chroot "$inside" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
in_shell() { in_it sh -c "$1"; }

try 'the packages are built' "$root/package" "$work/one"
mkdir "$work/elsewhere"
(cd "$root" && tar -cf - --exclude=./.git --exclude='./build' --exclude='./build-[!a]*' --exclude=./var --exclude=node_modules .) | tar -xf - -C "$work/elsewhere"
sleep 2 # another time
try 'they are built in another folder' "$work/elsewhere/package" "$work/two"
for file in "$work"/one/*.deb; do
	try "the same bytes: $(basename "$file")" cmp "$file" "$work/two/$(basename "$file")"
done
command -v lintian >/dev/null 2>&1 && try 'lintian finds nothing' lintian --allow-root --fail-on error,warning "$work"/one/*.deb

try "a fresh Debian ($suite)" debootstrap --variant=minbase "$suite" "$inside" "$mirror"
mount --bind /dev "$inside/dev" && mount -t proc proc "$inside/proc"
printf '#!/bin/sh\nexit 101\n' >"$inside/usr/sbin/policy-rc.d"
chmod 755 "$inside/usr/sbin/policy-rc.d"
cp "$work"/one/*.deb "$inside/root/"
try 'they are installed' in_shell 'apt-get update -q && apt-get install -q -y --no-install-recommends /root/*.deb nginx-light docker-registry skopeo apache2-utils curl'
try 'nothing runs' not pgrep -f "^/usr/sbin/regcredd" --root "$$"
try 'nothing is enabled' in_shell '! ls /etc/systemd/system/*.wants/regcredd* 2>/dev/null'
try 'the key is there, for its user only' in_shell '[ "$(stat -c "%U %a" /var/lib/regcred/master.key)" = "regcred 600" ] && [ "$(stat -c "%U %a" /var/lib/regcred)" = "regcred 700" ]'
try 'it checks' in_it regcred check

# The unit's ExecStart, without systemd; nginx, a registry, and a login for it.
command=$(sed -n 's/^ExecStart=//p' "$inside/usr/lib/systemd/system/regcredd.service")
in_shell 'install -d -o regcred -g www-data -m 0750 /run/regcred'
# shellcheck disable=SC2086 # the words of the unit
chroot "$inside" $command --verify-networks 127.0.0.0/8 >"$work/regcredd.log" 2>&1 &
pids="$pids $!"
in_shell 'cd /usr/share/regcred/nginx && cp regcred.conf regcred_params /etc/nginx/ && cp regcred_http.conf /etc/nginx/conf.d/ &&
	rm /etc/nginx/sites-enabled/default && printf "server { listen 127.0.0.1:18472; include regcred.conf; }\n" >/etc/nginx/sites-enabled/regcred'
chroot "$inside" nginx -g 'daemon off;' >"$work/nginx.log" 2>&1 &
pids="$pids $!"
in_shell 'htpasswd -nbB -C 4 bot pull-me >/root/users'
cat >"$inside/root/registry.yml" <<END
{"version": "0.1", "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": "/root/data"}},
 "http": {"addr": "127.0.0.1:18473", "secret": "x"}, "auth": {"htpasswd": {"realm": "r", "path": "/root/users"}}}
END
chroot "$inside" docker-registry serve /root/registry.yml >"$work/registry.log" 2>&1 &
pids="$pids $!"
for _ in $(seq 50); do
	in_shell 'curl -fs http://127.0.0.1:18472/ping' >/dev/null 2>&1 && in_shell 'curl -s http://127.0.0.1:18473/v2/' >/dev/null 2>&1 && break
	sleep 0.2
done
try 'it answers behind nginx' in_shell 'curl -fsS http://127.0.0.1:18472/ping'
try 'the configuration of nginx is right' in_it regcred check --nginx /etc/nginx/nginx.conf
try 'a key, on the server' in_shell 'umask 077; regcred admin key create --account 1a5 >/root/key && echo "REGCRED_URL=http://127.0.0.1:18472" >>/root/key'
try 'sign in' in_shell 'regcred login http://127.0.0.1:18472 --key-file /root/key'
try 'store a login, and check it' in_shell 'printf pull-me | regcred add http://127.0.0.1:18473 -u bot --password-stdin --test'
try 'a key for a host' in_shell 'umask 077; regcred admin key create --account 1a5 --role reveal >/root/host && regcred login http://127.0.0.1:18472 --key-file /root/host --context host'
in_shell 'mkdir -p /root/image && cd /root/image && printf x >layer && printf "{\"imageLayoutVersion\":\"1.0.0\"}" >oci-layout'
try 'docker asks it' in_shell 'REGCRED_CONTEXT=host regcred docker-setup 127.0.0.1:18473 && echo http://127.0.0.1:18473 | REGCRED_CONTEXT=host docker-credential-regcred get | grep -q pull-me'
try 'a pull with it' in_shell 'REGCRED_CONTEXT=host skopeo list-tags --tls-verify=false docker://127.0.0.1:18473/nothing 2>&1 | grep -qi "unknown"'

# A newer version over it, then away.
sed -i '1s/(0.2.0)/(0.2.1)/' "$work/elsewhere/packaging/debian/changelog"
try 'a newer version is built' "$work/elsewhere/package" "$work/three"
before=$(sha256sum "$inside/var/lib/regcred/master.key")
rm "$inside"/root/*.deb
cp "$work"/three/*.deb "$inside/root/"
in_shell 'echo "# mine" >>/etc/regcred/regcred.conf'
try 'it is upgraded' in_shell 'apt-get install -q -y --no-install-recommends /root/*.deb'
try 'key and settings are kept' [ "$before" = "$(sha256sum "$inside/var/lib/regcred/master.key")" ]
try 'settings are kept' grep -q '# mine' "$inside/etc/regcred/regcred.conf"
try 'the login is there' in_shell 'regcred ls -q | grep -q 1c'
try 'it is removed' in_shell 'apt-get remove -q -y regcred-server'
try 'the logins are kept' [ -e "$inside/var/lib/regcred/regcred.db" ]
try 'it is purged' in_shell 'apt-get purge -q -y regcred-server regcred-client regcred-doc'
try 'nothing is left' not [ -e "$inside/var/lib/regcred" ]
try 'no setting is left' not [ -e "$inside/etc/regcred" ]
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]

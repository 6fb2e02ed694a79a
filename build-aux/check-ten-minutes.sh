#!/bin/sh
# check-ten-minutes.sh [SUITE...]: counts the commands of README.md from a fresh Debian to a pull, eight at most, and runs them as they are
# printed, in Debian 12 and 13 made by debootstrap; then pulls with skopeo too.  As root, with a mirror in apt's sources; minutes long, so part
# of `make check-long`.
#
# What stands in: a registry of its own on this machine has the name ghcr.io, in a network of its own, with a certificate that the fresh
# Debian trusts; and as no systemd runs there, `systemctl` starts what the unit says.
set -u

root=$(cd "${REGCRED_SRC:-$(dirname "$0")/..}" && pwd -P)
# shellcheck source=build-aux/common.sh disable=SC2154
. "$root/build-aux/common.sh"
suite=
most=8

# The commands: the block after this heading, without comments.
commands=$(awk '/^## Eight commands to a pull/ { here = 1 } here && /^```sh/ { inside = 1; next } inside && /^```/ { exit }
	inside { sub(/ +# .*/, ""); print }' "$root/README.md" | grep .)
# Each line is one, and one more for each && or ; in it; a pipe joins what is typed as one.
count=$(printf '%s\n' "$commands" | sed 's/ && /\n/g; s/; /\n/g' | grep -c .)
if [ "$count" -gt 0 ] && [ "$count" -le "$most" ]; then
	pass "$count commands from a fresh Debian to a pull, $most at most"
else
	fail "README.md has $count commands from a fresh Debian to a pull: 1 to $most"
fi

need_fresh_debian docker-registry htpasswd openssl skopeo unshare python3 ip
unshare --net --pid --fork true 2>/dev/null || { skip 'namespaces for networks and processes are not allowed here'; finish; }

work=$(mktemp -d /tmp/rc-ten-XXXXXX) || exit 1
# shellcheck disable=SC2329 # called by the trap
clean()
{
	for inside in "$work"/*/debian; do
		umount "$inside/proc" "$inside/dev" 2>/dev/null
	done
	rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

address=10.83.7.1

in_it() { chroot "$inside" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

# A fresh Debian with the checkout, and what a host with containers has.
make_debian()
{
	fresh_debian "$inside" && mount --bind /dev "$inside/dev" && mount -t proc proc "$inside/proc" && copy_source "$inside/root/regcred" || return 1
	in_it apt-get update -q && in_it apt-get install -q -y --no-install-recommends podman skopeo ca-certificates || return 1
	# Nothing can be mounted over one another in every place where this runs.
	mkdir -p "$inside/etc/containers" && printf '[storage]\ndriver = "vfs"\nrunroot = "/run/storage"\ngraphroot = "/var/storage"\n' >"$inside/etc/containers/storage.conf"
}

# The registry ghcr.io with the image acme/app:1, for bot only.
make_registry()
{
	mkdir -p "$dir/registry" && cd "$dir/registry" || return 1
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ghcr.io -addext "subjectAltName = DNS:ghcr.io, IP:$address" -keyout key.pem -out cert.pem &&
		htpasswd -nbB -C 4 bot pull-me >users && tar -cf layer users &&
		mkdir certs && cp cert.pem certs/ca.crt &&
		PYTHONPATH=$root/tests/api python3 -B -c 'import standin; standin.image("image", open("layer", "rb").read())' &&
		cp cert.pem "$inside/usr/local/share/ca-certificates/ghcr.crt" && in_it update-ca-certificates &&
		echo '127.0.0.1 localhost' >"$inside/etc/hosts" && echo "$address ghcr.io" >>"$inside/etc/hosts"
	cat >registry.yml <<END
{"version": "0.1", "log": {"level": "error"}, "storage": {"filesystem": {"rootdirectory": "$dir/registry/data"}},
 "http": {"addr": "$address:443", "secret": "x", "tls": {"certificate": "$dir/registry/cert.pem", "key": "$dir/registry/key.pem"}},
 "auth": {"htpasswd": {"realm": "r", "path": "$dir/registry/users"}}}
END
}

# systemctl, as far as it is needed.
make_systemctl()
{
	cat >"$inside/usr/local/bin/systemctl" <<'END'
#!/bin/bash
case "$*" in
'enable --now regcredd.socket regcredd.service')
	unit=/usr/lib/systemd/system/regcredd
	group=$(sed -n 's/^SocketGroup=//p' $unit.socket)
	install -d -o "$(sed -n 's/^SocketUser=//p' $unit.socket)" -g "$group" -m "$(sed -n 's/^DirectoryMode=//p' $unit.socket)" /run/regcred
	setsid $(sed -n 's/^ExecStart=//p' $unit.service) >/var/log/regcredd.log 2>&1 &
	for i in $(seq 100); do [ -S "$(sed -n 's/^ListenStream=//p' $unit.socket)" ] && exit 0; sleep 0.1; done
	cat /var/log/regcredd.log >&2; exit 1 ;;
'reload nginx')
	# A signal, which returns at once: whoever types does not notice, a script does.
	old=$(grep -l "^PPid:[[:space:]]*$(cat /run/nginx.pid)$" /proc/[0-9]*/status)
	nginx -s reload
	for i in $(seq 100); do ls $old 2>/dev/null | grep -q . || exit 0; sleep 0.1; done
	exit 1 ;;
*) echo "systemctl $*: nothing here stands for this" >&2; exit 1 ;;
esac
END
	chmod 755 "$inside/usr/local/bin/systemctl"
}

# Commands that are written into $dir/script run inside; they read what a person would type.
told() { printf '%s\n' "$commands" | sed -n "$1"; }
write_script()
{
	cat <<END
set -eE -o pipefail
trap 'echo "FAILED: \$BASH_COMMAND"; exit 1' ERR
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
mount -t proc proc /proc
nginx            # as it was started when it was installed
cd /root/regcred
{
$1
} <<<pull-me
podman image inspect ghcr.io/acme/app:1 >/dev/null
skopeo copy docker://ghcr.io/acme/app:1 dir:/root/copy
regcred doctor ghcr.io/acme/app
regcred used | grep -q 'ago\|now'
if grep -rq Ym90OnB1bGwtbWU /root/.docker /root/.config; then echo 'FAILED: the password is in a file of the host'; exit 1; fi
END
}

ten_minutes()
{
	write_script "$(told '2,$p')" >"$inside/root/commands"
	# shellcheck disable=SC2016 # for the shell inside
	unshare --net --pid --mount --fork --kill-child sh -c '
		ip link set lo up && ip addr add "$1/32" dev lo && cd "$2/registry" || exit 1
		docker-registry serve registry.yml >registry.log 2>&1 &
		for i in 1 2 3 4 5 6 7 8 9 10; do
			skopeo copy --dest-creds bot:pull-me --dest-cert-dir certs dir:image "docker://$1/acme/app:1" && break
			sleep 0.5
		done
		mount --rbind "$3" "$3" && mount --rbind /sys "$3/sys" && exec chroot "$3" bash /root/commands' sh "$address" "$dir" "$inside"
}

the_others() (make_registry && make_systemctl && ten_minutes)

[ $# -gt 0 ] || set -- bookworm trixie
for suite; do
	has_suite || continue
	dir=$work/$suite
	inside=$dir/debian
	mkdir -p "$dir"
	begun=$(date +%s)
	try 'a fresh Debian' make_debian || continue
	made=$(date +%s)
	try "$(told 1p)" in_it bash -c "cd /root/regcred && $(told 1p)" || continue
	installed=$(date +%s)
	try 'the other commands; podman and skopeo have pulled' the_others
	say "$suite: making it $((made - begun)) s, then the first command $((installed - made)) s, the others $(($(date +%s) - installed)) s"
done
finish

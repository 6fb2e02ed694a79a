#!/bin/sh
# check-container.sh: builds packaging/Containerfile from a Debian that debootstrap makes, and runs the image as docs/container.md says: without a
# shell in it, its root read-only, no capabilities, a user that nobody knows, the state in a volume, the key from a secret of mode 0440; nginx in
# another container signs a client in, a login is stored and retrieved, a restart keeps it.  As root; minutes long, so part of `make check-long`.
# It has a storage of its own and touches no other images or containers.
set -u

root=$(cd "${REGCRED_SRC:-$(dirname "$0")/..}" && pwd -P)
# shellcheck source=build-aux/common.sh disable=SC2154
. "$root/build-aux/common.sh"
suite=trixie
need_fresh_debian buildah podman curl openssl

work=$(mktemp -d "${TMPDIR:-/tmp}/rc-container-XXXXXX") || exit 1
end()
{
	[ -z "$running" ] || pod rm -f -t 5 regcred nginx >/dev/null 2>&1
	pod volume rm -f state socket >/dev/null 2>&1
	pod secret rm regcred-key >/dev/null 2>&1
	umount "$work/storage/overlay" 2>/dev/null
	rm -rf --one-file-system "$work"
}
running=
trap end EXIT
trap 'exit 130' INT TERM HUP

# Not above what we may have ourselves; podman's defaults are.
limits="--ulimit nofile=1024:1024 --ulimit nproc=2048:2048"
runtime=
pod() { podman --root "$work/storage" --runroot "$work/run" ${runtime:+--runtime "$runtime"} "$@"; }
# shellcheck disable=SC2086 # words
run() { pod run $limits "$@"; }

# --- The images -------------------------------------------------------------------------------------------------------------------

if ! { debootstrap --variant=minbase "$suite" "$work/base" "$mirror" && tar -C "$work/base" -cf - . | pod import - localhost/base; } >"$work/log" 2>&1; then
	tail -n 3 "$work/log"
	skip "no base image could be made of $suite, from the mirror of apt"
	finish
fi
rm -rf --one-file-system "$work/base"
# Whether containers run at all here, and by which runtime.
for runtime in '' runc crun none; do
	[ "$runtime" != none ] || { skip "podman runs no container here: $(tail -n 1 "$work/log")"; finish; }
	run --rm localhost/base true >"$work/log" 2>&1 && break
done

# shellcheck disable=SC2086 # words
build() { buildah --root "$work/storage" --runroot "$work/run" bud ${runtime:+--runtime "$runtime"} $limits --network host --format docker "$@"; }
try 'the image is built' build --build-arg BASE=localhost/base --build-arg COMMIT="$(sh "$root/build-aux/commit.sh" "$root")" \
	-f "$root/packaging/Containerfile" -t localhost/regcred "$root" || finish
mkdir "$work/nginx"
cat >"$work/nginx/Containerfile" <<'END'
FROM localhost/base
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nginx-light && rm /etc/nginx/sites-enabled/default
ENTRYPOINT ["/usr/sbin/nginx", "-g", "daemon off;"]
END
try 'an image of nginx is built' build -f "$work/nginx/Containerfile" -t localhost/nginx "$work/nginx" || finish

commit=$(sh "$root/build-aux/commit.sh" "$root")
says_its_commit() { run --rm --network none localhost/regcred --version | grep -qF " ($commit)"; }
[ -z "$commit" ] || try 'it says which commit it is' says_its_commit
try 'there is no shell in it' not run --rm --network none --entrypoint /bin/sh localhost/regcred -c true

# --- As docs/container.md says ----------------------------------------------------------------------------------------------------

# A user and a group that are in no list.
user=48213:0
safe="--read-only --cap-drop ALL --security-opt no-new-privileges --network none --user $user"
mkdir -m 0770 "$work/key" && chown "$user" "$work/key"
# shellcheck disable=SC2086 # words
try 'key and database are made' run --rm $safe -v state:/var/lib/regcred -v "$work/key:/key" --entrypoint /usr/bin/regcred localhost/regcred \
	admin init --key-file /key/master.key || finish
try 'the key becomes a secret' pod secret create regcred-key "$work/key/master.key"
running=yes

start_regcred()
{
	# shellcheck disable=SC2086 # words
	run -d --name regcred $safe -v state:/var/lib/regcred -v socket:/run/regcred --secret regcred-key,target=/etc/regcred/master.key,mode=0440 \
		-e REGCRED_ALLOWED_USERS=33 localhost/regcred
}
ask() { pod exec regcred /usr/bin/regcred admin "$@"; }
# wait_for COMMAND...: a minute at most
wait_for()
{
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { pod logs regcred; return 1; }
		sleep 0.1
	done
}
try 'the server starts: read-only, without capabilities, with a user that nobody knows, and a secret of mode 0440' start_regcred
try 'it is ready' wait_for ask status
try 'the health check finds it well' pod healthcheck run regcred
shut_in() { pod logs regcred 2>&1 | grep 'sandbox: .*seccomp'; }
try 'its workers are shut in' shut_in
try 'nothing but its volumes can be written' not pod exec regcred /usr/bin/regcred admin backup /usr/backup
try 'a backup into the volume' ask backup /var/lib/regcred/backup

mkdir "$work/tls"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout "$work/tls/key.pem" \
	-out "$work/tls/cert.pem" >/dev/null 2>&1
start_nginx()
{
	run -d --name nginx --network none -v socket:/run/regcred -v "$root/nginx/regcred.conf:/etc/nginx/regcred.conf:ro" \
		-v "$root/nginx/regcred_params:/etc/nginx/regcred_params:ro" -v "$root/nginx/regcred_http.conf:/etc/nginx/conf.d/regcred_http.conf:ro" \
		-v "$root/packaging/nginx-server.conf:/etc/nginx/conf.d/regcred_server.conf:ro" -v "$work/tls:/etc/nginx/tls:ro" localhost/nginx
}
try 'nginx starts with the files of compose.yaml' start_nginx
# Where nginx is: its network has no other end.
beside_nginx() { nsenter -n -t "$(pod inspect --format '{{.State.Pid}}' nginx)" env HOME="$work/home" "$@"; }
ping_it() { beside_nginx curl -fsS --cacert "$work/tls/cert.pem" https://localhost/ping; }
try 'it answers behind nginx' wait_for ping_it

client=${REGCRED_BUILD:-$root/build}/regcred
mkdir "$work/home"
sign_in()
{
	(umask 077; ask key create --account 1a5 --name test >"$work/home/api-key") &&
		beside_nginx "$client" login https://localhost --key-file "$work/home/api-key" --ca-file "$work/tls/cert.pem"
}
store() { printf pull-me | beside_nginx "$client" add registry.example.com -u bot --password-stdin; }
# shellcheck disable=SC2317 # by try
is_there() { beside_nginx "$client" ls | grep 'registry.example.com.*bot'; }
if [ -x "$client" ]; then
	try 'a client signs in' sign_in
	try 'a login is stored' store
	try 'it is there' is_there
fi

restart()
{
	pod stop -t 40 regcred && [ "$(pod inspect --format '{{.State.ExitCode}}' regcred)" = 0 ] && pod rm regcred && start_regcred && wait_for ask status && wait_for ping_it
}
try 'it ends well, and another container goes on with the volume' restart
[ ! -x "$client" ] || try 'the login is still there' is_there

# As Kubernetes mounts a secret with fsGroup: links, root's, with the mode 0440 and a group of its own.
mkdir -p "$work/secret/..v1" && cp "$work/key/master.key" "$work/secret/..v1/" && chgrp -R 4000 "$work/secret" && chmod 0440 "$work/secret/..v1/master.key" &&
	ln -s ..v1 "$work/secret/..data" && ln -s ..data/master.key "$work/secret/master.key"
chown root "$work/secret/..v1/master.key"
check_key() # GROUP
{
	# shellcheck disable=SC2086 # words
	run --rm $safe --group-add "$1" -v state:/var/lib/regcred -v "$work/secret:/etc/regcred:ro" localhost/regcred --check
}
try 'a secret as Kubernetes mounts it is taken' check_key 4000
try 'it is not without its group' not check_key 4001
chmod 0444 "$work/secret/..v1/master.key"
try 'a key that all can read is refused' not check_key 4000
finish

# common.sh: what ./quickstart, ./run-tests, ./package, .ci/run and the checks in a fresh Debian share: packages, the build, progress, sums.
# Sourced, with $root set to the checkout.
# shellcheck shell=sh disable=SC2034,SC2154 # its variables are for the scripts that source it; they set $root

me=$(basename "$0")
jobs=$(nproc 2>/dev/null || echo 2)

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }

# nginx and other servers' tools lie in sbin, which the PATH of an ordinary user lacks.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# --- Packages --------------------------------------------------------------------------------------------------------------------

has_command() { command -v "$1" >/dev/null 2>&1; }
has_library() { has_command pkg-config && pkg-config --exists "$1"; }
has_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }
has_libc() { echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; }
has_initdb() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

# Each row: the Debian package, and how to see that what we need of it is there.
packages_to_run='
nginx-light     has_command nginx
python3         has_command python3
curl            has_command curl
'
packages_to_build='
gcc             has_command gcc
libc6-dev       has_libc
make            has_command make
autoconf        has_command autoconf
automake        has_command automake
pkg-config      has_command pkg-config
libfcgi-dev     has_library fcgi
libcjson-dev    has_library libcjson
libsqlite3-dev  has_library sqlite3
libsodium-dev   has_library libsodium
libssl-dev      has_library libcrypto
libseccomp-dev  has_library libseccomp
libcurl4-openssl-dev has_library libcurl
libjose-dev     has_library jose
'
packages_to_test='
check           has_library check
docker-registry has_command docker-registry
apache2-utils   has_command htpasswd
skopeo          has_command skopeo
libpq-dev       has_library libpq
postgresql      has_initdb
openssl         has_command openssl
'
# What regcred can also be hosted by: their tests skip themselves.
packages_to_host='
lighttpd        has_command lighttpd
apache2         has_command apache2
fcgiwrap        has_command fcgiwrap
spawn-fcgi      has_command spawn-fcgi
supervisor      has_command supervisord
faketime        has_command faketime
'

# Prints the packages of the table $1 that are missing.
missing_packages()
{
	printf '%s\n' "$1" | while read -r package probe; do
		[ -n "$package" ] || continue
		# shellcheck disable=SC2086 # the probe is a command and its argument
		$probe || printf '%s ' "$package"
	done
}

# Installs packages without starting the services that come with them: nothing may take port 80 because of us.
apt_install()
{
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		policy=
	else
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
		trap 'rm -f "$policy"' EXIT
		trap 'exit 130' INT TERM HUP
	fi
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	apt-get update -q && apt-get install -q -y --no-install-recommends "$@"
}

# need_packages TABLE LOG: installs what is missing of the table, or says how and stops.
need_packages()
{
	missing=$(missing_packages "$1")
	[ -n "$missing" ] || return 0
	missing=${missing% }
	if [ "$(id -u)" -ne 0 ] || ! has_command apt-get; then
		die "missing packages; as root:  apt-get install --no-install-recommends $missing"
	fi
	# shellcheck disable=SC2086 # a list of words
	with_progress "installing $missing" "$2" apt_install $missing ||
		die "apt-get could not install: $missing (see above)"
	missing=$(missing_packages "$1")
	[ -z "$missing" ] || die "still missing after apt-get install: $missing"
}

# --- Progress --------------------------------------------------------------------------------------------------------------------

# with_progress TITLE LOG COMMAND...: runs the command with its output in the log; a dot every two seconds; the log's tail if it
# fails.  The command's exit status.  The command is in the foreground, so that Ctrl-C reaches it.
with_progress()
{
	progress_title=$1
	progress_log=$2
	shift 2
	printf '%s ' "$progress_title"
	(
		trap 'exit 0' TERM
		while sleep 2 && kill -0 $$ 2>/dev/null; do
			printf '.'
		done
	) &
	progress_dots=$!
	("$@") >"$progress_log" 2>&1 </dev/null
	progress_status=$?
	{ kill "$progress_dots" && wait "$progress_dots"; } 2>/dev/null
	if [ "$progress_status" -eq 0 ]; then
		say ' done'
	else
		say ' failed'
		tail -n 25 "$progress_log" | sed 's/^/    /' >&2
		say "    (the whole log: $progress_log)" >&2
	fi
	return "$progress_status"
}

# --- The build -------------------------------------------------------------------------------------------------------------------

# is_older FILE THAN...: the file does not exist, or something among the others is newer.
is_older()
{
	file=$1
	shift
	[ ! -e "$file" ] || [ -n "$(find "$@" -newer "$file" -print 2>/dev/null)" ]
}

# configure_tree DIR [CONFIGURE-OPTION...]: makes ./configure if need be, and a Makefile in DIR with exactly these options.
configure_tree()
{
	tree=$1
	shift
	if is_older "$root/configure" "$root/configure.ac" "$root/Makefile.am" "$root/m4" ||
	    [ ! -e "$root/Makefile.in" ] || [ ! -e "$root/build-aux/install-sh" ]; then
		(cd "$root" && autoreconf -fi) || return 1
	fi
	mkdir -p "$tree" || return 1
	if is_older "$tree/Makefile" "$root/configure" ||
	    [ "$(cat "$tree/.configured" 2>/dev/null)" != "$*" ]; then
		# Objects do not know the flags that they were made with.
		[ ! -e "$tree/Makefile" ] || (cd "$tree" && make -s clean >/dev/null 2>&1)
		rm -f "$tree/.configured"
		(cd "$tree" && "$root/configure" "$@") || return 1
		printf '%s\n' "$*" >"$tree/.configured"
	fi
}

# copy_source DIRECTORY: the source as it is here, without what was built or left by runs, and with the commit that it is.
copy_source()
{
	mkdir -p "$1" && (cd "$root" && tar -cf - --exclude=./.git --exclude=./build --exclude='./build-[!a]*' --exclude=./var --exclude=./configure \
		--exclude=./autom4te.cache --exclude=node_modules --exclude=__pycache__ --exclude=./bench-state .) | tar -xf - -C "$1" &&
		sh "$root/build-aux/commit.sh" "$root" >"$1/commit.new" && mv "$1/commit.new" "$1/commit"
}

# --- Tests and their sums --------------------------------------------------------------------------------------------------------

passed=0
failed=0
skipped=0

add() { passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + $3)); }
totals() { say "$passed passed, $failed failed, $skipped skipped"; }

# check_tree DIR TARGET...: `make TARGET` in the build tree, which ends with such a line; adds its numbers to the totals.
check_tree()
{
	tree=$1
	shift
	make -C "$tree" -k -j"$jobs" "$@" </dev/null 2>&1 | tee "$tree/check.log" | grep --line-buffered -vE '^(  [A-Z]|make(\[[0-9]+\])?: (Enter|Leav))'
	failed_before=$failed
	sums=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$tree/check.log" | tail -n 1)
	# shellcheck disable=SC2086 # three numbers
	add ${sums:-0 1 0}
	[ "$failed" -eq "$failed_before" ]
}

# --- Checks in a fresh Debian: they set $work, a directory of their own, and $suite ------------------------------------------------

pass() { say "PASS: ${suite:+$suite: }$1"; add 1 0 0; }
fail() { say "FAIL: ${suite:+$suite: }$1"; add 0 1 0; }
skip() { say "SKIP: $1"; add 0 0 1; }
not() { ! "$@"; }

# try WHAT COMMAND...: passes if the command succeeds; shows the end of its output if not.
try()
{
	what=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		pass "$what"
	else
		fail "$what"
		tail -n 40 "$work/log"
		return 1
	fi
}

# Ends the script with the totals: 1 if something failed, 77 if nothing ran.
finish()
{
	totals
	[ "$failed" -eq 0 ] || exit 1
	[ "$passed" -gt 0 ] || exit 77
	exit 0
}

# need_fresh_debian PROGRAM...: sets $mirror; skips what is left where none can be made, or one of the programs is missing.
need_fresh_debian()
{
	[ "$(id -u)" -eq 0 ] || { skip 'only root can make a fresh Debian'; finish; }
	for program in debootstrap "$@"; do
		has_command "$program" || { skip "$program is missing"; finish; }
	done
	# shellcheck disable=SC2016 # apt's format
	mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | head -n 1)
	[ -n "$mirror" ] || { skip 'apt has no mirror'; finish; }
}

# Whether $suite can be made; says so if not.
has_suite()
{
	if ! [ -e "/usr/share/debootstrap/scripts/$suite" ] ||
	    ! /usr/lib/apt/apt-helper download-file "$mirror/dists/$suite/InRelease" "$work/InRelease" >/dev/null 2>&1; then
		skip "the mirror of apt has no $suite, or debootstrap does not know it"
		return 1
	fi
}

# fresh_debian DIRECTORY: $suite, in which the installation of a package starts nothing.
fresh_debian()
{
	debootstrap --variant=minbase "$suite" "$1" "$mirror" &&
		printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"
}

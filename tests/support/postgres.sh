#!/bin/sh
# postgres.sh start DIR: makes a PostgreSQL server in the directory, which is there and empty, and starts it; it listens on a socket in it alone.
# postgres.sh stop DIR: stops it at once, as a power cut does; again DIR: starts it again; standby DIR FROM: makes a standby of the one in FROM;
# promote DIR: makes that the primary.  Exit status 77: there is no PostgreSQL on this machine.
set -u

[ $# -ge 2 ] || { echo 'usage: postgres.sh start|stop|again|standby|promote DIR [FROM]' >&2; exit 2; }
programs=$(dirname "$(readlink -f "$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)" 2>/dev/null)")
[ -x "$programs/pg_ctl" ] || exit 77

# PostgreSQL does not run as root.
as() { "$@"; }
if [ "$(id -u)" -eq 0 ]; then
	user=nobody
	id postgres >/dev/null 2>&1 && user=postgres
	command -v setpriv >/dev/null 2>&1 || exit 77
	as() { setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"; }
	chown "$user" "$2" && chmod 755 "$2" || exit 1
fi
cd "$2" || exit 1
start_server()
{
	as "$programs/pg_ctl" -D "$1/data" -l "$1/log" -w -s -o "-k $1 -c listen_addresses= -c max_connections=200 ${REGCRED_TEST_POSTGRES-}" start >/dev/null || {
		cat "$1/log" >&2
		exit 1
	}
}
case $1 in
start)
	as "$programs/initdb" -D "$2/data" -U regcred -A trust -E UTF8 --locale="${REGCRED_TEST_LOCALE:-C.UTF-8}" --no-sync >"$2.initdb" 2>&1
	made=$?
	[ "$made" -eq 0 ] || cat "$2.initdb" >&2
	rm -f "$2.initdb"
	[ "$made" -eq 0 ] || exit 1
	start_server "$2"
	;;
again) start_server "$2" ;;
standby)
	as "$programs/pg_basebackup" -D "$2/data" -h "$3" -U regcred -R -X stream -c fast --no-sync || exit 1
	start_server "$2"
	;;
promote) as "$programs/pg_ctl" -D "$2/data" -w -s promote ;;
stop) as "$programs/pg_ctl" -D "$2/data" -m immediate -w -s stop >/dev/null ;;
*) exit 2 ;;
esac

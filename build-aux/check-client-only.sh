#!/bin/sh
# check-client-only.sh: what is built with --enable-client-only needs cJSON, libsodium and libcurl, and no other library of ours: neither to be
# configured, nor to be compiled, nor to run.
set -u

src=$(cd "${REGCRED_SRC:-$(dirname "$0")/..}" && pwd -P)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat >"$work/pkg-config" <<'END'
#!/bin/sh
case " $* " in
*fcgi*|*sqlite3*|*libcrypto*|*libseccomp*|*jose*|*check*) exit 1 ;;
esac
exec pkg-config "$@"
END
chmod 755 "$work/pkg-config"
cd "$work" && "$src/configure" PKG_CONFIG="$work/pkg-config" --enable-werror --enable-client-only >log 2>&1 && make -j2 >>log 2>&1 && make install DESTDIR="$work/to" >>log 2>&1 || {
	tail -n 20 log
	exit 1
}
wrong=0
included=$(find . -name '*.Po' -exec grep -lE '/(sqlite3|fcgi[a-z]*|fastcgi|seccomp|jose)\.h|/openssl/|/jose/' {} +)
if [ -n "$included" ]; then
	echo "compiled with headers of the server: $included"
	wrong=1
fi
for program in regcred docker-credential-regcred regcred-kubelet-provider; do
	needed=$(objdump -p "to/usr/local/bin/$program" | sed -n 's/^ *NEEDED *//p' | grep -v -e '^libc\.so' -e '^ld-linux' -e '^libcjson' -e '^libsodium' -e '^libcurl')
	if [ -n "$needed" ]; then
		echo "$program needs $needed"
		wrong=1
	fi
done
if [ -e to/usr/local/sbin ] || ! to/usr/local/bin/regcred ls --help >/dev/null || to/usr/local/bin/regcred backup x 2>/dev/null; then
	echo 'a part of the server is built'
	wrong=1
fi
exit "$wrong"

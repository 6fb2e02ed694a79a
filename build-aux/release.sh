#!/bin/sh
# release.sh TREE VERSION: for `make release`, in a build directory of a checkout: looks whether the commit can be released, checks the source and,
# by `make distcheck`, the tarball of it, writes the tarball's sum, and says what is to be done next.  It changes nothing outside of the build
# directory.  The same commit gives the same tarball wherever the same autoconf and automake are.
set -u

tree=$1
version=$2
tar=regcred-$version.tar.gz
stop() { echo "release: $*" >&2; exit 1; }
git_here() { git -C "$tree" "$@"; }

[ -e "$tree/.git" ] || stop 'only a git checkout is released: run make release in one'
changed=$(git_here status --porcelain | head -n 5)
[ -z "$changed" ] || stop "commit or remove these first:
$changed"
news=$(sed -n '1s/^regcred //p' "$tree/NEWS")
[ "$news" = "$version" ] || stop "NEWS begins with $news, and configure.ac says $version: give both the same version"
packaged=$(sed -n '1s/^regcred (\(.*\)) .*/\1/p' "$tree/packaging/debian/changelog")
[ "$packaged" = "$version" ] || stop "packaging/debian/changelog begins with $packaged, and configure.ac says $version: give both the same version"
tagged=$(git_here rev-parse -q --verify "refs/tags/v$version^{commit}")
[ -z "$tagged" ] || [ "$tagged" = "$(git_here rev-parse HEAD)" ] || stop "v$version was released already, from another commit: raise the version in configure.ac, NEWS and packaging/debian/changelog"

TAR_OPTIONS="--sort=name --owner=0 --group=0 --numeric-owner --mtime=@$(git_here log -1 --format=%ct)"
export TAR_OPTIONS
"${MAKE:-make}" cppcheck format-check distcheck || stop 'a check has failed: nothing is released'
sha256sum "$tar" >"$tar.sha256" || exit 1
cat <<END

$(cat "$tar.sha256")

regcred $version from commit $(git_here rev-parse --short=12 HEAD) can be released.  Next:

  make check-long                       what takes longer: packages, container, every other web server
  make bench                            speed, compared with the release before
  git tag -s v$version && git push origin v$version
  gpg --armor --detach-sign $tar
  (cd $(cd "$tree" && pwd -P) && ./package)     the Debian packages, in build/packages
  podman build ...                      the image: docs/container.md
  publish $tar, $tar.sha256, $tar.asc, the packages and NEWS
END

#!/bin/sh
# commit.sh TREE: the commit that a tree is, for `regcred --version`: of a git checkout as git says, with a + if files were changed since; of an
# unpacked tarball as the file `commit` says, which `make dist` writes.  Nothing where neither is known.
tree=$1
if [ -e "$tree/.git" ]; then
	commit=$(git -C "$tree" rev-parse --short=12 HEAD 2>/dev/null) || exit 0
	changed=$(git -C "$tree" status --porcelain --untracked-files=no 2>/dev/null | head -n 1)
	printf '%s%s\n' "$commit" "${changed:++}"
elif [ -f "$tree/commit" ]; then
	cat "$tree/commit"
fi

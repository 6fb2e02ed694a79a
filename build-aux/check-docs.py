#!/usr/bin/env python3
"""check-docs.py SOURCE-TREE: runs every command that is printed in README.md and docs/, in order,
as on a fresh machine.

The machine is this one under an overlay: what the commands write goes into memory, in namespaces of
its own for mounts, processes and the
network, and is gone afterwards.  Needs root.  A comment before a block, which readers of the page
do not see, says what is special:

    <!-- check: skip REASON -->            it needs another machine, or the network
    <!-- check: background -->             it stays in the foreground: it is stopped where the next
    page begins
    <!-- check: instead COMMANDS -->       these stand for it here, as no systemd runs

It also refuses passwords on command lines, and a picture that is not drawn from its source.  Exit status 77 without root or overlays.
"""

import os
import re
import subprocess
import sys
import tempfile

# In this order: later pages build on what nginx.md has installed.  All others come after them.
PAGES = ("README.md", "docs/tour.md", "docs/hand-out.md", "docs/nginx.md", "docs/client.md",
         "docs/docker.md", "docs/ci.md", "docs/sign-on.md", "docs/audit.md",
         "docs/operations.md", "docs/rekey.md", "docs/verification.md", "docs/hosting.md",
         "docs/inject.md", "docs/performance.md", "docs/api.md")
BLOCK = re.compile(r"(?ms)^( *)(?:<!-- check: (.*?) -->\n *)?```sh\n(.*?)^ *```$")
# A word that only the command line would hold; a here-document or a file is right, and so is the
# name of a secret that a container gets as a file.
EXPOSED = re.compile(
    r"""curl[^\n]* -u |(--password|--secret(?! [\w-]+,target=)|PASSWORD=|login[^\n]* -p )\s*['"]?[a-z0-9]|-d '[^']*(secretValue|password)|(?<!printf )'\{[^'\n]*"(secretValue|sourceSecret|password)": "[^%]""")
SETUP = """
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir -p "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root" || exit 77
cd "$1/root"
mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp && mount -t tmpfs tmpfs run || exit 77
ip link set lo up 2>/dev/null
rm -rf etc/regcred var/lib/regcred var/backups/regcred usr/local/share/regcred etc/nginx/regcred* etc/nginx/conf.d/regcred*
cp "$2" root/commands
exec chroot . bash /root/commands
"""


def commands(page, text):
    """Each block as shell, told as it begins."""
    for indent, how, body in BLOCK.findall(text):
        lines = [line[len(indent):] for line in body.splitlines()]
        how = how or ""
        if how.startswith("skip "):
            continue
        if how == "background":
            lines = ["{ %s; } >/tmp/background 2>&1 & background=$!" % "; ".join(lines),
                     "until grep -q 'Ctrl-C stops it' /tmp/background; do "
                     "kill -0 $background || break; sleep 1; done; cat /tmp/background"]
        elif how.startswith("instead "):
            lines = [how[len("instead "):]]
        yield "echo '--- %s: %s'" % (page, re.sub(r"[^ -&(-~]", " ", lines[0])[:90])
        # A list with && that fails in the middle is no error for the shell.
        yield "\n".join([*lines, "[ $? = 0 ]"])


def script(source):
    parts = ["set -eE", "trap 'echo \"FAILED: $BASH_COMMAND\"; exit 1' ERR", "export HOME=/root",
             "tree=%s" % source]
    exposed = []
    rest = ("docs/" + name for name in sorted(os.listdir(os.path.join(source, "docs")))
            if name.endswith(".md"))
    for page in (*PAGES, *(name for name in rest if name not in PAGES)):
        with open(os.path.join(source, page), encoding="utf-8") as f:
            text = f.read()
        exposed += ["%s: %s" % (page, m.group(0)) for block in BLOCK.findall(text)
                    for m in EXPOSED.finditer(block[2])]
        parts += ["cd \"$tree\"", *commands(page, text)]
    parts.append("echo all done")
    return "\n".join(parts) + "\n", exposed


def stale_picture(source):
    """Whether docs/picture.svg is not what its source draws."""
    drawn = subprocess.run([sys.executable, "-B", os.path.join(source, "build-aux/picture.py")],
                           capture_output=True, check=True).stdout
    with open(os.path.join(source, "docs/picture.svg"), "rb") as f:
        return f.read() != drawn


def main(argv):
    source = os.path.abspath(argv[1] if len(argv) > 1 else os.environ.get("REGCRED_SRC", "."))
    text, exposed = script(source)
    if exposed:
        sys.exit("a secret is on a command line:\n" + "\n".join(exposed))
    if stale_picture(source):
        sys.exit("docs/picture.svg is not what build-aux/picture.py draws: run `make picture`")
    if os.geteuid() != 0:
        print("check-docs: SKIP: only root can make a machine of its own")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="rc-docs-") as directory, tempfile.NamedTemporaryFile(
        "w", suffix=".sh") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork",
                               "--kill-child", "sh", "-c", SETUP, "sh", directory, file.name],
                              stdin=subprocess.DEVNULL, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main(sys.argv)

#!/usr/bin/env python3
"""Whether the tests see faults: applies each of tests/mutants.txt to a copy of the tree, builds it,
and runs the tests that are named there.

    mutants.py [--only PATTERN] [SOURCE]

A fault is caught when one of its tests fails; each of those tests has passed before, without any
fault.  Ends with "N passed, N failed, N skipped".
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile


def read_table(path):
    """[(name, file, tests, old, new)] of the table."""
    with open(path, encoding="utf-8") as f:
        lines = [line.rstrip("\n") for line in f if not line.startswith("#") and line.strip()]
    found = []
    for head, old, new in zip(lines[::3], lines[1::3], lines[2::3]):
        if not (head.startswith("== ") and old.startswith("-") and new.startswith("+")):
            sys.exit("%s: not a row: %r" % (path, [head, old, new]))
        name, file, tests = (part.strip() for part in head[3:].split(" | "))
        found.append((name, file, tests.split(), old[1:], new[1:]))
    return found


class Tree:
    """A copy of the source, and a build of it."""

    def __init__(self, source, root):
        self.source, self.build = os.path.join(root, "source"), os.path.join(root, "build")
        shutil.copytree(source, self.source,
                        ignore=shutil.ignore_patterns(".git", "build*[!x]", "autom4te.cache",
                                                      "corpus"))
        os.mkdir(self.build)
        self.run([os.path.join(self.source, "configure"), "CFLAGS=-O0", "--quiet"], check=True)

    def run(self, words, check=False, timeout=900):
        env = dict(os.environ, REGCRED_BUILD=self.build, REGCRED_SRC=self.source,
                   CK_DEFAULT_TIMEOUT="60", PYTHONDONTWRITEBYTECODE="1")
        return subprocess.run(words, cwd=self.build, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=check,
                              timeout=timeout)

    def make(self, tests):
        """None, or what the compiler said."""
        units = [t for t in tests if "/" in t]
        done = self.run(["make", "-s", "-j%d" % (os.cpu_count() or 2), "regcredd", "regcred",
                         "docker-credential-regcred", *units])
        return None if done.returncode == 0 else done.stdout

    def passes(self, test):
        if "/" in test:
            return self.run([os.path.join(self.build, test)]).returncode == 0
        module, _, pattern = test.partition(":")
        words = [sys.executable, "-B", os.path.join(self.source, "tests", "api", "run.py"),
                 "--jobs", "1"]
        return self.run(words + (["--only", pattern] if pattern else []) + [module]).returncode == 0


class Fault:
    """A file with the fault in it, for as long as this is entered."""

    def __init__(self, tree, file, old, new):
        self.path = os.path.join(tree.source, file)
        with open(self.path, encoding="utf-8") as f:
            self.text = f.read()
        pattern = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
        self.places = len(pattern.findall(self.text))
        self.changed = pattern.sub(lambda match: new, self.text, count=1)

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def __enter__(self):
        self.write(self.changed)

    def __exit__(self, *exc):
        self.write(self.text)


def judge(tree, row, sound):
    """None if the fault is caught, else what is wrong."""
    _, file, tests, old, new = row
    fault = Fault(tree, file, old, new)
    if fault.places != 1:
        return "stands %d times in %s" % (fault.places, file)
    with fault:
        said = tree.make(tests)
        if said is not None:
            return "does not compile:\n" + said[-2000:]
        for test in tests:
            if sound[test] and not tree.passes(test):
                return None
    return "is not caught by " + ", ".join(tests)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("source", nargs="?",
                        default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    args = parser.parse_args()
    source = os.path.abspath(args.source)
    rows = [row for row in read_table(os.path.join(source, "tests", "mutants.txt"))
            if re.search(args.only, row[0])]
    tests = sorted({test for row in rows for test in row[2]})
    failed = 0
    with tempfile.TemporaryDirectory(prefix="rc-mutants-") as root:
        tree = Tree(source, root)
        said = tree.make(tests)
        if said is not None:
            sys.exit("mutants: it does not build:\n" + said[-4000:])
        sound = {}
        for test in tests:
            sound[test] = tree.passes(test)
            if not sound[test]:
                failed += 1
                print("FAIL %s fails without any fault" % test, flush=True)
        for row in rows:
            wrong = judge(tree, row, sound)
            failed += wrong is not None
            print("PASS " + row[0] if wrong is None else "FAIL %s: %s" % (row[0], wrong),
                  flush=True)
    caught = len(rows) + len(tests) - failed
    print("%d passed, %d failed, 0 skipped" % (caught, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

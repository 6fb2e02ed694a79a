#!/usr/bin/env python3
"""run.py: runs tests of all kinds, two at a time; ends with "N passed, N failed, N skipped".

    tests/run.py [--only PATTERN] [--jobs N] [--front NAME] [--long] [--minutes N] [--list] [ITEM...]

An ITEM is a module of tests/api by its name (NAME@FRONT: through another web server;
    NAME@postgresql: with a database on a server), a program of
the build tree, or a script of the source
tree, by its path.  Without one those of REGCRED_TESTS are run, and the modules of REGCRED_MODULES,
or all.  PATTERN is looked for in
"module.Class.test".  --long sets REGCRED_LONG.  What has not begun after that many --minutes is
skipped.  Exit status 0 if nothing failed.
"""

import argparse
import contextlib
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
API = os.path.join(HERE, "api")
BUILD = os.path.abspath(os.environ.get("REGCRED_BUILD", os.getcwd()))
SRC = os.path.abspath(os.environ.get("REGCRED_SRC", os.path.join(HERE, "..")))
LIMIT_S = int(os.environ.get("REGCRED_TEST_LIMIT_S", "1200"))
sys.path.insert(0, API)

import fronts                                            # noqa: E402 (the path comes first)


def tests_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


# In the child that runs one module


class Result(unittest.TestResult):
    """Prints what failed and what was skipped at once."""

    def __init__(self, chosen):
        super().__init__()
        self.chosen, self.bad = chosen, set()
        self.holders = self.left_out = 0

    def told(self, test, err, word):
        self.bad.add(test.id())
        print("%s %s\n%s" % (word, test.id(), self._exc_info_to_string(err, test)), flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.told(test, err, "ERROR")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.told(test, err, "FAIL")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.bad.add(test.id())
            print("FAIL %s\n%s" % (subtest.id(), self._exc_info_to_string(err, test)), flush=True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        # Where its set-up says so a whole class or module is skipped, and none of its tests counts
        # as run.
        whole = re.fullmatch(r"setUp(?:Class|Module) \((.*)\)", test.id())
        count = sum(t.id().startswith(whole.group(1) + ".") for t in self.chosen) if whole else 1
        if whole:
            self.holders += 1
            self.left_out += count
        print("SKIP %s: %s" % (test.id(), reason) + (" (%d tests)" % count if count > 1 else ""),
              flush=True)


def run_module(name, pattern, report):
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    chosen = [t for t in tests_of(suite) if re.search(pattern, t.id())]
    result = Result(chosen)
    unittest.TestSuite(chosen).run(result)
    # A test whose tearDown fails after its body failed is one failed test; a module's set-up or end
    # counts as one.
    failed, skipped = len(result.bad), len(result.skipped) - result.holders + result.left_out
    ran = result.testsRun + result.left_out
    if ran < len(chosen):
        print("FAIL %s: %d tests were not run" % (name, len(chosen) - ran))
        failed = max(failed, 1)
    with open(report, "w", encoding="utf-8") as f:
        json.dump([max(0, ran - failed - skipped), failed, skipped], f)
    return 1 if failed else 0


# In the parent: what an item is, and what came of it


class Item:
    def __init__(self, name):
        self.name, self.front = (name.split("@") + [None])[:2]
        self.name = self.name[:-3] if "/" not in name and self.name.endswith(".py") else self.name
        self.is_module = "/" not in self.name
        self.title = name

    def words(self, only, report):
        if self.is_module:
            return [sys.executable, "-B", os.path.abspath(__file__), "--report", report, "--only",
                    only, self.name]
        for suffix, starter in ((".sh", ["/bin/sh"]), (".py", [sys.executable, "-B"])):
            if self.name.endswith(suffix):
                return starter + [os.path.join(SRC, self.name)]
        return [os.path.join(BUILD, self.name)]

    def environ(self):
        env = dict(os.environ, REGCRED_BUILD=BUILD, REGCRED_SRC=SRC, PYTHONDONTWRITEBYTECODE="1",
                   PYTHON=sys.executable)
        env.setdefault("CK_DEFAULT_TIMEOUT", "300")
        if self.front == "postgresql":
            env["REGCRED_TEST_ENGINE"] = self.front
        elif self.front:
            env["REGCRED_FRONT"] = self.front
        return env

    def numbers(self, lines, status, report):
        """[passed, failed, skipped]: what it said itself, else one for the whole of it."""
        text = "".join(lines)
        checks = re.findall(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", text, re.M)
        closing = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", text, re.M)
        told = [len(re.findall(r"^%s:" % word, text, re.M)) for word in ("PASS", "FAIL", "SKIP")]
        found = [0, 0, 0]
        if self.is_module:
            with contextlib.suppress(OSError, ValueError), open(report, encoding="utf-8") as f:
                found = json.load(f)
        elif closing:
            found = [int(n) for n in closing[-1]]
        elif checks:
            total, failures, errors = (sum(int(row[i]) for row in checks) for i in range(3))
            found = [total - failures - errors, failures + errors, 0]
        elif sum(told) > 0:
            found = told
        elif status == 0:
            found = [1, 0, 0]
        elif status == 77:
            return [0, 0, 1]
        if status not in (0, 77):
            found[1] = max(found[1], 1)
        return found


class Run:
    def __init__(self, items, args, directory):
        self.queue, self.args, self.directory = list(items), args, directory
        self.lock, self.children = threading.Lock(), set()
        self.totals, self.reasons = [0, 0, 0], {}
        self.until = time.monotonic() + 60 * args.minutes

    def one(self, item):
        begun = time.monotonic()
        report = os.path.join(self.directory, item.title.replace("/", "-"))
        child = subprocess.Popen(item.words(self.args.only, report), env=item.environ(),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace", cwd=None
                                 if item.is_module else BUILD)
        self.children.add(child)
        late = threading.Timer(LIMIT_S * (10 if os.environ.get("REGCRED_LONG") else 1),
                               child.terminate)
        late.start()
        lines = []
        for line in child.stdout:
            lines.append(line)
            if re.match(r"\w+: \d+ of \d+$", line):      # a long one says how far it is
                lines.pop()
                with self.lock:
                    print(line, end="", flush=True)
        status = child.wait()
        if not late.is_alive():
            lines.append("FAIL %s: it did not end in %d s\n" % (item.title, LIMIT_S))
        late.cancel()
        self.end(item, lines, item.numbers(lines, status, report), time.monotonic() - begun)

    def end(self, item, lines, numbers, seconds):
        with self.lock:
            for line in lines:
                skip = re.match(r"SKIP:? (.*?): (.*?)(?: \((\d+) tests\))?$",
                                line) or re.match(r"SKIP: ()(.*)()$", line)
                if skip:
                    self.reasons[skip.group(2)] = self.reasons.get(skip.group(2),
                                                                   0) + int(skip.group(3) or 1)
            if numbers[1]:
                sys.stdout.write("".join(lines))
            print("%s %s: %d passed, %d failed, %d skipped in %.1f s"
                  % ("FAIL" if numbers[1] else "SKIP" if numbers[2] and not numbers[0] else "PASS",
                                                                       item.title, *numbers,
                                                                       seconds), flush=True)
            self.totals = [a + b for a, b in zip(self.totals, numbers)]

    def work(self):
        while True:
            with self.lock:
                if not self.queue:
                    return
                item = self.queue.pop(0)
            if time.monotonic() < self.until:
                self.one(item)
            else:
                self.end(item, ["SKIP %s: no time was left for it: more --minutes\n" % item.title],
                         [0, 0, 1], 0)

    def run(self):
        begun = time.monotonic()
        threads = [threading.Thread(target=self.work, daemon=True)
                   for _ in range(max(1, self.args.jobs))]
        for t in threads:
            t.start()
        try:
            for t in threads:
                t.join()
        finally:
            with self.lock:
                self.queue.clear()
            for child in list(self.children):
                if child.poll() is None:
                    child.terminate()
                    child.wait(30)
        for reason, count in sorted(self.reasons.items(), key=lambda pair: -pair[1]):
            print("skipped: %d: %s" % (count, reason))
        print("%.0f s\n%d passed, %d failed, %d skipped" % (time.monotonic() - begun, *self.totals))
        return 1 if self.totals[1] or not sum(self.totals) else 0


def chosen_items(args):
    """In the order in which they begin: programs and scripts as they are named, then the modules,
    those with most tests first, or with most seconds by their own TAKES_S: none shall be left alone
    at the end."""
    names = args.items
    if not names:
        modules = os.environ.get("REGCRED_MODULES", "").split() or [os.path.basename(p)[:-3]
                                                                    for p in glob.glob(
                                                                        os.path.join(API,
                                                                                     "test_*.py"))]
        names = os.environ.get("REGCRED_TESTS", "").split() + sorted(modules)
    items, sizes = [Item(name) for name in names], {}
    for item in items:
        if item.is_module:
            item.front = item.front or args.front
            found = [t.id()
                     for t in tests_of(unittest.defaultTestLoader.loadTestsFromName(item.name))
                     if re.search(args.only, t.id())]
            sizes[item] = len(found) and max(len(found), getattr(sys.modules.get(item.name),
                                                                 "TAKES_S", 0))
            if args.list:
                print("\n".join(found))
    if args.only:
        items = [item for item in items if sizes.get(item)]
    return sorted(items, key=lambda item: -sizes[item] if item.is_module else -1e9)


def ended(number, frame):
    """SIGTERM: leave by the usual way out, which ends what was started."""
    sys.exit(128 + number)


def main():
    signal.signal(signal.SIGTERM, ended)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--front", choices=sorted(fronts.FRONTS),
                        help="the web server; nginx if not given")
    parser.add_argument("--long", action="store_true", help="what takes minutes")
    parser.add_argument("--minutes", type=lambda text: float(text or "inf"), default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    parser.add_argument("items", nargs="*", metavar="ITEM")
    args = parser.parse_args()
    if args.report:
        return run_module(args.items[0], args.only, args.report)
    if args.long:
        os.environ["REGCRED_LONG"] = "1"
    items = chosen_items(args)
    if args.list:
        return 0
    if not items:
        print("no test matches %r" % args.only)
    with tempfile.TemporaryDirectory(prefix="rc-report-") as directory:
        return Run(items, args, directory).run()


if __name__ == "__main__":
    sys.exit(main())

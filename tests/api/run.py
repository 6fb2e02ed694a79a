#!/usr/bin/env python3
"""Runs the black-box tests: each module in a process of its own, two at a time; ends with "N passed, N failed, N skipped".

    run.py [--only PATTERN] [--jobs N] [--front NAME] [--list] [MODULE...]

PATTERN is a regular expression that is looked for in "module.Class.test".  Without MODULEs those of REGCRED_MODULES, or all, are run.  Exit status 0 if nothing failed.
"""

import argparse
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
sys.path.insert(0, HERE)

import fronts                                            # noqa: E402 (the path comes first)


def tests_of(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_of(item)
        else:
            yield item


class Result(unittest.TestResult):
    """Prints what failed at once, and a line of progress every two seconds."""

    def __init__(self, name, chosen):
        super().__init__()
        self.name, self.chosen, self.last, self.bad = name, chosen, time.monotonic(), set()
        self.holders = self.left_out = 0

    def stopTest(self, test):
        super().stopTest(test)
        if time.monotonic() - self.last > 2:
            self.last = time.monotonic()
            print("%s: %d of %d" % (self.name, self.testsRun, len(self.chosen)), flush=True)

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
        print("SKIP %s: %s" % (test.id(), reason), flush=True)
        # Where its set-up says so a whole class or module is skipped, and none of its tests counts as run.
        whole = re.fullmatch(r"setUp(?:Class|Module) \((.*)\)", test.id())
        if whole:
            self.holders += 1
            self.left_out += sum(t.id().startswith(whole.group(1) + ".") for t in self.chosen)


def run_one(name, pattern, report):
    """In the child: the tests of one module."""
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    chosen = [t for t in tests_of(suite) if re.search(pattern, t.id())]
    result = Result(name, chosen)
    unittest.TestSuite(chosen).run(result)
    # A test whose tearDown fails after its body failed is one failed test; a module's set-up or end counts as one.
    numbers = {"failed": len(result.bad), "skipped": len(result.skipped) - result.holders + result.left_out,
               "run": result.testsRun + result.left_out}
    if numbers["run"] < len(chosen) and not result.bad:
        numbers["failed"] += 1
    with open(report, "w", encoding="utf-8") as f:
        json.dump(numbers, f)
    return 1 if result.bad else 0


def ended(number, frame):
    """SIGTERM: leave by the usual way out, which ends what was started."""
    sys.exit(128 + number)


def main():
    signal.signal(signal.SIGTERM, ended)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", metavar="PATTERN")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--front", choices=sorted(fronts.FRONTS), help="the web server; nginx if not given")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    parser.add_argument("modules", nargs="*")
    args = parser.parse_args()
    if args.front:
        os.environ["REGCRED_FRONT"] = args.front
    if args.report:
        return run_one(args.modules[0], args.only, args.report)

    names = args.modules or os.environ.get("REGCRED_MODULES", "").split() or sorted(os.path.basename(p)[:-3] for p in glob.glob(os.path.join(HERE, "test_*.py")))
    names = [n[:-3] if n.endswith(".py") else n for n in names]
    chosen = {}
    for name in names:
        found = [t.id() for t in tests_of(unittest.defaultTestLoader.loadTestsFromName(name)) if re.search(args.only, t.id())]
        if found:
            chosen[name] = found
    if args.list:
        print("\n".join(t for found in chosen.values() for t in found))
        return 0
    with tempfile.TemporaryDirectory(prefix="rc-report-") as directory:
        return run_all(chosen, args, directory)


def run_all(chosen, args, directory):
    totals, lock, begun = {"passed": 0, "failed": 0, "skipped": 0}, threading.Lock(), time.monotonic()
    children = set()
    queue = sorted(chosen, key=lambda n: -len(chosen[n]))

    def work():
        while True:
            with lock:
                if not queue:
                    return
                name = queue.pop(0)
            one(name)

    def one(name):
        start = time.monotonic()
        report = os.path.join(directory, name)
        child = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), "--report", report, "--only", args.only, name],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        children.add(child)
        block = []
        for line in child.stdout:
            if re.match(r"\w+: \d+ of \d+$", line):
                with lock:
                    print(line, end="", flush=True)
            else:
                block.append(line)
        child.wait()
        try:
            with open(report, encoding="utf-8") as f:
                numbers = json.load(f)
        except (OSError, ValueError):
            numbers = {"failed": 1, "skipped": 0, "run": 0}
        failed, skipped = numbers["failed"], numbers["skipped"]
        missing = len(chosen[name]) - numbers["run"]
        if missing > 0:
            failed = max(failed, 1)
        passed = max(0, len(chosen[name]) - missing - failed - skipped)
        if child.returncode not in (0, 1):
            failed = max(failed, 1)
        with lock:
            totals["passed"] += passed
            totals["failed"] += failed
            totals["skipped"] += skipped
            sys.stdout.write("".join(block))
            print("%s: %d passed, %d failed, %d skipped%s in %.1f s" % (
                name, passed, failed, skipped, ", %d not run" % missing if missing > 0 else "", time.monotonic() - start), flush=True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, args.jobs))]
    for t in threads:
        t.start()
    try:
        for t in threads:
            t.join()
    finally:
        with lock:
            queue.clear()
        for child in list(children):
            if child.poll() is None:
                child.terminate()
                child.wait(30)
    if not chosen:
        print("no test matches %r" % args.only)
        totals["failed"] = 1
    print("black box: %.1f s" % (time.monotonic() - begun))
    print("%d passed, %d failed, %d skipped" % (totals["passed"], totals["failed"], totals["skipped"]))
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

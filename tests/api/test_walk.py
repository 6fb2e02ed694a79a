"""The commands that keep a server, walked: each call by which one changes a file is the one before
which it is killed, each call that it makes for a file fails, alone, together with any other, or for
good; and at each the other commands and a CGI run from beginning to end.

tests/support/failing.c numbers the calls, and lets the time go on where a command sleeps.
Afterwards the database is wholly the old or wholly the new one, with its log and its key; what
ended with 0 has happened, what did not has said why; and the next run of it ends with 0."""

import base64
import concurrent.futures
import itertools
import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest

import harness
import test_upkeep

LONG = bool(os.environ.get("REGCRED_LONG"))
SEED = int(os.environ.get("REGCRED_SEED", "0")) or random.SystemRandom().randrange(1 << 31)
layer = None
# or some of them
ALL = ("rekey", "restore", "backup", "init", "check")
COMMANDS = tuple(os.environ.get("REGCRED_WALK", " ".join(ALL)).split())
JOURNALS = ("wal", "rollback")
FRESH, LOGINS, IN_BACKUP = 0, test_upkeep.LOGINS, test_upkeep.IN_BACKUP


def setUpModule():
    global layer
    source, directory = os.path.join(harness.SRC, "tests", "support",
                                     "failing.c"), tempfile.mkdtemp(prefix="rc-walk-")
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    layer = os.path.join(directory, "failing.so")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        raise unittest.SkipTest("a C compiler is missing, for tests/support/failing.c")
    subprocess.run([compiler, "-std=gnu17", "-O2", "-shared", "-fPIC", "-o", layer, source, "-ldl"],
                   check=True)
    if subprocess.run([harness.program("regcred"), "--version"],
                      env={**os.environ, "LD_PRELOAD": layer}, capture_output=True).returncode != 0:
        raise unittest.SkipTest("regcred takes no layer before the C library, as with a sanitizer")
    print("seed", SEED, flush=True)
    test_upkeep.make_template()


class Case:
    """A state of its own, with what runs on it."""

    def __init__(self, root, journal, prepared):
        self.root, self.journal = tempfile.mkdtemp(dir=root), journal
        self.state, self.made = os.path.join(self.root, "state"), os.path.join(self.root, "made.db")
        if prepared is not None:
            shutil.copytree(prepared, self.state)

    def words(self, command):
        more = {"restore": [os.path.join(test_upkeep.template, "copy.db")], "backup": [self.made]}
        return [harness.program("regcred"), command, *more.get(command, []), "--state-dir",
                self.state, "--journal", self.journal]

    def line(self, command):
        """For the shell, at a call of another one."""
        if command == "cgi":
            return "%s <%s >%s 2>/dev/null" % (harness.program("regcredd"),
                                               os.path.join(self.root, "body"),
                                               os.path.join(self.root, "answer"))
        return "%s >/dev/null 2>%s; echo $? >%s" % (" ".join(self.words(command)),
                                                    os.path.join(self.root, "said"),
                                                    os.path.join(self.root, "status"))

    def environment(self, **more):
        return {**os.environ, "LD_PRELOAD": layer, "FAILING_HASTE": "1",
                "REGCRED_KEYRING_LOOK_MS": "50", **more}

    def run(self, command, plan="", beside=None, log=None):
        more = {"FAILING_PLAN": plan} if plan else {}
        if log:
            more["FAILING_LOG"] = log
        if beside:
            more["FAILING_RUN"] = self.line(beside)
            if beside == "cgi":
                more.update(self.request())
        return subprocess.run(self.words(command), env=self.environment(**more),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def request(self):
        """What makes a CGI of regcredd that stores a login."""
        access, secret, registry = test_upkeep.caller
        body = os.path.join(self.root, "body")
        with open(body, "w", encoding="ascii") as f:
            json.dump({"registryId": registry, "secretValue": "beside", "publicValue": "beside"}, f)
        return {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
                "REQUEST_URI": "/v1/registrycredentials", "SCRIPT_NAME": "",
                "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "192.0.2.7", "HTTP_HOST": "h", "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(os.path.getsize(body)), "REGCRED_STATE_DIR": self.state, "REGCRED_JOURNAL": self.journal,
                "HTTP_AUTHORIZATION": "Basic "
                + base64.b64encode(("%s:%s" % (access, secret)).encode()).decode()}

    def said(self):
        """Status and last words of the command beside it; it may not have come to that."""
        try:
            with open(os.path.join(self.root, "said"), encoding="utf-8") as said, open(
                os.path.join(self.root, "status"), encoding="ascii") as status:
                return int(status.read()), said.read()
        except FileNotFoundError:
            return 1, ""

    def answer(self):
        """Whether the CGI has said that it has stored the login."""
        try:
            with open(os.path.join(self.root, "answer"), encoding="utf-8") as f:
                return " 201 " in f.readline()
        except FileNotFoundError:
            return False

    def logins(self, path=None):
        """How many there are; the database, its log, each value, and the audit log are proven."""
        for words in (["check"], ["audit", "verify"]):
            done = subprocess.run([harness.program("regcred"), *words, "--state-dir", self.state,
                                   "--journal", self.journal], capture_output=True, text=True)
            assert done.returncode == 0, "%s: %s" % (words, done.stderr)
        return count(path or os.path.join(self.state, "regcred.db"))

    def keys(self):
        with open(os.path.join(self.state, "master.key"), encoding="ascii") as f:
            return [line.split()[1] for line in f if line.startswith("seal ")]

    def is_as(self, prepared):
        """Whether nothing has changed: then nothing can be wrong."""
        return all(content(os.path.join(self.state, name)) == content(os.path.join(prepared, name))
                   for name in {*os.listdir(self.state), *os.listdir(prepared)}
                   if not name.endswith(("-shm", ".lock")))

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


def content(path):
    """An empty log is no log."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as f:
        return f.read()


def count(path):
    db = sqlite3.connect(path)
    try:
        return db.execute(
            "SELECT count(*) FROM credential WHERE kind = 'registryCredential'").fetchone()[0]
    finally:
        db.close()


class Walk(unittest.TestCase):
    def setUp(self):
        self.chance = random.Random("%d %s" % (SEED, self.id()))
        self.root = tempfile.mkdtemp(prefix="rc-walk-", dir="/dev/shm" if os.path.isdir("/dev/shm")
                                     else None)
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.prepared = {}
        for journal in JOURNALS:
            state = os.path.join(self.root, journal)
            os.mkdir(state, 0o700)
            shutil.copy(os.path.join(test_upkeep.template, "all.db"),
                        os.path.join(state, "regcred.db"))
            shutil.copy(os.path.join(test_upkeep.template, "master.key"), state)
            os.chmod(os.path.join(state, "regcred.db"), 0o600)
            done = test_upkeep.run("init", "--state-dir", state, "--journal", journal)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.prepared[journal] = state

    def case(self, journal, command):
        """init has nothing yet; the others a database with logins."""
        return Case(self.root, journal, None if command == "init" else self.prepared[journal])

    def calls(self, journal, command, plan=""):
        """(number, whether it changes a file, name and path) of what a command calls."""
        case = self.case(journal, command)
        log = os.path.join(case.root, "log")
        case.run(command, plan, log=log)
        with open(log, encoding="utf-8", errors="replace") as f:
            calls = [line.split(" ", 2) for line in f]
        case.close()
        return [(int(number), kind == "c", what.replace(case.root, "")) for number, kind,
                what in calls]

    # What has to be true after it.

    def after(self, case, command, done, beside=None):
        self.assertNotIn("Sanitizer", done.stderr)
        killed, ok = done.returncode < 0, done.returncode == 0
        if not killed and not ok and not (command == "check" and "\nproblem: " in done.stdout):
            self.assertRegex(done.stderr.splitlines()[-1] if done.stderr else "", r"^regcred: .")
        others, stored = {command, beside}, beside == "cgi" and case.answer()
        expected = {LOGINS + stored}
        if command == "init":
            expected = {FRESH}
        elif "restore" in others:
            restored = ok if command == "restore" else case.said()[0] == 0
            text = done.stderr if command == "restore" else case.said()[1]
            expected = {IN_BACKUP} if restored or "was restored" in text else {
                LOGINS, IN_BACKUP} if killed and command == "restore" else {LOGINS}
            if command == "restore" and stored:
                expected |= {LOGINS + 1} if not restored else set()
        same = command != "init" and case.is_as(self.prepared[case.journal])
        if same:
            self.assertIn(LOGINS, expected, done.stderr)
        elif command != "init" or ok:
            self.assertIn(case.logins(), expected, done.stderr)
        if command == "rekey" and ok and beside is None:
            self.assertEqual(len(case.keys()), 1)
            self.assertNotEqual(case.keys(), ["1"])
        if command == "backup" and ok:
            self.assertIn(count(case.made), (LOGINS, LOGINS + 1, IN_BACKUP) if beside
                          else (LOGINS,))
        other_made = beside == "backup" and case.said()[0] == 0
        if command == "backup" and not ok and not killed and not other_made:
            self.assertFalse(os.path.exists(case.made) and "was made" not in done.stderr,
                             done.stderr)
        if not same:
            self.again(case, command)

    def again(self, case, command):
        if command == "backup" and os.path.exists(case.made):
            os.unlink(case.made)
        done = case.run(command)
        if command == "restore" and "1" not in case.keys():
            self.assertIn("put the right file back", done.stderr)   # rekey was faster
            self.assertEqual((done.returncode, case.logins()), (1, LOGINS))
            return
        self.assertEqual(done.returncode, 0, "again: " + done.stderr)
        number = case.logins()
        if command == "init":
            self.assertEqual(number, FRESH)
        if command == "restore":
            self.assertEqual(number, IN_BACKUP)
        left = [n for n in os.listdir(case.state) if ".restor" in n or n.endswith(".new")]
        self.assertEqual(left, [])

    def walk(self, journal, command, plans, beside=None):
        """Two at a time; what fails is told with its plan."""
        def one(plan):
            case = self.case(journal, command)
            try:
                self.after(case, command, case.run(command, plan, beside), beside)
            # as the test's own, with what had been planned
            except Exception as e:
                return "%s %s %s beside %s: %s" % (journal, command, plan, beside, e)
            finally:
                case.close()
            return None
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            bad = [text for text in pool.map(one, plans) if text is not None]
        print("walked: %s, %s beside %s: %d cases, %d failed, %d s"
              % (command, journal, beside, len(plans), len(bad), time.monotonic() - began),
              flush=True)
        self.assertEqual(bad, [], "\n".join(bad[:20]))

    def some(self, plans, most):
        plans = list(plans)
        return plans if LONG or len(plans) <= most else self.chance.sample(plans, most)

    def ends(self, calls):
        """The first and the last of each row of equal calls: what the others would show is the
        same."""
        ends = []
        for _, group in itertools.groupby(calls, key=lambda call: call[2]):
            group = list(group)
            ends += [group[0][0], group[-1][0]] if len(group) > 1 else [group[0][0]]
        return ends

    # The walks

    def each(self, walk):
        for command in COMMANDS if LONG else self.chance.sample(COMMANDS, 2):
            for journal in JOURNALS if LONG else self.chance.sample(JOURNALS, 1):
                with self.subTest(command=command, journal=journal):
                    walk(journal, command)

    def test_killed_before_each_change(self):
        def walk(journal, command):
            self.walk(journal, command,
                      self.some(("%d=kill" % n for n, changes, _ in self.calls(journal, command)
                                 if changes), 20))
        self.each(walk)

    def test_each_call_fails(self):
        def walk(journal, command):
            numbers = [n for n, _, _ in self.calls(journal, command)]
            self.walk(journal, command,
                      self.some(["%d=%s" % (n, how) for n in numbers for how in ("fail", "always")],
                                20))
        self.each(walk)

    def test_two_calls_fail(self):
        """The second among the changes after the first has failed; or it is killed there."""
        def walk(journal, command):
            plans, calls = [], self.calls(journal, command)
            for first in self.some(self.ends(calls), 6):
                plan = "%d=fail" % first
                second = self.ends([c for c in self.calls(journal, command, plan)
                                    if c[0] > first and c[1]])
                plans += ["%s;%d=%s" % (plan, n, how) for n in self.some(second, 3)
                          for how in ("fail", "kill")]
            self.walk(journal, command, plans)
        self.each(walk)

    def test_beside_each_other(self):
        """At each change of one another runs from its beginning to its end; then the first goes on,
        or is killed.  init has nothing yet that another could work on."""
        def walk(journal, command):
            numbers = self.ends([c for c in self.calls(journal, command) if c[1]])
            for beside in (ALL + ("cgi",)) if LONG else self.chance.sample(ALL + ("cgi",), 2):
                if command != "init":
                    self.walk(journal, command,
                              self.some(["%d=run%s" % (n, end) for n in numbers
                                         for end in ("", ";%d=kill" % n)], 8), beside)
        self.each(walk)


if __name__ == "__main__":
    unittest.main()

"""The commands that keep a server, a migration, and a pool that starts or reloads, walked: each call
by which one changes a file is the one before which it is killed, each call that it makes for a file
fails, alone, together with any other, or for good; and at each the other commands and a CGI run
from beginning to end.  Of a pool it is the process that comes to the call.

tests/support/failing.c numbers the calls, and lets the time go on where a command sleeps.
Afterwards the database is wholly the old or wholly the new one, with its log and its key; what
ended with 0 has happened, what did not has said why; and the next run of it ends with 0."""

import base64
import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import test_bound
import test_pool
import test_upkeep

TAKES_S = 30

LONG = bool(os.environ.get("REGCRED_LONG"))
SEED = int(os.environ.get("REGCRED_SEED", "0")) or random.SystemRandom().randrange(1 << 31)
layer = None
ALL = ("rekey", "restore", "backup", "init", "check")
# migrate: init of an old database.  start: of a pool, of such a one.
POOL = ("start", "reload")
BESIDE = tuple(os.environ.get("REGCRED_BESIDE", " ".join(ALL + ("cgi",))).split())
# or some of them, and of each kind of walk so many cases; of the kills always all
COMMANDS = tuple(os.environ.get("REGCRED_WALK", " ".join(ALL + ("migrate",) + POOL)).split())
CASES = int(os.environ.get("REGCRED_WALK_CASES", "300"))
JOURNALS = ("wal", "rollback")
# What there is before, how many logins that are, and in its backup.
STATES = {"migrate": "old", "start": "old", "init": None}
NUMBERS = {None: (0, 0), "all": (test_upkeep.LOGINS, test_upkeep.IN_BACKUP), "old": (1, 0)}


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

    def __init__(self, root, journal, kind):
        self.root, self.journal, self.kind = tempfile.mkdtemp(dir=root), journal, kind
        self.had, self.in_backup = NUMBERS[kind]
        self.state, self.made = os.path.join(self.root, "state"), os.path.join(self.root, "made.db")
        self.database = os.path.join(self.state, "regcred.db")
        self.prepared = kind and os.path.join(root, kind + journal)
        if kind:
            shutil.copytree(self.prepared, self.state)

    def words(self, command):
        settings = ["--state-dir", self.state, "--journal", self.journal]
        if command in POOL:
            return [harness.program("regcredd"), *settings, "--workers", "1", "--threads", "2",
                    "--sandbox", "off", "--writes-per-minute", "0", "--rows-per-project", "0",
                    "--room-per-account", "0"]
        more = {"restore": [os.path.join(os.path.dirname(self.root), "%s.db" % self.kind)],
                "backup": [self.made]}
        command = "init" if command == "migrate" else command
        return [harness.program("regcred"), command, *more.get(command, []), *settings]

    def line(self, command):
        """For the shell, at a call of another one, which may be what it waits for: that costs no
        time."""
        if command == "cgi":
            return "FAILING_HASTE=1 %s <%s >%s 2>/dev/null" % (harness.program("regcredd"),
                                               os.path.join(self.root, "body"),
                                               os.path.join(self.root, "answer"))
        return "FAILING_HASTE=1 %s >/dev/null 2>%s; echo $? >%s" % (" ".join(self.words(command)),
                                                    os.path.join(self.root, "said"),
                                                    os.path.join(self.root, "status"))

    def environment(self, **more):
        return {**os.environ, "LD_PRELOAD": layer, "REGCRED_KEYRING_LOOK_MS": "50", **more}

    def run(self, command, plan="", beside=None, log=None, haste=True):
        more = {"FAILING_PLAN": plan} if plan else {}
        if haste and command not in POOL:
            more["FAILING_HASTE"] = "1"
        if log:
            more["FAILING_LOG"] = log
        if beside:
            more["FAILING_RUN"] = self.line(beside)
            if beside == "cgi":
                more.update(self.request())
        if command in POOL:
            return Pool(self, command, "always" in plan, more).lived()
        return subprocess.run(self.words(command), env=self.environment(**more),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def as_nobody(self, command, more):
        """On a state of theirs; where it is the pool that is started, it becomes them."""
        if command in POOL:
            return Pool(self, command, True, more, "--user", "nobody").lived()
        return subprocess.run(self.words(command), env=self.environment(FAILING_HASTE="1", **more),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def caller(self):
        return (*test_bound.OLD_KEYS["project"], "1sp1") if self.kind == "old" else (
            test_upkeep.caller)

    def request(self):
        """What makes a CGI of regcredd that stores a login."""
        access, secret, registry = self.caller()
        body = os.path.join(self.root, "body")
        with open(body, "w", encoding="ascii") as f:
            json.dump(login(registry, "beside"), f)
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
        """Whether the CGI has said that it has stored the login.  Otherwise it has to say that it
        can be tried again: only an old database is nothing that ends by itself."""
        try:
            with open(os.path.join(self.root, "answer"), encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            return False
        assert " 201 " in text[:20] or self.kind == "old" or (
            " 503 " in text[:20] and "\nRetry-After: " in text) or not text, text
        return " 201 " in text[:20]

    def ask(self, *words):
        done = subprocess.run([harness.program("regcred"), *words, "--state-dir", self.state,
                               "--journal", self.journal], capture_output=True, text=True)
        assert done.returncode == 0, "%s: %s" % (words, done.stderr)
        return done.stdout

    def logins(self):
        """How many there are; the database, its log, each value, and the audit log are proven.  Of
        an old one that nothing has changed."""
        if self.kind == "old" and version(self.database) == version(self.prepared + "/regcred.db"):
            assert dump(self.database) == dump(self.prepared + "/regcred.db"), "not wholly the old"
            return self.had
        self.ask("check")
        self.ask("audit", "verify")
        return count(self.database)

    def keys(self):
        with open(os.path.join(self.state, "master.key"), encoding="ascii") as f:
            return [line.split()[1] for line in f if line.startswith("seal ")]

    def is_unchanged(self):
        """Then nothing can be wrong."""
        return self.kind is not None and all(
            content(os.path.join(self.state, name)) == content(os.path.join(self.prepared, name))
            for name in {*os.listdir(self.state), *os.listdir(self.prepared)}
            if not name.endswith(("-shm", ".lock")))

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Pool:
    """A regcredd on the state of a case, without a web server; what it said is in `text`."""

    def __init__(self, case, command="start", for_good=False, more=(), *options):
        self.case, self.command, self.for_good = case, command, for_good
        self.socket, self.text = os.path.join(case.state, "regcredd.sock"), ""
        self.log = os.path.join(case.root, "log-of-the-pool")
        more = {**dict(more), **({"FAILING_HUP": "1"} if command == "reload" else {})}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*case.words("start"), *options], env=case.environment(**more),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=harness.end_with_parent)

    def says(self, *words):
        """Waits until one of these is said, or it has ended; whether it was said."""
        before = len(self.text)

        def look():
            with open(self.log, encoding="utf-8", errors="replace") as f:
                self.text = f.read()
            return any(word in self.text[before:] for word in words)
        ended = harness.wait_until(lambda: look() or self.process.poll() is not None
                                   or (self.for_good and " error " in self.text[before:]), 30)
        assert ended, "it is stuck: " + self.text
        return look()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        return self.says(" ready: ", "reload refused")

    def serves(self):
        """Whoever died is started again; meanwhile a request may be cut off."""
        return harness.wait_until(lambda: self.process.poll() is not None
                                  or test_pool.ask(self.socket).status == 401, 20)

    def lived(self):
        """From its start to its end; that of a reload is walked alone."""
        lives = self.says(" ready: ")
        if lives and self.command == "reload":
            self.reload()
        if not self.for_good and self.process.poll() is None:
            assert self.serves(), "it does not answer: " + self.text
            if self.command == "reload" and self.process.poll() is None:
                assert self.reload() or self.process.poll() is not None, self.text
        return self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
        self.says()
        # its own children end with it
        return subprocess.CompletedProcess([], self.process.returncode, "", self.text)


class Served:
    """A pool that serves a case, and a client that stores logins all the time."""

    def __init__(self, case):
        self.case, self.pool, self.stored = case, Pool(case), 0
        access, secret, self.registry = case.caller()
        self.key = access, secret
        if not self.pool.says(" ready: "):
            raise AssertionError("it does not start: " + self.pool.text)

    def store(self):
        self.stored += 1
        answer = test_pool.ask(
            self.pool.socket, "POST", "/v1/registrycredentials",
            json.dumps(login(self.registry, "n%d" % self.stored)).encode(), key=self.key)
        if answer.status != 201:
            raise AssertionError("the pool does not store: %r" % answer)

    def meanwhile(self, work):
        """Stores until the work is done; what fails in either is raised."""
        ended = threading.Event()

        def write():
            self.store()
            while not ended.is_set():
                self.store()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            try:
                work()
            finally:
                ended.set()
                writing.result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        done = self.pool.end()
        if done.returncode != 0:
            raise AssertionError(done.stderr)


def login(registry, name):
    return {"registryId": registry, "publicValue": name, "secretValue": "s", "email": "e@x"}


def version(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def dump(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return "\n".join(db.iterdump())


def content(path):
    """An empty log is no log, nor is a socket that a killed pool has left."""
    if not os.path.isfile(path):
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
        shutil.copy(os.path.join(test_upkeep.template, "copy.db"),
                    os.path.join(self.root, "all.db"))
        for journal in JOURNALS:
            state = os.path.join(self.root, "all" + journal)
            os.mkdir(state, 0o700)
            shutil.copy(os.path.join(test_upkeep.template, "all.db"),
                        os.path.join(state, "regcred.db"))
            shutil.copy(os.path.join(test_upkeep.template, "master.key"), state)
            os.chmod(os.path.join(state, "regcred.db"), 0o600)
            done = test_upkeep.run("init", "--state-dir", state, "--journal", journal)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.old(os.path.join(self.root, "old" + journal), journal)
        self.back_up_old()

    def old(self, state, journal):
        os.mkdir(state, 0o700)
        shutil.copy(os.path.join(test_bound.OLDER, "master.key"), state)
        os.chmod(os.path.join(state, "master.key"), 0o400)
        with open(os.path.join(test_bound.OLDER, "regcred.sql"),
                  encoding="utf-8") as f, contextlib.closing(
                      sqlite3.connect(os.path.join(state, "regcred.db"))) as db:
            db.executescript(f.read())
            db.execute("PRAGMA journal_mode = %s" % ("wal" if journal == "wal" else "delete"))
        os.chmod(os.path.join(state, "regcred.db"), 0o600)

    def back_up_old(self):
        """Its backup is of today, and has no login."""
        state, copy = os.path.join(self.root, "state"), os.path.join(self.root, "old.db")
        self.old(state, "wal")
        for words in (["init"], ["backup", copy]):
            done = test_upkeep.run(*words, "--state-dir", state)
            self.assertEqual(done.returncode, 0, done.stderr)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("DELETE FROM credential WHERE kind = 'registryCredential'")

    def case(self, journal, command):
        return Case(self.root, journal, STATES.get(command, "all"))

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
        if command in POOL and not ok and not killed:
            self.assertRegex(done.stderr, " error ")
        elif not killed and not ok and not (command == "check" and "\nproblem: " in done.stdout):
            self.assertRegex(done.stderr.splitlines()[-1] if done.stderr else "", r"^regcred: .")
        others, stored = {command, beside}, beside == "cgi" and case.answer()
        expected = {case.had + stored}
        if "restore" in others and command != "init":
            restored = ok if command == "restore" else case.said()[0] == 0
            text = done.stderr if command == "restore" else case.said()[1]
            expected = {case.in_backup} if restored or "was restored" in text else {
                case.had, case.in_backup} if killed and command == "restore" else {case.had}
            if stored and not restored:
                expected |= {case.had + 1}
        same = case.is_unchanged()
        if same:
            self.assertIn(case.had, expected, done.stderr)
        elif command != "init" or ok:
            self.assertIn(case.logins(), expected, done.stderr)
        if command == "rekey" and ok and beside is None:
            self.assertEqual(len(case.keys()), 1)
            self.assertNotEqual(case.keys(), ["1"])
        if command == "backup" and ok:
            self.assertIn(count(case.made), (case.had, case.had + 1, case.in_backup) if beside
                          else (case.had,))
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
            self.assertEqual((done.returncode, case.logins()), (1, case.had))
            return
        self.assertEqual(done.returncode, 0, "again: " + done.stderr)
        number = case.logins()
        if command == "init":
            self.assertEqual(number, case.had)
        if command == "restore":
            self.assertEqual(number, case.in_backup)
        if case.kind == "old":
            self.migrated(case)
        left = [n for n in os.listdir(case.state) if ".restor" in n or n.endswith(".new")]
        self.assertEqual(left, [])

    def migrated(self, case):
        """Once, with a copy of what was there before, and that is told; unless it is a backup that
        was restored before."""
        events = [json.loads(row)["eventType"]
                  for row in case.ask("audit", "list", "--json").splitlines()]
        before = case.prepared + "/regcred.db"
        if "restore" not in events:
            self.assertEqual(events.count("migrate"), 1, events)
            self.assertEqual(dump("%s.version-%d" % (case.database, version(before))), dump(before))

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

    def some(self, plans, most, long=None):
        """long: how many if there is time; None: all."""
        plans = list(plans)
        most = (len(plans) if long is None else long) if LONG else most
        return plans if len(plans) <= most else self.chance.sample(plans, most)

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
        for command in self.some(COMMANDS, 2):
            for journal in self.some(JOURNALS, 1):
                with self.subTest(command=command, journal=journal):
                    walk(journal, command)

    def test_killed_before_each_change(self):
        def walk(journal, command):
            self.walk(journal, command,
                      self.some(("%d=kill" % n for n, changes, _ in self.calls(journal, command)
                                 if changes), 8 if command in POOL else 20))
        self.each(walk)

    def test_each_call_fails(self):
        def walk(journal, command):
            numbers = [n for n, _, _ in self.calls(journal, command)]
            self.walk(journal, command,
                      self.some(["%d=%s" % (n, how) for n in numbers for how in ("fail", "always")],
                                8 if command in POOL else 20, CASES))
        self.each(walk)

    def test_two_calls_fail(self):
        """The second among the changes after the first has failed; or it is killed there."""
        def walk(journal, command):
            plans, calls = [], self.calls(journal, command)
            for first in self.some(self.ends(calls), 2 if command in POOL else 6, CASES // 6):
                plan = "%d=fail" % first
                second = self.ends([c for c in self.calls(journal, command, plan)
                                    if c[0] > first and c[1]])
                plans += ["%s;%d=%s" % (plan, n, how) for n in self.some(second, 3, 3)
                          for how in ("fail", "kill")]
            self.walk(journal, command, plans)
        self.each(walk)

    def test_beside_each_other(self):
        """At each change of one another runs from its beginning to its end; then the first goes on,
        or is killed.  init has nothing yet that another could work on."""
        def walk(journal, command):
            numbers = self.ends([c for c in self.calls(journal, command) if c[1]])
            for beside in self.some(BESIDE, 2):
                if command != "init":
                    self.walk(journal, command,
                              self.some(["%d=run%s" % (n, end) for n in numbers
                                         for end in ("", ";%d=kill" % n)],
                                        4 if command in POOL else 8, CASES // 6), beside)
        self.each(walk)

    def test_beside_a_pool(self):
        """One pool lives through all of the cases, and serves and stores meanwhile."""
        def walk(journal, command):
            if command not in ALL:
                return
            case = self.case(journal, "check")
            self.addCleanup(case.close)
            log = os.path.join(case.root, "log")
            with Served(case) as served:
                case.run(command, log=log, haste=False)
                with open(log, encoding="utf-8", errors="replace") as f:
                    calls = [line.split(" ", 2) for line in f]
                plans = [number + "=" + ("kill" if kind == "c" else "fail")
                         for number, kind, _ in calls] + [number + "=fail" for number, kind,
                                                          _ in calls if kind == "c"]
                for plan in self.some(plans, 10, CASES // 3):
                    with self.subTest(plan=plan):
                        self.beside(served, command, plan)
        self.each(walk)

    def beside(self, served, command, plan):
        case = served.case
        served.meanwhile(lambda: self.fails_aloud(case, command, plan))
        self.assertEqual(case.logins(), case.had + served.stored)
        done = case.run(command, haste=False)
        if command == "restore":
            self.assertIn("is using the database", done.stderr)
        else:
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(case.logins(), case.had + served.stored)

    def fails_aloud(self, case, command, plan):
        if os.path.exists(case.made):
            os.unlink(case.made)
        done = case.run(command, plan, haste=False)
        if done.returncode > 0 and "\nproblem: " not in done.stdout:
            self.assertRegex(done.stderr.splitlines()[-1] if done.stderr else "", r"^regcred: .")
        os.path.exists(case.made) and os.unlink(case.made)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to work in the directory of another user")
    def test_root_changes_nothing_but_what_it_has_made(self):
        """The owner of the state puts a link to a file of root in the place of each file that root
        has just made, or is about to make, at each call."""
        victim = os.path.join(self.root, "victim")
        names = ("made.db", "made.db.??????", "state/*.restoring", "state/*.restore-copy",
                 "state/master.key.new", "state/regcredd.sock", "state/regcredd.lock", "state/regcred.db.lock",
                 "state/regcredd.board.new", "state/regcred.db.??????")

        def look():
            with open(victim, encoding="ascii") as f:
                st = os.stat(victim)
                return f.read(), st.st_uid, st.st_mode, st.st_mtime_ns
        for command in self.some(("backup", "restore", "rekey", "init", "start"), 2):
            numbers = [n for n, _, what in self.calls("wal", command)
                       if re.search(r"made\.db|\.restor|master\.key|regcredd\.|\.lock|lchown", what)]
            for number, link in itertools.product(self.some(numbers, 6, CASES // 3), ("", "s")):
                case = self.case("wal", "check")
                for path in (case.root, case.state, *(os.path.join(case.state, n)
                                                      for n in os.listdir(case.state))):
                    shutil.chown(path, test_pool.NOBODY, test_pool.NOBODY)
                with open(victim, "w", encoding="ascii") as f:
                    f.write("root's")
                os.chmod(victim, 0o600)
                before = look()
                more = {"FAILING_PLAN": "%d=run" % number, "FAILING_RUN":
                        "cd %s; for f in %s; do test -e $f && ln -%sf %s $f; done; true"
                        % (case.root, " ".join(names), link, victim)}
                case.as_nobody(command, more)
                self.assertEqual(look(), before, (command, more))
                case.close()


if __name__ == "__main__":
    unittest.main()

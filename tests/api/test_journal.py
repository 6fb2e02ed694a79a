"""A rollback journal in place of the write-ahead log, as on a network file system: the change from
one to the other, and reads beside writes."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import harness

harness.JOURNAL = "rollback"                             # before the other module's site is made
import test_concurrency                                  # noqa: E402

TAKES_S = 20

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=8)


def load_tests(loader, tests, pattern):
    tests.addTests(loader.loadTestsFromModule(test_concurrency))
    return tests


class Journal(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.env = self.p.env
        self.registry = self.p.registry()["id"]

    def create(self):
        return self.env.post("registrycredentials",
                             {"registryId": self.registry, "publicValue": "u", "email": "e@x",
                                                     "secretValue": self.site.plant()}, check=False)

    def restart(self, journal):
        self.site.deaths_allowed = True
        if self.site.pool.poll() is None:
            self.assertEqual(self.site.stop_pool(), 0)
        self.site.environment["REGCRED_JOURNAL"] = journal
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()

    def mode(self):
        with open(self.site.db, "rb") as f:
            return {1: "rollback", 2: "wal"}[f.read(20)[18]]

    def said(self, text):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return sum(text in line for line in f)

    def test_the_start_says_so_once_and_check_says_it(self):
        self.assertEqual(self.mode(), "rollback")
        self.ok(self.create(), 201)
        self.assertFalse(os.path.exists(self.site.db + "-wal"))
        before = self.said("has a rollback journal instead of a write-ahead log")
        self.restart("rollback")
        self.assertEqual(self.said("has a rollback journal instead of a write-ahead log"),
                         before + 1)
        self.assertIn("journal: rollback\n", self.site.cli("check", "--state-dir", self.site.state))
        self.assertIn("makes it write-ahead log",
                      self.site.cli("check", "--journal", "wal", "--state-dir", self.site.state))

    def test_who_reads_without_an_end_stops_no_other_reader(self):
        """A stopped `regcred backup`: changes are 503 in time, reads and /ping go on."""
        self.restart("rollback")
        reader = sqlite3.connect(self.site.db, isolation_level=None)
        self.addCleanup(reader.close)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM credential").fetchone()
        written, reads = [], []
        writers = [threading.Thread(target=lambda: written.append(self.create().status))
                   for _ in range(3)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            for ask in (lambda: self.env.get("registries?limit=1", check=False),
                        lambda: self.site.anonymous().get("/ping", check=False)):
                begun = time.monotonic()
                self.assertEqual(ask().status, 200)
                reads.append(time.monotonic() - begun)
            time.sleep(0.1)
        self.assertEqual(written, [503] * 3)
        self.assertLess(max(reads), 3)
        self.assertIn("somebody has been reading it", self.log_text())
        reader.execute("COMMIT")
        self.assertEqual(self.create().status, 201)

    def log_text(self):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def test_there_and_back_with_what_was_in_the_log(self):
        """The pool is killed, so that its log is not folded in by an orderly end."""
        made = []
        for journal in ("wal", "rollback", "wal", "rollback"):
            with self.subTest(journal):
                self.restart(journal)
                self.assertEqual(self.mode(), journal)
                made += [self.ok(self.create(), 201)["id"] for _ in range(5)]
                self.assertEqual(
                    {row["id"] for row in self.ok(self.env.get("registrycredentials?limit=-1"))[
                        "data"]}, set(made))
                self.site.kill_pool()
                self.assertEqual(os.path.exists(self.site.db + "-wal"), journal == "wal")
        self.restart("rollback")
        self.assertEqual(
            {row["id"] for row in self.ok(self.env.get("registrycredentials?limit=-1"))["data"]},
            set(made))
        self.assertEqual(self.site.sql("PRAGMA integrity_check"), [("ok",)])

    def test_a_command_that_changes_it_under_a_pool(self):
        """To a log SQLite lets everyone change at once; back only if nobody else has it open."""
        self.restart("rollback")
        self.site.cli("init", "--state-dir", self.site.state, "--journal", "wal")
        made = [self.ok(self.create(), 201)["id"] for _ in range(20)]
        self.assertEqual(self.mode(), "wal")
        done = subprocess.run([harness.program("regcred"), "init", "--state-dir", self.site.state,
                               "--journal", "rollback"],
                              env=self.site.environ(), capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("nobody else may use it while", done.stderr)
        made += [self.ok(self.create(), 201)["id"] for _ in range(20)]
        self.restart("rollback")
        self.assertEqual(self.mode(), "rollback")
        self.assertEqual(
            {row["id"] for row in self.ok(self.env.get("registrycredentials?limit=-1"))["data"]},
            set(made))

    def test_reads_beside_writers(self):
        """Neither is refused: each waits for the other a moment."""
        wrong, written, read, stop = [], [], [], threading.Event()

        def write():
            while not stop.is_set():
                r = self.create()
                (written if r.status == 201 else wrong).append(r)

        def look():
            while not stop.is_set():
                r = self.env.get("registrycredentials?limit=5", check=False)
                (read if r.status == 200 else wrong).append(r)
        threads = [threading.Thread(target=f) for f in [write] * 6 + [look] * 6]
        for t in threads:
            t.start()
        try:
            self.assertTrue(harness.wait_until(lambda: wrong
                                               or (len(written) >= 150 and len(read) >= 150), 60))
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual([repr(r) for r in wrong], [])
        self.assertLessEqual({r.json["id"] for r in written},
                             {row["id"]
                              for row in self.ok(self.env.get("registrycredentials?limit=-1"))[
                                  "data"]})


class Fuse(unittest.TestCase):
    """What is reached through FUSE counts as a network: found out, not configured."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="rc-fuse-")
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        below, self.state = os.path.join(self.root, "below"), os.path.join(self.root, "state")
        os.mkdir(below)
        os.mkdir(self.state)
        if shutil.which("bindfs") is None:
            self.skipTest("bindfs is not installed")
        done = subprocess.run(["bindfs", below, self.state], capture_output=True, text=True,
                              timeout=20, check=False)
        if done.returncode != 0:
            self.skipTest("FUSE cannot be mounted here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", self.state], check=False)

    def run_cli(self, *words):
        env = {k: v for k, v in os.environ.items() if not k.startswith("REGCRED_")}
        return subprocess.run([harness.program("regcred"), *words, "--state-dir", self.state],
                              env=env, capture_output=True, text=True,
                              timeout=60, check=True)

    def test_auto_takes_the_rollback_journal(self):
        self.assertIn("lies on FUSE", self.run_cli("init").stderr)
        self.assertIn("journal: rollback, on the network file system FUSE\n",
                      self.run_cli("check").stdout)
        self.run_cli("account", "add", "--kind", "user", "--name", "fuse")
        self.assertIn("fuse", self.run_cli("account", "list").stdout)

"""A full disk: what needs room gets 507, reading goes on, logins can still be withdrawn, and with
room everything goes on by itself."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness

SIZE, MIN_FREE = 32 << 20, 8 << 20
ROUNDS = 10 if os.environ.get("REGCRED_LONG") else 2
site = None


def setUpModule():
    """The database, and nothing else of the site, lies on a small disk of its own."""
    global site, small
    small = tempfile.mkdtemp(prefix="rc-small-")
    unittest.addModuleCleanup(shutil.rmtree, small, ignore_errors=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "regcred-test", small],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest("a small tmpfs cannot be mounted here: " + done.stderr.strip())
    unittest.addModuleCleanup(subprocess.run, ["umount", small], check=False)
    database = os.path.join(small, "regcred.db")
    site = harness.Site(workers=2, threads=4, options=["--sweep-every-s", "1"], environment={
        "REGCRED_DATABASE": database, "REGCRED_MIN_FREE_BYTES": str(MIN_FREE)})
    site.start()
    site.db = database
    unittest.addModuleCleanup(site.stop)


class Alone(unittest.TestCase):
    """A CGI that opens the database alone, on a full disk."""

    def setUp(self):
        self.database = os.path.join(small, "alone.db")
        self.state = tempfile.mkdtemp(prefix="rc-alone-")
        self.addCleanup(shutil.rmtree, self.state)
        self.filler = os.path.join(small, "filler")
        self.addCleanup(self.clear)
        self.env = {"PATH": os.environ["PATH"], "REGCRED_STATE_DIR": self.state,
                    "REGCRED_DATABASE": self.database,
                    "REGCRED_MIN_FREE_BYTES": "65536"}
        subprocess.run([harness.program("regcred"), "init"], env=self.env, check=True,
                       capture_output=True, timeout=60)

    def clear(self):
        for name in os.listdir(small):
            if name.startswith(("alone", "filler")):
                os.unlink(os.path.join(small, name))

    def get(self, path):
        env = dict(self.env, REQUEST_METHOD="GET", REQUEST_URI=path, PATH_INFO=path, SCRIPT_NAME="",
                   SERVER_NAME="x", HTTP_HOST="x",
                   SERVER_PROTOCOL="HTTP/1.1", GATEWAY_INTERFACE="CGI/1.1", QUERY_STRING="")
        done = subprocess.run([harness.program("regcredd")], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60,
                              check=False)
        head = done.stdout.split("\r\n", 1)[0]
        return int(head.split()[1]) if head.startswith("Status:") else 200

    def fill(self):
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while f.write(b"\0" * 4096):
                    pass
            except OSError:
                pass

    def test_it_says_so(self):
        self.fill()
        self.assertEqual([self.get("/ping") for _ in range(3)], [507] * 3)
        os.unlink(self.filler)
        self.assertEqual(self.get("/ping"), 200)


class Full(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.env = self.p.env
        self.registry = self.p.registry()["id"]
        self.filler = os.path.join(small, "filler")

    def tearDown(self):
        if os.path.exists(self.filler):
            os.unlink(self.filler)
        self.until(lambda: self.create().status == 201)
        super().tearDown()

    def until(self, holds, seconds=20):
        self.assertTrue(harness.wait_until(holds, seconds), "it did not come to that")

    def free(self):
        fs = os.statvfs(small)
        return fs.f_bavail * fs.f_frsize

    def fill(self, leave=0):
        """Takes all the room there is but so much."""
        with open(self.filler, "ab", buffering=0) as f:
            try:
                while self.free() > leave:
                    f.write(b"\0" * min(65536, self.free() - leave))
            except OSError:
                pass
        self.assertLessEqual(self.free(), leave)

    def full(self):
        """Each process has seen that too little is left."""
        # again: a log that is emptied gives room back
        self.fill(leave=MIN_FREE - 65536)
        return all(self.create().status == 507 for _ in range(16))

    def create(self):
        return self.env.post("registrycredentials",
                             {"registryId": self.registry, "publicValue": "u", "email": "e@x",
                                                     "secretValue": self.site.plant()})

    def refused(self, response):
        body = self.err(response, 507, "Insufficient Storage")
        self.assertIn("Free space", body["detail"])

    def withdraw(self, login):
        path = "registrycredentials/" + login
        self.status(self.env.action(path, "deactivate"), 202)
        self.status(self.env.delete(path), 200)

    def said(self, text):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return sum(text in line for line in f)

    def test_rounds(self):
        known = set()
        for number in range(ROUNDS):
            with self.subTest(round=number):
                self.one_round(known)

    def one_round(self, known):
        made = [self.ok(self.create(), 201)["id"] for _ in range(40)]
        self.until(self.full)
        # From now on nothing that takes room is done, and everything else is.
        for _ in range(3):
            self.refused(self.create())
            self.refused(self.env.put("registrycredentials/" + made[0],
                                      {"description": "x" * 1000}))
            self.refused(self.env.post("registries", {"serverAddress": "full.example.test"}))
            self.ok(self.env.get("registrycredentials/" + made[0]))
            self.assertEqual(self.ok(self.env.get("registrycredentials?limit=-1"))["type"],
                             "collection")
        self.assertEqual(self.env.get("/ping", check=False).status, 200)
        self.assertEqual(self.ok(self.env.get("registrycredentials/" + made[0]))["description"],
                         None)
        for login in made[:30]:
            self.withdraw(login)
        os.unlink(self.filler)
        self.until(lambda: self.create().status == 201)
        rows = {row["id"]: row["state"]
                for row in self.ok(self.env.get("registrycredentials?limit=-1&state_ne=removed"))[
                    "data"]}
        known.update(made[30:])
        self.assertLessEqual(known, set(rows))
        self.assertEqual({rows[login] for login in known}, {"active"})
        self.assertFalse(set(made[:30]) & {i for i, state in rows.items() if state == "active"})
        self.assertEqual(self.site.sql("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.site.sql("PRAGMA foreign_key_check"), [])

    def test_what_was_acknowledged_while_the_disk_filled_up_is_there(self):
        acknowledged, wrong, stop = [], [], threading.Event()

        def write():
            while not stop.is_set():
                r = self.env.post("registrycredentials",
                                  {"registryId": self.registry, "email": "e@x",
                                   "description": "y" * 200}, check=False)
                if r.status == 201:
                    acknowledged.append(r.json["id"])
                elif r.status != 507:
                    wrong.append(repr(r))
        threads = [threading.Thread(target=write) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            self.until(lambda: len(acknowledged) > 50)
            self.fill()
            self.until(lambda: self.create().status == 507)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(wrong, [])
        os.unlink(self.filler)
        self.until(lambda: self.create().status == 201)
        self.all_there(acknowledged)
        # The control: one that is lost is noticed.
        self.site.sql("DELETE FROM credential WHERE id = ?", (int(acknowledged[0][2:]),),
                      write=True)
        with self.assertRaises(AssertionError):
            self.all_there(acknowledged)

    def all_there(self, acknowledged):
        rows = {row["id"] for row in self.ok(self.env.get("registrycredentials?limit=-1"))["data"]}
        self.assertLessEqual(set(acknowledged), rows)

    def test_the_refusals_are_the_disk_s(self):
        """The control: with room, or without a disk that fills up, the same requests are 201."""
        for _ in range(3):
            self.ok(self.create(), 201)
        with self.assertRaises(AssertionError):
            self.refused(self.create())

    def test_the_mark_refuses_before_the_disk_is_full(self):
        before = self.said("nothing is created or updated")
        self.until(self.full)
        self.ok(self.env.get("registrycredentials"))
        for _ in range(20):
            self.refused(self.create())
        # Each process says it once, not with each request.
        self.assertLess(self.said("nothing is created or updated") - before, 10)
        self.assertGreater(self.said("nothing is created or updated"), 0)

    def test_a_key_is_revoked_and_used_on_a_full_disk(self):
        """From the command line too; and a key whose last use cannot be noted works."""
        access, secret = self.site.new_key(self.p.admin)
        client = harness.Client(self.site, (access, secret), self.p.root)
        self.until(self.full)
        for _ in range(5):
            self.ok(client.get("registries"))
        self.site.cli("key", "revoke", access, "--state-dir", self.site.state)
        self.status(client.get("registries"), 401)

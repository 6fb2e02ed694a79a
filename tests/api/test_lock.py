"""The writers' lock is held by somebody who does not go on: changes end with 503 after a bounded
time, everything else goes on."""

import fcntl
import os
import re
import threading
import time
import unittest

import harness

TAKES_S = 25

WAIT_S = 5                 # of a writer for the lock
site = None


def setUpModule():
    global site
    site = harness.Site(workers=2, threads=4,
                        options=["--request-timeout-s", "3", "--sweep-every-s", "1"])
    site.start()
    unittest.addModuleCleanup(site.stop)


class Held(harness.Case):
    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.registry = self.p.registry()["id"]

    def hold(self, turn=False):
        """Holds the lock as a stopped process does, or the turn that is taken before it; a function
        that lets it go."""
        fd = os.open(self.site.db + ".lock", os.O_RDWR | os.O_CLOEXEC)
        if turn:
            fcntl.lockf(fd, fcntl.LOCK_EX, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX)
        self.addCleanup(lambda: fd in self.open and (self.open.remove(fd), os.close(fd)))
        self.open.append(fd)
        return lambda: (self.open.remove(fd), os.close(fd))

    open = []

    def create(self, answers):
        began = time.monotonic()
        answer = self.p.env.post("registrycredentials",
                                 {"registryId": self.registry, "publicValue": "u", "email": "e@x", "secretValue": "s"},
                                 check=False)
        answers.append((answer, time.monotonic() - began))

    def check_held(self, turn):
        pid = os.getpid()
        let_go = self.hold(turn)
        answers = []
        # of eight threads
        threads = [threading.Thread(target=self.create, args=(answers,)) for _ in range(6)]
        for t in threads:
            t.start()
        end = time.monotonic() + 2 * WAIT_S + 2
        while any(t.is_alive() for t in threads) and time.monotonic() < end:
            began = time.monotonic()
            self.assertEqual(self.site.admin.get("/ping", check=False).status, 200)
            self.ok(self.p.env.get("registries/" + self.registry))
            self.assertLess(time.monotonic() - began, 2)
            time.sleep(0.1)
        for t in threads:
            t.join()
        for answer, took in answers:
            self.status(answer, 503)
            self.assertIn(("Retry-After", "5"), answer.headers)
            self.assertLess(took, 2 * WAIT_S + 1)
        if not turn:
            with open(self.site.log, encoding="utf-8", errors="replace") as f:
                self.assertIn("held by process %d" % pid, f.read())
        let_go()
        answers.clear()
        self.create(answers)
        self.status(answers[0][0], 201)
        # Nobody was taken for hanging.
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            self.assertIsNone(re.search("has hung|killed", f.read()))

    def test_the_lock(self):
        self.check_held(False)

    def test_the_turn_at_the_lock(self):
        self.check_held(True)

    def test_a_command_and_a_start_end_with_a_sentence(self):
        let_go = self.hold()
        state = ["--state-dir", self.site.state]
        for words in (["key", "create", "--account", "1a1"], ["init"]):
            began = time.monotonic()
            done = self.site.cli(*words, *state, check=False)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertLess(time.monotonic() - began, 3 * WAIT_S)
            self.assertNotIn("Sanitizer", done.stderr)
        self.assertIn("process %d" % os.getpid(), done.stderr)
        for words in (["key", "list"], ["status"]):
            began = time.monotonic()
            self.site.cli(*words, *state)
            self.assertLess(time.monotonic() - began, 3)
        let_go()
        self.site.cli("key", "create", "--account", "1a1", *state)


if __name__ == "__main__":
    unittest.main()

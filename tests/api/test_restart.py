"""Ends and beginnings: a restart right after an action loses nothing, a wrong key refuses to
start."""

import os
import shutil
import signal
import sqlite3
import subprocess

import harness

setUpModule, tearDownModule = harness.site_of(globals())


def said(done):
    """The lines that a program printed; the warning about running as root, which tests often do,
    does not count."""
    return [line for line in (done.stderr + done.stdout).splitlines() if line.strip()
            and "running as root" not in line]


class Restart(harness.Case):
    def setUp(self):
        super().setUp()
        self.site.deaths_allowed = True
        self.p = self.site.project()
        self.env = self.p.env

    def tearDown(self):
        self.site.remember_children()
        super().tearDown()

    def restart(self):
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()

    def cred(self):
        return "registrycredentials/" + self.p.credential(self.p.registry())["id"]

    def test_F8_restart_right_after_an_action(self):
        for end in ("term", "kill"):
            path = self.cred()
            self.status(self.env.action(path, "deactivate"), 202)
            if end == "term":
                self.assertEqual(self.site.stop_pool(), 0)
            else:
                self.site.kill_pool()
            self.restart()
            body = self.ok(self.env.get(path))
            self.assertEqual((body["state"], body["transitioning"]), ("inactive", "no"), end)

    def test_sigterm_is_clean(self):
        children = self.site.children()
        self.assertEqual(self.site.stop_pool(signal.SIGTERM), 0)
        self.assertEqual([pid for pid in children if harness.alive(pid)], [])
        r = self.site.anonymous().get("/v1", check=False)
        self.assertIn(r.status, (502, 503))
        self.assertTrue((r.header("Content-Type") or "").startswith("application/json"), r)
        self.assertEqual((r.json["type"], r.json["status"]), ("error", r.status))
        self.restart()
        self.status(self.env.get("registries"), 200)


class WrongKey(harness.Case):
    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.site.root, "copy")
        self.site.cli("init", "--state-dir", self.state)
        self.key = os.path.join(self.state, "master.key")

    def tearDown(self):
        shutil.rmtree(self.state)
        super().tearDown()

    def content(self):
        """Everything in the copy's database, as SQL text."""
        connection = sqlite3.connect(os.path.join(self.state, "regcred.db"))
        try:
            return list(connection.iterdump())
        finally:
            connection.close()

    def refused(self, *words):
        """regcredd must end by itself, not with 0, and say one line."""
        before = self.content()
        done = subprocess.run([harness.program("regcredd"), "--state-dir", self.state, *words],
                              env=self.site.environ(), capture_output=True,
                              text=True, timeout=20)
        self.assertGreater(done.returncode, 0, "ended by a signal or with 0: %s" % done.stderr)
        lines = said(done)
        self.assertEqual(len(lines), 1, lines)
        self.assertEqual(self.content(), before)
        return lines[0]

    def test_key_of_another_database(self):
        other = os.path.join(self.site.root, "other")
        self.site.cli("init", "--state-dir", other)
        os.replace(os.path.join(other, "master.key"), self.key)
        line = self.refused()
        self.assertIn("key", line.lower())
        shutil.rmtree(other)

    def test_key_is_missing(self):
        os.unlink(self.key)
        self.assertIn("key", self.refused().lower())

    def test_key_is_garbage(self):
        for text in (b"", b"x", b"\0" * 64, b"garbage " * 100):
            os.chmod(self.key, 0o600)
            with open(self.key, "wb") as f:
                f.write(text)
            os.chmod(self.key, 0o400)
            self.assertIn("key", self.refused().lower())

    def test_key_is_open_to_others(self):
        os.chmod(self.key, 0o644)
        self.assertIn("key", self.refused().lower())

    def test_files_are_private(self):
        for name in os.listdir(self.state):
            mode = os.stat(os.path.join(self.state, name)).st_mode & 0o777
            self.assertEqual(mode & 0o007, 0, name)
            if name.startswith("regcred.db") or name == "master.key":
                self.assertEqual(mode & 0o077, 0, "%s %o" % (name, mode))

    def test_no_database(self):
        done = subprocess.run([harness.program("regcredd"), "--state-dir",
                               os.path.join(self.site.root, "nowhere")], env=self.site.environ(),
                              capture_output=True, text=True, timeout=20)
        self.assertGreater(done.returncode, 0)
        self.assertEqual(len(said(done)), 1, done.stderr)

    def test_init_twice_keeps_everything(self):
        before = self.content()
        with open(self.key, "rb") as f:
            key = f.read()
        self.site.cli("init", "--state-dir", self.state, check=False)
        with open(self.key, "rb") as f:
            self.assertEqual(f.read(), key)
        self.assertEqual(self.content(), before)

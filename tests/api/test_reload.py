"""Reloads: SIGHUP reads the settings again and replaces the workers; what is wrong leaves
everything as it was.  A new program comes by a restart, during which whoever holds the socket keeps
the queue.

20 reloads and 5 restarts under load, in `make check-long` 200 and 50, the reloads under at least
50,000 requests; REGCRED_SEED repeats a run's pauses.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import time
import unittest

import harness
import test_pool
from test_pool import Load, Pool, PoolCase, ask, wait_until

set_up_site, tearDownModule = harness.site_of(globals(), workers=2, threads=4)

LONG = bool(os.environ.get("REGCRED_LONG"))
# at least so many requests while they go on
RELOADS, REQUESTS = (200, 50000) if LONG else (20, 0)
RESTARTS = 50 if LONG else 5
SEED = int(os.environ.get("REGCRED_SEED") or random.SystemRandom().randrange(1 << 32))


def setUpModule():
    set_up_site()
    test_pool.site, test_pool.project = site, site.project()


class Configured:
    """A pool whose settings file a test may replace."""

    def __init__(self, text="", workers=1):
        self.conf = os.path.join(site.root, "reload%d.conf" % (Pool.serial + 1))
        self.configure(text)
        self.pool = Pool("--config", self.conf, workers=workers)

    def configure(self, text):
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def reload(self, text, seconds=20):
        """SIGHUP; waits for a line with that text in what is logged from then on, and gives all of
        that."""
        known = len(self.pool.text())
        self.pool.process.send_signal(signal.SIGHUP)
        if not wait_until(lambda: text in self.pool.text()[known:], seconds):
            raise AssertionError("no %r in: %s" % (text, self.pool.text()[known:]))
        return self.pool.text()[known:]

    def __enter__(self):
        self.pool.__enter__()
        return self

    def __exit__(self, *args):
        self.pool.__exit__(*args)


class Reload(PoolCase):
    def replaced(self, program, before):
        self.assertTrue(wait_until(lambda: not set(before) & set(program.pool.children())),
                        program.pool.text())

    def kept(self, program, before):
        self.assertEqual(sorted(program.pool.children()), sorted(before))
        self.assertIsNone(program.pool.process.poll())
        self.assertEqual(ask(program.pool.socket).status, 401)

    def test_new_settings_count(self):
        with Configured("base_url = http://old.example.test\n") as p:
            before, pid = p.pool.children(), p.pool.process.pid
            self.assertIn("http://old.example.test", ask(p.pool.socket).headers["X-API-Schemas"])
            p.configure("base_url = http://new.example.test\nauth_failures = 3\n")
            p.reload(" ready: ")
            self.replaced(p, before)
            self.assertIn("http://new.example.test", ask(p.pool.socket).headers["X-API-Schemas"])
            with open(p.pool.pid_file, encoding="ascii") as f:
                self.assertEqual(int(f.read()), pid)
            self.assertEqual(p.pool.process.pid, pid)

    def test_the_number_of_workers_follows_the_file(self):
        state = os.path.join(self.site.root, "counted")
        self.site.cli("init", "--state-dir", state)
        conf = os.path.join(self.site.root, "counted.conf")

        def configure(workers):
            with open(conf, "w", encoding="utf-8") as f:
                f.write("state_dir = %s\nworkers = %d\nthreads = 2\n" % (state, workers))
        configure(1)
        with open(os.path.join(self.site.root, "counted.log"), "wb") as log:
            master = subprocess.Popen([harness.program("regcredd"), "--config", conf],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                      env=self.site.environ(), preexec_fn=harness.end_with_parent)

        def children():
            with open("/proc/%d/task/%d/children" % (master.pid, master.pid),
                      encoding="ascii") as f:
                return set(f.read().split())
        address = os.path.join(state, "regcredd.sock")
        try:
            self.assertTrue(wait_until(lambda: len(children()) == 1 + harness.OTHERS
                                       and os.path.exists(address)))
            for workers in (4, 2, 1, 3):
                self.assertEqual(ask(address).status, 401)
                before = children()
                configure(workers)
                master.send_signal(signal.SIGHUP)
                self.assertTrue(wait_until(lambda: not before & children() and len(children())
                                           == workers + harness.OTHERS), (workers, children()))
        finally:
            master.terminate()
            self.assertEqual(master.wait(60), 0)
            shutil.rmtree(state)

    def test_wrong_settings_leave_everything_as_it_was(self):
        with Configured("workers = 1\n") as p:
            for text, why in (("workers = none\n", "workers must be a whole number"),
                              ("no_such = 1\n", "unknown setting"),
                              ("base_url = ftp://x\n", "base_url must begin with"), ("key_file = /no/such/key\n", "/no/such/key"),
                              ("proxy_auth = yes\n", "proxy_token_file"),
                              ("socket = /tmp/other.sock\n", "socket cannot be changed by a reload"),
                              ("core_dumps = yes\n", "core_dumps cannot be changed by a reload"),
                              ("database = /tmp/other.db\n", "database cannot be changed by a reload"),
                              ("socket_mode = 0600\n",
                               "socket_mode cannot be changed by a reload")):
                before = p.pool.children()
                p.configure(text)
                self.assertIn(why, p.reload("reload refused: "), text)
                self.kept(p, before)
            os.unlink(p.conf)
            p.reload("reload refused: ")
            p.configure("")
            p.reload(" ready: ")
            self.replaced(p, before)

    def test_the_program_stays_the_same_whatever_is_on_the_disk(self):
        """A package manager may be in the middle of its work."""
        copy = os.path.join(self.site.root, "copy")
        shutil.copy(harness.program("regcredd"), copy)
        real, harness.program = harness.program, lambda name: copy if name == "regcredd" else real(
            name)
        try:
            p = Configured()
        finally:
            harness.program = real
        with p:
            before = p.pool.children()
            os.unlink(copy)
            p.reload(" ready: ")
            self.replaced(p, before)

    def test_a_database_of_another_version_is_refused(self):
        """An upgrade that needs a migration is done by a restart."""
        with Configured() as p:
            connection = sqlite3.connect(os.path.join(p.pool.state, "regcred.db"))
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            before = p.pool.children()
            for other, why in ((version - 1, "stop regcredd and start it"),
                               (version + 1, "version %d" % (version + 1))):
                connection.execute("PRAGMA user_version = %d" % other)
                self.assertIn(why, p.reload("reload refused: "))
                self.kept(p, before)
            connection.execute("PRAGMA user_version = %d" % version)
            connection.close()
            p.reload(" ready: ")
            self.replaced(p, before)

    def test_an_end_in_the_middle_of_a_reload_is_an_end(self):
        for pause in (0, 0.005, 0.02, 0.05):
            with Configured() as p:
                p.pool.process.send_signal(signal.SIGHUP)
                time.sleep(pause)
                self.assertEqual(p.pool.stop(), 0)

    def test_a_new_process_that_dies_before_it_serves_ends_the_reload_and_the_old_ones_go_on(self):
        with Configured("base_url = http://old.example.test\n", workers=3) as p:
            self.assertTrue(wait_until(lambda: len(p.pool.children()) == 3 + harness.OTHERS))
            p.configure("base_url = http://new.example.test\n")
            for _ in range(50):
                known, before = len(p.pool.text()), set(p.pool.children())
                p.pool.process.send_signal(signal.SIGHUP)
                until = time.monotonic() + 5
                while len(set(p.pool.children()) - before) < 2 and time.monotonic() < until:
                    pass
                for pid in set(p.pool.children()) - before:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.assertTrue(wait_until(lambda: " ready: " in p.pool.text()[known:]
                                           or "reload refused" in p.pool.text()[known:]))
                if "a new process does not start" in p.pool.text()[known:]:
                    break
                p.configure("base_url = http://old.example.test\n")
                p.reload(" ready: ")
                self.assertTrue(wait_until(lambda: len(p.pool.children()) == 3 + harness.OTHERS))
                p.configure("base_url = http://new.example.test\n")
            else:
                self.skipTest("no new worker was killed before it was ready: "
                              + p.pool.text()[known:])
            self.assertTrue(wait_until(lambda: set(p.pool.children()) == before),
                            p.pool.text()[known:])
            # and who dies now is started again, with the settings of before
            for pid in before:
                os.kill(pid, signal.SIGKILL)
                self.assertTrue(wait_until(lambda: pid not in p.pool.children()
                                           and len(p.pool.children()) == 3 + harness.OTHERS),
                                           p.pool.text()[known:])
                self.assertIn("http://old.example.test",
                              ask(p.pool.socket).headers["X-API-Schemas"])
            before = p.pool.children()
            p.reload(" ready: ")
            self.replaced(p, before)
            self.assertIn("http://new.example.test", ask(p.pool.socket).headers["X-API-Schemas"])

    def test_a_board_that_is_gone_makes_nobody_look_hung(self):
        """It may not have been there from the start: on a full disk the pool goes on without a
        file."""
        with Configured() as p:
            before = p.pool.children()
            os.unlink(os.path.join(p.pool.state, "regcredd.board"))
            text = p.reload(" ready: ")
            self.replaced(p, before)
            self.assertNotIn("has hung", p.pool.text(), text)
            self.assertNotIn(" died", p.pool.text(), text)
            self.assertEqual(p.pool.stop(), 0)

    def test_the_socket_stays_the_same_and_is_removed_at_the_end(self):
        with Configured() as p:
            made = os.lstat(p.pool.socket)
            for _ in range(3):
                p.reload(" ready: ")
                wait_until(lambda: len(p.pool.children()) == 1 + harness.OTHERS)
            now = os.lstat(p.pool.socket)
            self.assertEqual((now.st_ino, stat.S_IMODE(now.st_mode)),
                             (made.st_ino, stat.S_IMODE(made.st_mode)))
            self.assertEqual(p.pool.stop(), 0)
            self.assertFalse({"regcredd.sock", "regcredd.board",
                              "pid"} & set(os.listdir(p.pool.state)))


class UnderLoad(PoolCase):
    def test_reloads_under_load_fail_no_request(self):
        site, chance = self.site, random.Random(SEED)
        print("seed %d" % SEED, flush=True)
        self.assertTrue(wait_until(self.all_ready))
        known, counted = len(self.site_log()), self.reloads()
        with Load(8) as load:
            for i in range(RELOADS):
                before = set(site.children())
                site.pool.send_signal(signal.SIGHUP)
                self.assertTrue(wait_until(lambda: not before & set(site.children())
                                           and self.all_ready(), 60), site.children())
                time.sleep(chance.random() * 0.05)
                while sum(load.statuses.values()) < REQUESTS * (i + 1) / RELOADS:
                    time.sleep(0.01)
        print("%d reloads under %d requests: %s" % (RELOADS, sum(load.statuses.values()),
                                                    dict(load.statuses)))
        self.assertLessEqual(set(load.statuses), {200, 201}, load.statuses)
        self.all_rows_there(load.created)
        self.assertNotIn(" died", self.site_log(known))
        self.assertEqual(self.reloads() - counted, RELOADS)

    def test_restarts_under_load_fail_no_request_if_another_holds_the_socket(self):
        """As systemd's socket unit and a supervisor do: a new program comes so."""
        site = self.site
        site.stop_pool()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(site.socket)
            os.chmod(site.socket, 0o666)
            listener.listen(1024)
            site.listener = listener
            try:
                site.start_pool()
                self.assertTrue(wait_until(self.all_ready))
                with Load(8) as load:
                    for _ in range(RESTARTS):
                        asked = sum(load.statuses.values())
                        site.pool.terminate()
                        self.assertEqual(site.pool.wait(60), 0)
                        site.start_pool()
                        self.assertTrue(wait_until(lambda: self.all_ready()
                                                   and sum(load.statuses.values()) > asked + 20,
                                                   60))
            finally:
                site.listener = None
        print("%d restarts under %d requests: %s" % (RESTARTS, sum(load.statuses.values()),
                                                     dict(load.statuses)))
        self.assertLessEqual(set(load.statuses), {200, 201}, load.statuses)
        self.all_rows_there(load.created)
        site.pool.terminate()
        site.pool.wait(60)
        os.unlink(site.socket)
        site.start_pool()
        site.wait_ready()

    def test_the_count_of_failures_fails_when_there_is_one(self):
        """The negative control: the same look at a pool that is killed under load."""
        site = self.site
        with Load(4) as load:
            os.kill(self.workers()[0], signal.SIGKILL)
            self.assertTrue(wait_until(lambda: set(load.statuses) - {200, 201} or self.all_ready()))
            site.stop_pool()
            self.assertTrue(wait_until(lambda: set(load.statuses) - {200, 201}))
        with self.assertRaises(AssertionError):
            self.assertLessEqual(set(load.statuses), {200, 201})
        site.start_pool()
        site.wait_ready()

    def reloads(self):
        """As /metrics counts them."""
        text = self.site.anonymous().get("/metrics", check=False).text
        return int(text.split("\nregcred_reloads_total ")[1].split("\n")[0])


if __name__ == "__main__":
    unittest.main()

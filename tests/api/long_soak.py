"""Ten minutes at 60 % of what the pool can do, measured just before by the same clients: a third of
the time with reloads, the rest without,
with backups and new master keys all along.  No answer of the 5xx, flat memory and descriptors, a
write-ahead log of 16 MB at most.

REGCRED_SOAK_S: another number of seconds.  Not in `make check`: its name does not begin with
"test_".
"""

import glob
import json
import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time

import harness

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=16,
                                              options=["--sweep-every-s", "5"])

SECONDS = int(os.environ.get("REGCRED_SOAK_S", "600"))
PROCESSES, THREADS = 2, 8
SHARE = 0.6
WAL_MAX = 16 * 1024 * 1024
# of the private memory of a process, and a tenth of what it had
GROWTH_MAX = 2 * 1024 * 1024


class Load:
    """The life of credentials, again and again, from several processes; at a rate in all, or as
    fast as it goes (0)."""

    def __init__(self, site, project, registry, rate, seconds):
        self.port, self.rate, self.until = site.port, rate, time.monotonic() + seconds
        self.head = ("Host: 127.0.0.1:%d\r\nUser-Agent: soak\r\nAuthorization: %s\r\n"
                     % (site.port, project.env.authorization())).encode()
        self.root, self.registry = project.root, registry
        context = multiprocessing.get_context("fork")
        self.pipes, self.children = [], []
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=self.run, args=(theirs,), daemon=True)
            child.start()
            theirs.close()
            self.pipes.append(ours)
            self.children.append(child)

    def run(self, pipe):
        self.counts, self.wrong, self.lock = {}, [], threading.Lock()
        threads = [threading.Thread(target=self.work) for _ in range(THREADS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        pipe.send((self.counts, self.wrong[:20]))

    def work(self):
        connection = harness.Connection(self.port)
        pause = PROCESSES * THREADS / self.rate if self.rate else 0
        due = time.monotonic()
        turn = 0
        made = None
        while time.monotonic() < self.until:
            if pause:
                due += pause
                time.sleep(max(0, due - time.monotonic()))
            method, path, body, wanted = self.step(turn, made)
            data = json.dumps(body).encode() if body is not None else b""
            head = ("%s %s/%s HTTP/1.1\r\n" % (method, self.root, path)).encode() + self.head
            if method in ("POST", "PUT"):
                head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(data)
            try:
                status, _, answer = connection.exchange(method, head + b"\r\n" + data)
            # a connection that broke is a request that failed
            except Exception as problem:
                status, answer = 0, repr(problem).encode()
            with self.lock:
                self.counts[status] = self.counts.get(status, 0) + 1
                if status != wanted:
                    self.wrong.append("%s %s: %d %s" % (method, path, status, answer[:200]))
            if status != wanted:
                turn, made = 0, None
                continue
            if turn == 0:
                made = json.loads(answer)["id"]
            turn = (turn + 1) % 8
        connection.close()

    def step(self, turn, made):
        """Method, path, body and the status of the answer."""
        path = "registrycredentials/%s" % made
        return (("POST", "registrycredentials",
                 {"registryId": self.registry, "email": "e@example.test", "publicValue": "ci",
                                                 "secretValue": harness.PLANT + "soak"}, 201),
                ("GET", path, None, 200),
                ("GET", "registrycredentials?limit=20&sort=created&order=desc", None, 200),
                ("PUT", path, {"name": "renamed", "secretValue": harness.PLANT + "again"}, 200),
                ("GET", path + "/registry", None, 200),
                ("POST", path + "?action=deactivate", {}, 202),
                ("DELETE", path, None, 200),
                ("POST", path + "?action=purge", {}, 202))[turn]

    def running(self):
        return any(child.is_alive() for child in self.children)

    def end(self):
        """{status: count}, and what was wrong."""
        counts, wrong = {}, []
        for pipe, child in zip(self.pipes, self.children):
            part, problems = pipe.recv()
            wrong += problems
            for status, n in part.items():
                counts[status] = counts.get(status, 0) + n
            child.join()
        return counts, wrong


def private_bytes(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s*(\d+) kB", f.read()).group(1)) * 1024


class Soak(harness.Case):
    def processes(self):
        return [self.site.pool.pid] + sorted(self.site.children())

    def descriptors(self):
        return {pid: len(os.listdir("/proc/%d/fd" % pid)) for pid in self.processes()}

    def memory(self):
        return {pid: private_bytes(pid) for pid in self.processes()}

    def backup(self):
        name = os.path.join(self.site.root, "backup.db")
        self.site.cli("backup", "--force", name, "--state-dir", self.site.state)
        check = sqlite3.connect(name)
        self.assertEqual(check.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        check.close()
        self.backups += 1

    def rekey(self):
        self.site.cli("rekey", "--state-dir", self.site.state)
        self.rekeys += 1

    def reload(self):
        before = set(self.site.children())
        self.site.pool.send_signal(signal.SIGHUP)
        until = time.monotonic() + 30
        while set(self.site.children()) & before and time.monotonic() < until:
            time.sleep(0.05)
        self.assertFalse(set(self.site.children()) & before, "a reload did not end")
        self.reloads += 1

    def watch(self, seconds, chores, early=None):
        """A load for that long, with chores: (function, seconds between two).  early() is called
        after a fifth of it."""
        begun = time.monotonic()
        load = Load(self.site, self.p, self.registry, self.rate, seconds)
        due = [begun + every / 2 for _, every in chores]
        told = 0
        while load.running() and not all(pipe.poll() for pipe in load.pipes):
            time.sleep(0.2)
            now = time.monotonic()
            for path in glob.glob(self.site.db + "-wal"):
                self.wal = max(self.wal, os.path.getsize(path))
            for i, (chore, every) in enumerate(chores):
                if now >= due[i] and now < begun + seconds - 2:
                    chore()
                    due[i] = time.monotonic() + every
            if early and now > begun + seconds / 5:
                early()
                early = None
            if now - told > 5:
                told = now
                print("long_soak: %d of %d" % (self.passed + now - begun, SECONDS), flush=True)
        self.passed += seconds
        counts, wrong = load.end()
        for status, n in counts.items():
            self.counts[status] = self.counts.get(status, 0) + n
        self.wrong += wrong
        return sum(counts.values()) / seconds

    def setUp(self):
        super().setUp()
        self.p = self.site.project()
        self.registry = self.p.registry()["id"]
        self.counts, self.wrong, self.wal, self.rate, self.passed = {}, [], 0, 0, -5
        self.backups = self.rekeys = self.reloads = 0

    def judge(self, seen):
        """What has to hold; before and after are {process: number}."""
        self.assertEqual(seen["wrong"], [])
        self.assertLessEqual(seen["wal"], WAL_MAX)
        self.assertEqual(seen["master"][1], seen["master"][0], "descriptors of the master")
        self.assertEqual(seen["descriptors"][1], seen["descriptors"][0])
        before, after = seen["memory"]
        self.assertEqual(set(after), set(before))
        for pid, bytes_after in after.items():
            self.assertLessEqual(bytes_after, before[pid] * 1.1 + GROWTH_MAX, "process %d" % pid)

    def test_the_pool_bears_sixty_percent_for_ten_minutes(self):
        capacity = self.watch(5, [])
        self.rate = capacity * SHARE
        every = max(5, min(30, SECONDS / 10))
        self.site.deaths_allowed = True
        # A reload executes the master, which then keeps a descriptor or two of its own: so the
        # first one does not count.
        self.reload()
        master = self.descriptors()[self.site.pool.pid]
        first = self.watch(SECONDS / 3, [(self.reload, every), (self.backup, every),
                                         (self.rekey, every * 2)])
        self.site.remember_children()
        self.site.deaths_allowed = False

        descriptors, memory = self.descriptors(), {}
        second = self.watch(SECONDS * 2 / 3, [(self.backup, every), (self.rekey, every * 2)],
                            lambda: memory.update(self.memory()))
        after, descriptors_after = self.memory(), self.descriptors()
        print("capacity %.0f requests/s, then %.0f and %.0f; %d reloads, %d backups, %d new "
              "keys\nanswers %s; WAL at most %.1f MB\n"
              "private memory of master and children, kB: %s, then %s\ndescriptors: %s, then %s"
              % (capacity, first, second, self.reloads, self.backups, self.rekeys,
                 dict(sorted(self.counts.items())), self.wal / 1e6,
                 [v // 1024 for v in memory.values()], [v // 1024 for v in after.values()],
                 list(descriptors.values()), list(descriptors_after.values())), flush=True)
        self.judge({"wrong": self.wrong, "wal": self.wal,
                    "master": (master, descriptors_after[self.site.pool.pid]),
                    "descriptors": (descriptors, descriptors_after), "memory": (memory, after)})
        self.assertTrue(self.backups and self.rekeys and self.reloads)
        check = subprocess.run([harness.program("regcred"), "check", "--state-dir",
                                self.site.state], capture_output=True, text=True,
                               env=self.site.environ(), timeout=60, check=False)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_the_look_fails_when_something_grows_or_is_refused(self):
        """The negative control: a reader that holds the log back, a pool that is killed, and
        numbers that rose."""
        good = {"wrong": [], "wal": 0, "master": (9, 9), "descriptors": ({1: 9}, {1: 9}),
                "memory": ({1: 1 << 20}, {1: 1 << 20})}
        self.judge(good)
        for name, value in (("wrong", ["GET x: 503"]), ("wal", WAL_MAX + 1), ("master", (9, 10)),
                            ("descriptors", ({1: 9}, {1: 10})),
                            ("memory", ({1: 1 << 20}, {1: 4 << 20})),
                            ("memory", ({1: 1 << 20}, {2: 1 << 20}))):
            with self.subTest(name), self.assertRaises(AssertionError):
                self.judge(dict(good, **{name: value}))

        reader = sqlite3.connect(self.site.db, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM account").fetchone()
        for _ in range(12):
            self.watch(5, [])
            if self.wal > WAL_MAX:
                break
        reader.close()
        self.assertEqual(self.wrong, [])
        with self.assertRaises(AssertionError):
            self.judge(dict(good, wal=self.wal))

        self.site.deaths_allowed = True
        kill = threading.Timer(1, self.site.kill_pool)
        kill.start()
        self.watch(3, [])
        kill.join()
        self.site.start_pool()
        self.site.wait_ready()
        self.site.remember_children()
        with self.assertRaises(AssertionError):
            self.judge(dict(good, wrong=self.wrong))

"""Ten minutes at 60 % of what the pool can do, measured just before by the same clients: a third of the time with reloads, the rest without,
with backups and new master keys all along.  No answer of the 5xx, flat memory and descriptors, a write-ahead log of 16 MB at most.

REGCRED_SOAK_S: another number of seconds.  Not in `make check`: its name does not begin with "test_".
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

setUpModule, tearDownModule = harness.site_of(globals(), workers=2, threads=16, options=["--sweep-every-s", "5"])

SECONDS = int(os.environ.get("REGCRED_SOAK_S", "600"))
PROCESSES, THREADS = 2, 8
SHARE = 0.6
WAL_MAX = 16 * 1024 * 1024
GROWTH_MAX = 2 * 1024 * 1024                             # of the private memory of a process, and a tenth of what it had


class Load:
    """The life of credentials, again and again, from several processes; at a rate in all, or as fast as it goes (0)."""

    def __init__(self, site, project, registry, rate, seconds):
        self.port, self.rate, self.until = site.port, rate, time.monotonic() + seconds
        self.head = ("Host: 127.0.0.1:%d\r\nUser-Agent: soak\r\nAuthorization: %s\r\n" % (site.port, project.env.authorization())).encode()
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
            except Exception as problem:                 # a connection that broke is a request that failed
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
        return (("POST", "registrycredentials", {"registryId": self.registry, "email": "e@example.test", "publicValue": "ci",
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
        if os.path.exists(name):
            os.unlink(name)
        if self.has_backup:
            self.site.cli("backup", name, "--state-dir", self.site.state)
        else:
            connection = sqlite3.connect(self.site.db, timeout=30)
            connection.execute("VACUUM INTO ?", (name,))
            connection.close()
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
        """A load for that long, with chores: (function, seconds between two).  early() is called after a fifth of it."""
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

    def test_the_pool_bears_sixty_percent_for_ten_minutes(self):
        self.p = self.site.project()
        self.registry = self.p.registry()["id"]
        self.counts, self.wrong, self.wal, self.rate, self.passed = {}, [], 0, 0, -5
        self.backups = self.rekeys = self.reloads = 0
        self.has_backup = self.site.cli("backup", "--help", check=False).returncode == 0
        capacity = self.watch(5, [])
        self.rate = capacity * SHARE
        every = max(5, min(30, SECONDS / 10))
        self.site.deaths_allowed = True
        first = self.watch(SECONDS / 3, [(self.reload, every), (self.backup, every), (self.rekey, every * 2)])
        self.site.remember_children()
        self.site.deaths_allowed = False

        descriptors, memory = self.descriptors(), {}
        second = self.watch(SECONDS * 2 / 3, [(self.backup, every), (self.rekey, every * 2)], lambda: memory.update(self.memory()))
        after, descriptors_after = self.memory(), self.descriptors()
        print("capacity %.0f requests/s, then %.0f and %.0f; %d reloads, %d backups%s, %d new keys\nanswers %s; WAL at most %.1f MB\n"
              "private memory of master and children, kB: %s, then %s\ndescriptors: %s, then %s"
              % (capacity, first, second, self.reloads, self.backups, "" if self.has_backup else " (VACUUM INTO)", self.rekeys,
                 dict(sorted(self.counts.items())), self.wal / 1e6, [v // 1024 for v in memory.values()], [v // 1024 for v in after.values()],
                 list(descriptors.values()), list(descriptors_after.values())), flush=True)
        self.assertEqual(self.wrong, [])
        self.assertLessEqual(self.wal, WAL_MAX)
        self.assertEqual(descriptors_after, descriptors)
        self.assertEqual(set(after), set(memory))
        for pid, bytes_after in after.items():
            self.assertLessEqual(bytes_after, memory[pid] * 1.1 + GROWTH_MAX, "process %d" % pid)
        self.assertTrue(self.backups and self.rekeys and self.reloads)
        check = subprocess.run([harness.program("regcred"), "check", "--state-dir", self.site.state], capture_output=True, text=True,
                               env=self.site.environ(), timeout=60, check=False)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

"""Processes that hang: killed and replaced, while the others go on; and a lock that the dead one
held is free again."""

import fcntl
import json
import os
import signal
import sqlite3
import threading
import time
import unittest

import harness
import test_pool
from harness import threads_of
from test_pool import Pool, PoolCase, ask, wait_until

TAKES_S = 40

set_up_site, tearDownModule = harness.site_of(globals(), workers=1, threads=2)


def setUpModule():
    set_up_site()
    test_pool.site = site


def workers(pool):
    return [pid for pid in pool.children() if threads_of(pid) > pool.threads]


def holder_of(path):
    """The process that holds the flock on a file; None if nobody does."""
    inode = os.stat(path).st_ino
    with open("/proc/locks", encoding="ascii") as f:
        for line in f:
            words = line.split()
            if words[1] == "FLOCK" and int(words[5].split(":")[2]) == inode:
                return int(words[4])
    return None


def stop(pid):
    """Returns when all its threads stand still: one after the other sees the signal."""
    def still():
        states = []
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, thread), encoding="ascii") as f:
                states.append(f.read().rsplit(")", 1)[1].split()[0])
        return set(states) == {"T"}
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(still)


class Hang(PoolCase):
    def pool(self, *options):
        return Pool("--request-timeout-s", "2", *options, workers=2, threads=2)

    def stop_holder(self, pool, key, root):
        """Stops a worker that certainly holds the writers' lock: it waits for a transaction of ours
        then.  Its pid."""
        other = sqlite3.connect(os.path.join(pool.state, "regcred.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=ask, args=(pool.socket, "POST", root + "/registries",
                                                    b'{"serverAddress":"stuck.example.test"}'),
                                                    kwargs={"key": key})
        thread.start()
        self.addCleanup(thread.join)
        lock = os.path.join(pool.state, "regcred.db.lock")
        self.assertTrue(wait_until(lambda: holder_of(lock) in workers(pool)))
        victim = holder_of(lock)
        stop(victim)
        other.execute("ROLLBACK")
        other.close()
        self.assertEqual(holder_of(lock), victim)
        return victim

    def test_a_stopped_process_that_holds_the_writers_lock_is_killed_and_the_lock_is_free(self):
        with self.pool() as pool:
            key, root = pool.owner()
            victim = self.stop_holder(pool, key, root)
            found = []

            def write(n):
                body = json.dumps({"serverAddress": "w%d.example.test" % n}).encode()
                found.append(ask(pool.socket, "POST", root + "/registries", body, key=key).status)
            threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            # What the dead process had taken is lost; whoever waited in the other one for the lock
            # got it.
            self.assertLessEqual(set(found), {201, None}, found)
            self.assertIn("worker %d has hung for" % victim, pool.text())
            self.assertEqual(pool.text().count(" has hung for "), 1,
                             "one that only waited was killed too: " + pool.text())
            self.assertTrue(wait_until(lambda: len(workers(pool)) == 2))
            self.assertNotIn(victim, workers(pool))
            self.assertEqual(ask(pool.socket, "POST", root + "/registries",
                                 b'{"serverAddress":"after.example.test"}', key=key).status, 201)
            connection = sqlite3.connect(os.path.join(pool.state, "regcred.db"))
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            connection.close()

    def test_an_idle_process_that_is_stopped_is_replaced(self):
        with self.pool() as pool:
            for victim in (workers(pool)[0],
                           [p for p in pool.children() if p not in workers(pool)][0]):
                stop(victim)
                self.assertTrue(wait_until(lambda: victim not in pool.children()
                                           and len(pool.children()) == 2 + harness.OTHERS),
                                           pool.text())
            self.answers_direct(pool, 10)
            self.assertEqual(pool.text().count(" has hung for "), 2)

    def test_a_request_that_takes_too_long_costs_its_process_alone(self):
        with self.pool() as pool:
            key, root = pool.owner()
            first = set(workers(pool))
            other = sqlite3.connect(os.path.join(pool.state, "regcred.db"), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            self.assertIsNone(ask(pool.socket, "POST", root + "/registries",
                                  b'{"serverAddress":"late.example.test"}', key=key).status)
            other.execute("ROLLBACK")
            other.close()
            self.assertTrue(wait_until(lambda: len(workers(pool)) == 2))
            self.assertEqual(len(first & set(workers(pool))), 1)
            self.assertEqual(ask(pool.socket, "POST", root + "/registries",
                                 b'{"serverAddress":"late.example.test"}', key=key).status, 201)

    def test_whoever_waits_for_the_writers_lock_does_not_hang_and_loses_no_refused_sign_in(self):
        """Held by a process of someone else, for longer than a request may take, over the turn of a
        minute."""
        with self.pool() as pool:
            self.assertTrue(wait_until(lambda: len(workers(pool)) == 2))
            before = set(pool.children())
            lock = open(os.path.join(pool.state, "regcred.db.lock"), encoding="ascii")
            while time.time() % 60 > 50:
                time.sleep(0.5)
            for _ in range(5):
                self.assertEqual(ask(pool.socket, "GET", "/v1",
                                     key=("0123456789ABCDEF0123", "x")).status, 401)
            fcntl.flock(lock, fcntl.LOCK_EX)
            time.sleep(6)
            self.assertEqual(ask(pool.socket, "GET", "/ping").status, 200)
            self.assertEqual(set(pool.children()), before, pool.text())
            self.assertNotIn(" has hung", pool.text())
            lock.close()
            self.assertEqual(pool.stop(), 0)
            connection = sqlite3.connect(os.path.join(pool.state, "regcred.db"))
            self.assertEqual(connection.execute("SELECT sum(attempts) FROM audit_log WHERE "
                                                "event_type = 'signInRefused'").fetchone(), (5,))
            connection.close()

    def test_a_pool_that_was_stopped_as_a_whole_goes_on(self):
        with self.pool() as pool:
            before = set(pool.children())
            for pid in [pool.process.pid, *before]:
                stop(pid)
            time.sleep(5)
            for pid in [*before, pool.process.pid]:
                os.kill(pid, signal.SIGCONT)
            time.sleep(2.5)
            self.answers_direct(pool, 5)
            self.assertEqual(set(pool.children()), before, pool.text())

    def test_at_0_nobody_is_killed(self):
        with Pool("--request-timeout-s", "0", workers=1, threads=2) as pool:
            key, root = pool.owner()
            other = sqlite3.connect(os.path.join(pool.state, "regcred.db"), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            before = pool.children()
            answer = ask(pool.socket, "POST", root + "/registries",
                         b'{"serverAddress":"late.example.test"}', key=key)
            other.close()
            self.assertEqual(answer.status, 503)         # SQLite's own patience is over
            self.assertEqual(pool.children(), before)

    def test_an_end_does_not_wait_for_a_stopped_process_for_ever(self):
        with self.pool("--drain-timeout-s", "1") as pool:
            victim = workers(pool)[0]
            stop(victim)
            self.assertEqual(pool.stop(), 0)
            self.assertFalse(harness.alive(victim))
            self.assertIn("worker %d did not end in time: killed" % victim, pool.text())


if __name__ == "__main__":
    unittest.main()

"""The pool and the gateway: workers that die, ends and reloads under load, sockets, peers, and a
FastCGI client that does not play fair.

Load comes through nginx; everything else speaks FastCGI to a pool of its own, over its socket.
"""

import base64
import collections
import contextlib
import http.client
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
import validator
from harness import threads_of

set_up_site, tearDownModule = harness.site_of(globals(), workers=2, threads=4)

NOBODY = 65534
# seconds, of the pool that the unfair client talks to
READ_TIMEOUT = 1
# seconds that a slow machine may take longer
SLACK = 20

# FastCGI record types that a web server sends
BEGIN, ABORT, PARAMS, STDIN, GET_VALUES = 1, 2, 4, 5, 9
END, STDOUT = 3, 6                                       # and those that come back


def setUpModule():
    set_up_site()
    globals()["project"] = site.project()


# ---- a tiny FastCGI client

def record(kind, content=b"", request=1, version=1):
    return struct.pack(">BBHHBB", version, kind, request, len(content), 0, 0) + content


def begin(keep=False, role=1):
    return record(BEGIN, struct.pack(">HB5x", role, 1 if keep else 0))


def name_values(pairs):
    out = b""
    for name, value in ((n.encode(), v.encode()) for n, v in pairs):
        out += struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value
    return out


def stdin(body):
    return b"".join(record(STDIN, body[i:i + 60000]) for i in range(0, len(body), 60000))


def basic(key):
    return "Basic " + base64.b64encode(":".join(key).encode()).decode()


def request(method="GET", uri="/v1", body=b"", more=(), key=None, length=None, keep=False,
            end=True):
    """The bytes of a request.  more: further parameters, at the end; length: CONTENT_LENGTH, None
    for the right one, "" for none."""
    length = str(len(body)) if length is None else length
    pairs = [("REQUEST_METHOD", method), ("REQUEST_URI", uri),
             ("REGCRED_HOST", "direct.example.test"), ("REGCRED_SCHEME", "http"),
             ("REGCRED_PREFIX", ""), ("REMOTE_ADDR", "127.0.0.1")]
    pairs += [("HTTP_AUTHORIZATION", basic(key))] if key else []
    pairs += [("CONTENT_LENGTH", length)] if length != "" else []
    return begin(keep) + record(PARAMS, name_values(pairs + list(more))) + record(PARAMS) + stdin(
        body) + (record(STDIN) if end else b"")


class Answer:
    """What came back until the pool closed the connection; status is None if that was no whole
    answer."""

    def __init__(self, data):
        self.data, self.records, at = data, [], 0
        while at + 8 <= len(data):
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", data[at:at + 8])
            self.records.append((kind, data[at + 8:at + 8 + length]))
            at += 8 + length + padding
        whole = at == len(data) and any(kind == END for kind, _ in self.records)
        out = b"".join(content for kind, content in self.records if kind == STDOUT)
        head, _, self.body = out.partition(b"\r\n\r\n")
        self.headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")
                            if ": " in line)
        whole = whole and int(self.headers.get("Content-Length", "-1")) == len(self.body)
        self.status = int(self.headers["Status"].split()[0]) if whole else None

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%s %r" % (self.status, self.body[:300] if self.status else self.data[:300])


def dial(path, timeout=SLACK):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    s.connect(path)
    return s


def listen(directory, name):
    """A listening socket as a supervisor would make it."""
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.path.join(directory, name))
    s.listen(128)
    return s


def read_all(s):
    out = b""
    try:
        while True:
            data = s.recv(65536)
            if not data:
                return out
            out += data
    except (ConnectionResetError, BrokenPipeError):
        return out
    finally:
        s.close()


def ask(path, *args, **kw):
    """One request over a connection of its own."""
    s = dial(path)
    try:
        s.sendall(request(*args, **kw))
    except (BrokenPipeError, ConnectionResetError):
        pass
    return Answer(read_all(s))


wait_until = harness.wait_until


def state_of(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


class Pool:
    """A regcredd without nginx, in a state directory of its own below the site's."""

    serial = 0

    def __init__(self, *options, workers=1, threads=2, environment=(), **popen):
        Pool.serial += 1
        self.state = os.path.join(site.root, "pool%d" % Pool.serial)
        site.cli("init", "--state-dir", self.state)
        self.socket = os.path.join(self.state, "regcredd.sock")
        self.pid_file = os.path.join(self.state, "pid")
        self.log = os.path.join(self.state, "regcredd.log")
        self.words = ["--state-dir", self.state, "--pid-file", self.pid_file, "--workers",
                      str(workers), "--threads", str(threads)]
        self.workers, self.threads = workers, threads
        self.start(*options, environment=environment, **popen)

    def start(self, *options, environment=(), before=(), **popen):
        """before: a command that regcredd is started through."""
        known = len(self.text())
        popen = {"stdin": subprocess.DEVNULL, "preexec_fn": harness.end_with_parent, **popen}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*before, harness.program("regcredd"), *self.words,
                                             *options], stdout=log, stderr=log,
                                            env=dict(site.environ(), **dict(environment)), **popen)
        ready = wait_until(lambda: " ready: " in self.text()[known:]
                           or self.process.poll() is not None)
        if not ready or self.process.poll() is not None:
            self.kill()
            raise AssertionError("regcredd does not start: " + self.text()[known:])

    def text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def children(self):
        try:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid),
                      encoding="ascii") as f:
                return [int(word) for word in f.read().split()]
        except OSError:
            return []

    def kill(self):
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        text = self.text()
        shutil.rmtree(self.state)
        if kind is None and (status != 0 or "Sanitizer" in text or "runtime error:" in text):
            raise AssertionError("regcredd ended with %d: %s" % (status, text))

    def owner(self):
        """An administrator's key and the root of a new project, in which it may create."""
        lines = site.cli("key", "create", "--state-dir", self.state, "--account", "1a1", "--name",
                         "t").splitlines()
        key = tuple(line.split("=", 1)[1] for line in lines)
        site.key_secrets.append(key)
        return key, "/v1/projects/" + ask(self.socket, "POST", "/v1/projects", b'{"name":"p"}',
                                          key=key).json["id"]


def only_line(done):
    """The one line that a program printed; a warning about running as root does not count."""
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()
             and "running as root" not in line]
    if len(lines) != 1:
        raise AssertionError("%d lines: %r" % (len(lines), lines))
    return lines[0]


def run_regcredd(*words, environment=(), **popen):
    return subprocess.run([harness.program("regcredd"), *words],
                          env=dict(site.environ(), **dict(environment)), capture_output=True,
                          text=True, timeout=60, stdin=subprocess.DEVNULL, **popen)


class Load:
    """Client threads that ask through nginx, each on a kept connection, until the end of the with
    block; `statuses` counts the answers."""

    serial = 0

    def __init__(self, clients=6):
        Load.serial += 1
        self.serial = Load.serial
        self.statuses, self.created, self.stopped, self.lock = collections.Counter(), [], threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]

    def run(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=SLACK)
        headers = {"Authorization": basic(project.env.key)}
        path, turn = project.root + "/registries", 0
        while not self.stopped.is_set():
            turn += 1
            address = "load%d-%d-%d.example.test" % (self.serial, number, turn)
            try:
                if turn % 3 == 0:
                    connection.request("POST", path, json.dumps({"serverAddress": address}),
                                       headers)
                else:
                    connection.request("GET", path + "?limit=1", headers=headers)
                answer = connection.getresponse()
                status, body = answer.status, json.loads(answer.read())
            except (OSError, ValueError, http.client.HTTPException) as e:
                status, body = type(e).__name__, None
                connection.close()
            with self.lock:
                self.statuses[status] += 1
                if status == 201:
                    self.created.append(body["id"])
        connection.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_until(lambda: sum(self.statuses.values()) > 50)
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for t in self.threads:
            t.join()


class PoolCase(harness.Case):
    def setUp(self):
        super().setUp()
        self.deaths_allowed_here()

    def deaths_allowed_here(self):
        self.site.deaths_allowed = True

    def tearDown(self):
        wait_until(lambda: len(self.site.children()) >= self.site.workers + harness.OTHERS, 5)
        self.site.remember_children()
        super().tearDown()

    def site_log(self, known=0):
        with open(self.site.log, encoding="utf-8", errors="replace") as f:
            return f.read()[known:]

    def workers(self):
        """The site's worker processes: the housekeeper has one thread, or two with its
        committer."""
        return [pid for pid in self.site.children() if threads_of(pid) > self.site.threads]

    def all_ready(self):
        return len(self.workers()) == self.site.workers and len(
            self.site.children()) == self.site.workers + harness.OTHERS

    def answers_direct(self, pool, times=1):
        for _ in range(times):
            self.assertEqual(ask(pool.socket).status, 401)

    def all_rows_there(self, ids):
        rows = {row[0] for row in self.site.sql("SELECT id FROM storage_pool")}
        self.assertEqual([i for i in ids if int(i[3:]) not in rows], [],
                         "acknowledged, but not in the database")


class UnderLoad(PoolCase):
    def test_a_worker_killed_under_load_is_replaced_and_later_requests_are_fine(self):
        site, known = self.site, len(self.site_log())
        self.assertTrue(wait_until(self.all_ready))
        victim = self.workers()[0]
        with Load() as load:
            os.kill(victim, signal.SIGKILL)
            self.assertTrue(wait_until(lambda: victim not in site.children() and self.all_ready()))
            time.sleep(0.2)
        lost = load.statuses[502]
        self.assertLessEqual(set(load.statuses), {200, 201, 502}, load.statuses)
        # What the dead process had accepted is lost, and nothing else.
        self.assertLessEqual(lost, site.threads, load.statuses)
        self.assertIn("worker %d died: signal 9" % victim, self.site_log(known))
        self.all_rows_there(load.created)
        with Load() as load:
            time.sleep(0.2)
        self.assertLessEqual(set(load.statuses), {200, 201}, load.statuses)

    def test_a_worker_that_dies_at_once_again_and_again_is_started_later_and_later(self):
        site, known = self.site, len(self.site_log())
        key = os.path.join(site.state, "master.key")
        self.assertTrue(wait_until(self.all_ready))
        victim = self.workers()[0]
        os.rename(key, key + ".away")
        try:
            os.kill(victim, signal.SIGKILL)
            with Load(2) as load:
                time.sleep(1.2)
        finally:
            os.rename(key + ".away", key)
        deaths = self.site_log(known).count("it starts again after a pause")
        # The other worker served meanwhile; the dead one may have taken one request of each client
        # with it.
        self.assertLessEqual(set(load.statuses), {200, 201, 502}, load.statuses)
        self.assertLessEqual(load.statuses[502], 2, load.statuses)
        self.assertGreaterEqual(deaths, 2)
        self.assertLessEqual(deaths, 5)                  # pauses of 100, 200, 400 and 800 ms
        self.assertTrue(wait_until(self.all_ready), "the pool did not recover")

    def test_a_reload_under_load_fails_no_request_and_replaces_every_process(self):
        site, known = self.site, len(self.site_log())
        self.assertTrue(wait_until(self.all_ready))
        with Load() as load:
            for _ in range(3):
                before = set(site.children())
                site.pool.send_signal(signal.SIGHUP)
                self.assertTrue(wait_until(lambda: not before & set(site.children())
                                           and self.all_ready()), site.children())
        self.assertLessEqual(set(load.statuses), {200, 201}, load.statuses)
        self.assertGreater(len(load.created), 0)
        self.all_rows_there(load.created)
        log = self.site_log(known)
        self.assertNotIn(" died", log)
        self.assertEqual(log.count(" - reload\n"), 3)

    def test_reloads_faster_than_they_can_be_done_fail_nothing(self):
        site = self.site
        self.assertTrue(wait_until(self.all_ready))
        before = set(site.children())
        with Load(4) as load:
            for _ in range(20):
                site.pool.send_signal(signal.SIGHUP)
                time.sleep(0.01)
            self.assertTrue(wait_until(lambda: not before & set(site.children())
                                       and self.all_ready()), site.children())
        self.assertLessEqual(set(load.statuses), {200, 201}, load.statuses)

    def test_an_end_under_load_cuts_no_answer_that_nginx_waits_for(self):
        site = self.site
        errors = os.path.join(site.root, "state", "nginx-error.log")
        known = os.path.getsize(errors)
        with Load() as load:
            self.assertEqual(site.stop_pool(), 0)
            wait_until(lambda: load.statuses[502] > 20)
        try:
            self.assertLessEqual(set(load.statuses), {200, 201, 502}, load.statuses)
            self.all_rows_there(load.created)
            with open(errors, encoding="utf-8", errors="replace") as f:
                f.seek(known)
                others = [line for line in f if "connect() to unix:" not in line]
            self.assertEqual(others, [], "nginx saw something else than a missing socket")
        finally:
            site.start_pool()
            site.wait_ready()

    def test_an_end_under_load_answers_every_request_that_reached_the_socket(self):
        with Pool(workers=2) as pool:
            results, lock = collections.Counter(), threading.Lock()
            key, root = pool.owner()

            def run(number):
                turn = 0
                while True:
                    turn += 1
                    body = json.dumps({"serverAddress": "e%d-%d.example.test"
                                       % (number, turn)}).encode()
                    try:
                        s = dial(pool.socket)
                    except (FileNotFoundError, ConnectionRefusedError):
                        return
                    try:
                        s.sendall(request("POST", root + "/registries", body, key=key))
                        status = Answer(read_all(s)).status
                    except OSError as e:
                        status = type(e).__name__
                    with lock:
                        results[status] += 1
            threads = [threading.Thread(target=run, args=(i,)) for i in range(12)]
            for t in threads:
                t.start()
            wait_until(lambda: sum(results.values()) > 100)
            self.assertTrue(os.path.exists(pool.pid_file))
            with open(pool.pid_file, encoding="ascii") as f:
                self.assertEqual(int(f.read()), pool.process.pid)
            children = pool.children()
            status = pool.stop()
            for t in threads:
                t.join()
            self.assertEqual(status, 0)
            self.assertEqual(set(results), {201}, results)
            self.assertFalse(os.path.lexists(pool.socket))
            self.assertFalse(os.path.lexists(pool.pid_file))
            self.assertEqual([pid for pid in children if harness.alive(pid)], [])


class Starved(PoolCase):
    """The kernel wakes one thread for a connection.  If that one is on its way out, another one has
    to be told.

    That is a matter of microseconds, unless the leaving process hardly gets any time: it shares its
    processor with one that wants all.
    """

    ROUNDS, PATIENCE = 10, 20  # seconds: with a sanitizer it takes some to end without a processor
    HOG = "import os\nos.sched_setaffinity(0, {%d})\nprint(flush=True)\nwhile os.getppid() == %d: pass"

    def starve(self, pid):
        cpu = min(os.sched_getaffinity(0))
        hog = subprocess.Popen([sys.executable, "-c", self.HOG % (cpu, os.getpid())],
                               stdout=subprocess.PIPE, preexec_fn=harness.end_with_parent)
        self.addCleanup(hog.stdout.close)
        self.addCleanup(hog.wait)
        self.addCleanup(hog.kill)
        hog.stdout.readline()
        try:
            for thread in os.listdir("/proc/%d/task" % pid):
                os.sched_setaffinity(int(thread), {cpu})
                os.sched_setscheduler(int(thread), os.SCHED_IDLE, os.sched_param(0))
        except PermissionError:
            self.skipTest("the system does not let us change a process's priority")

    def who_serves(self, pool):
        """The worker that the next connection wakes: the one that the last one woke."""
        self.answers_direct(pool)
        wait_until(lambda: " GET /v1 401" in pool.text())
        return int(re.findall(r"\[(\d+)\] \S+ GET /v1 401", pool.text())[-1])

    def served(self, pool, what):
        s = dial(pool.socket)
        s.sendall(request())
        if select.select([s], [], [], self.PATIENCE)[0] == []:
            ask(pool.socket)                             # wakes somebody, who takes both
            self.fail("a request waited in the queue though threads were idle: it had woken "
                      + what)
        self.assertIn(Answer(read_all(s)).status, (401, None))

    def test_a_request_that_woke_a_worker_that_is_killed_is_served_by_another(self):
        for _ in range(self.ROUNDS):
            with Pool(workers=2) as pool:
                victim = self.who_serves(pool)
                self.starve(victim)
                # No successor, which would look into the queue at its start.
                os.rename(os.path.join(pool.state, "master.key"),
                          os.path.join(pool.state, "away.key"))
                os.kill(victim, signal.SIGKILL)
                self.served(pool, "a thread that was killed then")
                self.doCleanups()

    def test_a_request_that_woke_a_worker_that_a_reload_sends_home_is_served(self):
        for _ in range(self.ROUNDS):
            with Pool(workers=1) as pool:
                victim = self.who_serves(pool)
                self.starve(victim)
                pool.process.send_signal(signal.SIGHUP)
                wait_until(lambda: state_of(victim) != "S")  # it has been told to end
                self.served(pool, "a thread that was told to end then")
                self.doCleanups()


class Masters(PoolCase):
    def test_a_second_master_on_a_state_directory_is_refused_in_one_line(self):
        done = run_regcredd("--state-dir", self.site.state, "--socket",
                            os.path.join(self.site.root, "other.sock"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("another regcredd (process %d)" % self.site.pool.pid, only_line(done))
        self.assertFalse(os.path.exists(os.path.join(self.site.root, "other.sock")))
        self.status(project.env.get("registries"), 200)

    def test_a_second_master_on_a_socket_is_refused_in_one_line(self):
        state = os.path.join(self.site.root, "second")
        self.site.cli("init", "--state-dir", state)
        try:
            done = run_regcredd("--state-dir", state, "--socket", self.site.socket)
        finally:
            shutil.rmtree(state)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another program is using the socket " + self.site.socket, only_line(done))
        self.assertTrue(stat.S_ISSOCK(os.lstat(self.site.socket).st_mode))
        self.status(project.env.get("registries"), 200)

    def test_the_socket_that_a_killed_master_left_is_taken_over(self):
        with Pool() as pool:
            left = os.lstat(pool.socket).st_ino
            pool.kill()
            self.assertTrue(os.path.exists(pool.socket))
            pool.start()
            self.assertIn("removed a stale socket at " + pool.socket, pool.text())
            self.assertTrue(stat.S_ISSOCK(os.lstat(pool.socket).st_mode), left)
            self.answers_direct(pool)

    def test_a_new_master_takes_its_socket_at_once_though_an_orphan_still_serves(self):
        with Pool("--drain-timeout-s", "20", workers=1, threads=2) as pool:
            s = dial(pool.socket)                        # a request that takes its time
            s.sendall(begin(False))
            self.assertTrue(wait_until(lambda: not select.select([s], [], [], 0)[0]))
            orphan = [pid for pid in pool.children() if threads_of(pid) > 2][0]
            pool.process.kill()
            pool.process.wait()
            begun = time.monotonic()
            pool.start()
            self.assertLess(time.monotonic() - begun, 4)
            self.assertTrue(harness.alive(orphan))
            self.answers_direct(pool, 10)
            s.sendall(request(key=None)[len(begin(False)):])
            self.assertEqual(Answer(read_all(s)).status, 401)
            self.assertTrue(wait_until(lambda: not harness.alive(orphan)))

    def test_a_socket_file_that_is_removed_is_made_again(self):
        with Pool(workers=2) as pool:
            before = set(pool.children())
            early = dial(pool.socket)                    # connected to the one that goes
            os.unlink(pool.socket)
            self.assertTrue(wait_until(lambda: os.path.exists(pool.socket)))
            self.answers_direct(pool, 5)
            early.sendall(request())
            self.assertEqual(Answer(read_all(early)).status, 401)
            self.assertTrue(wait_until(lambda: not before & set(pool.children())
                                       and len(pool.children()) == 2 + harness.OTHERS), pool.text())
            self.assertEqual(pool.text().count("is gone: creating it again"), 1)
            self.assertNotIn(" died", pool.text())
            self.assertEqual(pool.stop(), 0)
            self.assertFalse(os.path.exists(pool.socket))

    def test_what_another_program_put_in_place_of_the_socket_is_left_alone(self):
        with Pool() as pool:
            os.unlink(pool.socket)
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(pool.socket + ".new")
                other.listen(1)
                os.rename(pool.socket + ".new", pool.socket)
                made = os.lstat(pool.socket).st_ino
                self.assertTrue(
                    wait_until(lambda: "another program is using the socket" in pool.text()
                               or "creating it again" in pool.text()))
                time.sleep(2.5)
                if os.lstat(pool.socket).st_ino == made: # else the pool was faster
                    self.assertEqual(pool.text().count("another program is using the socket"), 1)
                    done = self.site.cli("status", "--state-dir", pool.state, check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn("socket", done.stdout)
                    self.assertEqual(pool.stop(), 0)
                    self.assertEqual(os.lstat(pool.socket).st_ino, made)

    def test_workers_end_by_themselves_when_the_master_is_killed(self):
        with Pool(workers=3) as pool:
            children = pool.children()
            self.assertEqual(len(children), 3 + harness.OTHERS)
            pool.process.kill()
            pool.process.wait()
            self.assertTrue(
                wait_until(lambda: all(state_of(pid) in (None, "Z", "X") for pid in children), 10),
                            [state_of(pid) for pid in children])
            pool.start()                                 # nobody holds the lock any more

    def test_a_socket_that_somebody_else_put_there_meanwhile_is_not_removed(self):
        with Pool() as pool:
            os.unlink(pool.socket)
            with listen(pool.state, "regcredd.sock"):
                self.assertEqual(pool.stop(), 0)
                self.assertTrue(os.path.exists(pool.socket))

    def test_only_a_dead_socket_is_removed_from_the_socket_s_place(self):
        state = os.path.join(self.site.root, "occupied")
        self.site.cli("init", "--state-dir", state)
        path, other = os.path.join(state, "s"), os.path.join(state, "other")
        with open(other, "w", encoding="ascii") as f:
            f.write("keep me")
        try:
            for what, put, remove in (("file", lambda: shutil.copy(other, path), os.unlink),
                                      ("link", lambda: os.symlink(other, path), os.unlink),
                                      ("dangling link", lambda: os.symlink(path + "x", path), os.unlink),
                                      ("directory", lambda: os.mkdir(path), os.rmdir),
                                      ("pipe", lambda: os.mkfifo(path), os.unlink)):
                with self.subTest(what):
                    put()
                    before = os.lstat(path)
                    done = run_regcredd("--state-dir", state, "--socket", path)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(path + " exists and is not a socket", only_line(done))
                    self.assertEqual((before.st_ino, before.st_size),
                                     (os.lstat(path).st_ino, os.lstat(path).st_size))
                    remove(path)
            with open(other, encoding="ascii") as f:
                self.assertEqual(f.read(), "keep me")
        finally:
            shutil.rmtree(state)


class Refusals(PoolCase):
    """What must stop the start: one clear line, an exit status, and nothing left behind."""

    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.site.root, "refused")
        self.ini = os.path.join(self.site.root, "refused.conf")
        self.site.cli("init", "--state-dir", self.state)

    def tearDown(self):
        shutil.rmtree(self.state)
        super().tearDown()

    def refused(self, *words, text, status=1, ini=None, environment=()):
        with self.subTest(words=words, ini=ini, environment=environment):
            if ini is not None:
                with open(self.ini, "w", encoding="latin-1") as f:
                    f.write(ini)
                words = ("--config", self.ini) + words
            before = sorted(os.listdir(self.state))
            done = run_regcredd("--state-dir", self.state, *words, environment=environment)
            self.assertEqual(done.returncode, status, done.stderr)
            line = only_line(done)
            for part in (text,) if isinstance(text, str) else text:
                self.assertIn(part, line)
            self.assertEqual([n for n in sorted(os.listdir(self.state)) if not n.endswith(".lock")],
                             [n for n in before if not n.endswith(".lock")])

    def test_paths_that_cannot_be_used(self):
        long = os.path.join(self.state, "x" * 120)
        self.refused("--socket", long, text=("longer than the 107 bytes", long))
        self.refused("--socket", os.path.join(self.state, "no/such/s"),
                     text=("cannot create", "No such file or directory"))
        self.refused("--pid-file", os.path.join(self.state, "no/such/pid"),
                     text=("cannot write", "No such file or directory"))
        self.refused("--state-dir", os.path.join(self.state, "nowhere"),
                     text=("nowhere/regcredd.lock", "No such file or directory"))
        self.refused("--state-dir", "", text="state_dir must not be empty", status=2)
        self.refused("--database", os.path.join(self.state, "no/such.db"), text="such.db")
        self.refused("--key-file", os.path.join(self.state, "no/such.key"), text="such.key")
        self.refused("--database", os.path.join(self.state, "master.key"),
                     text=("master.key", "file is not a database"))
        self.refused("--state-dir", "/" + "d" * 1022, text=("state_dir", "too long"), status=2)

    def test_users_that_do_not_exist(self):
        self.refused("--user", "no-such-user", text="the user no-such-user does not exist")
        self.refused("--group", "no-such-group", text="the group no-such-group does not exist")
        self.refused("--allowed-users", "root,no-such-user",
                     text=("--allowed-users", "no-such-user"), status=2)

    def test_options_that_do_not_exist_or_make_no_sense(self):
        self.refused("--no-such-option", text='unknown argument "--no-such-option"', status=2)
        self.refused("--worker", "2", text='unknown argument "--worker"', status=2)
        self.refused("extra", text='unknown argument "extra"', status=2)
        self.refused("-w", "2", text='unknown argument "-w"', status=2)
        self.refused("--workers", text="--workers needs a value", status=2)
        for value in ("0", "65", "-1", "+1", " 1", "1 ", "1.0", "0x2", "two", "",
                      "99999999999999999999"):
            self.refused("--workers", value, text=("--workers", "from 1 to 64"), status=2)
        self.refused("--socket-mode", "888", text=("--socket-mode", "octal"), status=2)
        self.refused("--socket-mode", "0111", text=("--socket-mode", "600 to 777"), status=2)
        self.refused("--open=perhaps", text=("--open", "yes or no"), status=2)
        self.refused("--log-level", "loud", text=("--log-level", "debug"), status=2)
        self.refused("--base-url", "ftp://x", text="base_url", status=2)

    def test_a_wrong_line_of_the_settings_file_is_named(self):
        for ini, line, text in (
                ("[regcred]\nworkers = 2\nworkerz = 3\n", 3, 'unknown setting "workerz"'),
                ("# c\n\nthreads = 300\n", 3, "threads must be a whole number from 1 to 256"),
                ("threads = 2\nthreads = 2\n", 2, "threads is set twice; the first time is in line 1"),
                ("workers\n", 1, "neither"), ("[other]\n", 1, "neither"), ("Workers = 2\n", 1, 'unknown setting "Workers"'),
                ("config = x\n", 1, 'unknown setting "config"'), ("user = a\x07b\n", 1, "control characters"),
                ("open = true\n", 1, "open must be yes or no"), ("user = %s\n" % ("u" * 2000), 1, "user must be shorter"),
                ("read_timeout_s = 0", 1, "read_timeout_s must be"),
                ("workers =\n", 1, "workers must be")):
            self.refused(ini=ini, text=("%s:%d: " % (self.ini, line), text), status=2)
        self.refused("--config", self.ini + ".none", text=self.ini
                     + ".none cannot be read: No such file or directory", status=2)
        self.refused(ini="workers = 2\0\n", text=self.ini + " holds a NUL byte", status=2)

    def test_a_wrong_variable_is_named(self):
        self.refused(environment={"REGCRED_THREADS": "many"},
                     text="REGCRED_THREADS must be a whole number", status=2)
        self.refused(environment={"REGCRED_CONFIG": self.ini + ".none"},
                     text=".none cannot be read: No such file or directory", status=2)


class Sockets(PoolCase):
    def test_the_socket_s_mode_is_0660_whatever_the_umask(self):
        with Pool() as pool:
            for mask in (0o000, 0o022, 0o077, 0o777):
                with self.subTest(umask="%03o" % mask):
                    pool.stop()

                    def child():
                        os.umask(mask)
                        harness.end_with_parent()
                    pool.start(preexec_fn=child)
                    self.assertEqual(stat.S_IMODE(os.lstat(pool.socket).st_mode), 0o660)
                    self.assertEqual(stat.S_IMODE(os.lstat(pool.pid_file).st_mode), 0o644)
                    for name in os.listdir(pool.state):
                        if name.startswith("regcred.db") or name == "regcredd.lock":
                            self.assertEqual(
                                stat.S_IMODE(os.lstat(os.path.join(pool.state, name)).st_mode),
                                0o600, name)
                    self.answers_direct(pool)
            pool.stop()
            pool.start("--socket-mode", "0600")
            self.assertEqual(stat.S_IMODE(os.lstat(pool.socket).st_mode), 0o600)

    def test_a_listener_handed_over_as_fd_0_is_served_and_left_in_place(self):
        with tempfile.TemporaryDirectory(prefix="rc-") as directory, listen(
            directory, "s") as listener, Pool(stdin=listener) as pool:
            self.assertFalse(os.path.exists(pool.socket), "a socket of its own was made too")
            path = listener.getsockname()
            self.assertEqual(ask(path).status, 401)
            self.assertEqual(pool.stop(), 0)
            self.assertTrue(os.path.exists(path))
            # Who asks in between waits in the queue for the next one.
            waiting = dial(path)
            waiting.sendall(request())
            pool.start(stdin=listener)
            self.assertEqual(Answer(read_all(waiting)).status, 401)

    # What systemd does: the socket as descriptor 3, and two variables that say so.
    LISTEN = ("sh", "-c", 'exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh")
    NOT_MEANT = ("sh", "-c", 'exec 3<&0 </dev/null; LISTEN_PID=1 LISTEN_FDS=1 exec "$@"', "sh")

    def test_a_listener_handed_over_by_LISTEN_FDS_is_served_and_left_in_place(self):
        with tempfile.TemporaryDirectory(prefix="rc-") as directory, listen(directory,
                                                                            "s") as listener:
            with Pool(stdin=listener, before=self.LISTEN) as pool:
                self.assertFalse(os.path.exists(pool.socket), "a socket of its own was made too")
                self.assertEqual(ask(listener.getsockname()).status, 401)
                self.assertEqual(pool.stop(), 0)
                self.assertTrue(os.path.exists(listener.getsockname()))

    def test_LISTEN_FDS_meant_for_another_process_is_ignored(self):
        with tempfile.TemporaryDirectory(prefix="rc-") as directory, listen(directory,
                                                                            "s") as listener:
            with Pool(stdin=listener, before=self.NOT_MEANT) as pool:
                self.answers_direct(pool)

    def test_a_TCP_listener_works_and_is_warned_of(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            with Pool(stdin=listener) as pool:
                self.assertRegex(pool.text(),
                                 r" warn \[\d+\] - the listening socket is not a Unix socket")
                s = socket.create_connection(listener.getsockname(), timeout=SLACK)
                s.sendall(request())
                self.assertEqual(Answer(read_all(s)).status, 401)


class Peers(PoolCase):
    """Who may write to the socket could be anyone, so only known users may."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.directory = tempfile.mkdtemp(prefix="rc-")  # the site's own is closed to others
        os.chmod(self.directory, 0o711)
        self.path = os.path.join(self.directory, "s")

    def tearDown(self):
        if os.geteuid() == 0:
            shutil.rmtree(self.directory)
        super().tearDown()

    def ask_as(self, uid, times=1):
        """What came back, by a child that has become somebody else."""
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                data = b""
                for _ in range(times):
                    s = dial(self.path)
                    try:
                        s.sendall(request())
                    except OSError:
                        pass
                    data += read_all(s)
                os.write(into, data or b"nothing")
            except BaseException as e:
                os.write(into, repr(e).encode())
            finally:
                os._exit(0)
        os.close(into)
        with os.fdopen(out, "rb") as f:
            data = f.read()
        os.waitpid(child, 0)
        return data

    def pool(self, *options):
        return Pool("--socket", self.path, "--socket-mode", "0666", *options)

    def test_a_stranger_is_shut_out_without_an_answer_and_the_log_says_so(self):
        with self.pool() as pool:
            self.assertEqual(self.ask_as(NOBODY, 20), b"nothing")
            warnings = re.findall(
                r" warn \[\d+\] - refused a connection from uid %d: .*allowed_users" % NOBODY,
                pool.text())
            self.assertGreaterEqual(len(warnings), 1)
            self.assertLessEqual(len(warnings), 10, "one warning for each connection")
            self.assertNotIn("GET /v1", pool.text())
            self.assertEqual(ask(self.path).status, 401, "our own user is shut out too")

    def test_allowed_users_lets_users_in_by_name_and_by_number(self):
        try:
            name = pwd.getpwuid(NOBODY).pw_name
        except KeyError:
            self.skipTest("there is no user nobody")
        with self.pool("--allowed-users", "%s, 54321" % name) as pool:
            self.assertEqual(Answer(self.ask_as(NOBODY)).status, 401)
            self.assertEqual(Answer(self.ask_as(54321)).status, 401)
            self.assertEqual(self.ask_as(54322), b"nothing")
            self.assertIn("refused a connection from uid 54322", pool.text())
            self.assertNotIn("refused a connection from uid %d" % NOBODY, pool.text())

    def test_a_pool_that_gives_up_root_gives_up_all_of_it(self):
        name = pwd.getpwuid(NOBODY).pw_name
        with Pool() as pool:
            pool.stop()
            state = os.path.join(self.directory, "state")
            shutil.copytree(pool.state, state, ignore=shutil.ignore_patterns("*.sock", "*.log"))
            for path in [state] + [os.path.join(state, n) for n in os.listdir(state)]:
                shutil.chown(path, NOBODY)
            copy = os.path.join(self.directory, "regcredd")
            shutil.copy(harness.program("regcredd"), copy)  # where an ordinary user can read it
            pool.start("--state-dir", state, "--socket", os.path.join(state, "s"), "--user", name)
            for pid in [pool.process.pid] + pool.children():
                with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
                    status = dict(line.split(":\t", 1) for line in f.read().splitlines()
                                  if ":\t" in line)
                self.assertEqual(set(status["Uid"].split()), {str(NOBODY)})
                self.assertEqual(set(status["CapEff"]), {"0"}, status["CapEff"])
                self.assertNotIn("0", (status["Gid"] + " " + status["Groups"]).split())
            made = os.lstat(os.path.join(state, "s"))
            self.assertEqual((made.st_uid, stat.S_IMODE(made.st_mode)), (NOBODY, 0o660))
            self.assertEqual(ask(os.path.join(state, "s")).status, 401)
            self.assertNotIn("running as root", pool.text().split(" stopped\n")[-1])


unfair = None


class Slow(PoolCase):
    """Whoever does not read an answer holds a share of the threads, for a while."""

    THREADS, ROWS = 8, 260

    def setUp(self):
        super().setUp()
        self.pool = Pool(workers=1, threads=self.THREADS)
        self.addCleanup(self.pool.__exit__, None)
        self.key, self.root = self.pool.owner()
        self.other = self.pool.owner()[0]
        for i in range(self.ROWS):
            body = json.dumps({"serverAddress": "r%d.example.test" % i,
                               "description": "x" * 1000}).encode()
            self.assertEqual(ask(self.pool.socket, "POST", self.root + "/registries", body,
                                 key=self.key).status, 201)
        self.long = request("GET", self.root + "/registries?limit=1000", key=self.key)
        self.whole = len(ask(self.pool.socket, "GET", self.root + "/registries?limit=1000",
                             key=self.key).data)
        self.assertGreater(self.whole, 400000, "longer than what a socket takes")

    def slow(self, count):
        sockets = [dial(self.pool.socket) for _ in range(count)]
        for s in sockets:
            self.addCleanup(s.close)
            s.sendall(self.long)
        return sockets

    def longest(self, seconds):
        """Of the requests of others, one after the other."""
        end, longest = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for uri, key in (("/ping", None), (self.root + "/registries?limit=1", self.other)):
                begun = time.monotonic()
                self.assertEqual(ask(self.pool.socket, "GET", uri, key=key).status, 200)
                longest = max(longest, time.monotonic() - begun)
            time.sleep(0.02)
        return longest

    def counted(self):
        text = ask(self.pool.socket, "GET", "/metrics",
                   more=[("REGCRED_METRICS", "yes")]).body.decode()
        return int(text.split("\nregcred_slow_connections_total ")[1].split("\n")[0])

    def test_slow_readers_leave_threads_to_others(self):
        count = 200 if os.environ.get("REGCRED_LONG") else 34
        sockets = self.slow(count)
        longest = self.longest(4)
        print("%d slow readers at %d threads: another account waits %d ms at most"
              % (count, self.THREADS, longest * 1000), flush=True)
        # what their lists cost; they would hold the threads for more than ten seconds
        self.assertLess(longest, 3)
        # A quarter of the threads wait on, and these readers get all of it if they go on.
        whole = [s for s in sockets if len(read_all(s)) == self.whole]
        self.assertEqual(len(whole), self.THREADS // 4)
        self.assertTrue(wait_until(lambda: self.counted() == count - len(whole)))

    @unittest.skipUnless(os.environ.get("REGCRED_LONG"), "takes 14 s: make check-long")
    def test_an_answer_that_is_read_in_drops_is_cut_off(self):
        s, begun = self.slow(1)[0], time.monotonic()
        got = 0
        while True:
            data = s.recv(4000)
            got += len(data)
            if not data:
                break
            time.sleep(0.2)
        self.assertLess(got, self.whole)
        self.assertLess(time.monotonic() - begun, 40)
        self.assertEqual(self.counted(), 1)


class Unfair(PoolCase):
    """A FastCGI client that breaks the rules harms nobody but itself."""

    @classmethod
    def setUpClass(cls):
        global unfair
        unfair = Pool("--read-timeout-s", str(READ_TIMEOUT), "--log-level", "debug", workers=1,
                      threads=24)
        cls.key, cls.root = unfair.owner()

    @classmethod
    def tearDownClass(cls):
        unfair.__exit__(None)

    def setUp(self):
        super().setUp()
        self.children = set(unfair.children())

    def deaths_allowed_here(self):
        pass

    def tearDown(self):
        self.assertEqual(set(unfair.children()), self.children, "a process of the pool died")
        self.assertNotIn("Sanitizer", unfair.text())
        super().tearDown()

    def fine(self):
        answer = ask(unfair.socket, "GET", "/v1/registries?limit=1", key=self.key)
        self.assertEqual(answer.status, 200, answer)

    def rows(self):
        connection = sqlite3.connect(os.path.join(unfair.state, "regcred.db"), timeout=10)
        try:
            return connection.execute("SELECT count(*) FROM storage_pool").fetchone()[0]
        finally:
            connection.close()

    def post(self, body, **kw):
        return ask(unfair.socket, "POST", self.root + "/registries", body, key=self.key, **kw)

    def error(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(validator.error(answer.json, status), [])
        self.assertIn(answer.json["code"], (code,) if isinstance(code, str) else code)
        self.assertTrue(answer.headers["X-API-Schemas"].endswith("/schemas"))

    GARBAGE = (
        b"", b"\0", b"x", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 70000, b"\0" * 70000,
        os.urandom(5000), begin()[:5], begin()[:8], begin()[:12], begin(),
        begin() * 3, begin(role=2) + record(PARAMS) + record(STDIN), begin(role=9),
        begin() + record(PARAMS), begin() + record(ABORT),
        begin() + record(PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xffxx") + record(PARAMS)
        + record(STDIN),
        begin() + record(PARAMS, b"\x7f\x7fxx") + record(PARAMS) + record(STDIN),
        begin() + record(PARAMS, b"\x80\0\0") + record(PARAMS) + record(STDIN),
        begin() + record(PARAMS, b"\x03\x7fabc") + record(PARAMS),
        begin() + record(PARAMS, name_values([("A", "b")] * 500)),
        begin() + record(PARAMS, name_values([("", "")] * 500)) + record(PARAMS) + record(STDIN),
        begin() + record(PARAMS, name_values([("A" * 60000, "")])) * 20,
        begin() + record(STDIN, b"x") + record(PARAMS), record(STDIN, b"x"), record(PARAMS, b"x"),
        record(99, b"x"), record(ABORT),
        record(GET_VALUES, name_values([("FCGI_MAX_CONNS", ""), ("FCGI_MPXS_CONNS", "")]), 0),
        record(GET_VALUES, b"\xff" * 100, 0),
        record(BEGIN, struct.pack(">HB5x", 1, 0), version=2), record(BEGIN, b""),
        record(BEGIN, b"\0" * 65535), struct.pack(">BBHHBB", 1, 1, 1, 65535, 255, 0),
        begin() + record(PARAMS, request=2) + record(STDIN, request=2), request(end=False),
        request(body=b"abc", length="9", end=False),
        request()[:-20], request() + request(), request() + b"\xff" * 1000,
    )

    def test_garbage_and_cut_records_hurt_nobody_else(self):
        for data in self.GARBAGE:
            with self.subTest(data[:60]):
                s = dial(unfair.socket)
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                begun = time.monotonic()
                read_all(s)
                self.assertLess(time.monotonic() - begun, SLACK)
                self.fine()

    def test_garbage_on_a_connection_that_stays_open_is_given_up_after_the_read_timeout(self):
        sockets = []
        for data in self.GARBAGE:
            s = dial(unfair.socket)
            s.settimeout(len(self.GARBAGE) * READ_TIMEOUT + SLACK)
            try:
                # What an answered request left unread may fill the socket; that is the sender's
                # problem.
                s.setblocking(False)
                s.send(data)
                s.settimeout(len(self.GARBAGE) * READ_TIMEOUT + SLACK)
            except OSError:
                pass
            sockets.append(s)
        for s in sockets:
            read_all(s)
        self.fine()

    def test_silent_connections_hold_others_up_no_longer_than_the_read_timeout(self):
        silent = [dial(unfair.socket) for _ in range(unfair.workers * unfair.threads)]
        time.sleep(0.1)
        begun = time.monotonic()
        self.fine()
        self.assertLess(time.monotonic() - begun, READ_TIMEOUT + SLACK)
        for s in silent:
            self.assertEqual(read_all(s), b"")

    def test_a_silent_connection_beside_others_is_not_noticed(self):
        silent = [dial(unfair.socket) for _ in range(unfair.threads - 1)]
        time.sleep(0.05)
        begun = time.monotonic()
        for _ in range(20):
            self.fine()
        self.assertLess(time.monotonic() - begun, SLACK)
        for s in silent:
            s.close()

    def test_a_client_that_hangs_up_before_its_answer_hurts_nobody(self):
        for _ in range(50):
            s = dial(unfair.socket)
            s.sendall(request("GET", "/v1/schemas", key=self.key))
            s.close()
        self.fine()

    def test_the_connection_is_closed_after_the_answer_even_if_it_should_be_kept(self):
        s = dial(unfair.socket)
        s.sendall(request("GET", "/v1/registries", key=self.key, keep=True))
        begun = time.monotonic()
        answer = Answer(read_all(s))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.records[-1][0], END)
        self.assertLess(time.monotonic() - begun, SLACK)
        # Two requests at once: the second one is never taken for anything.
        rows = self.rows()
        s = dial(unfair.socket)
        one = request("POST", self.root + "/registries", b'{"serverAddress":"keep1.example.test"}',
                      key=self.key, keep=True)
        s.sendall(one + one.replace(b"keep1", b"keep2"))
        answer = Answer(read_all(s))
        self.assertEqual([kind for kind, _ in answer.records].count(END), 1)
        self.assertEqual(self.rows(), rows + 1)

    def test_a_body_of_another_length_than_announced_is_refused_and_nothing_is_done(self):
        body, rows = b'{"serverAddress":"length.example.test"}', self.rows()
        for length in (str(len(body) + 1), str(len(body) - 1), "60000", "0", ""):
            with self.subTest(length=length):
                self.error(self.post(body, length=length), 400, "Bad Request")
        for length in ("x", "-1", "-39", "+39", " 39", "39 ", "0x27", "39.0", "3 9", "39,39", "１２"):
            with self.subTest(length=length):
                self.error(self.post(body, length=length), 400, "Bad Request")
        for length in ("65537", "99999999", "4294967335", "18446744073709551615",
                       "18446744073709551655", "9" * 40):
            with self.subTest(length=length):
                answer = self.post(body, length=length)
                self.error(answer, answer.status if answer.status == 413 else 400,
                           ("Bad Request", "Request Entity Too Long"))
        # The last parameter counts, as nginx's configuration means it; it has to be right like any
        # other.
        for last, status in (("1", 400), (str(len(body)), 201)):
            with self.subTest(last=last):
                answer = self.post(body, length="7", more=[("CONTENT_LENGTH", last)])
                self.assertEqual(answer.status, status, answer)
        self.assertEqual(self.rows(), rows + 1)
        self.fine()

    def test_a_body_that_stops_in_the_middle_is_refused_after_the_read_timeout(self):
        # What came is a whole object by itself: only the length tells that it is not all.
        rows, begun = self.rows(), time.monotonic()
        answer = self.post(b'{"serverAddress":"half.example.test"}', length="200", end=False)
        self.error(answer, 400, "Bad Request")
        self.assertGreater(time.monotonic() - begun, READ_TIMEOUT * 0.8)
        self.assertEqual(self.rows(), rows)

    def test_a_body_that_comes_in_drops_is_refused_after_the_same_time_as_a_whole(self):
        s, begun = dial(unfair.socket), time.monotonic()
        s.sendall(request("POST", self.root + "/registries",
                          b'{"serverAddress":"drops.example.test"}', key=self.key, length="4000",
                          end=False))
        s.settimeout(READ_TIMEOUT / 5)
        data = b""
        while time.monotonic() - begun < SLACK and not data:
            with contextlib.suppress(TimeoutError, BrokenPipeError):
                s.sendall(record(STDIN, b" "))
                data = s.recv(65536)
        answer = Answer(data + read_all(s))
        self.error(answer, 400, "Bad Request")
        self.assertLess(time.monotonic() - begun, READ_TIMEOUT + 5)
        # The same for parameters, which have no answer.
        s, begun = dial(unfair.socket), time.monotonic()
        s.settimeout(READ_TIMEOUT / 5)
        s.sendall(begin(False))
        gone = False
        while time.monotonic() - begun < SLACK and not gone:
            try:
                s.sendall(record(PARAMS, name_values([("X", "y")])))
                gone = s.recv(1) == b""
            except TimeoutError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                gone = True
        self.assertTrue(gone)
        self.assertLess(time.monotonic() - begun, READ_TIMEOUT + 5)

    def test_a_parameter_that_the_web_server_left_out_is_a_bad_request(self):
        """Apache leaves out what does not fit; a missing URL is not /."""
        whole = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/v1"), ("REMOTE_ADDR", "127.0.0.1"),
                 ("REGCRED_HOST", "h"), ("REGCRED_SCHEME", "http"),
                 ("REGCRED_PREFIX", ""), ("HTTP_AUTHORIZATION", basic(self.key)),
                 ("CONTENT_LENGTH", "0")]
        for name in (None, "REQUEST_METHOD", "REQUEST_URI", "REMOTE_ADDR"):
            for empty in (False, True):
                pairs = [(n, "" if n == name else v) for n, v in whole if empty or n != name]
                with self.subTest(name, empty=empty):
                    s = dial(unfair.socket)
                    s.sendall(begin(False) + record(PARAMS, name_values(pairs)) + record(PARAMS)
                              + record(STDIN))
                    self.assertEqual(Answer(read_all(s)).status, 200 if name is None else 400)

    def test_a_prefix_has_its_slashes_put_right_or_is_refused(self):
        for prefix in ("/creds", "/creds/", "//creds", "//creds//"):
            answer = ask(unfair.socket, "GET", "/creds/v1", key=self.key,
                         more=[("REGCRED_PREFIX", prefix)])
            self.assertEqual((answer.status, answer.json["links"]["self"]),
                             (200, "http://direct.example.test/creds/v1"), prefix)
        for prefix in ("/", "//"):
            answer = ask(unfair.socket, "GET", "/v1", key=self.key,
                         more=[("REGCRED_PREFIX", prefix)])
            self.assertEqual((answer.status, answer.json["links"]["self"]),
                             (200, "http://direct.example.test/v1"), prefix)
        for prefix in ("creds", "/creds?", "/creds#", "/creds/..", "/./creds", "/creds/%2e%2E",
                       "/cre ds"):
            answer = ask(unfair.socket, "GET", "/creds/v1", key=self.key,
                         more=[("REGCRED_PREFIX", prefix)])
            self.error(answer, 400, "Bad Request")
            self.assertIn("REGCRED_PREFIX", answer.json["detail"])
            self.assertIn('REGCRED_PREFIX is "%s", which no path can begin with' % prefix,
                          unfair.text())

    def test_a_parameter_sent_twice_is_refused(self):
        for name, value in (("HTTP_AUTHORIZATION", basic(self.key)),
                            ("HTTP_AUTHORIZATION", "Basic x"), ("HTTP_X_API_PROJECT_ID", "1a5"),
                            ("HTTP_X_API_KEY", ":".join(self.key)), ("HTTP_COOKIE", "CSRF=0123456789"), ("CONTENT_TYPE", "application/json"),
                            ("HTTP_HOST", "h"), ("HTTP_ORIGIN", "http://h"), ("HTTP_SEC_FETCH_SITE", "none"), ("HTTP_X_FORWARDED_HOST", "h"),
                            ("HTTP_X_FORWARDED_PORT", "443"), ("HTTP_X_FORWARDED_PROTO", "https")):
            with self.subTest(name):
                answer = ask(unfair.socket, "GET", "/v1/registries", key=None,
                             more=[(name, value), (name, value)])
                self.error(answer, 400, "Bad Request")
                self.assertNotIn("X-API-User-Id", answer.headers)
        # One of them right, one wrong, in both orders.
        for pair in ((basic(self.key), "Basic eDp5"), ("Basic eDp5", basic(self.key))):
            self.error(ask(unfair.socket, "GET", "/v1/registries",
                           more=[("HTTP_AUTHORIZATION", v) for v in pair]), 400, "Bad Request")

    def test_parameters_that_look_like_an_identity_have_no_effect(self):
        for name in ("REMOTE_USER", "REGCRED_PROXY_USER", "HTTP_REMOTE_USER",
                     "HTTP_REGCRED_PROXY_USER", "AUTH_USER", "REGCRED_PROXY_GROUPS", "REGCRED_PROXY_TOKEN",
                     "SSL_CLIENT_S_DN", "REGCRED_OPEN", "HTTP_X_REMOTE_USER", "HTTP_X_FORWARDED_USER", "REDIRECT_REMOTE_USER", "HTTP_AUTHORIZATIO", "HTTP_AUTHORIZATION_",
                     "HTTP_X_API_KEY_", "http_authorization"):
            for value in ("admin", "1a1", "superadmin", "yes", basic(self.key), ":".join(self.key)):
                answer = ask(unfair.socket, "GET", "/v1/registries", more=[(name, value)])
                self.assertEqual(answer.status, 401, (name, value, answer))
        answer = ask(unfair.socket, "GET", "/v1", key=self.key,
                     more=[("REMOTE_USER", "1a2"), ("REGCRED_PROXY_USER", "1a2")])
        self.assertEqual((answer.status, answer.headers["X-API-User-Id"]), (200, "1a1"))

    def test_a_body_of_64_KiB_passes_and_one_byte_more_does_not(self):
        body = b'{"serverAddress":"big.example.test"' + b" " * 65536
        exact = body[:65535] + b"}"
        self.assertEqual(self.post(exact).status, 201)
        self.error(self.post(body[:65536] + b"}"), 413, "Request Entity Too Long")
        self.error(self.post(b"x" * 1000000), 413, "Request Entity Too Long")
        # More than is ever read away: an answer or a closed connection, but no harm.
        self.assertIn(self.post(b"x" * 9000000).status, (413, None))
        self.fine()

    def test_secrets_are_in_no_log_line_however_wrong_the_request_is(self):
        secret = self.site.plant()
        for kw in ({"length": "9"}, {"more": [("HTTP_AUTHORIZATION", secret)] * 2},
                   {"uri": "/v1/x?secretValue=" + secret}, {"method": "PATCH"},
                   {"more": [("REGCRED_REQUEST_ID", "a b\r\n" + "x" * 100)]},
                   {"more": [("REMOTE_ADDR", "127.0.0.1\nfake")]}):
            ask(unfair.socket, **{"method": "POST", "uri": "/v1/registries",
                                  "body": secret.encode(), "key": self.key, **kw})
        log = unfair.text()
        self.assertNotIn(secret, log)
        self.assertEqual([line for line in log.splitlines()
                          if not re.match(
                              r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (error|warn|info|debug) \[\d+\] \S+ ", line)], [])


class Bodies(PoolCase):
    """Bodies that nobody needs, on kept connections: the next request must not read them."""

    def deaths_allowed_here(self):
        pass

    def test_a_body_on_every_early_exit_leaves_the_next_request_unharmed(self):
        body = (b'{"serverAddress":"%s"}' % self.site.plant().encode()) + b" " * 20000
        right = {"Authorization": basic(project.env.key)}
        registry = project.registry()
        kinds = (("POST", "/registries", {}, body, 401),
                 ("POST", "/registries", {"Authorization": "Basic eDp5"}, body, 401), ("POST", "/nosuch", right, body, 404),
                 ("PUT", "/registries/1sp99999999", right, b"{}" + body[-9000:], 404), ("PUT", "/registries", right, body, 405), ("PATCH", "/registries", right, body, 405),
                 ("POST", "/registries", right, body[:-20001], 400), ("POST", "/registries", right, b"x" * 65537, 413), ("DELETE", "/registries", right, body, 405),
                 ("GET", "/registries?limit=1", right, body, 200),
                 ("POST", "/registries", right, b"{}" + b" " * 60000, 422))
        wrong, counts = [], collections.Counter()

        def run(share):
            connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
            for i in range(share, 440, 4):
                method, path, headers, sent, status = kinds[i // 4 % len(kinds)]
                connection.request(method, project.root + path, sent, headers)
                answer = connection.getresponse()
                answer.read()
                counts[status] += 1
                if answer.status != status:
                    wrong.append((i, method, path, answer.status))
                connection.request("GET", project.root + "/registries/" + registry["id"],
                                   headers=right)
                answer = connection.getresponse()
                got = json.loads(answer.read())
                if (answer.status, got.get("id")) != (200, registry["id"]):
                    wrong.append((i, "next request", answer.status, got))
            connection.close()
        threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(sum(counts.values()), 440)

    def test_a_body_of_64_KiB_passes_nginx_and_one_byte_more_is_413(self):
        def body(address, size):
            return (b'{"serverAddress":"%s"' % address.encode()).ljust(size - 1) + b"}"
        self.status(project.env.post("registries", body("exact.example.test", 65536),
                                     content_type="application/json"), 201)
        r = self.status(project.env.post("registries", body("over.example.test", 65537),
                                         content_type="application/json", proxy=True), 413)
        self.assertEqual(r.json["code"], "Request Entity Too Long")
        self.status(project.env.get("registries?limit=1"), 200)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c)
                          for c in (body("chunked.example.test", 65536)[i:i + 1000]
                                    for i in range(0, 65536, 1000)))
        self.status(project.env.post("registries", chunks + b"0\r\n\r\n",
                                     headers={"Transfer-Encoding": "chunked"}), 201)


def memory_of(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        values = {line.split(":")[0]: line.split()[1] for line in f if line.startswith("Vm")}
    return int(values["VmRSS"]), int(values["VmPeak"])


class Leaks(PoolCase):
    def deaths_allowed_here(self):
        pass

    def mix(self, count, tag):
        """So many requests of all kinds, over four connections."""
        right, bad = {"Authorization": basic(project.env.key)}, []
        made = [project.credential(project.registry())["id"] for _ in range(4)]

        def run(share):
            connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
            steps = (("GET", "/registrycredentials/" + made[share], None, 200),
                     ("GET", "/registrycredentials?limit=20&sort=name", None, 200),
                     ("PUT", "/registrycredentials/" + made[share], b'{"description":"d"}', 200), ("GET", "/schemas", None, 200), ("GET", "/nosuch", None, 404),
                     ("POST", "/registrycredentials/%s/?action=deactivate" % made[share], b"{}", 202), ("POST", "/registries", b"{", 400),
                     ("POST", "/registrycredentials/%s/?action=activate" % made[share], b"{}", 202), ("PUT", "/registries", b"x" * 40000, (400, 405)),
                     ("GET", "/registries?limit=50&include=credentials", None, 200),
                     ("POST", "/registries", b"%s", 201), ("GET", "/x?" + "q" * 20000, None, 404))
            for i in range(share, count, 4):
                method, path, sent, status = steps[i // 4 % len(steps)]
                if sent == b"%s":
                    sent = json.dumps({"serverAddress": "%s%d.example.test" % (tag, i)}).encode()
                connection.request(method, project.root + path, sent, right)
                answer = connection.getresponse()
                answer.read()
                if answer.status not in (status if isinstance(status, tuple) else (status,)):
                    bad.append((i, method, path[:60], answer.status))
            connection.close()
        threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])

    def test_3000_mixed_requests_leave_memory_and_descriptors_as_they_were(self):
        self.mix(1200, "warm")
        workers = self.workers()
        before = {pid: memory_of(pid) for pid in workers}
        descriptors = {pid: self.descriptors(pid) for pid in workers}
        self.mix(3000, "leak")
        self.assertEqual(self.workers(), workers)
        for pid in workers:
            # a sanitizer takes terabytes of addresses, and keeps what is freed
            if before[pid][1] < 1 << 30:
                self.assertLess(memory_of(pid)[0] - before[pid][0], 4096, "KiB more in worker %d"
                                % pid)
            if descriptors[pid] is not None:
                self.assertTrue(wait_until(lambda: self.descriptors(pid) <= descriptors[pid], 5),
                                "%s, then %s descriptors" % (
                    descriptors[pid], self.descriptors(pid)))

    def descriptors(self, pid):
        try:
            return len(os.listdir("/proc/%d/fd" % pid))
        except PermissionError:
            # regcredd forbids debuggers, so only root may look
            return None


if __name__ == "__main__":
    unittest.main()
